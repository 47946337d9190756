"""The concept z as columns of numbers: labels one-hot, numbers as they are."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tiltmeter.core.errors import ArrayError
from tiltmeter.erasure._arguments import as_array, check_choice, is_missing

ConceptKind = Literal["auto", "labels", "numbers"]


class Concept(NamedTuple):
    """Columns (n, c) in float64, and the classes in order with each row's place among them; None for numbers.

    Two classes have one column, 1 for the second; more have one each.
    """

    columns: Float[NDArray[np.float64], "n c"]
    classes: NDArray[Any] | None
    codes: Int[NDArray[np.int64], " n"] | None

    @property
    def has_classes(self) -> bool:
        """Whether the rows fall into classes, be it by labels or by columns of 0 and 1."""
        return self.classes is not None or are_indicators(self.columns)


def are_indicators(columns: Float[NDArray[np.float64], "n c"]) -> bool:
    """Whether every row has at most one 1 and else 0: then it belongs to the class of that column, or of none."""
    return bool(((columns == 0) | (columns == 1)).all() and (columns.sum(axis=1) <= 1).all())


def promise(*, has_classes: bool, told: str = "") -> str:
    """Say what holds where no feature covaries with z: of classes more than of numbers.

    ``told`` stands after "On the rows it was fitted on".
    """
    if has_classes:
        return (
            f"On the rows it was fitted on{told} class means are equal (no feature correlates with z), so for every "
            "convex loss the best affine predictor of z is a constant"
        )
    return (
        f"On the rows it was fitted on{told} no feature correlates with z, so for squared loss, and not in general for "
        "others, the best affine predictor of z is a constant"
    )


def encode(z: ArrayLike | Tensor, *, n: int, kind: ConceptKind = "auto") -> Concept:
    """Return the columns of a concept of n rows.

    ``"auto"`` takes whole numbers, booleans and strings in one column as labels, and all else as numbers.

    Raises
    ------
    ArrayError
        If the length is wrong, a value is missing or not finite, or the concept is constant.
    SpecError
        If there is no such kind.
    """
    check_choice("concept", kind, ConceptKind)
    values = as_array(z)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (1, 2) or len(values) != n:
        raise ArrayError(f"z has shape {values.shape} for {n} rows; give one label or row of numbers for each row.")
    if values.dtype.kind in "fM" and not np.isfinite(values).all():
        raise ArrayError("z contains NaN or infinity; drop these rows, or say what their concept is.")
    if values.dtype == object and any(map(is_missing, values.ravel())):
        raise ArrayError("z contains missing values; drop these rows, or say what their concept is.")
    if kind == "labels" or (kind == "auto" and _is_labels(values)):
        return _one_hot(values)
    if values.dtype.kind not in "buif":
        raise ArrayError(f"z has dtype {values.dtype}, which is no number; give labels in one column, or numbers.")
    columns = values.reshape(n, -1).astype(np.float64)
    if columns.shape[1] == 0 or (columns == columns[0]).all():
        raise ArrayError("z is constant: a concept that does not vary in these rows cannot be found or erased.")
    return Concept(columns, None, None)


def columns_of(
    z: ArrayLike | Tensor, classes: NDArray[Any] | None, *, shape: tuple[int, ...], n_columns: int
) -> Float[NDArray[np.float64], "*rows c"]:
    """Return the columns of z for rows of a leading shape, as they were encoded in the fit.

    Raises
    ------
    ArrayError
        If the shape is another, a label is unknown, or a number is not finite.
    """
    if classes is not None:
        codes = known_codes(z, classes, shape=shape)
        return np.eye(len(classes))[codes] if len(classes) > 2 else codes[..., None].astype(np.float64)
    values = as_array(z)
    if values.dtype.kind not in "buif" or values.shape not in (
        {shape, (*shape, 1)} if n_columns == 1 else {(*shape, n_columns)}
    ):
        raise ArrayError(
            f"z has shape {values.shape} and dtype {values.dtype}; rows of shape {shape} need {n_columns} numbers each."
        )
    columns = values.reshape(*shape, n_columns).astype(np.float64)
    if not np.isfinite(columns).all():
        raise ArrayError("z contains NaN or infinity; every row needs its concept.")
    return columns


def known_codes(z: ArrayLike | Tensor, classes: NDArray[Any], *, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the place of each label among the classes; ArrayError for another shape or an unknown label."""
    values = as_array(z)
    if values.shape == (*shape, 1):
        values = values[..., 0]
    if values.shape != shape:
        raise ArrayError(f"z has shape {values.shape} for rows of shape {shape}; give one label for each row.")
    codes = np.full(shape, -1, dtype=np.int64)
    for i, name in enumerate(classes):
        codes[values == name] = i
    if (codes < 0).any():
        strange = values[codes < 0].tolist()[0]
        raise ArrayError(
            f"z holds {strange!r}, which the eraser was not fitted on; its classes are {classes.tolist()}."
        )
    return codes


def _is_labels(values: NDArray[Any]) -> bool:
    if values.ndim != 1:
        return False
    return values.dtype.kind != "f" or bool((values == np.round(values)).all())


def _one_hot(values: NDArray[Any]) -> Concept:
    if values.ndim != 1:
        raise ArrayError(f"z has shape {values.shape}; labels stand in one column.")
    try:
        classes, codes = np.unique(values, return_inverse=True)
    except TypeError as error:
        raise ArrayError(f"z mixes labels that cannot be ordered ({error}); give labels of one type.") from None
    if len(classes) < 2:
        raise ArrayError("z has one class only: a concept that is constant in these rows cannot be found or erased.")
    if len(classes) == 2:
        return Concept(codes[:, None].astype(np.float64), classes, codes)
    return Concept(np.eye(len(classes))[codes], classes, codes)
