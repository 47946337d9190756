"""Divides indivisible units among splits: fractions met, every kind of row in every split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# A kind of row that occurs in m units misses a split of fraction f with probability of about (1 - f)^m; from m f = 20
# on (2e-9) chance is left to see to it, below that a unit is set aside for each split first.
_SAFE = 20.0


def assign(
    counts: NDArray[np.int64], *, fractions: Sequence[float], fixed: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Assign each unit to a split.

    Scarce kinds first: each split gets a unit that holds the kind, while there are any. The rest is dealt in order of
    size and composition, each unit to the split that is furthest behind its share of what has been dealt, so that
    units alike are divided in proportion and no split ends further than about the largest unit from its share.

    Parameters
    ----------
    counts
        Shape (units, kinds): rows of each kind, such as distribution × label, in each unit.
    fractions
        Share of the rows for each split, positive, adding up to 1.
    fixed
        Shape (units,): the split of units that are assigned already, -1 for the others. They do not count as dealt.
    rng
        Breaks ties.

    Returns
    -------
    Shape (units,): index of the split.
    """
    chosen = fixed.copy()
    order = rng.permutation(len(counts))
    sizes = counts.sum(axis=1)
    dealt = np.zeros(len(fractions))
    _cover(chosen, counts, fractions=fractions, order=order)
    for split in range(len(fractions)):
        dealt[split] = sizes[(chosen == split) & (fixed < 0)].sum()
    # last key first: size (large ones first), composition, chance
    ranks = np.lexsort((order, *counts.T[::-1], -sizes))
    shares = np.asarray(fractions)
    for unit in ranks[chosen[ranks] < 0]:
        behind = shares * (dealt.sum() + sizes[unit]) - dealt
        # rounding of sums of fractions must not decide a tie
        level = np.flatnonzero(behind >= behind.max() - 1e-9 * max(1.0, float(dealt.sum())))
        split = int(level[0]) if len(level) == 1 else int(rng.choice(level))
        chosen[unit] = split
        dealt[split] += sizes[unit]
    return chosen


def _cover(
    chosen: NDArray[np.int64], counts: NDArray[np.int64], *, fractions: Sequence[float], order: NDArray[np.int64]
) -> None:
    """Assign, in place, one unit of each scarce kind to each split that has none, rarest kind first."""
    present = counts > 0
    covered = np.array([present[chosen == split].any(axis=0) for split in range(len(fractions))])
    holders = present.sum(axis=0)
    for kind in np.argsort(holders, kind="stable"):
        if holders[kind] * min(fractions) >= _SAFE:
            continue
        # the last split (test) first: what is too rare to be fitted on can still be tested on
        for split in reversed(range(len(fractions))):
            free = np.flatnonzero(present[:, kind] & (chosen < 0))
            if covered[split, kind] or not len(free):
                continue
            news = (present[free] & ~covered[split]).sum(axis=1)
            best = free[np.lexsort((order[free], counts[free].sum(axis=1), -news))[0]]
            chosen[best] = split
            covered[split] |= present[best]
