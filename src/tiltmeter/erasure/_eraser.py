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
from tiltmeter.erasure._concept import columns_of, known_codes


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

    def _check_rows(self, X: NDArray[Any] | Tensor) -> None:
        if not isinstance(X, np.ndarray | Tensor):
            raise ArrayError(
                f"X is a {type(X).__name__}; an eraser takes an array or a tensor, such as X.to_numpy() of a frame."
            )
        if X.ndim < 1 or X.shape[-1] != self.n_features:
            raise ArrayError(
                f"X has shape {tuple(X.shape)}; the eraser was fitted on rows of width {self.n_features}, which must "
                "be the last axis."
            )
        is_real = X.is_floating_point() if isinstance(X, Tensor) else np.issubdtype(X.dtype, np.floating)
        if not is_real:  # what is left of whole numbers is not whole
            raise ArrayError(f"X has dtype {X.dtype}; give rows of a floating type.")

    def _own(self, **arrays: NDArray[Any]) -> None:
        """Keep copies of its own that cannot be written to, after checking that they are finite."""
        for name, array in arrays.items():
            own = np.array(array, dtype=np.float64, order="C")
            if not np.isfinite(own).all():
                raise ArrayError(f"{name} holds NaN or infinity; an eraser needs finite numbers.")
            own.flags.writeable = False
            object.__setattr__(self, name, own)


