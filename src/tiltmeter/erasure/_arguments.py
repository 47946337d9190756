"""What every fit asks of its options and weights, in one sentence each."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tiltmeter.core.errors import ArrayError, SpecError


def check_choice(name: str, value: object, allowed: object) -> None:
    """Refuse what is not among the values of a Literal, by SpecError: a misspelt option must not pass for another."""
    choices = get_args(allowed)
    if value not in choices:
        raise SpecError(f"{name} is {value!r}; use one of {', '.join(map(repr, choices))}.")


def check_count(name: str, value: object, *, most: int | None = None) -> None:
    """Refuse what is not a whole number from 1 to ``most``, by SpecError."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not (is_whole and 1 <= value and (most is None or value <= most)):  # type: ignore[operator]
        wanted = "of at least 1" if most is None else f"from 1 to {most}, the width of the rows"
        raise SpecError(f"{name} is {value!r}; give a whole number {wanted}.")


def concept_array(z: ArrayLike | Tensor | None, *, of: str) -> NDArray[Any]:
    """Return the concept as an array; ArrayError if there is none."""
    if z is None:
        # scikit-learn's checks know it by the words before the colon
        raise ArrayError(f"{of} requires y to be passed, but the target y is None: give z, the concept of each row.")
    return as_array(z)


def weights_of(
    sample_weight: ArrayLike | Tensor | None, *, n: int, may_be_zero: bool = False
) -> Float[NDArray[np.float64], " n"] | None:
    """Return weights in float64, or None for equal ones.

    ``may_be_zero``: all of them, as in a batch whose rows do not count.

    Raises
    ------
    ArrayError
        If there is not one finite weight of 0 or more for each of n rows, or all are 0.
    """
    if sample_weight is None:
        return None
    given = as_array(sample_weight)
    if given.shape != (n,) or given.dtype.kind not in "buif":
        raise ArrayError(
            f"sample_weight has shape {given.shape} and dtype {given.dtype} for {n} rows; give one number a row."
        )
    weights = given.astype(np.float64)
    is_fine = np.isfinite(weights) & (weights >= 0)
    if not is_fine.all():
        bad = int(is_fine.argmin())
        raise ArrayError(f"sample_weight is {weights[bad]} in row {bad}; give finite numbers of 0 or more.")
    if not may_be_zero and not weights.any():
        raise ArrayError("Sample weights must contain at least one non-zero number; sample_weight is 0 in every row.")
    return weights


def detached(values: Any) -> Any:  # noqa: ANN401  (a frame or list stays what it is)
    """Return the array of a tensor on any device; anything else as it is."""
    if isinstance(values, Tensor):
        held = values.detach().cpu()
        return np.asarray((held.float() if held.is_floating_point() and held.itemsize < 4 else held).numpy())
    return values


def as_array(values: ArrayLike | Tensor) -> NDArray[Any]:
    """Return an array of a tensor on any device, a frame or a list; what is missing among strings stays so."""
    array = np.asarray(detached(values))
    if array.dtype.kind == "U" and isinstance(values, list | tuple):
        # NumPy makes the string "nan" of it
        held = np.asarray(values, dtype=object)
        return held if any(map(is_missing, held.ravel())) else array
    return array


def is_missing(value: object) -> bool:
    """Whether a value of an array of objects is None, NaN or pandas' NA."""
    try:
        # NaN is unlike itself
        return value is None or bool(value != value)
    except TypeError:  # NA is neither like nor unlike
        return True
