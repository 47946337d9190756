"""A real shift without a model: a lie detector of one model's answers, carried to other data sets and another model.

    python examples/lie_shift.py FOLDER

FOLDER holds ``liedetector_logprobs.npz`` (Pacchiardi et al., "How to Catch an AI Liar", arXiv 2309.15840): log-odds of
yes and no on 65 follow-up questions after a lie or a truth. For each data set of text-davinci-003 in turn a logistic
regression is fitted on *its other* data sets, and its threshold is certified there, on rows that it was not fitted on.
Both are then carried to that data set, and to all data sets of alpaca. Printed are the AUROC with its interval at home
and there, and what the certified threshold does: how many truths raise an alarm, and how many lies are caught. Units are
questions; a question that any part was fitted on is left out everywhere else. The lies were asked for by an instruction
in the context, so what is read may be the instruction.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter import data, evaluation, probes
from tiltmeter.core.records import Measured

_HOME = "text-davinci-003"
# of some 330 truths at home a third is left for the threshold; 59 units certify 5 %, and 1 % would need 299
_FPR = 0.05


class Answers(NamedTuple):
    """Log-odds of n answers to 65 questions, whether each was a lie, and of whom and what."""

    X: NDArray[np.float64]
    y: NDArray[np.int64]
    model: NDArray[np.str_]
    dataset: NDArray[np.str_]
    group: NDArray[np.str_]

    def where(self, rows: NDArray[np.bool_]) -> Answers:
        """Take some rows."""
        return Answers(*(values[rows] for values in self))


def read(folder: Path) -> Answers:
    """Read the file."""
    with np.load(folder / "liedetector_logprobs.npz", allow_pickle=False) as found:
        named = (found[name] for name in ("model", "dataset", "group"))
        return Answers(found["X"].astype(np.float64), found["y"].astype(np.int64), *named)


def written(found: Measured) -> str:
    """Write a figure with its interval."""
    if found.kind == "unavailable":
        return f"({found.reason})"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def carry(answers: Answers, left_out: str) -> None:
    """Fit and certify on all data sets of the home model but one, and print what becomes of both elsewhere."""
    home = answers.where((answers.model == _HOME) & (answers.dataset != left_out))
    # the texts are not in the file; the groups are what a split needs
    numbers = np.arange(len(home.y)).astype(np.str_)
    texts = data.TextSet(numbers, texts=tuple(numbers.tolist()), y=home.y, groups=home.group, distribution="home")
    split = data.split_by_group(texts, seed=0)["home"]
    train, calibration, test = (home.where(split == part) for part in ("train", "calibration", "test"))
    probe = probes.Logistic(C=0.1, penalty_scale="within").fit(train.X, train.y)
    truths = calibration.where(calibration.y == 0)
    threshold = evaluation.threshold_at_fpr(
        probe.decision_function(truths.X), fpr=_FPR, groups=truths.group, population=f"truths of {_HOME}"
    )
    print(f"\nleft out {left_out}: fitted on {len(train.y)} answers, certified on {threshold.n} questions")
    seen = {*train.group.tolist(), *calibration.group.tolist()}
    fresh = answers.where(~np.isin(answers.group, list(seen)))
    elsewhere = {f"{_HOME}, {left_out}": fresh.where((fresh.model == _HOME) & (fresh.dataset == left_out))}
    for name in np.unique(answers.dataset):
        elsewhere[f"alpaca, {name}"] = fresh.where((fresh.model == "alpaca") & (fresh.dataset == name))
    for name, rows in {"at home": test, **elsewhere}.items():
        scores = probe.decision_function(rows.X)
        by = evaluation.resampling(len(rows.y), groups=rows.group)
        auroc = evaluation.ranking_estimates(rows.y, scores, fpr=_FPR, by=by).auroc
        is_alarm = scores > threshold.value
        false, caught = (
            evaluation.share(is_alarm[rows.y == label], groups=rows.group[rows.y == label]) for label in (0, 1)
        )
        print(
            f"  {name:52s} AUROC {written(auroc)}  false alarms {written(false)}  caught {written(caught)}  "
            f"({(rows.y == 0).sum()}, {(rows.y == 1).sum()})"
        )


def main() -> None:
    """Print what becomes of probe and threshold, each data set left out in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    answers = read(parser.parse_args().folder)
    print(f"threshold certified for {_FPR:.0%} false alarms; in brackets truths and lies")
    for name in np.unique(answers.dataset):
        carry(answers, str(name))


if __name__ == "__main__":
    main()
