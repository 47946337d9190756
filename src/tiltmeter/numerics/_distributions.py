"""Distributions of one variable, symmetric about a centre: fits by maximum likelihood, and their log densities."""

from __future__ import annotations

import warnings
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import optimize, special, stats
from sklearn.mixture import GaussianMixture

from tiltmeter.core.errors import ArrayError

Family = Literal["normal", "laplace", "logistic", "student_t", "generalised_normal", "normal_mixture"]

_SCIPY = {
    "normal": stats.norm,
    "laplace": stats.laplace,
    "logistic": stats.logistic,
    "student_t": stats.t,
    "generalised_normal": stats.gennorm,
}
# as many normals as tell a Laplace's density from theirs by less than 0.001 nats a value
_N_NORMALS = 5
# beyond these a t is a normal, and a generalised normal a spike or a box
_LEAST_DEGREES, _MOST_DEGREES = 0.2, 1e5
POWER_BOUNDS = (0.1, 20.0)


class FittedFamily(NamedTuple):
    """A family and its parameters.

    ``params`` stand in SciPy's order: the shape where there is one (degrees of freedom, or the power β), centre, scale.
    Of a mixture: all weights, then all centres, then all scales.
    """

    family: Family
    params: tuple[float, ...]


def fit_family(x: Float[NDArray[Any], " n"], family: Family) -> FittedFamily:
    """Fit a family to a sample by maximum likelihood.

    Parameters
    ----------
    x
        At least 10 finite values, not all the same.
    family
        ``"normal"``, ``"laplace"``, ``"logistic"``, ``"student_t"``, ``"generalised_normal"`` (density proportional to
        exp(-abs(z)^β): 2 is normal, 1 is Laplace), or ``"normal_mixture"``, five normals of any centre and scale.

    Raises
    ------
    ArrayError
        If the sample is too small, constant, or not finite.

    Notes
    -----
    A mixture's likelihood has many maxima; what comes back is one of them, always the same. Cost O(n) a step, about 10
    to 100 steps.

    Examples
    --------
    >>> x = np.random.default_rng(0).laplace(size=5000)
    >>> shape, centre, scale = fit_family(x, "generalised_normal").params
    >>> abs(shape - 1) < 0.05, abs(scale - 1) < 0.1
    (True, True)
    """
    if len(x) < 10 or not np.isfinite(x).all():
        raise ArrayError(f"{len(x)} values, or some not finite; a fit needs 10 or more finite ones.")
    wide = x.astype(np.float64)
    centre, spread = float(np.median(wide)), float(np.std(wide))
    if spread <= 1e-12 * abs(centre) or spread == 0:
        raise ArrayError("All values are the same; no distribution can be fitted to a constant.")
    # in units of the spread, so that every tolerance below is relative
    z = (wide - centre) / spread
    if family == "normal_mixture":
        weights, centres, scales = _normals(z)
        return FittedFamily(family, (*weights, *(centre + spread * centres), *(spread * scales)))
    if family == "student_t":
        *shape, at, scale = _student(z)
    elif family == "generalised_normal":
        *shape, at, scale = _generalised(z)
    else:
        *shape, at, scale = map(float, _SCIPY[family].fit(z))
    return FittedFamily(family, (*shape, centre + spread * at, spread * scale))


def log_density(fitted: FittedFamily, x: Float[NDArray[Any], " n"]) -> Float[NDArray[Any], " n"]:
    """Return the log density of a fitted family at each value.

    Examples
    --------
    >>> round(float(log_density(FittedFamily("laplace", (0.0, 1.0)), np.array([0.0]))[0]), 3)
    -0.693
    """
    if fitted.family != "normal_mixture":
        return np.asarray(_SCIPY[fitted.family].logpdf(x, *fitted.params), dtype=np.float64)
    weights, centres, scales = np.split(np.array(fitted.params), 3)
    z = (x.astype(np.float64)[:, None] - centres) / scales
    return np.asarray(special.logsumexp(-0.5 * z**2 - np.log(scales) - 0.5 * np.log(2 * np.pi), b=weights, axis=1))


