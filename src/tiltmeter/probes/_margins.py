"""Linear classifiers that minimise a convex loss of the margin, many on the same rows at once."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from tiltmeter.numerics import Objective, minimise

Loss = Literal["logistic", "squared_hinge"]

# of the largest, squared: with fewer rows than features, singular values below are rounding
_RANK_TOL = 1e-13


class Margins(NamedTuple):
    """Weights of b classifiers, shape (b, d), their intercepts, objectives (float64), and how each search ended."""

    weights: Tensor
    intercepts: Tensor
    objectives: Tensor
    is_converged: Tensor
    n_steps: Tensor


def fit_margins(
    X: Tensor,
    y: Tensor,
    *,
    row_weights: Tensor,
    C: Tensor,
    loss: Loss = "logistic",
    tol: float = 1e-8,
    max_steps: int = 1000,
) -> Margins:
    """Minimise Σ weight · loss(margin) + |w|² / (2C) for b problems, each with a free intercept.

    All problems share the products with X. They are solved in the coordinates of its principal components, where the
    Hessian is nearly diagonal, starting from one Newton step away from zero. In those coordinates rows that are fewer
    than features need no more unknowns than there are rows.

    Parameters
    ----------
    X
        Shape (n, d), float32 or float64: the precision of the products. Objectives are summed in float64, and problems
        that single precision leaves above the tolerance are finished in double.
    y
        Labels 0 and 1, shape (n, b) or (n, 1).
    row_weights
        Non-negative, shape (n, b) or (n, 1); 0 leaves a row out of a problem.
    C
        Inverse strengths of the penalty, shape (b,).
    loss
        ``"logistic"``: log(1 + e^−m). ``"squared_hinge"``: max(0, 1 − m)².
    tol, max_steps
        As in :func:`tiltmeter.numerics.minimise`.
    """
    # the intercept is free: centring changes no optimum, and rids the components of the mean
    center = X.double().mean(0).to(X.dtype)
    scores, components = _principal(X - center)
    targets = (2 * y - 1).to(X.dtype)
    weights = row_weights.to(X.dtype)
    n_problems, rank = len(C), scores.shape[1]
    totals = row_weights.double().expand(-1, n_problems).sum(0)
    share = (row_weights * y).double().expand(-1, n_problems).sum(0) / totals
    # the loss's curvature at the constant classifier: what the penalty is strong against is nearly quadratic there
    bend = share * (1 - share) if loss == "logistic" else torch.full_like(share, 2.0)
    spread = (scores.double() ** 2).mean(0)

    start = torch.zeros(n_problems, rank + 1, dtype=X.dtype, device=X.device)
    start[:, -1] = torch.logit(share) if loss == "logistic" else 2 * share - 1
    curvature = torch.cat([(bend * totals)[:, None] * spread + 1 / C[:, None], (bend * totals)[:, None]], 1)
    of_all = _objective(scores, targets=targets, weights=weights, C=C, loss=loss)
    found = minimise(of_all, start, curvature=curvature.to(X.dtype), tol=tol, max_steps=max_steps)
    x, values, is_converged, n_steps = found.x.double(), found.values, found.is_converged, found.n_steps
    if X.dtype != torch.float64 and not is_converged.all():
        # the sums' rounding hides what is left to gain: the few that came to rest too early go on in double precision
        left = torch.nonzero(~is_converged)[:, 0]
        of_rest = _objective(
            scores.double(), targets=_columns(targets, left), weights=_columns(weights, left), C=C[left], loss=loss
        )
        rest = minimise(of_rest, x[left], curvature=curvature[left], tol=tol, max_steps=max_steps)
        x[left], values[left], is_converged[left] = rest.x, rest.values, rest.is_converged
        n_steps[left] += rest.n_steps
    coefficients = x[:, :-1] @ components.double().T
    intercepts = x[:, -1] - coefficients @ center.double()
    return Margins(coefficients.to(X.dtype), intercepts.to(X.dtype), values, is_converged, n_steps)


def _objective(scores: Tensor, *, targets: Tensor, weights: Tensor, C: Tensor, loss: Loss) -> Objective:
    """Return what ``minimise`` needs: values and gradients of chosen problems, in the precision of the scores."""
    penalty = (1 / C).to(scores.dtype)
    weights, targets = weights.to(scores.dtype), targets.to(scores.dtype)

    def objective(x: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        a, intercepts = x[:, :-1], x[:, -1]
        own, sign = _columns(weights, which), _columns(targets, which)
        margins = sign * (scores @ a.T + intercepts)
        if loss == "logistic":
            values, slopes = functional.softplus(-margins), -torch.sigmoid(-margins)
        else:
            short = (1 - margins).clamp_min(0)
            values, slopes = short**2, -2 * short
        residuals = own * slopes * sign
        strength = penalty[which, None]
        total = (own * values).sum(0, dtype=torch.float64) + (a.double() ** 2).sum(1) * strength[:, 0].double() / 2
        return total, torch.cat([(residuals.T @ scores) + strength * a, residuals.sum(0)[:, None]], 1)

    return objective


def _principal(X: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows in the coordinates of their principal components (n, r), and the components (d, r)."""
    n, d = X.shape
    exact = X.double()
    if d <= n:
        # all of them, however small their variance: a basis of the whole space, so that nothing is left out
        components = torch.linalg.eigh(exact.T @ exact)[1].to(X.dtype)
        return X @ components, components
    squared, left = torch.linalg.eigh(exact @ exact.T)
    kept = squared > _RANK_TOL * squared[-1]
    roots, left = squared[kept].sqrt(), left[:, kept]
    return (left * roots).to(X.dtype), (exact.T @ (left / roots)).to(X.dtype)


def _columns(values: Tensor, which: Tensor) -> Tensor:
    return values if values.shape[1] == 1 else values[:, which]
