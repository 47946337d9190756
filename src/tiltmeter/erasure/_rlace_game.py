"""The game that RLACE plays: how low affine predictors bring the log loss once a subspace is gone, and its gradient."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.errors import ArrayError
from tiltmeter.erasure._class_fitter import check_codes
from tiltmeter.erasure._rlace_predictors import Game, best_predictors, log_loss
from tiltmeter.numerics import Minimised, minimise

_INNER_TOL = 1e-12
# nats for each unit of a predictor's mean squared score, halved
_ASCENT_PENALTY = 1e-6
# of the longest column, at right angles to those before: anything shorter adds no direction
_INDEPENDENT = 1e-10


class LeastLogLoss(NamedTuple):
    """The least log loss, in nats a row, of affine predictors of the classes.

    ``bound``: the entropy of the labels, which the constant predictor reaches. ``gradient``: that of the value by the
    removed directions, shape (k, d), or None where none were removed. ``decrement``: what the last step still promised.
    """

    value: float
    bound: float
    gradient: Float[NDArray[np.float64], "k d"] | None
    is_converged: bool
    decrement: float


def game_of(X: Float[NDArray[Any], "n d"], z: Int[NDArray[Any], " n"], *, loudest: float = 0.0) -> Game:
    """Whiten rows; directions without variance, to rounding, are left out: no predictor can use them.

    ``loudest`` is a norm of the centred rows that these were computed from, where rounding then comes from.
    """
    check_codes(z, n=len(X))
    n, d = X.shape
    centred = X.astype(np.float64) - X.mean(axis=0, dtype=np.float64)
    # singular values of the rows, not of their Gram matrix: quiet directions (1e-8 of the loudest) must not be lost
    narrow = np.linalg.qr(centred, mode="r") if n > d else centred
    _, roots, components = np.linalg.svd(narrow, full_matrices=False)
    kept = roots > max(n, d) * np.finfo(np.float64).eps * max(roots[0], loudest)
    scales = roots[kept] / math.sqrt(n)
    there = components[kept].T / scales
    back = components[kept] * scales[:, None]
    prior = np.bincount(z) / n
    parts = (np.ascontiguousarray(part) for part in (centred @ there, there, back, z.astype(np.int64), prior))
    return Game(*(torch.from_numpy(part) for part in parts))


def least_log_loss(
    X: Float[NDArray[Any], "n d"],
    z: Int[NDArray[Any], " n"],
    *,
    directions: Float[NDArray[Any], "k d"] | None = None,
    random_state: int = 0,
) -> LeastLogLoss:
    """Return the least log loss of affine predictors (free intercept, no penalty) on rows without some directions.

    The search starts from weights drawn at random, so that a constant predictor is found rather than assumed.

    Parameters
    ----------
    X
        Rows, fitted in float64.
    z
        Class numbers 0, 1, …, each present.
    directions
        Linearly independent on the rows; predictors see the rows projected at right angles to them. None for the rows
        as they are.
    random_state
        Seed of the first weights.

    Raises
    ------
    ArrayError
        If a class is missing, or the directions depend on each other where the rows vary.

    Notes
    -----
    Rows projected by I − P are read by w as raw rows are by a = (I − P) w: the least loss is that over weights a at
    right angles to the directions M, and in whitened coordinates a constraint stays a constraint. With the multipliers
    Λ of Mᵀa = 0 the gradient by M is a Λᵀ (envelope theorem). Where classes can be told apart the infimum is 0 and no
    predictor reaches it; the value is then as small as the search went, about 1e-12.

    Examples
    --------
    >>> X = np.array([[-1.0, 0.0], [1.0, 0.1], [-1.0, 0.2], [1.0, 0.3], [1.0, -0.1], [-1.0, -0.2]])
    >>> z = np.array([0, 1, 0, 1, 0, 1])
    >>> found = least_log_loss(X, z)
    >>> 0.5 < found.value < found.bound
    True
    """
    game = game_of(X, z)
    if directions is None:
        return refit(game, random_state=random_state)
    removed = torch.from_numpy(directions.astype(np.float64)) @ game.there
    basis, upper = torch.linalg.qr(removed.T[None])
    scale = upper[0].diagonal().abs()
    if len(removed) > len(game.back) or not bool((scale > _INDEPENDENT * scale.max()).all()):
        raise ArrayError("The directions depend on each other where the rows vary; leave out those that add nothing.")
    found = best_predictors(game, basis, _random_weights(game, random_state))
    slope = envelope_gradient(game, basis, upper, found.x.view(1, len(game.back) + 1, len(game.prior)))
    return _loss_of(game, found)._replace(gradient=(game.there @ slope[0]).T.numpy())


def refit(game: Game, *, random_state: int) -> LeastLogLoss:
    """Fit one predictor on all that the game's rows hold, from random weights."""
    return _loss_of(game, best_predictors(game, None, _random_weights(game, random_state)))