def _student(z: NDArray[np.float64]) -> tuple[float, float, float]:
    def objective(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the mean negative log density and its gradient by centre, log scale and log degrees."""
        centre, scale, degrees = at[0], np.exp(at[1]), np.exp(at[2])
        u = (z - centre) / scale
        share = u**2 / degrees
        grown = np.log1p(share)
        pull = (degrees + 1) * share / (1 + share)
        value = (
            special.gammaln((degrees + 1) / 2)
            - special.gammaln(degrees / 2)
            - 0.5 * np.log(degrees * np.pi)
            - at[1]
            - 0.5 * (degrees + 1) * grown.mean()
        )
        by_centre = ((degrees + 1) * u / (degrees * (1 + share))).mean() / scale
        by_degrees = 0.5 * (
            special.digamma((degrees + 1) / 2)
            - special.digamma(degrees / 2)
            - 1 / degrees
            - grown.mean()
            + pull.mean() / degrees
        )
        return -value, -np.array([by_centre, pull.mean() - 1, degrees * by_degrees])

    bounds = [(None, None), (np.log(1e-6), np.log(1e3)), (np.log(_LEAST_DEGREES), np.log(_MOST_DEGREES))]
    start = np.array([0.0, np.log(0.7), np.log(5.0)])
    found = optimize.minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-11})
    return float(np.exp(found.x[2])), float(found.x[0]), float(np.exp(found.x[1]))


def _generalised(z: NDArray[np.float64]) -> tuple[float, float, float]:
    """Search the power and the centre in turn; the scale of a power has a closed form: s^β = β mean(abs(z)^β)."""

    def power_at(centre: float) -> float:
        # rows at the centre have no logarithm
        logs = np.log(np.maximum(np.abs(z - centre), 1e-300))

        def loss(log_power: float) -> float:
            power = float(np.exp(log_power))
            log_scale = (np.log(power) + np.log(np.exp(power * logs).mean())) / power
            return float(log_scale + special.gammaln(1 / power) - np.log(power) + 1 / power)

        bounds = (np.log(POWER_BOUNDS[0]), np.log(POWER_BOUNDS[1]))
        return float(np.exp(optimize.minimize_scalar(loss, bounds=bounds, options={"xatol": 1e-4}).x))

    centre = 0.0
    power = power_at(centre)
    for _ in range(3):
        # below 1 the likelihood peaks at single values; there the median stays
        if power > 1:
            moved = optimize.minimize_scalar(
                lambda at, power=power: float((np.abs(z - at) ** power).mean()),
                bounds=(-1.0, 1.0),
                options={"xatol": 1e-4},
            )
            centre = float(moved.x)
        before, power = power, power_at(centre)
        if abs(np.log(power / before)) < 1e-3:
            break
    return power, centre, float((power * (np.abs(z - centre) ** power).mean()) ** (1 / power))


def _normals(z: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Fit by expectation and maximisation from centres at quantiles and scales of all sizes."""
    scales = np.geomspace(0.3, 2.0, _N_NORMALS)
    # the middle of the order carries the widest normal, so that both tails are reached
    centres = np.quantile(z, [0.5, 0.25, 0.75, 0.4, 0.6])
    mixture = GaussianMixture(
        _N_NORMALS,
        covariance_type="spherical",
        tol=1e-4,
        max_iter=100,
        weights_init=np.full(_N_NORMALS, 1 / _N_NORMALS),
        means_init=centres[:, None],
        precisions_init=scales**-2,
        random_state=0,
    )
    with warnings.catch_warnings():
        # 100 steps without convergence leave a fit that the held-out values judge
        warnings.simplefilter("ignore")
        mixture.fit(z[:, None])
    return mixture.weights_, mixture.means_[:, 0], np.sqrt(mixture.covariances_)
