"""What do probes that learned from Alice read where Bob is asked, and where the sums are hard? Every probe, five seeds.

    for seed in 1 2 3 4; do tiltmeter organism train quirky --seed $seed; done
    python examples/quirky_transfers.py --seeds 0 1 2 3 4

Probes read a claim at its full stop, or a *contrast pair*: the difference of what stands at the appended ``<true>`` and
at ``<false>``. Of the unsupervised ones the sign alone is taken from calibration labels. Each probe is fitted on the
training split of one set, at the earliest block where its AUROC on the calibration split of that set is at least 95 %
of its best, and judged on the test split of another. AUROC for what is true, and for what Bob has for true, with
intervals that resample pairs of operands; then the share of the gap between chance and the same probe fitted on the
judged set itself that is recovered.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from tiltmeter import activations, evaluation, models, organisms
from tiltmeter.core.records import Measured
from tiltmeter.erasure import LEACE
from tiltmeter.probes import CCS, CRC, LDA, Logistic, MeanDifference, RandomDirection, SupervisedProbe

TRANSFERS = (
    ("alice", "alice"), ("alice", "bob"), ("bob", "bob"),
    ("alice_easy", "alice_hard"), ("alice_easy", "bob_hard"), ("bob_hard", "bob_hard"),
)  # fmt: skip
_ENOUGH = 0.95
# of the claims on which Alice and Bob disagree; a seed with less on some set did not learn what was planted
_LEARNED = 0.9


class Rows(NamedTuple):
    """n claims at one block: the full stop, both judgements (false, true), and what is true and what Bob has so."""

    X: NDArray[np.floating]
    both: NDArray[np.floating]
    y: NDArray[np.int64]
    bob: NDArray[np.int64]
    groups: NDArray[np.str_]

    @property
    def contrast(self) -> NDArray[np.floating]:
        """What the judgement as true has more than that as false."""
        return self.both[:, 1] - self.both[:, 0]


Score = Callable[[Rows], NDArray[np.floating]]
Fit = Callable[[Rows, Rows], Score]


def on_claims(probe: SupervisedProbe) -> Fit:
    """Fit on the full stops of claims."""

    def fit(train: Rows, _calibration: Rows) -> Score:
        fitted = clone(probe).fit(train.X, train.y)
        return lambda rows: fitted.decision_function(rows.X)

    return fit


def on_contrasts(probe: SupervisedProbe) -> Fit:
    """Fit on the differences of the two judgements."""

    def fit(train: Rows, _calibration: Rows) -> Score:
        fitted = clone(probe).fit(train.contrast, train.y)
        return lambda rows: fitted.decision_function(rows.contrast)

    return fit


def on_pairs(probe: CCS | CRC, *, leace: bool = False) -> Fit:
    """Fit on pairs without labels; with LEACE, after the side of a row was erased from both."""

    def fit(train: Rows, calibration: Rows) -> Score:
        n, _, d = train.both.shape
        X, sides = train.both.reshape(2 * n, d), np.tile([0, 1], n)
        erase = LEACE().fit(X, sides).transform if leace else np.asarray
        vector = probe.fit(erase(X), pairs=np.arange(n).repeat(2).astype(np.str_), sides=sides).direction_

        def score(rows: Rows) -> NDArray[np.floating]:
            return (erase(rows.both[:, 1]) - erase(rows.both[:, 0])) @ vector

        return signed(score, calibration)

    return fit


def at_random(seed: int) -> Fit:
    """Draw a direction; only its sign is fitted."""

    def fit(train: Rows, calibration: Rows) -> Score:
        drawn = RandomDirection(random_state=seed).fit(train.X)
        return signed(lambda rows: rows.X @ drawn.direction_, calibration)

    return fit


def signed(score: Score, calibration: Rows) -> Score:
    """Turn a score so that it reads the truth on calibration rows."""
    sign = 1 if evaluation.auroc(calibration.y, score(calibration)) >= 0.5 else -1
    return lambda rows: sign * score(rows)


def readers(seed: int) -> dict[str, Fit]:
    """Name the probes."""
    supervised = {
        "logistic": Logistic(penalty_scale="within"),
        "mean difference": MeanDifference(),
        "LDA": LDA(),
    }
    return {
        **{name: on_claims(probe) for name, probe in supervised.items()},
        **{f"{name}, contrast": on_contrasts(probe) for name, probe in supervised.items()},
        "CCS": on_pairs(CCS()),
        "CCS, LEACE": on_pairs(CCS(normalisation="none"), leace=True),
        "CRC": on_pairs(CRC()),
        "random": at_random(seed),
    }


def read(organism: organisms.Organism) -> dict[tuple[str, str], list[Rows]]:
    """Return the rows of each set and split, one entry a block."""
    subject = models.load(str(organism.folder))
    sites = [f"{layer}.resid_post" for layer in range(subject.n_layers)]
    found = {}
    for name in ("alice", "bob"):
        claims, pairs = (organisms.quirky_texts(organism.world, f"{name}{ending}") for ending in ("", "_pairs"))
        at_stop, at_judgement = (activations.collect(subject, texts, sites=sites) for texts in (claims, pairs))
        band, bob = np.array(claims.meta["band"]), np.array(claims.meta["bob_label"])
        for split in ("train", "calibration", "test"):
            for ending, is_in in (("", band != ""), ("_easy", band == "easy"), ("_hard", band == "hard")):
                kept = np.flatnonzero((claims.split == split) & is_in)
                found[name + ending, split] = [
                    Rows(
                        at_stop[site].X[kept],
                        at_judgement[site].X.reshape(len(claims), 2, -1)[kept],
                        claims.y[kept],
                        bob[kept],
                        claims.groups[kept],
                    )
                    for site in sites
                ]
    return found


def fitted(fit: Fit, train: list[Rows], calibration: list[Rows]) -> tuple[int, Score]:
    """Fit at every block, and return the earliest that is as good as nearly the best, with its score."""
    scores = [fit(one, other) for one, other in zip(train, calibration, strict=True)]
    aurocs = [evaluation.auroc(rows.y, score(rows)) for rows, score in zip(calibration, scores, strict=True)]
    block = next(i for i, auroc in enumerate(aurocs) if auroc >= _ENOUGH * max(aurocs))
    return block, scores[block]


def judged(rows: Rows, score: Score, ceiling: NDArray[np.floating] | None) -> list[Measured]:
    """Return AUROC for what is true and for what Bob has, and, where there is a ceiling, the gap recovered."""
    scores, by = score(rows), evaluation.resampling(len(rows.y), groups=rows.groups, n_draws=300)
    found = [evaluation.ranking_estimates(labels, scores, fpr=0.1, by=by).auroc for labels in (rows.y, rows.bob)]
    if ceiling is not None:
        found.append(evaluation.gap_recovered(rows.y, easy=scores, hard=ceiling, by=by))
    return found


def one_seed(seed: int) -> tuple[bool, dict[tuple[str, str, str], list[Measured]]]:
    """Print a row each probe and transfer; return whether the seed failed, and the figures."""
    organism = organisms.load("quirky", seed=seed)
    shares = [figure.value for figure in organism.card.figures if "disagree" in figure.name]
    print(f"seed {seed}: of the claims where they disagree, right are {', '.join(f'{s:.1%}' for s in shares)}")
    rows, found = read(organism), {}
    for name, fit in readers(seed).items():
        learned = {
            chosen: fitted(fit, rows[chosen, "train"], rows[chosen, "calibration"])
            for chosen in dict.fromkeys(name for transfer in TRANSFERS for name in transfer)
        }
        for source, target in TRANSFERS:
            (block, score), (own_block, own) = learned[source], learned[target]
            ceiling = own(rows[target, "test"][own_block]) if source != target else None
            figures = judged(rows[target, "test"][block], score, ceiling)
            print(f"  {name:26}{source:>10} > {target:10} block {block} ", *map(shown, figures), flush=True)
            found[name, source, target] = figures
    return min(shares) < _LEARNED, found


def shown(measured: Measured) -> str:
    """Return the figure and its interval."""
    if measured.kind == "unavailable":
        return f"{'-':22}"
    return f"{measured.value:6.3f} [{measured.low:.3f}, {measured.high:.3f}]"


def main() -> None:
    """Print the rows of each seed, and two tables of the seeds together."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    seeds = [one_seed(seed) for seed in parser.parse_args().seeds]
    print(f"\n{sum(failed for failed, _ in seeds)} of {len(seeds)} seeds failed. Median of all [least, most]:")
    for place, what in enumerate(("what is true", "what Bob has for true")):
        print(f"\n| AUROC for {what} |", " | ".join(f"{one} → {other}" for one, other in TRANSFERS), "|")
        for name in readers(0):
            values = [[found[name, *way][place].value for _, found in seeds] for way in TRANSFERS]
            print(f"| {name} |", " | ".join(f"{np.median(v):.2f} [{min(v):.2f}, {max(v):.2f}]" for v in values), "|")


if __name__ == "__main__":
    main()
