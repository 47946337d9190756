"""Token rows of ragged texts: sums, maxima and weights within each text, and products with rows that stay in place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

# float64 numbers in the one part of the rows that is copied at a time: 32 MB
_PART = 1 << 22


class Segments:
    """Which rows belong to which of n texts: text i owns rows ``offsets[i]:offsets[i + 1]``, at least one.

    Values are arrays (t, k), one row a token; what is found of texts has shape (n, k). Each is O(t k) in time and
    memory, whatever the lengths, and a text's result never depends on its neighbours.
    """

    def __init__(self, offsets: Int[NDArray[Any], " m"]) -> None:
        self.starts = offsets[:-1]
        self.lengths = np.diff(offsets)

    def sum(self, values: Float[NDArray[Any], "t k"]) -> Float[NDArray[Any], "n k"]:
        """Add up the tokens of each text."""
        return np.add.reduceat(values, self.starts, axis=0)

    def mean(self, values: Float[NDArray[Any], "t k"]) -> Float[NDArray[Any], "n k"]:
        """Average the tokens of each text."""
        return np.asarray(self.sum(values) / self.lengths[:, None])

    def mean_rows(self, X: Float[NDArray[Any], "t d"]) -> Float[NDArray[Any], "n d"]:
        """Average the rows of each text in float64, 32 MB of texts at a time: fewer bits would lose digits."""
        ends = self.starts + self.lengths
        total = np.empty((len(ends), X.shape[1]))
        first = 0
        while first < len(ends):
            fitting = np.searchsorted(ends, self.starts[first] + _part_size(X), side="right")
            last = max(int(fitting), first + 1)
            rows = X[self.starts[first] : ends[last - 1]]
            starts = self.starts[first:last] - self.starts[first]
            np.add.reduceat(rows, starts, axis=0, dtype=np.float64, out=total[first:last])
            first = last
        return np.asarray(total / self.lengths[:, None])

    def max(self, values: Float[NDArray[Any], "t k"]) -> Float[NDArray[Any], "n k"]:
        """Find the largest of each text's tokens."""
        return np.maximum.reduceat(values, self.starts, axis=0)

    def spread(self, of_texts: Float[NDArray[Any], "n k"]) -> Float[NDArray[Any], "t k"]:
        """Give each token the value of its text."""
        return np.repeat(of_texts, self.lengths, axis=0)

    def softmax(self, logits: Float[NDArray[Any], "t k"]) -> Float[NDArray[Any], "t k"]:
        """Turn logits into positive weights that sum to 1 within each text."""
        raised = np.exp(logits - self.spread(self.max(logits)))
        return np.asarray(raised / self.spread(self.sum(raised)))


class Windows:
    """All runs of ``window`` consecutive tokens within a text; a shorter text is one run.

    Means over the runs cost O(t k window), and their memory is O(t k).
    """

    def __init__(self, segments: Segments, window: int) -> None:
        counts = np.maximum(segments.lengths - window + 1, 1)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        self.segments = Segments(offsets)
        self._starts = np.repeat(segments.starts - offsets[:-1], counts) + np.arange(offsets[-1])
        self._sizes = np.repeat(np.minimum(segments.lengths, window), counts)
        self._n_tokens = int(segments.lengths.sum())

    def mean(self, values: Float[NDArray[Any], "t k"]) -> Float[NDArray[Any], "w k"]:
        """Average the tokens of each run."""
        total = np.zeros((len(self._starts), values.shape[1]))
        for step in range(int(self._sizes.max())):
            reaches = self._sizes > step
            total[reaches] += values[self._starts[reaches] + step]
        return np.asarray(total / self._sizes[:, None])

    def spread(self, of_runs: Float[NDArray[Any], "w k"]) -> Float[NDArray[Any], "t k"]:
        """Divide each run's value among its tokens, and add up: the transpose of ``mean``."""
        shares = of_runs / self._sizes[:, None]
        total = np.zeros((self._n_tokens, of_runs.shape[1]))
        for step in range(int(self._sizes.max())):
            reaches = self._sizes > step
            # no two runs start at the same token, so that none is lost
            total[self._starts[reaches] + step] += shares[reaches]
        return total


class Scale(NamedTuple):
    """The weighted mean of the rows and the variance of each feature about the mean of its class, both (d,).

    Where a feature equals its class mean in every row, its variance about the common mean instead.
    """

    center: Float[NDArray[Any], " d"]
    variance: Float[NDArray[Any], " d"]


class TokenRows:
    """Rows (t, d) as they came, multiplied as if they were (X − center) / scale, in float64.

    An infinite scale reads a feature as exactly 0.

    The rows are never copied whole: rows of single precision are widened 32 MB at a time.
    """

    def __init__(
        self, X: Float[NDArray[Any], "t d"], *, center: Float[NDArray[Any], " d"], scale: Float[NDArray[Any], " d"]
    ) -> None:
        self._X, self._center, self._scale = X, center, scale

    def dot(self, vectors: Float[NDArray[Any], "k d"]) -> Float[NDArray[Any], "t k"]:
        """Return the product of every row with every vector."""
        raw = vectors / self._scale
        out = np.empty((len(self._X), len(raw)))
        for part in _parts(self._X):
            np.matmul(self._X[part].astype(np.float64, copy=False), raw.T, out=out[part])
        out -= raw @ self._center
        return out

    def weighted_sums(self, weights: Float[NDArray[Any], "t k"]) -> Float[NDArray[Any], "k d"]:
        """Return the sum of the rows under each column of weights: the transpose of ``dot``."""
        total = np.zeros((weights.shape[1], self._X.shape[1]))
        for part in _parts(self._X):
            total += weights[part].T @ self._X[part].astype(np.float64, copy=False)
        return np.asarray((total - np.outer(weights.sum(axis=0), self._center)) / self._scale)


def token_scale(
    X: Float[NDArray[Any], "t d"], labels: Int[NDArray[Any], " t"], weights: Float[NDArray[Any], " t"]
) -> Scale:
    """Measure rows with a label 0 or 1 and a weight each, both labels present; in two passes, a part at a time."""
    # about one of the rows: the mean of equal rows is that row exactly, and a shared offset costs no digits
    origin = X[0].astype(np.float64)
    by_class = np.stack([np.where(labels == label, weights, 0.0) for label in (0, 1)])
    sums, squares = np.zeros((2, X.shape[1])), np.zeros(X.shape[1])
    for part in _parts(X):
        sums += by_class[:, part] @ (X[part] - origin)
    means = sums / by_class.sum(axis=1, keepdims=True)
    for part in _parts(X):
        squares += weights[part] @ (X[part] - origin - means[labels[part]]) ** 2
    total = weights.sum()
    within, share = squares / total, by_class[1].sum() / total
    between = share * (1 - share) * (means[1] - means[0]) ** 2
    # means of equal values differ from them by rounding, which is no variance
    is_spread = within > np.finfo(np.float64).eps * between
    return Scale(origin + sums.sum(axis=0) / total, np.where(is_spread, within, within + between))


def are_all_equal(X: Float[NDArray[Any], "t d"]) -> bool:
    """Tell whether every row is the first one; where not, the first rows tell."""
    return all(bool((X[part] == X[0]).all()) for part in _parts(X))


def _parts(X: Float[NDArray[Any], "t d"]) -> Iterator[slice]:
    for start in range(0, len(X), _part_size(X)):
        yield slice(start, start + _part_size(X))


def _part_size(X: Float[NDArray[Any], "t d"]) -> int:
    return max(1, _PART // int(X.shape[1]))
