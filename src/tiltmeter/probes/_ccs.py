"""Contrast-consistent search: a probe of unlabelled pairs that gives the two halves opposite answers, confidently."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.errors import ArrayError, ConvergenceWarning, SpecError
from tiltmeter.numerics import Minimised, Objective, minimise
from tiltmeter.probes._halves import ROUNDING, Halves, Normalisation, halves
from tiltmeter.probes._probe import Found, UnsupervisedProbe
from tiltmeter.probes._span import spanned

_TOL = 1e-10
_MAX_STEPS = 2000
# stronger penalties that are solved first, each only so far
FALLING = (1e-2, 1e-3, 1e-4)
_PATH_TOL = 1e-5
# of a row's mean square: a guess of the loss's curvature near a minimum, where most sigmoids are flat
_CURVATURE = 6e-3


def ccs_loss(p_plus: Float[NDArray[Any], " p"], p_minus: Float[NDArray[Any], " p"]) -> float:
    """Return mean (p⁺ + p⁻ − 1)² + mean min(p⁺, p⁻)².

    A probe that says the same of every row has a loss of at least 0.2, at a probability of 0.4: the line to hold any
    loss against.

    Parameters
    ----------
    p_plus, p_minus
        Probabilities that the statement of side 1, and of side 0, is true.

    References
    ----------
    Burns et al., arXiv 2212.03827, equations 1 to 3.

    Examples
    --------
    >>> round(ccs_loss(np.full(3, 0.4), np.full(3, 0.4)), 12)
    0.2
    """
    inconsistency = (p_plus + p_minus - 1) ** 2
    return float(inconsistency.mean() + (np.minimum(p_plus, p_minus) ** 2).mean())


class CCSFits(NamedTuple):
    """One fit from each of r starts, on the same rows.

    ``vectors`` (r, d) and ``offsets`` (r,) score single raw rows; ``losses`` (r,) are the CCS losses and ``objectives``
    the losses with their penalty. ``best`` is the start with the lowest objective.
    """

    vectors: Float[NDArray[Any], "r d"]
    offsets: Float[NDArray[Any], " r"]
    losses: Float[NDArray[Any], " r"]
    objectives: Float[NDArray[Any], " r"]
    is_converged: Bool[NDArray[Any], " r"]
    n_steps: Int[NDArray[Any], " r"]
    best: int

    @property
    def found(self) -> Found:
        """The best fit."""
        return Found(self.vectors[self.best], float(self.offsets[self.best]))

    @property
    def directions(self) -> Float[NDArray[Any], "r d"]:
        """Unit vectors, one a start; zero where the rows hold no difference."""
        norms = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        return np.asarray(self.vectors / np.where(norms > 0, norms, 1.0))


def ccs(
    X: Float[NDArray[Any], "n d"],
    members: Int[NDArray[Any], "p 2"],
    *,
    n_restarts: int = 10,
    normalisation: Normalisation = "halves",
    has_bias: bool = True,
    l2: float = 1e-3,
    random_state: int = 0,
) -> CCSFits:
    """Minimise the CCS loss + l2 |θ|² / 2 over θ and a bias, from random unit starts solved side by side.

    Parameters
    ----------
    X
        Rows.
    members
        Row numbers of each pair, side 0 first; see :func:`tiltmeter.numerics.pair_rows`.
    n_restarts
        How many starts, at least 1.
    normalisation
        As in :class:`CCS`.
    has_bias
        Whether the probe has a bias beside θ; it is not penalised.
    l2
        Strength of the penalty, ≥ 0, in units of the normalised rows.
    random_state
        Seed of the starts.

    Raises
    ------
    ArrayError
        If ``l2`` is negative or there is no start.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.choice([-1.0, 1.0], size=50)
    >>> X = rng.normal(size=(100, 4))
    >>> X[:, 0] += np.repeat(truth, 2) * np.tile([-5.0, 5.0], 50)
    >>> fits = ccs(X, np.arange(100).reshape(50, 2))
    >>> bool(abs(fits.directions[fits.best, 0]) > 0.95)
    True
    """
    check_options(n_restarts=n_restarts, l2=l2)
    prepared = halves(X, members, normalisation=normalisation)
    starts = unit_starts(n_restarts, X.shape[1], random_state=random_state)
    space = RowSpace.of(prepared, dtype=torch.float64, device="cpu")
    return fit_starts(space, prepared, starts, has_bias=has_bias, l2=l2)


def check_options(*, n_restarts: int, l2: float) -> None:
    if n_restarts < 1:
        raise ArrayError(f"n_restarts is {n_restarts}; at least one start is needed.")
    if not l2 >= 0:
        raise ArrayError(f"l2 is {l2}; the strength of the penalty must be 0 or more.")


def unit_starts(n_restarts: int, d: int, *, random_state: int) -> Float[NDArray[Any], "r d"]:
    drawn = np.random.default_rng(random_state).normal(size=(n_restarts, d))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


class RowSpace(NamedTuple):
    """Normalised rows, side 0 above side 1, shape (2p, m), in the coordinates of their principal components (d, m).

    Nothing outside the space that the rows span can change a loss; a start's share of it would only add noise to the
    scores of new rows.
    """

    rows: Tensor
    components: Tensor

    @classmethod
    def of(cls, prepared: Halves, *, dtype: torch.dtype, device: str) -> RowSpace:
        rows = torch.from_numpy(np.concatenate([prepared.negative, prepared.positive])).to(device)
        gap = float((rows[: len(rows) // 2] - rows[len(rows) // 2 :]).abs().max())
        if gap <= ROUNDING * float(rows.abs().max()):
            # both members of every pair are equal: no direction can tell them apart
            return cls(rows[:, :0].to(dtype), rows.new_zeros(rows.shape[1], 0).to(dtype))
        components = spanned(rows)
        return cls((rows @ components).to(dtype), components.to(dtype))


def ccs_objective(rows: Tensor, *, l2: float, has_bias: bool) -> Objective:
    """Return what ``minimise`` needs; with a bias the last unknown is it.

    The minimum of two smooth functions has kinks that point upwards, at which no descent can come to rest.
    """
    p = len(rows) // 2

    def objective(x: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        theta = x[:, :-1] if has_bias else x
        # a row for each start: a product with few columns is half as fast
        scores = theta @ rows.T
        probabilities = torch.sigmoid(scores + x[:, -1:] if has_bias else scores)
        minus, plus = probabilities[:, :p], probabilities[:, p:]
        excess, low = minus + plus - 1, torch.minimum(minus, plus)
        values = (excess**2 + low**2).sum(1, dtype=torch.float64) / p + l2 / 2 * (theta.double() ** 2).sum(1)
        is_minus_low = minus <= plus
        slopes = torch.cat([excess + low * is_minus_low, excess + low * ~is_minus_low], 1)
        slopes *= probabilities * (1 - probabilities) * (2 / p)
        gradients = slopes @ rows + l2 * theta
        return values, torch.cat([gradients, slopes.sum(1)[:, None]], 1) if has_bias else gradients

    return objective


def solve(
    space: RowSpace, starts: Tensor, *, has_bias: bool, l2: float, path: tuple[float, ...] = FALLING
) -> Minimised:
    """Minimise from starts (r, m) in the coordinates of the row space; a bias starts at 0.

    The penalty falls to ``l2`` along the path. With little of it from the beginning, the first long steps drive some
    pairs to where both answers are "yes" and the sigmoid is flat: they stay there, at a loss of 1 each.
    """
    x = torch.cat([starts, starts.new_zeros(len(starts), 1)], 1) if has_bias else starts
    # on the way single precision is enough, and twice as fast
    rough = space.rows.float()
    for stronger in path:
        if stronger > l2:
            objective = ccs_objective(rough, l2=stronger, has_bias=has_bias)
            x = minimise(objective, x.float(), tol=_PATH_TOL, max_steps=_MAX_STEPS).x.to(space.rows)
    return minimise(
        ccs_objective(space.rows, l2=l2, has_bias=has_bias),
        x,
        curvature=_curvature(space.rows, l2=max(l2, path[-1]), has_bias=has_bias).expand_as(x) if path else None,
        tol=_TOL,
        max_steps=_MAX_STEPS,
    )


def _curvature(rows: Tensor, *, l2: float, has_bias: bool) -> Tensor:
    """Guess the Hessian's diagonal, for a search that stays in the valley that the path has found.

    From the beginning it would send every start along the quiet directions too, where more minima lie.
    """
    squares = (rows.double() ** 2).mean(0)
    return _CURVATURE * (torch.cat([squares, squares.new_ones(1)]) if has_bias else squares) + l2


def fit_starts(
    space: RowSpace, prepared: Halves, starts: Float[NDArray[Any], "r d"], *, has_bias: bool, l2: float
) -> CCSFits:
    """Fit from unit starts in the coordinates of the normalised rows."""
    first = torch.from_numpy(starts).to(space.components) @ space.components
    found = solve(space, first, has_bias=has_bias, l2=l2)
    if not found.is_converged.any():
        warnings.warn(
            f"CCS stopped at {int(found.n_steps.max())} steps above its tolerance from every start, at best with a "
            f"decrease of {float(found.decrement.min()):.1e} still promised; use a larger l2.",
            ConvergenceWarning,
            stacklevel=3,
        )
    x = found.x.double().cpu()
    theta = x[:, :-1] if has_bias else x
    biases = x[:, -1].numpy() if has_bias else np.zeros(len(x))
    of_rows = [
        prepared.of_single_rows(vector, float(bias))
        for vector, bias in zip((theta @ space.components.double().cpu().T).numpy(), biases, strict=True)
    ]
    objectives = found.values.cpu().numpy()
    return CCSFits(
        np.stack([of_row.vector for of_row in of_rows]),
        np.array([of_row.offset for of_row in of_rows]),
        objectives - l2 / 2 * (theta**2).sum(1).numpy(),
        objectives,
        found.is_converged.cpu().numpy(),
        found.n_steps.cpu().numpy(),
        int(objectives.argmin()),
    )


class CCS(UnsupervisedProbe):
    """Contrast-consistent search: opposite answers to the two halves of each pair, and sure ones.

    It takes no labels, only which half of a pair a row is ("yes" or "no"), and follows whatever consistent two-valued
    feature of the pairs is the strongest: that need not be truth. Read ``losses_`` beside 0.2, the loss of a constant;
    ask :func:`seed_consistency` whether the starts agree, and :func:`ccs_stability` for a rival feature; and hold its
    accuracy against random directions, since contrast pairs alone do much of the work.

    A probability is σ(θ · (x − mean of its half) / scale of its half + b). The score of a single row, whose half is not
    asked for, is the mean of what it would score as either half; ``orient`` puts the zero midway between the classes.
    After ``fit``: ``loss_``, of the start that was kept; ``losses_`` (r,), ``restart_directions_`` (r, d) and
    ``is_converged_`` (r,) of all starts.

    Parameters
    ----------
    n_restarts
        Random unit starts, of which the one with the lowest loss and penalty is kept.
    normalisation
        ``"halves"``: each half minus its own mean, divided by its own average norm, times √d. ``"concatenated"``: the
        same means, and the one scale of the released code and its replication: the average norm of (x⁻, x⁺) as one
        vector, by √(2d). ``"whole"``: the mean of all rows, which leaves in what tells the halves apart, and finds
        that. ``"none"``: the rows as they are.
    has_bias
        Whether the probe has a bias.
    l2
        Strength of the penalty l2 |θ|² / 2, in units of the normalised rows. At 0, as published, the minimum lies at
        infinity where the rows can be separated; the search then follows a falling penalty, and so ends near where a
        small one would. Too strong a penalty hides what is quiet beside a massive feature: lower it where ``loss_``
        comes near 0.2.
    random_state
        Seed of the starts.

    See Also
    --------
    recursive_ccs : several orthogonal directions.
    CRC : the first principal component of the same differences; nearly as good where truth is the strongest feature.

    Notes
    -----
    Minimised by L-BFGS from all starts side by side, in the coordinates of the principal components of the rows, with a
    penalty that falls to ``l2`` by decades from 0.01; cost O(min(p, d)² max(p, d)) once and O(p d r) a step.

    References
    ----------
    Burns et al., arXiv 2212.03827, section 2.2.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.concatenate([rng.permutation([0, 1]) for _ in range(50)])
    >>> X = rng.normal(size=(100, 4)) + np.outer(10.0 * y, [1, 0, 0, 0])
    >>> probe = CCS().fit(X, pairs=np.repeat(np.arange(50), 2), sides=np.tile([0, 1], 50)).orient(X, y)
    >>> bool(probe.loss_ < 0.02), bool(probe.direction_[0] > 0.95)
    (True, True)
    """

    needs_pairs = True
    needs_sides = True

    loss_: float
    losses_: NDArray[Any]
    restart_directions_: NDArray[Any]
    is_converged_: NDArray[np.bool_]

    def __init__(
        self,
        *,
        n_restarts: int = 10,
        normalisation: Normalisation = "halves",
        has_bias: bool = True,
        l2: float = 1e-3,
        random_state: int = 0,
    ) -> None:
        self.n_restarts = n_restarts
        self.normalisation = normalisation
        self.has_bias = has_bias
        self.l2 = l2
        self.random_state = random_state

    def _find(self, X: Float[NDArray[Any], "n d"], pairs: Int[NDArray[Any], "p 2"] | None) -> Found:
        if pairs is None:
            raise SpecError("CCS needs pairs.")
        fits = ccs(
            X,
            pairs,
            n_restarts=self.n_restarts,
            normalisation=self.normalisation,
            has_bias=self.has_bias,
            l2=self.l2,
            random_state=self.random_state,
        )
        self.losses_ = fits.losses
        self.loss_ = float(fits.losses[fits.best])
        self.restart_directions_ = fits.directions.astype(X.dtype)
        self.is_converged_ = fits.is_converged
        return fits.found