@dataclass(frozen=True, slots=True, eq=False)
class AffineEraser(Eraser):
    """Map x ↦ x − left · right · (x − center), of rank k.

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
        self._own(left=self.left, right=self.right, center=self.center)

    @property
    def n_features(self) -> int:
        """Width of the rows that it takes."""
        return int(self.center.shape[0])

    @property
    def rank(self) -> int:
        """Number of dimensions that it removes."""
        return int(self.left.shape[1])

    def matrix(self) -> Float[NDArray[np.float64], "d d"]:
        """Return P = I − left · right, for which the map is x ↦ P (x − center) + center."""
        return np.asarray(np.eye(self.n_features) - self.left @ self.right)

    @overload
    def __call__(self, X: NDArray[Any]) -> NDArray[Any]: ...

    @overload
    def __call__(self, X: Tensor) -> Tensor: ...

    def __call__(self, X: NDArray[Any] | Tensor) -> NDArray[Any] | Tensor:
        """Erase from rows (..., d), out of place; dtype and device stay. Half precision is computed in single."""
        self._check_rows(X)
        if isinstance(X, Tensor):
            exact = _at_least_single(X)
            left_t, right_t, center_t = (_like(part, exact) for part in (self.left, self.right, self.center))
            return (exact - ((exact - center_t) @ right_t.T) @ left_t.T).to(X.dtype)
        wide = X.astype(np.promote_types(X.dtype, np.float32), copy=False)
        left, right, center = (part.astype(wide.dtype) for part in (self.left, self.right, self.center))
        return np.asarray((wide - ((wide - center) @ right.T) @ left.T).astype(X.dtype, copy=False))


@dataclass(frozen=True, slots=True, eq=False)
class OracleEraser(Eraser):
    """Map x ↦ x − coefficients · (z − z_mean): it must be told z of every row, so it can stand in no pipeline.

    Parameters
    ----------
    coefficients
        Shape (d, c), float64: how far the mean of the rows moves with each column of z.
    z_mean
        Shape (c,): at which z a row stays as it is.
    classes
        Shape (m,), the labels in order; with two there is one column, 1 for the second, with more one a label. None
        where z is numbers.
    method
        Name of the fitter.
    guarantee
        What holds, and of which rows.
    tol
        The relative tolerance by which the rank was chosen.

    Raises
    ------
    ArrayError
        If the shapes disagree or a number is not finite.

    Examples
    --------
    >>> kinds = np.array(["cat", "dog"])
    >>> eraser = OracleEraser(np.array([[2.0]]), np.zeros(1), kinds, method="by hand", guarantee="", tol=0.0)
    >>> eraser(np.array([[5.0], [5.0]]), np.array(["cat", "dog"])).tolist()
    [[5.0], [3.0]]
    """

    kind: ClassVar[str] = "oracle"

    coefficients: Float[NDArray[np.float64], "d c"]
    z_mean: Float[NDArray[np.float64], " c"]
    classes: NDArray[Any] | None
    method: str
    guarantee: str
    tol: float

    def __post_init__(self) -> None:
        _, c = self.coefficients.shape
        n_classes = None if self.classes is None else len(self.classes)
        if self.z_mean.shape != (c,) or (n_classes is not None and c != (n_classes if n_classes > 2 else 1)):
            raise ArrayError(
                f"coefficients {self.coefficients.shape}, z_mean {self.z_mean.shape} and {n_classes} classes do not "
                "fit together; give (d, c) and (c,), with one column for two classes and one a class for more."
            )
        self._own(coefficients=self.coefficients, z_mean=self.z_mean)

    @property
    def n_features(self) -> int:
        """Width of the rows that it takes."""
        return int(self.coefficients.shape[0])

    @overload
    def __call__(self, X: NDArray[Any], z: NDArray[Any] | Tensor) -> NDArray[Any]: ...

    @overload
    def __call__(self, X: Tensor, z: NDArray[Any] | Tensor) -> Tensor: ...

    def __call__(self, X: NDArray[Any] | Tensor, z: NDArray[Any] | Tensor) -> NDArray[Any] | Tensor:
        """Erase from rows (..., d) of known z: labels (...), or numbers (...) or (..., c). Dtype and device stay."""
        self._check_rows(X)
        values = columns_of(z, self.classes, shape=tuple(X.shape[:-1]), n_columns=len(self.z_mean))
        moved = (values - self.z_mean) @ self.coefficients.T
        if isinstance(X, Tensor):
            exact = _at_least_single(X)
            return (exact - _like(moved, exact)).to(X.dtype)
        wide = X.astype(np.promote_types(X.dtype, np.float32), copy=False)
        return np.asarray((wide - moved.astype(wide.dtype)).astype(X.dtype, copy=False))


@dataclass(frozen=True, slots=True, eq=False)
class QuadraticEraser(Eraser):
    """Map x ↦ maps[z] (x − class_means[z]) + center: an affine map for each class, so it must be told z of every row.

    Parameters
    ----------
    maps
        Shape (c, d, d), float64.
    class_means
        Shape (c, d).
    center
        Shape (d,): where all class means go.
    classes
        Shape (c,), the labels in the order of the maps.
    method
        Name of the fitter.
    guarantee
        What holds, and of which rows.
    tol
        The relative tolerance of the fit.

    Raises
    ------
    ArrayError
        If the shapes disagree or a number is not finite.

    Examples
    --------
    >>> maps, means = np.array([[[1.0]], [[0.5]]]), np.array([[0.0], [4.0]])
    >>> eraser = QuadraticEraser(maps, means, np.zeros(1), np.array([0, 1]), method="", guarantee="", tol=0.0)
    >>> eraser(np.array([[1.0], [6.0]]), np.array([0, 1])).tolist()
    [[1.0], [1.0]]
    """

    kind: ClassVar[str] = "quadratic"

    maps: Float[NDArray[np.float64], "c d d"]
    class_means: Float[NDArray[np.float64], "c d"]
    center: Float[NDArray[np.float64], " d"]
    classes: NDArray[Any]
    method: str
    guarantee: str
    tol: float

    def __post_init__(self) -> None:
        c, d = self.class_means.shape
        if self.maps.shape != (c, d, d) or self.center.shape != (d,) or len(self.classes) != c:
            raise ArrayError(
                f"maps {self.maps.shape}, class_means {self.class_means.shape}, center {self.center.shape} and "
                f"{len(self.classes)} classes do not fit together; give (c, d, d), (c, d), (d,) and c."
            )
        self._own(maps=self.maps, class_means=self.class_means, center=self.center)

    @property
    def n_features(self) -> int:
        """Width of the rows that it takes."""
        return int(self.center.shape[0])

    @overload
    def __call__(self, X: NDArray[Any], z: NDArray[Any] | Tensor) -> NDArray[Any]: ...

    @overload
    def __call__(self, X: Tensor, z: NDArray[Any] | Tensor) -> Tensor: ...

    def __call__(self, X: NDArray[Any] | Tensor, z: NDArray[Any] | Tensor) -> NDArray[Any] | Tensor:
        """Erase from rows (..., d) of known labels (...), out of place; dtype and device stay."""
        self._check_rows(X)
        codes = known_codes(z, self.classes, shape=tuple(X.shape[:-1]))
        if isinstance(X, Tensor):
            exact = _at_least_single(X)
            erased = exact.clone()
            maps_t, means_t, center_t = (_like(part, exact) for part in (self.maps, self.class_means, self.center))
            for i in range(len(self.classes)):
                chosen = torch.from_numpy(codes == i).to(X.device)
                erased[chosen] = (exact[chosen] - means_t[i]) @ maps_t[i].T + center_t
            return erased.to(X.dtype)
        wide = X.astype(np.promote_types(X.dtype, np.float32), copy=False)
        result = np.empty_like(wide)
        maps, means, center = (part.astype(wide.dtype) for part in (self.maps, self.class_means, self.center))
        for i in range(len(self.classes)):
            result[codes == i] = (wide[codes == i] - means[i]) @ maps[i].T + center
        return result.astype(X.dtype, copy=False)


def _at_least_single(X: Tensor) -> Tensor:
    return X.to(torch.promote_types(X.dtype, torch.float32))


def _like(part: NDArray[np.float64], X: Tensor) -> Tensor:
    # a copy: PyTorch does not take memory that cannot be written to
    return torch.tensor(part, dtype=X.dtype, device=X.device)
