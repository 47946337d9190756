"""What closed forms need of activations, kept in one pass without keeping the activations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray
from scipy.linalg import blas

from tiltmeter.core.errors import ArrayError, FormatError
from tiltmeter.numerics._pairs import pair_rows
from tiltmeter.numerics._scatter import BLOCK, SCATTER_KEYS, Scatter, count_entry, mirrored
from tiltmeter.numerics._within import ClassMeans, WithinCovariance, shrunk, unless_equal

FORMAT = 1

_Part = Literal["negative", "positive", "unlabelled", "pairs"]
_ROWS: tuple[_Part, ...] = ("negative", "positive", "unlabelled")


class MomentCounts(NamedTuple):
    """How many rows of label 0, of label 1 and without a label were seen, and how many pairs."""

    negative: int
    positive: int
    unlabelled: int
    pairs: int


class RowMoments(NamedTuple):
    """Number, mean (d,) and covariance (d, d) of rows; the covariance divides by the number."""

    n_rows: int
    mean: Float[NDArray[Any], " d"]
    covariance: Float[NDArray[Any], "d d"]


class PairDifferences(NamedTuple):
    """Of the differences δ within pairs: their number p, Σ δ δᵀ / p about zero (d, d), and their mean (d,).

    The mean is that of side 1 minus side 0; None where some pair came without sides, since its sign is unknown then.
    """

    n_pairs: int
    second_moment: Float[NDArray[Any], "d d"]
    mean: Float[NDArray[Any], " d"] | None


class Moments:
    """Counts, means and scatters of activations, by label and of pair differences, gathered in one pass.

    Closed-form methods are functions of these alone, so the activations need not be kept. Everything is accumulated in
    float64 about a row of the data: float16 rows cannot overflow, and an offset that all rows share costs no digits.
    How rows are cut into batches changes no bit of the result, so long as their order is the same and nothing is
    read, merged or stored in between; otherwise results agree to rounding.

    Parameters
    ----------
    n_features
        Width d of the rows, at least 1.

    Raises
    ------
    ArrayError
        If ``n_features`` is less than 1.

    See Also
    --------
    within_covariance : the same number from rows that are at hand.

    Notes
    -----
    A row costs d² multiplications for its label and d² for its pair, done for 256 rows at a time. Memory is one float64
    matrix for each label that occurs and one for pairs: state it first with ``bytes_needed``. A call that reads a
    matrix makes up to three more of that size for the time it runs.

    References
    ----------
    Chan, Golub and LeVeque (1983), "Algorithms for computing the sample variance", for the merge.

    Examples
    --------
    >>> X, y = np.array([[0.0, 1.0], [2.0, 1.0], [5.0, 1.0], [7.0, 5.0]]), np.array([0, 0, 1, 1])
    >>> moments = Moments(2).update(X[:3], y[:3]).merge(Moments(2).update(X[3:], y[3:]))
    >>> moments.class_means().positive.tolist()
    [6.0, 3.0]
    >>> moments.counts
    MomentCounts(negative=2, positive=2, unlabelled=0, pairs=0)
    """

    def __init__(self, n_features: int) -> None:
        if n_features < 1:
            raise ArrayError(f"n_features is {n_features}; rows need at least one feature.")
        self.n_features = n_features
        self._parts: dict[_Part, Scatter] = {}
        self._n_sided = 0

    @staticmethod
    def bytes_needed(n_features: int, *, n_labels: int = 2, has_pairs: bool = False) -> int:
        """Return the bytes that the moments of one site come to hold, whatever the number of rows.

        Parameters
        ----------
        n_features
            Width d of the rows.
        n_labels
            How many kinds of rows will occur, 0 to 3: label 0, label 1, without a label.
        has_pairs
            Whether pairs will be given.
        """
        return (n_labels + has_pairs) * Scatter.bytes_needed(n_features)

    @property
    def counts(self) -> MomentCounts:
        """How many rows of each label and how many pairs were seen."""
        return MomentCounts(*(len(self._parts.get(part, ())) for part in get_args(_Part)))

    def update(
        self,
        X: Float[NDArray[Any], "n d"],
        y: Int[NDArray[Any], " n"] | None = None,
        *,
        pairs: Shaped[NDArray[Any], " n"] | None = None,
        sides: Int[NDArray[Any], " n"] | None = None,
    ) -> Moments:
        """Take a batch of rows, in place; a batch that is refused leaves the moments as they were.

        Parameters
        ----------
        X
            Finite rows of any floating type; none at all is allowed.
        y
            Labels 0 and 1, or None for rows without a label.
        pairs
            The identifier of each row's pair, "" where it has none. Both members must be in this batch.
        sides
            Which half of its pair a row is, 0 or 1; rows without a pair may have any.

        Raises
        ------
        ArrayError
            If a shape or type is wrong, a value is not finite, a label is not 0 or 1, a pair has not two members in
            this batch or not one of each side, or sides come without pairs.
        """
        self._check_rows(X)
        n = len(X)
        for name, values in (("y", y), ("pairs", pairs), ("sides", sides)):
            if values is not None and np.shape(values) != (n,):
                raise ArrayError(f"{name} has shape {np.shape(values)} for {n} rows; give one entry a row.")
        if y is not None and not np.isin(y, (0, 1)).all():
            raise ArrayError(f"y holds {np.unique(y)[:5].tolist()}; labels must be 0 and 1, or y None.")
        if sides is not None and pairs is None:
            raise ArrayError("sides came without pairs; give pairs as well, or leave both out.")
        members = _members(pairs, sides) if pairs is not None else None

        if y is None:
            self._add("unlabelled", X, np.arange(n))
        else:
            self._add("negative", X, np.flatnonzero(y == 0))
            self._add("positive", X, np.flatnonzero(y == 1))
        if members is not None:
            self._add("pairs", X, members[:, 1], minus=members[:, 0])
            self._n_sided += len(members) if sides is not None else 0
        return self

    def merge(self, other: Moments) -> Moments:
        """Take what ``other`` has seen of other rows, in place; ``other`` stays valid.

        Merging in any order or grouping gives the same moments to rounding.

        Raises
        ------
        ArrayError
            If the widths differ.
        """
        if other.n_features != self.n_features:
            raise ArrayError(
                f"Moments of {other.n_features} features cannot be merged into moments of {self.n_features} features; "
                "merge moments of the same site and model."
            )
        for part, theirs in other._parts.items():
            self._parts.setdefault(part, Scatter(self.n_features)).merge(theirs)
        self._n_sided += other._n_sided
        return self

    def class_means(self) -> ClassMeans:
        """Return the means of both labels; ArrayError if a label has no rows."""
        negative, positive = self._labelled()
        prior = positive.count / (negative.count + positive.count)
        means = ClassMeans(negative.origin + negative.offset, positive.origin + positive.offset, prior)
        within = np.trace(negative.lower) + np.trace(positive.lower)
        return unless_equal(means, spread=float(np.sqrt(within / (negative.count + positive.count))))

    def within_covariance(self, *, shrinkage: float | None = None) -> WithinCovariance:
        """Return what ``numerics.within_covariance`` gives on the labelled rows, to rounding.

        Parameters
        ----------
        shrinkage
            In [0, 1]; None for the value of Ledoit and Wolf, exact as on the rows.

        Raises
        ------
        ArrayError
            If a label has no rows, or ``shrinkage`` is outside [0, 1].
        """
        negative, positive = self._labelled()
        total = float(negative.count + positive.count)
        sample = mirrored(negative.lower + positive.lower)
        sample /= total
        fourth = (negative.centred.fourth + positive.centred.fourth) / total
        return shrunk(sample, fourth=fourth, total=total, shrinkage=shrinkage)

    def mean_and_covariance(self) -> RowMoments:
        """Return number, mean and covariance of all rows, with and without labels; ArrayError if there are none."""
        parts = [part for name in _ROWS if (part := self._flushed(name)) is not None]
        if not parts:
            raise ArrayError("The moments hold no rows; update them first.")
        share = np.array([part.count for part in parts], dtype=np.float64)
        total = int(share.sum())
        share /= total
        origin = parts[0].origin
        offsets = np.stack([part.origin - origin + part.offset for part in parts])
        mean = share @ offsets
        steps = np.sqrt(share)[:, None] * (offsets - mean)
        lower = np.zeros((self.n_features, self.n_features), order="F")
        for part in parts:
            lower += part.lower
        lower /= total
        lower = blas.dsyrk(1.0, steps.T, beta=1.0, c=lower, lower=1, overwrite_c=1)
        return RowMoments(total, origin + mean, mirrored(lower))

    def pair_differences(self) -> PairDifferences:
        """Return number, second moment about zero and mean of the pair differences; ArrayError without pairs."""
        part = self._flushed("pairs")
        if part is None:
            raise ArrayError("The moments hold no pairs; give pairs to update, both members in the same batch.")
        mean = part.origin + part.offset
        second = mirrored(blas.dsyr(1.0, np.sqrt(part.count) * mean, a=part.lower, lower=1))
        second /= part.count
        return PairDifferences(part.count, second, mean if self._n_sided == part.count else None)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that is held as named arrays, for a safetensors file or another process."""
        arrays: dict[str, NDArray[Any]] = {
            "format": np.array(FORMAT),
            "n_features": np.array(self.n_features),
            "n_sided": np.array(self._n_sided),
        }
        for name, part in self._parts.items():
            arrays |= {f"{name}.{key}": array for key, array in part.to_arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Moments:
        """Return the moments that ``to_arrays`` wrote; later updates do not change the arrays.

        Raises
        ------
        FormatError
            If the format is another, or an array is missing, unknown, of the wrong shape or type, or not finite.
        """
        version = arrays.get("format")
        if version is None or version.shape != () or version != FORMAT:
            found = None if version is None else version.tolist()
            raise FormatError(f"The moments have format {found}; this release reads format {FORMAT}.")
        d = count_entry(arrays, "n_features", least=1)
        moments = cls(d)
        moments._n_sided = count_entry(arrays, "n_sided", least=0)
        known = {"format", "n_features", "n_sided"}
        for name in get_args(_Part):
            if f"{name}.count" in arrays:
                moments._parts[name] = Scatter.from_arrays(arrays, d, prefix=f"{name}.")
                known |= {f"{name}.{key}" for key in SCATTER_KEYS}
        if strange := sorted(set(arrays) - known):
            raise FormatError(f"The moments hold {strange[0]!r}, which does not belong there; write them again.")
        return moments

    def _check_rows(self, X: NDArray[Any]) -> None:
        if np.ndim(X) != 2 or X.shape[1] != self.n_features:
            raise ArrayError(f"X has shape {np.shape(X)}; it must have two axes, rows and {self.n_features} features.")
        if not np.issubdtype(X.dtype, np.floating):
            raise ArrayError(f"X has dtype {X.dtype}; give rows of a floating type.")
        for start in range(0, len(X), BLOCK):  # in pieces: X may be a file larger than memory
            is_finite = np.isfinite(X[start : start + BLOCK]).all(axis=1)
            if not is_finite.all():
                raise ArrayError(
                    f"Row {start + int(is_finite.argmin())} of X contains NaN or infinity; drop the row, or find "
                    "where it comes from (float16 models overflow)."
                )

    def _add(
        self,
        part: _Part,
        X: Float[NDArray[Any], "n d"],
        rows: Int[NDArray[Any], " m"],
        *,
        minus: Int[NDArray[Any], " m"] | None = None,
    ) -> None:
        if len(rows) == 0:
            return
        if part not in self._parts:
            self._parts[part] = Scatter(self.n_features)
        for start in range(0, len(rows), BLOCK):
            taken = X[rows[start : start + BLOCK]]
            if minus is not None:
                taken = taken.astype(np.float64) - X[minus[start : start + BLOCK]]
            self._parts[part].add(taken)

    def _flushed(self, part: _Part) -> Scatter | None:
        found = self._parts.get(part)
        if found is not None:
            found.flush()
        return found

    def _labelled(self) -> tuple[Scatter, Scatter]:
        negative, positive = self._flushed("negative"), self._flushed("positive")
        if negative is None or positive is None:
            absent = 0 if negative is None else 1
            raise ArrayError(f"The moments hold no row of label {absent}; both labels are needed.")
        return negative, positive


def _members(pairs: Shaped[NDArray[Any], " n"], sides: Int[NDArray[Any], " n"] | None) -> Int[NDArray[Any], "p 2"]:
    """Return the rows of each pair among rows of which some have none."""
    paired = np.flatnonzero(pairs != "")
    try:
        members = pair_rows(pairs[paired], n=len(paired), sides=None if sides is None else sides[paired])
    except ArrayError as error:
        raise ArrayError(f"{error} Both members must be in the same update.") from error
    return np.asarray(paired[members])
