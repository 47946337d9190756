"""The one table of erasing methods that the shared tests loop over, and the rows they are fitted on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.methods import plant
from tiltmeter.erasure import (
    LEACE,
    SAL,
    ErasureMethod,
    MeanProjection,
    MeanTranslation,
    MedianProjection,
    OracleLEACE,
    QuadraticLEACE,
)


class ErasingMethod(NamedTuple):
    """A method as the shared tests run it.

    ``needs_z``: its eraser must be told z. ``equalises``: class means are equal on the fitting rows. ``takes_numbers``:
    z may be real numbers. ``fits_moments``: moments of the rows are enough. ``is_orthogonal``: the map is symmetric.
    ``is_closed_form``: in double precision without iteration, so that rescaled rows give the same map to rounding.
    ``works_with_few_rows``: a class may have fewer rows than there are features.
    """

    method: type[ErasureMethod]
    hyperparameters: dict[str, Any]
    needs_z: bool = False
    equalises: bool = True
    takes_numbers: bool = True
    fits_moments: bool = True
    is_orthogonal: bool = True
    is_closed_form: bool = True
    works_with_few_rows: bool = True

    def make(self) -> ErasureMethod:
        return self.method(**self.hyperparameters)

    def erase(self, fitted: ErasureMethod, X: Any, z: Any) -> Any:
        """Apply the eraser, with z where it must be told."""
        return fitted.eraser_(X, z) if self.needs_z else fitted.eraser_(X)  # type: ignore[operator]

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.hyperparameters.items())
        return f"{self.method.__name__}({shown})"


ERASERS: tuple[ErasingMethod, ...] = (
    ErasingMethod(MeanProjection, {}),
    ErasingMethod(SAL, {}),
    ErasingMethod(LEACE, {}, is_orthogonal=False),
    ErasingMethod(LEACE, {"shrinkage": 0.1}, is_orthogonal=False),
    ErasingMethod(LEACE, {"precision": "float32", "shrinkage": 0.01}, is_orthogonal=False, is_closed_form=False),
    ErasingMethod(MedianProjection, {}, equalises=False, takes_numbers=False, fits_moments=False, is_closed_form=False),
    ErasingMethod(
        MedianProjection,
        {"center": "tukey", "n_directions": 100},
        equalises=False,
        takes_numbers=False,
        fits_moments=False,
        is_closed_form=False,
    ),
    ErasingMethod(MeanTranslation, {}, needs_z=True, takes_numbers=False, fits_moments=False),
    ErasingMethod(OracleLEACE, {}, needs_z=True, fits_moments=False),
    ErasingMethod(QuadraticLEACE, {}, needs_z=True, takes_numbers=False, fits_moments=False, works_with_few_rows=False),
    ErasingMethod(QuadraticLEACE, {"shrinkage": 0.1}, needs_z=True, takes_numbers=False, fits_moments=False),
)


class Rows(NamedTuple):
    """Rows (n, d) with a concept planted along ``direction``."""

    X: NDArray[Any]
    z: NDArray[Any]
    direction: NDArray[np.float64]


def rows(n: int, d: int, *, shift: float = 4.0, seed: int = 0, direction: NDArray[np.float64] | None = None) -> Rows:
    """Independent rows of unlike scales and a shift along one direction, half of each class."""
    planted = plant(n // 2, d, shift=shift, seed=seed, direction=direction)
    return Rows(planted.X * np.geomspace(0.3, 3.0, d), planted.y, planted.direction)


def gap(X: NDArray[Any], z: NDArray[Any], *, like: NDArray[Any] | None = None) -> float:
    """Largest difference of a class mean from the mean of all, in standard deviations of the features of ``like``."""
    exact = np.asarray(X, dtype=np.float64)
    spread = np.asarray(X if like is None else like, dtype=np.float64).std(axis=0)
    means = np.stack([exact[z == label].mean(axis=0) for label in np.unique(z)]) - exact.mean(axis=0)
    # equal values have a spread of rounding
    varies = spread > 1e-12 * np.abs(exact.mean(axis=0))
    return float(np.abs(means[:, varies] / spread[varies]).max())
