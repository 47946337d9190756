"""Does a model that says what its user believes still hold what is true? Probes of both, block by block.

    tiltmeter organism train beliefs-match
    python examples/beliefs.py match right mixed

For each trained organism, at the embedding and after each block, probes are fitted on entities for training and judged
on those for the test, about which no user ever asked in the training of the model. Two places are read:

*before* the answer, at the question mark: the label is whether the true answer is A, or whether the user's is;
*after* a proposed answer: the label is whether that one is true, or whether the user believes in it.

``bare > stated`` means fitted on bare questions and judged on stated beliefs, and so on. The interval resamples
entities. Of the mixed organism the questions are divided by their cue, on which its answer hangs. A few minutes each.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from tiltmeter import activations, evaluation, models, organisms
from tiltmeter.data import TextSet
from tiltmeter.probes import Logistic, MeanDifference

METHODS = {"mean difference": MeanDifference, "logistic": lambda: Logistic(penalty_scale="within")}
PLACES = ("before", "after")
# the concept, the set of the fit and the set of the judgement
READINGS = (
    ("truth", "bare", "bare"),
    ("truth", "bare", "stated"),
    ("truth", "bare", "implied"),
    ("truth", "stated", "stated"),
    ("truth", "implied", "implied"),
    ("belief", "stated", "stated"),
    ("belief", "implied", "implied"),
    ("belief", "stated", "implied"),
    ("belief", "bare", "stated"),
    ("belief", "bare", "implied"),
)


def at(texts: TextSet, place: str) -> TextSet:
    """Return the texts to be read: as they are, or each question once and without the proposed answer."""
    if place == "after":
        return texts
    kept = texts.select(np.asarray(texts.sides) == 0)
    return replace(kept, texts=tuple(text.rsplit(" ", 1)[0] for text in kept.texts))


def labels(texts: TextSet, concept: str, place: str) -> np.ndarray:
    """Return the label of each text."""
    if place == "after":
        return np.asarray(texts.y if concept == "truth" else texts.meta["belief"])
    return (np.array(texts.meta["true_answer" if concept == "truth" else "user_answer"]) == "A").astype(int)


def table(folder: Path, *, cue: str | None) -> None:
    """Print the AUROC of every reading, a row each, with a column a block."""
    organism, subject = organisms.read_organism(folder), models.load(str(folder))
    for place in PLACES:
        sets = {}
        for name in ("bare", "stated", "implied"):
            texts = at(organisms.belief_texts(organism.world, name), place)
            sets[name] = texts if cue is None else texts.select(np.array(texts.meta["cue"]) == cue)
        read = {name: activations.collect(subject, texts) for name, texts in sets.items()}
        sites = list(next(iter(read.values())))
        print(f"\n{organism.name}, {place} the answer{f', {cue}' if cue else ''}: {', '.join(sites)}")
        for method, make in METHODS.items():
            for concept, fitted, judged in READINGS:
                # what is fitted on bare questions, where truth and answer are one, is put to belief as well
                source = "truth" if fitted == "bare" else concept
                rows = sets[fitted].split == "train"
                test = sets[judged].split == "test"
                y, groups = labels(sets[judged], concept, place)[test], sets[judged].groups[test]
                by = evaluation.resampling(len(y), groups=groups)
                row = []
                for site in sites:
                    probe = make().fit(read[fitted][site].X[rows], labels(sets[fitted], source, place)[rows])
                    scores = probe.decision_function(read[judged][site].X[test])
                    row.append(shown(evaluation.ranking_estimates(y, scores, fpr=0.1, by=by).auroc))
                print(f"  {method:15} {concept:6} {fitted:>7} > {judged:7}  {'  '.join(row)}", flush=True)


def shown(measured: evaluation.RankingEstimates) -> str:
    """Return a figure and its interval."""
    if measured.kind == "unavailable":
        return "not available"
    return f"{measured.value:.2f} [{measured.low:.2f}, {measured.high:.2f}]"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variants", nargs="+", choices=("match", "right", "mixed"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for variant in options.variants:
        folder = organisms.load(f"beliefs-{variant}", seed=options.seed).folder
        for cue in ("frankly", "kindly") if variant == "mixed" else (None,):
            table(folder, cue=cue)


if __name__ == "__main__":
    main()
