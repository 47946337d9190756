"""How good a probe becomes with the number of pairs that it is fitted on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, NoDirectionError, SpecError
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import auroc
from tiltmeter.numerics import pair_rows
from tiltmeter.probes._feeding import fit_with_sign, labels_of, one_row_a_text
from tiltmeter.probes._probe import LinearProbe, Probe

_COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


class PairsCurve(NamedTuple):
    """Quality by number of pairs, shape (c, r): c counts, each with r draws of pairs.

    ``aurocs`` are on the fresh rows, ``cosines`` those with the reference direction (None without one). Where
    ``is_valid`` is False the probe found no direction in those pairs, and both are NaN. ``left_out`` are the counts
    that were asked for and are above ``n_pairs``, the number of pairs there are.
    """

    counts: Int[NDArray[Any], " c"]
    aurocs: Float[NDArray[Any], "c r"]
    cosines: Float[NDArray[Any], "c r"] | None
    is_valid: Bool[NDArray[Any], "c r"]
    left_out: tuple[int, ...]
    n_pairs: int

    @property
    def mean(self) -> Float[NDArray[Any], " c"]:
        """Mean AUROC over the valid draws of each count; NaN where there is none."""
        return _over_draws(self.aurocs, self.is_valid, ddof=0)[0]

    @property
    def sd(self) -> Float[NDArray[Any], " c"]:
        """Standard deviation of the AUROC over the valid draws; NaN where fewer than two are."""
        return _over_draws(self.aurocs, self.is_valid, ddof=1)[1]


def pairs_curve(
    probe: Probe,
    train: Activations,
    *,
    test: Activations,
    counts: tuple[int, ...] = _COUNTS,
    reference: Float[NDArray[Any], " d"] | None = None,
    n_draws: int = 10,
    random_state: int = 0,
) -> PairsCurve:
    """Fit a probe on ever more pairs, several draws of each number, and judge it on fresh rows.

    Pairs are drawn without replacement, and nested: a draw's larger numbers hold its smaller ones, so that a curve
    rises or falls by what is added. The labels of the drawn rows fit a supervised probe and only orient an
    unsupervised one. Counts above the number of pairs are left out and named in the result; they are no error.

    Parameters
    ----------
    probe
        Unfitted; it stays as it is.
    train
        One row a text, with labels and pairs, one row of each label a pair; with sides where the probe needs them.
    test
        Fresh rows of the same site, with labels.
    counts
        Numbers of pairs, at least 1.
    reference
        A direction to compare with, such as that of all pairs or a planted one; any length but 0.
    n_draws
        Draws of each number.
    random_state
        Seed.

    Raises
    ------
    ArrayError
        If labels or pairs are absent, a pair does not hold one row of each label, rows are tokens, or widths differ.
    SpecError
        If a count or ``n_draws`` is below 1, or all counts are above the number of pairs.

    Notes
    -----
    c · r fits. The spread is over draws from *these* pairs: draws of nearly all of them are nearly the same, and their
    spread then says nothing of other pairs. At the full number all draws are one.

    Examples
    --------
    >>> from tiltmeter.probes import MeanDifference
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(200) % 2
    >>> X = rng.normal(size=(200, 10)) + 2 * y[:, None] * np.eye(10)[0]
    >>> rows = Activations(X, ids=np.arange(200).astype(str), y=y, pairs=(np.arange(200) // 2).astype(str))
    >>> train, test = rows.select(np.arange(100)), rows.select(np.arange(100, 200))
    >>> found = pairs_curve(MeanDifference(), train, test=test, counts=(1, 4, 16, 64))
    >>> found.left_out, bool(found.mean[2] > found.mean[0])
    ((64,), True)
    """
    members = _pairs_of_both_labels(train)
    one_row_a_text(test, like=train)
    y_test = labels_of(test)
    if n_draws < 1 or not counts or min(counts) < 1:
        raise SpecError(f"counts are {counts} and n_draws is {n_draws}; all must be 1 or more.")
    used = [count for count in counts if count <= len(members)]
    if not used:
        raise SpecError(f"All counts are above the {len(members)} pairs there are; ask for fewer.")
    if reference is not None and not isinstance(probe, LinearProbe):
        raise SpecError(f"{type(probe).__name__} names no direction that could agree with reference; leave it out.")
    goal = None if reference is None else _unit(reference, width=train.X.shape[1])
    aurocs, cosines = np.full((2, len(used), n_draws), np.nan)
    for draw in range(n_draws):
        order = stream(random_state, "pairs", draw).permutation(len(members))
        for i, count in enumerate(used):
            # in the order of the rows, so that the full number gives the very same fit in each draw
            rows = np.sort(members[order[:count]].ravel())
            try:
                fitted = fit_with_sign(probe, train.select(rows))
            except NoDirectionError:
                continue
            aurocs[i, draw] = auroc(y_test, fitted.decision_function(test.X))
            if goal is not None and isinstance(fitted, LinearProbe):
                cosines[i, draw] = float(fitted.direction_.astype(np.float64) @ goal)
    left_out = tuple(count for count in counts if count > len(members))
    return PairsCurve(
        np.array(used), aurocs, None if goal is None else cosines, np.isfinite(aurocs), left_out, len(members)
    )


def _pairs_of_both_labels(train: Activations) -> Int[NDArray[Any], "p 2"]:
    one_row_a_text(train)
    y = labels_of(train)
    if train.pairs is None:
        raise ArrayError("The activations have no pairs; give them there, two rows each.")
    members = pair_rows(train.pairs, n=len(train))
    if (y[members].sum(axis=1) != 1).any():
        odd = train.pairs[members[int((y[members].sum(axis=1) != 1).argmax()), 0]]
        raise ArrayError(f"Pair {str(odd)!r} has two rows of one label; every pair needs one of each.")
    return members


def _unit(vector: Float[NDArray[Any], " d"], *, width: int) -> Float[NDArray[Any], " d"]:
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if len(vector) != width or not length > 0:
        raise ArrayError(f"reference has {len(vector)} entries and norm {length:g}; {width}, not all 0, are needed.")
    return vector.astype(np.float64) / length


def _over_draws(
    values: Float[NDArray[Any], "c r"], is_valid: Bool[NDArray[Any], "c r"], *, ddof: int
) -> tuple[Float[NDArray[Any], " c"], Float[NDArray[Any], " c"]]:
    """Return mean and standard deviation of each row's valid entries, NaN where too few are."""
    n = is_valid.sum(axis=1)
    filled = np.where(is_valid, values, 0.0)
    mean = np.where(n > 0, filled.sum(axis=1) / np.maximum(n, 1), np.nan)
    squares = np.where(is_valid, (values - mean[:, None]) ** 2, 0.0).sum(axis=1)
    return mean, np.where(n > ddof, np.sqrt(squares / np.maximum(n - ddof, 1)), np.nan)
