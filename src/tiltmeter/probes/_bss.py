"""Bimodal salience search: the projection of pair differences that falls into two tight clusters, one a sign."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.errors import ArrayError, ConvergenceWarning, SpecError
from tiltmeter.numerics import Objective, minimise
from tiltmeter.probes._halves import centred_differences
from tiltmeter.probes._probe import Found, UnsupervisedProbe
from tiltmeter.probes._span import spanned

_MAX_STEPS = 1000
# stronger shrinkages that are solved first, each only so far
_FALLING = (3.0, 1.0, 0.3, 0.1, 0.03)
_FALLING_TOL = 1e-8


class BSSFits(NamedTuple):
    """One fit from each of r starts: unit vectors (r, d), their losses with and without shrinkage (r,), and the best.

    ``mean``: midway between the means of the halves, where the score is 0.
    """

    directions: Float[NDArray[Any], "r d"]
    losses: Float[NDArray[Any], " r"]
    objectives: Float[NDArray[Any], " r"]
    best: int
    mean: Float[NDArray[Any], " d"]

    @property
    def found(self) -> Found:
        """The best fit, with the offset of the mean of the halves' means."""
        vector = self.directions[self.best]
        return Found(vector, -float(vector @ self.mean))


def bss_loss(projected: Float[NDArray[Any], " p"]) -> float:
    """Return (variance of the negatives + variance of the others) / variance of all.

    Near 0 for two tight clusters; 2 (1 − 2/π) = 0.727 for a normal distribution about 0.

    Parameters
    ----------
    projected
        Projections of the differences, of mean zero.

    Raises
    ------
    ArrayError
        If all are equal.

    Examples
    --------
    >>> bss_loss(np.array([-1.0, -1.0, 1.0, 1.0]))
    0.0
    """
    exact = projected.astype(np.float64)
    if exact.var() == 0:
        raise ArrayError("All projections are equal; salience needs some variance.")
    parts = [part for part in (exact[exact < 0], exact[exact >= 0]) if len(part)]
    return float(sum(part.var() for part in parts) / exact.var())


def bss(
    X: Float[NDArray[Any], "n d"],
    members: Int[NDArray[Any], "p 2"],
    *,
    n_restarts: int = 20,
    shrinkage: float = 1.0,
    random_state: int = 0,
) -> BSSFits:
    """Minimise the salience loss of x⁺ − x⁻, each half minus its mean, from random starts solved side by side.

    Both variances, within the two sides of 0 and in total, get ``shrinkage`` times the mean variance of the features
    added (in units of |θ|²).

    Parameters
    ----------
    X
        Rows.
    members
        Row numbers of each pair, side 0 first.
    n_restarts
        How many starts, at least 1.
    shrinkage
        ≥ 0; 0 as published.
    random_state
        Seed of the starts.

    Raises
    ------
    ArrayError
        If ``shrinkage`` is negative or there is no start.

    Notes
    -----
    For a fixed set of negatives the loss is a ratio of quadratic forms, whose minimum is a generalised eigenvector:
    Fisher's discriminant with labels that the direction gives itself. As a pair crosses 0 the set changes and the loss
    jumps. So this is a search: L-BFGS, which accepts no step that does not lower the loss, from many starts, along a
    falling shrinkage, which smooths the jumps. It ends in the lowest minimum where there are two clear clusters; where
    there are none, another search may find a lower one.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.choice([-1.0, 1.0], size=50)
    >>> X = rng.normal(size=(100, 4))
    >>> X[:, 0] += np.repeat(truth, 2) * np.tile([-5.0, 5.0], 50)
    >>> fits = bss(X, np.arange(100).reshape(50, 2))
    >>> bool(abs(fits.directions[fits.best, 0]) > 0.95)
    True
    """
    if n_restarts < 1:
        raise ArrayError(f"n_restarts is {n_restarts}; at least one start is needed.")
    if not shrinkage >= 0:
        raise ArrayError(f"shrinkage is {shrinkage}; it must be 0 or more.")
    differences, mean = centred_differences(X, members)
    d = differences.shape[1]
    variance = float((differences**2).mean())
    if variance == 0:
        return BSSFits(np.zeros((n_restarts, d)), np.ones(n_restarts), np.ones(n_restarts), 0, mean)
    scaled = torch.from_numpy(differences / np.sqrt(variance))
    components = spanned(scaled)
    rows = scaled @ components
    starts = torch.from_numpy(np.random.default_rng(random_state).normal(size=(n_restarts, d))) @ components
    starts = starts / starts.norm(dim=1, keepdim=True)
    for stronger in _FALLING:
        if stronger > shrinkage:
            x = minimise(_objective(rows, ridge=stronger), starts, tol=_FALLING_TOL, max_steps=_MAX_STEPS).x
            starts = x / x.norm(dim=1, keepdim=True)
    found = minimise(_objective(rows, ridge=shrinkage), starts, tol=1e-10, max_steps=_MAX_STEPS)
    if bool((found.n_steps >= _MAX_STEPS).all()):
        warnings.warn(
            f"BSS was still going after {_MAX_STEPS} steps from every start, at best with a decrease of "
            f"{float(found.decrement.min()):.1e} promised; use a larger shrinkage.",
            ConvergenceWarning,
            stacklevel=2,
        )
    directions = (found.x / found.x.norm(dim=1, keepdim=True) @ components.T).numpy()
    losses = np.array([bss_loss(differences @ direction) for direction in directions])
    return BSSFits(directions, losses, found.values.numpy(), int(found.values.argmin()), mean)


