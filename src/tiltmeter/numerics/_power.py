"""The power β of a generalised normal with its uncertainty, where values of a unit may repeat each other."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy import special

from tiltmeter.numerics._distributions import FittedFamily


class PowerError(NamedTuple):
    """Standard error of log β, and how many units it rests on."""

    error: float
    n_units: int


def power_error(fitted: FittedFamily, x: Float[NDArray[Any], " n"], *, units: Int[NDArray[Any], " n"]) -> PowerError:
    """Return the standard error of log β of a fitted generalised normal, by the sandwich formula over units.

    Parameters
    ----------
    fitted
        What :func:`fit_family` found for ``"generalised_normal"`` on these values.
    x
        The values.
    units
        Which unit each belongs to, from 0; values of different units are independent.

    Notes
    -----
    H⁻¹ (Σ g gᵀ) H⁻¹ with g the summed scores of a unit and H the negative second derivative, by log scale and β. The
    centre is left out: of a symmetric sample it is independent of both. The model need not be right; then it is the
    error of the nearest β.

    References
    ----------
    White (1982), Maximum likelihood estimation of misspecified models, theorem 3.2.

    Examples
    --------
    >>> from tiltmeter.numerics import fit_family
    >>> x = np.random.default_rng(0).normal(size=4000)
    >>> error = power_error(fit_family(x, "generalised_normal"), x, units=np.arange(4000)).error
    >>> 0.02 < error < 0.05
    True
    """
    power, centre, scale = fitted.params
    z = np.maximum(np.abs(x.astype(np.float64) - centre) / scale, 1e-300)
    raised, logs = z**power, np.log(z)
    psi, slope = special.digamma(1 / power), special.polygamma(1, 1 / power)
    scores = np.stack([power * raised - 1, 1 / power + psi / power**2 - raised * logs])
    n_units = int(units.max()) + 1
    summed = np.stack([np.bincount(units, weights=score, minlength=n_units) for score in scores])
    by_scale = -(power**2) * raised.sum()
    mixed = (raised + power * raised * logs).sum()
    by_power = -len(x) * (1 / power**2 + 2 * psi / power**3 + slope / power**4) - (raised * logs**2).sum()
    inverse = np.linalg.inv(-np.array([[by_scale, mixed], [mixed, by_power]]))
    variance = (inverse @ (summed @ summed.T) @ inverse)[1, 1]
    return PowerError(float(np.sqrt(variance) / power), n_units)
