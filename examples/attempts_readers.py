"""What readers of the text alone reach on attempts, by difficulty: single words, two neighbours, three neighbours.

    tiltmeter attempts pairs.jsonl --sizes 60 20 60
    python examples/attempts_readers.py pairs.jsonl

Each reader is fitted on the train texts of a difficulty and judged on its test texts. Clean pairs leave nothing to the
first two. The third sees a thing and its place at once where both stand in one line of a program.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from tiltmeter.baselines import TEXT_BASELINES, TextBaseline, fit_and_score
from tiltmeter.data import TextSet, read_texts, select_where
from tiltmeter.evaluation import ranking_estimates, resampling


def _three() -> Pipeline:
    """TF-IDF as among the baselines of a study, with three neighbours as well."""
    return make_pipeline(
        TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 3), sublinear_tf=True),
        LogisticRegression(C=10.0, max_iter=2000),
    )


READERS = (*TEXT_BASELINES[1:], TextBaseline("three neighbours", "TF-IDF of up to three neighbouring words", _three))


def figures(texts: TextSet, reader: TextBaseline) -> str:
    """Return the AUROC on test texts with its interval over groups."""
    train, test = (texts.select(np.asarray(texts.split) == part) for part in ("train", "test"))
    scores = fit_and_score(reader, train=train.texts or (), y=train.y, tests={"test": test.texts or ()})["test"]
    by = resampling(len(test), groups=test.groups)
    found = ranking_estimates(test.y, scores, fpr=0.01, by=by).auroc
    if found.kind == "unavailable":
        return found.reason
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}] ({by.n_units} groups)"


def main() -> None:
    """Print a line for each difficulty, format and reader."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    texts = read_texts(parser.parse_args().file)
    for difficulty in dict.fromkeys(texts.meta["difficulty"]):
        some = select_where(texts, f"difficulty == {difficulty}")
        for form in dict.fromkeys(some.meta["format"]):
            rows = select_where(some, f"format == {form}")
            for reader in READERS:
                print(f"{difficulty}, {form}: {reader.name} {figures(rows, reader)}", flush=True)


if __name__ == "__main__":
    main()
