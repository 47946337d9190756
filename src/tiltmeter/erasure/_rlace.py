"""RLACE: the subspace whose removal leaves linear predictors of the classes the highest loss."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import ConvergenceWarning, NoDirectionError
from tiltmeter.erasure._arguments import check_count
from tiltmeter.erasure._class_fitter import ClassFitter, check_codes, projection
from tiltmeter.erasure._eraser import AffineEraser
from tiltmeter.erasure._rlace_game import ascend, game_of, refit
from tiltmeter.erasure._rlace_predictors import Game

# nats: a refit that ends closer than this to the entropy of the labels certifies the optimum
_CERTIFIED = 1e-9
_ASCENT_TOL = 1e-9
_ASCENT_STEPS = 200

NO_CERTIFICATE = "no optimality certificate"


class RLACEFit(NamedTuple):
    """The directions removed, shape (k, d), orthonormal, and what is known of them.

    ``value``: the least log loss, in nats a row, that affine predictors reach on the projected rows, by a converged
    refit. ``bound``: the entropy of the labels, which no subspace can exceed. ``gap``: bound − value. ``certificate``:
    in words; "no optimality certificate" unless the gap is closed. ``start_values``: where the ascent ended from each
    start, and ``spread``, the largest less the smallest. ``mean_gap``: the largest difference left between class means,
    relative to the largest before.
    """

    directions: Float[NDArray[np.float64], "k d"]
    value: float
    bound: float
    gap: float
    is_certified: bool
    certificate: str
    start_values: Float[NDArray[np.float64], " b"]
    spread: float
    mean_gap: float
    is_converged: bool


def rlace(
    X: Float[NDArray[Any], "n d"],
    z: Int[NDArray[Any], " n"],
    *,
    rank: int,
    n_starts: int = 6,
    max_steps: int = _ASCENT_STEPS,
    random_state: int = 0,
) -> RLACEFit:
    """Find at most ``rank`` directions whose removal leaves affine predictors the highest least log loss.

    With a rank of at least that of the class-mean differences (one less than the number of classes, or lower) this is
    a closed form: without the span of those differences the constant predictor is optimal, and no subspace does better.
    Directions beyond the span would be damage for nothing, and none are returned. A refit certifies it.

    With a lower rank the value is raised by ascent from several starts, and nothing certifies the best of them.

    Parameters
    ----------
    X
        Rows; all is computed in float64.
    z
        Class numbers 0, 1, …, each present.
    rank
        Most directions to remove, from 1 to d.
    n_starts
        Of the ascent: the first from the covariance with the classes in whitened coordinates, the second from that of
        the rows as they are, the rest drawn at random within the span of the class-mean differences.
    max_steps
        Most steps of the ascent.
    random_state
        Seed of the random starts, and of the refit's first weights.

    Raises
    ------
    SpecError
        If the rank is no whole number from 1 to d, or there are no starts.
    ArrayError
        If a class is missing or all rows are equal.
    NoDirectionError
        If the class means coincide already.

    Warns
    -----
    ConvergenceWarning
        If the refit, or the ascent of the best start, ended above its tolerance.

    Notes
    -----
    The value of a projection P is v(P) = min over θ of the mean log loss on (I − P) X, with a free intercept. Below the
    rank of the class-mean differences it is neither convex nor concave in P where it is raised, so there is no duality
    gap: v, its spread and the distance to the bound are all that can be said. Its gradient is exact, by the envelope
    theorem. Each step costs some 20 products with the rows for each start.

    References
    ----------
    Ravfogel et al., "Linear adversarial concept erasure", arXiv 2201.12091, equation 3 for the game; Belrose et al.,
    arXiv 2306.03819, theorem 3.1: equal class means are what makes the constant predictor optimal.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = np.arange(300) % 3
    >>> X = rng.normal(size=(300, 5)) + 2 * np.eye(5)[z]
    >>> rlace(X, z, rank=2).is_certified
    True
    >>> below = rlace(X, z, rank=1)
    >>> below.certificate, below.value < below.bound
    ('no optimality certificate', True)
    """
    check_codes(z, n=len(X))
    d = X.shape[1]
    check_count("rank", rank, most=d)
    check_count("n_starts", n_starts)
    differences = mean_differences(X, z)
    if len(differences) <= rank:
        directions, ends, is_converged = differences, None, True
    else:
        directions, ends, is_converged = _best_of_starts(
            game_of(X, z), rank=rank, n_starts=n_starts, max_steps=max_steps, random_state=random_state
        )
    center = X.mean(axis=0, dtype=np.float64)
    centred = X - center
    projected = centred - (centred @ directions.T) @ directions
    fresh = refit(game_of(projected, z, loudest=float(np.linalg.norm(centred))), random_state=random_state)
    gap = fresh.bound - fresh.value
    is_certified = ends is None and abs(gap) <= _CERTIFIED
    if not (fresh.is_converged and is_converged):
        warnings.warn(
            f"RLACE ended above its tolerance (the last step of the refit still promised {fresh.decrement:.1e}, of the "
            f"ascent {'more' if not is_converged else 'less'} than {_ASCENT_TOL:.0e} nats); allow more steps.",
            ConvergenceWarning,
            stacklevel=2,
        )
    values = np.array([fresh.value]) if ends is None else ends
    return RLACEFit(
        directions,
        fresh.value,
        fresh.bound,
        gap,
        is_certified,
        _certificate(gap) if is_certified else NO_CERTIFICATE,
        values,
        float(np.ptp(values)),
        _largest_mean_gap(projected, z) / _largest_mean_gap(centred, z),
        fresh.is_converged and is_converged,
    )


def mean_differences(X: Float[NDArray[Any], "n d"], z: Int[NDArray[Any], " n"]) -> Float[NDArray[np.float64], "k d"]:
    """Return an orthonormal basis of the span of the class-mean differences; NoDirectionError where it is empty."""
    offsets = _mean_offsets(X.astype(np.float64) - X.mean(axis=0, dtype=np.float64), z)
    n, d = X.shape
    prior = np.bincount(z) / n
    _, sizes, components = np.linalg.svd(np.sqrt(prior)[:, None] * offsets, full_matrices=False)
    loudest = float(np.abs(X).max())
    # what summing n numbers of this size may leave of equal means
    rounding = np.finfo(np.float64).eps * math.sqrt(n * d) * loudest
    kept = sizes > rounding + max(len(prior), d) * np.finfo(np.float64).eps * sizes[0]
    if not kept.any():
        raise NoDirectionError("The class means coincide: linear predictors read nothing, and RLACE erases nothing.")
    return np.asarray(components[kept])


def _mean_offsets(centred: Float[NDArray[np.float64], "n d"], z: Int[NDArray[Any], " n"]) -> NDArray[np.float64]:
    return np.stack([centred[z == code].mean(axis=0) for code in range(int(z.max()) + 1)])


def _largest_mean_gap(centred: Float[NDArray[np.float64], "n d"], z: Int[NDArray[Any], " n"]) -> float:
    offsets = _mean_offsets(centred, z)
    return float(max(np.linalg.norm(offsets - one, axis=1).max() for one in offsets))


class _Best(NamedTuple):
    directions: Float[NDArray[np.float64], "k d"]
    ends: Float[NDArray[np.float64], " b"]
    is_converged: bool


def _best_of_starts(game: Game, *, rank: int, n_starts: int, max_steps: int, random_state: int) -> _Best:
    covariance = game.cross_covariance()
    raw = torch.linalg.svd(game.back.T @ covariance, full_matrices=False).U[:, :rank]
    starts = [torch.linalg.svd(covariance, full_matrices=False).U[:, :rank], (raw.T @ game.there).T]
    generator = torch.Generator().manual_seed(random_state)
    # a subspace drawn from the whole space holds next to nothing of the concept, and the value is flat there
    starts += [
        covariance @ torch.randn(covariance.shape[1], rank, generator=generator, dtype=torch.float64)
        for _ in range(n_starts - 2)
    ]
    orthonormal = torch.linalg.qr(torch.stack(starts[:n_starts])).Q
    found = ascend(game, orthonormal, tol=_ASCENT_TOL, max_steps=max_steps)
    best = int(found.values.argmax())
    directions = torch.linalg.qr(game.back.T @ found.spans[best]).Q.T
    return _Best(np.ascontiguousarray(directions.numpy()), found.values.numpy(), bool(found.is_converged[best]))


def _certificate(gap: float) -> str:
    return (
        "closed form: the span of the class-mean differences is removed, so that the constant predictor is optimal; a "
        f"refit from random weights ended within {max(abs(gap), 1e-16):.0e} nats of the entropy of the labels, which "
        "no subspace exceeds"
    )


class RLACE(ClassFitter):
    """Remove the subspace that leaves affine predictors of the classes the highest log loss.

    With a rank of at least that of the class-mean differences it is the closed form that no solver can better, with a
    certificate; two classes are always so, and the direction is then the mean difference, as in mean projection. Below
    that rank the best of several ascents is kept, and said to be no certified optimum. Either way it is an orthogonal
    projection: LEACE erases the same at a fraction of the change.

    After ``fit``: ``eraser_``, ``directions_`` (k, d), ``value_``, ``bound_``, ``gap_``, ``certificate_``,
    ``start_values_``, ``spread_``, ``is_converged_`` and ``classes_``.

    Parameters
    ----------
    rank
        Most directions to remove, from 1 to the width of the rows.
    random_state
        Seed of the random starts and of the refit.
    n_starts
        Of the ascent, below the rank of the class-mean differences.

    See Also
    --------
    rlace_sgd : the published procedure, whose answer changes from run to run.

    Notes
    -----
    What is guaranteed is so on the fitting rows; on fresh rows class means differ again by their sampling error. It
    says nothing about thresholds (0–1 loss) or nonlinear readers.

    References
    ----------
    Ravfogel et al., "Linear adversarial concept erasure", arXiv 2201.12091.

    Examples
    --------
    >>> X = np.array([[0.0, 1.0], [1.0, -1.0], [2.0, 1.0], [3.0, -1.0]])
    >>> fitted = RLACE(rank=1).fit(X, ["no", "no", "yes", "yes"])
    >>> fitted.transform(X).round(6).tolist()
    [[1.5, 1.0], [1.5, -1.0], [1.5, 1.0], [1.5, -1.0]]
    """

    def __init__(self, rank: int = 1, random_state: int = 0, *, n_starts: int = 6) -> None:
        self.rank = rank
        self.random_state = random_state
        self.n_starts = n_starts

    def _find(self, X: Float[NDArray[np.float64], "n d"], z: Int[NDArray[np.int64], " n"]) -> AffineEraser:
        found = rlace(X, z, rank=self.rank, n_starts=self.n_starts, random_state=self.random_state)
        self.directions_ = found.directions
        self.value_, self.bound_, self.gap_ = found.value, found.bound, found.gap
        self.certificate_, self.is_converged_ = found.certificate, found.is_converged
        self.start_values_, self.spread_ = found.start_values, found.spread
        guarantee = (
            f"On the fitting rows the least log loss of affine predictors is {found.value:.6f} of at most "
            f"{found.bound:.6f} nats: {found.certificate}."
        )
        return projection(
            found.directions,
            X.mean(axis=0),
            method="RLACE",
            guarantee=guarantee,
            tol=float(max(X.shape) * np.finfo(np.float64).eps),
        )