def _objective(rows: Tensor, *, ridge: float) -> Objective:
    """Return what ``minimise`` needs: the loss for the sets of negatives at a point, and its gradient for those."""
    p = len(rows)

    def objective(x: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        # a row for each start: a product with few columns is half as fast
        projected = x @ rows.T
        is_negative = (projected < 0).to(rows)
        penalty = ridge * (x**2).sum(1)
        within, residuals = penalty.clone(), torch.zeros_like(projected)
        for part in (is_negative, 1 - is_negative):
            size = part.sum(1, keepdim=True).clamp_min(1.0)
            centred = part * (projected - (part * projected).sum(1, keepdim=True) / size)
            within += (centred**2).sum(1) / size[:, 0]
            residuals += centred / size
        total = (projected**2).mean(1) + penalty
        values = within / total
        slopes = residuals - values[:, None] * projected / p
        gradients = 2 * (slopes @ rows + (ridge * (1 - values))[:, None] * x) / total[:, None]
        return values, gradients

    return objective


class BSS(UnsupervisedProbe):
    """The direction in which pair differences fall into two tight clusters, one on each side of 0.

    Like :class:`CCS` it looks for a two-valued feature of unlabelled pairs, not for variance as :class:`CRC` does, and
    follows the clearest one, whatever that means.
    After ``fit``: ``loss_``, within to total variance of the kept start's projections (0.727 for a normal
    distribution), and ``losses_`` (r,) and ``restart_directions_`` (r, d) of all.

    Parameters
    ----------
    n_restarts
        Random unit starts, of which the one with the lowest shrunk loss is kept.
    shrinkage
        ≥ 0: this times the mean variance of the features is added to both variances. At 0, as published, rows that are
        fewer than features fall into perfect clusters along directions without meaning.
    random_state
        Seed of the starts.

    References
    ----------
    Burns et al., arXiv 2212.03827, appendix: CRC by BSS.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.concatenate([rng.permutation([0, 1]) for _ in range(50)])
    >>> X = rng.normal(size=(100, 4)) + np.outer(10.0 * y, [1, 0, 0, 0])
    >>> probe = BSS().fit(X, pairs=np.repeat(np.arange(50), 2), sides=np.tile([0, 1], 50)).orient(X, y)
    >>> bool(probe.loss_ < 0.1), bool(probe.direction_[0] > 0.95)
    (True, True)
    """

    needs_pairs = True
    needs_sides = True

    loss_: float
    losses_: NDArray[Any]
    restart_directions_: NDArray[Any]

    def __init__(self, *, n_restarts: int = 20, shrinkage: float = 1.0, random_state: int = 0) -> None:
        self.n_restarts = n_restarts
        self.shrinkage = shrinkage
        self.random_state = random_state

    def _find(self, X: Float[NDArray[Any], "n d"], pairs: Int[NDArray[Any], "p 2"] | None) -> Found:
        if pairs is None:
            raise SpecError("BSS needs pairs.")
        fits = bss(X, pairs, n_restarts=self.n_restarts, shrinkage=self.shrinkage, random_state=self.random_state)
        self.losses_ = fits.losses
        self.loss_ = float(fits.losses[fits.best])
        self.restart_directions_ = fits.directions.astype(X.dtype)
        return fits.found
