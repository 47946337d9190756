"""Texts given as strings, and means over texts with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from scipy import stats

from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.data import TextSet
from tiltmeter.models import Encoded, SubjectModel, encoded_for

Texts = TextSet | Encoded | Sequence[str]


def encoded_texts(subject: SubjectModel, texts: Texts, *, what: str) -> Encoded:
    """Return the tokens of texts, which may be plain strings; ``what`` names the argument in messages."""
    if isinstance(texts, str):
        raise SpecError(f"{what} is the string {texts!r}; give a list of texts, as in [{texts!r}].")
    if not isinstance(texts, TextSet | Encoded):
        if not texts:
            raise DataError(f"{what} holds no texts; give at least one.")
        ids = np.array([f"{what.removesuffix('s')} {i + 1}" for i in range(len(texts))])
        texts = TextSet(ids, texts=tuple(texts), distribution=what)
    return encoded_for(subject, texts)


def mean_per_token(
    sums: Float[NDArray[Any], " n"],
    counts: Float[NDArray[Any], " n"],
    *,
    groups: Shaped[NDArray[Any], " n"] | None,
    level: float = 0.95,
) -> Measured:
    """Estimate a mean over all tokens of texts, whose tokens hang together.

    Parameters
    ----------
    sums, counts
        By text: the sum over its tokens, and how many they are. With counts of 1 it is a mean over texts.
    groups
        Texts of a group count as one unit; None if each stands alone.
    level
        Of the interval.

    Returns
    -------
    Unavailable if there is one unit only, whose spread nobody knows.

    Notes
    -----
    R = Σ s / Σ c. To first order R errs by the mean of (s_u − R c_u) / c̄ over the m units u; the interval is that of
    Student's t with m − 1 degrees of freedom for this mean, which stays honest where units are few.
    """
    if groups is not None:
        unit = np.unique(groups, return_inverse=True)[1]
        sums, counts = np.bincount(unit, weights=sums), np.bincount(unit, weights=counts)
    n = len(sums)
    name = "text" if groups is None else "group"
    if n < 2:
        return Unavailable(reason=f"{n} {name} only; an interval needs two")
    value = float(sums.sum() / counts.sum())
    errors = (sums - value * counts) / counts.mean()
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * np.sqrt((errors**2).sum() / (n - 1) / n))
    return Estimate(
        value=value, low=value - half, high=value + half, level=level, n=n, method=f"Student's t over {name}s"
    )


def exponential(measured: Measured) -> Measured:
    """Return the exponential of a figure and of the ends of its interval."""
    if isinstance(measured, Unavailable):
        return measured
    low, value, high = np.exp([measured.low, measured.value, measured.high]).tolist()
    return measured.model_copy(update={"low": low, "value": value, "high": high})