def _loss_of(game: Game, found: Minimised) -> LeastLogLoss:
    return LeastLogLoss(float(found.values), game.entropy, None, bool(found.is_converged), float(found.decrement))


def _random_weights(game: Game, random_state: int) -> Tensor:
    r, c = len(game.back), len(game.prior)
    start = torch.zeros(1, r + 1, c, dtype=torch.float64)
    generator = torch.Generator().manual_seed(random_state)
    # scores of about unit size, whatever the width
    start[0, :r] = torch.randn(r, c, generator=generator, dtype=torch.float64) / math.sqrt(max(r, 1))
    start[0, r] = game.prior.log()
    return start


def envelope_gradient(game: Game, basis: Tensor, upper: Tensor, points: Tensor) -> Tensor:
    """Return the gradient (b, r, k) of the game's value by M = basis · upper, at the best predictors (b, r + 1, c)."""
    _, slopes = log_loss(game, points)
    # at the optimum the slope is −M Λ: what is left of it stands on the removed subspace
    multipliers = -torch.linalg.solve_triangular(upper, basis.transpose(1, 2) @ slopes[:, :-1], upper=True)
    slope: Tensor = points[:, :-1] @ multipliers.transpose(1, 2)
    return slope


class Ascent(NamedTuple):
    """Orthonormal bases (b, r, k) where the ascent of each start ended, and their values (b,), without a penalty."""

    spans: Tensor
    values: Tensor
    is_converged: Tensor


def ascend(game: Game, starts: Tensor, *, tol: float, max_steps: int) -> Ascent:
    """Raise the value of b subspaces, spanned by the columns of (b, r, k), side by side.

    The value depends on the span alone, so that no step needs to keep the columns orthonormal: the gradient stands at
    right angles to the span, and columns only grow. A slight penalty keeps predictors finite where classes can be told
    apart; it moves the optimum by its own order, and the optimum's value by the square of that.
    """
    b, r, k = starts.shape
    warm = game.prior.new_zeros(b, r + 1, len(game.prior))
    warm[:, -1] = game.prior.log()

    def objective(x: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        basis, upper = torch.linalg.qr(x.view(-1, r, k))
        found = best_predictors(game, basis, warm[which], penalty=_ASCENT_PENALTY, tol=_INNER_TOL)
        points = found.x.view(-1, r + 1, warm.shape[2])
        warm[which] = points
        # what the penalty adds to the slope lies at right angles to the basis: the multipliers are those of the loss
        return -found.values, -envelope_gradient(game, basis, upper, points).flatten(1)

    found = minimise(objective, starts.flatten(1), tol=tol, max_steps=max_steps)
    spans = torch.linalg.qr(found.x.view(b, r, k)).Q
    plain = best_predictors(game, spans, warm)
    return Ascent(spans, plain.values, found.is_converged & plain.is_converged)
