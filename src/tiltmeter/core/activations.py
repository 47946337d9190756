"""Activations of texts at one site, with what is needed to fit and judge a probe on them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.site import Site

Pooling = Literal["last", "mean", "max", "first"]

UNNAMED_SITE = "given rows"
"""What records call the site of rows of other origin."""


@dataclass(frozen=True, slots=True, eq=False)
class Activations:
    """Rows of activations of n texts at one site.

    Parameters
    ----------
    X
        Shape (rows, d). One row a text, or, if ``offsets`` is given, one row a token.
    ids
        Shape (n,), one identifier a text, unique.
    offsets
        None, or shape (n + 1,): text i owns rows ``offsets[i]:offsets[i + 1]``.
    y
        None, or shape (n,), labels 0 and 1 (1 = the concept is present).
    pairs, sides, groups
        None, or shape (n,): pair identifier ("" where a text has none), which half of the pair the text is (0 or 1),
        and the group that a split must not divide.
    site
        Where the activations were read, or None for arrays of other origin.
    fingerprint
        Identifies the model, dtype and reading rule they came from; "" if unknown.

    Raises
    ------
    ArrayError
        If lengths disagree, identifiers repeat, offsets do not partition the rows, or labels are not 0 and 1.

    Examples
    --------
    >>> tokens = Activations(np.eye(3), ids=np.array(["a", "b"]), offsets=np.array([0, 2, 3]))
    >>> tokens.pool("mean").X.tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    """

    X: NDArray[np.floating[Any]]
    ids: NDArray[np.str_]
    offsets: NDArray[np.int64] | None = None
    y: NDArray[np.int64] | None = None
    pairs: NDArray[np.str_] | None = None
    sides: NDArray[np.int64] | None = None
    groups: NDArray[np.str_] | None = None
    site: Site | None = None
    fingerprint: str = ""

    def __post_init__(self) -> None:
        if self.X.ndim != 2:
            raise ArrayError(f"X has shape {self.X.shape}; it must have two axes, rows and features.")
        n = len(self.ids)
        if len(np.unique(self.ids)) != n:
            raise ArrayError("ids repeat; every text needs an identifier of its own.")
        if self.offsets is None:
            if len(self.X) != n:
                raise ArrayError(f"X has {len(self.X)} rows for {n} ids; give offsets if rows are tokens.")
        elif (
            self.offsets.shape != (n + 1,)
            or self.offsets[0] != 0
            or self.offsets[-1] != len(self.X)
            or (np.diff(self.offsets) < 1).any()
        ):
            raise ArrayError(f"offsets must rise from 0 to {len(self.X)} in {n} steps of at least one row.")
        for name in ("y", "pairs", "sides", "groups"):
            values = getattr(self, name)
            if values is not None and values.shape != (n,):
                raise ArrayError(f"{name} has shape {values.shape} for {n} texts; it must have one entry a text.")
        if self.y is not None and not np.isin(self.y, (0, 1)).all():
            raise ArrayError(f"y holds {np.unique(self.y)[:5].tolist()}; labels must be 0 and 1.")

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Self:
        """Return the texts that ``rows`` names, a boolean mask of shape (n,) or indices, in that order."""
        if rows.dtype == np.bool_ and rows.shape != (len(self),):
            raise ArrayError(f"The mask has shape {rows.shape} for {len(self)} texts; it must have one entry a text.")
        index = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        picked = {
            field.name: value[index]
            for field in fields(self)
            if field.name in {"ids", "y", "pairs", "sides", "groups"}
            and (value := getattr(self, field.name)) is not None
        }
        if self.offsets is None:
            return replace(self, X=self.X[index], **picked)
        starts, lengths = self.offsets[:-1][index], np.diff(self.offsets)[index]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        flat = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return replace(self, X=self.X[flat], offsets=offsets, **picked)

    def split(self, names: NDArray[np.str_]) -> dict[str, Self]:
        """Return one set per distinct entry of ``names``, shape (n,), for example train, calibration and test."""
        if names.shape != (len(self),):
            raise ArrayError(f"split names have shape {names.shape} for {len(self)} texts.")
        return {str(name): self.select(names == name) for name in np.unique(names)}

    def pool(self, rule: Pooling) -> Self:
        """Turn token rows into one row a text; a set that is pooled already is returned as it is."""
        if self.offsets is None:
            return self
        starts, ends = self.offsets[:-1], self.offsets[1:]
        match rule:
            case "last":
                X = self.X[ends - 1]
            case "first":
                X = self.X[starts]
            case "max":
                X = np.maximum.reduceat(self.X, starts, axis=0)
            case "mean":
                # in float64: half precision overflows within a long text
                total = np.add.reduceat(self.X, starts, axis=0, dtype=np.float64)
                X = (total / (ends - starts)[:, None]).astype(self.X.dtype)
            case _:
                raise SpecError(f"Pooling is {rule!r}; use one of {', '.join(get_args(Pooling))}.")
        return replace(self, X=X, offsets=None)
