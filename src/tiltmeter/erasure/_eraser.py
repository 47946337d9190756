"""Frozen erasers: what a fit leaves, applied to arrays or tensors of any leading shape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, overload

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.errors import ArrayError


class Eraser(ABC):
    """A map of activations that was fitted once and never changes. Abstract: use one of the three kinds.

    ``method`` names the fitter, ``guarantee`` says in words what it holds for, and of which rows.
    """

    kind: ClassVar[str]

    method: str
    guarantee: str

    @property
    @abstractmethod
    def n_features(self) -> int:
        """Width of the rows that it takes."""

    def _check_width(self, X: NDArray[Any] | Tensor) -> None:
        if X.ndim < 1 or X.shape[-1] != self.n_features:
            raise ArrayError(
                f"X has shape {tuple(X.shape)}; the eraser was fitted on rows of width {self.n_features}, which must be "
                "the last axis."
            )


@dataclass(frozen=True, slots=True, eq=False)
class AffineEraser(Eraser):
    """x ↦ x − left · right · (x − center), of rank k.

    Parameters
    ----------
    left, right
        Shapes (d, k) and (k, d), float64. For an orthogonal projection ``left`` is ``right`` transposed.
    center
        Shape (d,): the point that stays where it is, usually the mean of the rows it was fitted on.
    method
        Name of the fitter.
    guarantee
        What holds, and of which rows.
    tol
        The relative tolerance by which the rank was chosen.

    Raises
    ------
    ArrayError
        If the shapes disagree, the rank is 0 or a number is not finite.

    Examples
    --------
    >>> eraser = AffineEraser(np.eye(3)[:, :1], np.eye(3)[:1], np.zeros(3), method="by hand", guarantee="", tol=0.0)
    >>> eraser(np.array([[1.0, 2.0, 3.0]])).tolist()
    [[0.0, 2.0, 3.0]]
    """

    kind: ClassVar[str] = "affine"

    left: Float[NDArray[np.float64], "d k"]
    right: Float[NDArray[np.float64], "k d"]
    center: Float[NDArray[np.float64], " d"]
    method: str
    guarantee: str
    tol: float

    def __post_init__(self) -> None:
        d, k = self.left.shape
        if self.right.shape != (k, d) or self.center.shape != (d,):
            raise ArrayError(
                f"left {self.left.shape}, right {self.right.shape} and center {self.center.shape} do not fit together; "
                "give (d, k), (k, d) and (d,)."
            )
        if k == 0:
            raise ArrayError("An eraser of rank 0 erases nothing; the concept varies with none of the rows' features.")
        if not (np.isfinite(self.left).all() and np.isfinite(self.right).all() and np.isfinite(self.center).all()):
            raise ArrayError("An eraser needs finite numbers.")

    @property
    def n_features(self) -> int:
        """Width of the rows that it takes."""
        return len(self.center)

    @property
    def rank(self) -> int:
        """Number of dimensions that it removes."""
        return self.left.shape[1]

    def matrix(self) -> Float[NDArray[np.float64], "d d"]:
        """Return P = I − left · right, for which the map is x ↦ P (x − center) + center."""
        return np.asarray(np.eye(self.n_features) - self.left @ self.right)

    @overload
    def __call__(self, X: NDArray[Any]) -> NDArray[Any]: ...

    @overload
    def __call__(self, X: Tensor) -> Tensor: ...

    def __call__(self, X: NDArray[Any] | Tensor) -> NDArray[Any] | Tensor:
        """Erase from rows (..., d), out of place; dtype and device stay. Half precision is computed in single."""
        self._check_width(X)
        if isinstance(X, Tensor):
            exact = X.to(torch.promote_types(X.dtype, torch.float32))
            left, right, center = (torch.from_numpy(part).to(exact) for part in (self.left, self.right, self.center))
            return (exact - ((exact - center) @ right.T) @ left.T).to(X.dtype)
        wide = X.astype(np.promote_types(X.dtype, np.float32), copy=False)
        left, right, center = (part.astype(wide.dtype) for part in (self.left, self.right, self.center))
        return np.asarray((wide - ((wide - center) @ right.T) @ left.T).astype(X.dtype, copy=False))
