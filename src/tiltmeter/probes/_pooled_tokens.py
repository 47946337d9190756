"""A linear score of tokens, pooled to a score of the text, and fitted through the pooling."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray
from scipy import optimize
from scipy.special import expit
from sklearn.utils.validation import check_is_fitted

from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import SpecError
from tiltmeter.core.site import Site
from tiltmeter.probes._logistic import logistic
from tiltmeter.probes._probe import FITTED_LABELS, plain
from tiltmeter.probes._segments import Segments, TokenRows, Windows
from tiltmeter.probes._sequence_probe import (
    DEFAULT_SEARCH,
    Loss,
    Search,
    SequenceProbe,
    Texts,
    check_strength,
    checked_offsets,
    lowest,
    minimise_loss,
    scale_of_texts,
)

PoolRule = Literal["mean", "max", "softmax", "rolling"]

# how sharp the smooth maximum is that the fit uses, in logits: coarse first, so that all tokens have a say
_SHARPNESS = (1.0, 0.3, 0.1)
_TOL_ON_THE_WAY = 1e-3


class TokenPooling(NamedTuple):
    """A rule that makes one score of a text from those of its tokens s_t.

    ``"mean"``; ``"max"``; ``"softmax"``: Σ p_t s_t with p the softmax of s / ``temperature``; ``"rolling"``: the
    largest mean of ``window`` consecutive tokens (of all, where a text is shorter). A constant added to all tokens is
    added to the text, and a text of one token has that token's score.
    """

    rule: PoolRule = "max"
    window: int = 10
    temperature: float = 1.0

    def check(self) -> None:
        """Refuse, with SpecError, what is no rule."""
        if self.rule not in get_args(PoolRule):
            raise SpecError(f"The pooling is {self.rule!r}; use one of {', '.join(get_args(PoolRule))}.")
        if self.window < 1 or not self.temperature > 0:
            raise SpecError(
                f"window is {self.window} and temperature {self.temperature}; they must be at least 1 and above 0."
            )


_POOLING = TokenPooling()


class PooledFit(NamedTuple):
    """What was found: vector (d,) and offset of the token scores, losses (s,) of all starts, steps of the one kept."""

    vector: Float[NDArray[Any], " d"]
    offset: float
    losses: Float[NDArray[Any], " s"]
    n_steps: int


def pool_scores(
    scores: Float[NDArray[Any], " t"], offsets: Int[NDArray[Any], " m"], *, pooling: TokenPooling
) -> Float[NDArray[Any], " n"]:
    """Pool token scores to one score a text.

    Use it with a probe of single rows that was fitted on all tokens under the label of their text: the recipe of the
    coup probes is ``Logistic`` with a small C and the maximum.

    Parameters
    ----------
    scores
        One score a token.
    offsets
        Shape (n + 1,): text i owns ``scores[offsets[i]:offsets[i + 1]]``, at least one.
    pooling
        The rule, with its window or its temperature (in units of the scores).

    Raises
    ------
    ArrayError
        If offsets do not divide the scores among texts of at least one token.
    SpecError
        If there is no such rule.

    References
    ----------
    Roger (2023), "Coup probes: Catching catastrophes with probes trained off-policy", for the maximum.

    Examples
    --------
    >>> scores, offsets = np.array([1.0, 5.0, 0.0, -1.0, -3.0]), np.array([0, 3, 5])
    >>> pool_scores(scores, offsets, pooling=TokenPooling("max")).tolist()
    [5.0, -1.0]
    >>> pool_scores(scores, offsets, pooling=TokenPooling("rolling", window=2)).tolist()
    [3.0, -2.0]
    """
    pooling.check()
    segments = Segments(checked_offsets(offsets, n_rows=len(scores)))
    columns = scores.astype(np.float64)[:, None]
    match pooling.rule:
        case "mean":
            pooled = segments.mean(columns)
        case "max":
            pooled = segments.max(columns)
        case "softmax":
            pooled = segments.sum(segments.softmax(columns / pooling.temperature) * columns)
        case "rolling":
            windows = Windows(segments, pooling.window)
            pooled = windows.segments.max(windows.mean(columns))
    return np.asarray(pooled[:, 0])


def pooled_tokens(
    X: Float[NDArray[Any], "t d"],
    y: Int[NDArray[Any], " n"],
    *,
    offsets: Int[NDArray[Any], " m"],
    pooling: TokenPooling = _POOLING,
    C: float = 1.0,
    sample_weight: Float[NDArray[Any], " n"] | None = None,
    search: Search = DEFAULT_SEARCH,
) -> PooledFit:
    """Minimise Σ log-loss of the pooled scores + |w|² s² / (2C) over w and a free intercept.

    s² is the mean variance of the features within classes, over tokens, so that X and 1000 X give the same direction.

    Parameters
    ----------
    X, y, offsets
        Tokens, labels 0 and 1 of the texts, and where each text begins and ends.
    pooling
        The rule; its temperature is in logits.
    C
        Inverse strength of the penalty, > 0.
    sample_weight
        Non-negative, one a text: weight 2 counts as the text twice. None for equal weights.
    search
        Where the search begins and when it ends. The first start is the mean-pooled solution at unit length, the others
        lie at 45° from it. ``"mean"`` is convex and needs none of it.

    Raises
    ------
    ArrayError
        If a class is absent or has no weight, or offsets are wrong.
    SpecError
        If C, the window or the temperature is not positive.

    Warns
    -----
    ConvergenceWarning
        If the kept search ended above its tolerance; the message gives the residual.

    Notes
    -----
    ``"max"`` and ``"rolling"`` are minimised through the smooth bound τ log Σ exp(s_t / τ) ≥ max s_t, with τ falling
    to 0.1 logits, each search going on from the last; the intercept is then fitted once more under the exact maximum.
    Their loss is convex in the texts without the concept only: what is found is the best of several local minima.
    Cost O(t d) a step and start, one product with the rows and one with their transpose, whatever the lengths; memory
    beside the rows O(t) a start and some 100 MB.

    Examples
    --------
    >>> X = np.array([[0.0, 1.0], [5.0, 0.0], [0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    >>> found = pooled_tokens(X, np.array([1, 0, 0]), offsets=np.array([0, 2, 3, 5]))
    >>> bool(found.vector[0] > abs(found.vector[1]))
    True
    """
    pooling.check()
    check_strength(C)
    offsets = checked_offsets(offsets, n_rows=len(X))
    weights = np.ones(len(y)) if sample_weight is None else sample_weight
    center, variance = scale_of_texts(X, y, offsets=offsets, weights=weights)
    # one scale for all features, but a constant one is read as 0: rounding in it must not grow from step to step
    scale = np.where(variance > 0, np.sqrt(variance.mean()), np.inf)
    segments = Segments(offsets)
    means = (segments.mean_rows(X) - center) / scale
    at_mean = logistic(means, y, C=C, sample_weight=weights)
    if pooling.rule == "mean":
        return _in_raw_units(at_mean.vector, at_mean.offset, center=center, scale=scale)
    rows = TokenRows(X, center=center, scale=scale)
    share = float(weights @ y / weights.sum())
    curvature = np.append(variance / scale**2, 1.0) * weights.sum() * share * (1 - share)
    curvature[:-1] += 1 / C
    directions = _starts(at_mean.vector, search)
    first = [
        fitted_intercept(pool_scores(scores, offsets, pooling=pooling), y, weights) for scores in rows.dot(directions).T
    ]
    points = np.column_stack([directions, first])
    stages = _SHARPNESS if pooling.rule in ("max", "rolling") else (1.0,)
    for stage, sharpness in enumerate(stages, start=1):
        loss = pooled_loss(rows, y, offsets=offsets, pooling=pooling, sharpness=sharpness, C=C, weights=weights)
        # on the way, near the minimum is enough
        tol = search.tol if stage == len(stages) else max(search.tol, _TOL_ON_THE_WAY)
        found = minimise_loss(loss, points, curvature=curvature, search=search._replace(tol=tol))
        points = found.x.numpy()
    best = lowest(found, name="PooledTokens")
    w, b = points[best, :-1], float(points[best, -1])
    if pooling.rule in ("max", "rolling"):
        exact = pool_scores(rows.dot(w[None])[:, 0], offsets, pooling=pooling)
        b = fitted_intercept(exact, y, weights)
    fit = _in_raw_units(w, b, center=center, scale=scale)
    return fit._replace(losses=found.values.numpy(), n_steps=int(found.n_steps[best]))


def _in_raw_units(
    w: Float[NDArray[Any], " d"], b: float, *, center: Float[NDArray[Any], " d"], scale: Float[NDArray[Any], " d"]
) -> PooledFit:
    vector = w / scale
    return PooledFit(vector, b - float(vector @ center), np.empty(0), 0)


def pooled_loss(
    rows: TokenRows,
    y: Int[NDArray[Any], " n"],
    *,
    offsets: Int[NDArray[Any], " m"],
    pooling: TokenPooling,
    sharpness: float,
    C: float,
    weights: Float[NDArray[Any], " n"],
) -> Loss:
    """Return the loss of points (w, b), several at once, in the units of ``rows``, with its gradient; not for means."""
    segments = Segments(offsets)
    windows = Windows(segments, pooling.window) if pooling.rule == "rolling" and pooling.window > 1 else None
    sign = 2.0 * y[:, None] - 1

    def loss(x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        w = x[:, :-1]
        scores = rows.dot(w)
        if pooling.rule == "softmax":
            shares = segments.softmax(scores / pooling.temperature)
            pooled = segments.sum(shares * scores)
            slopes = shares * (1 + (scores - segments.spread(pooled)) / pooling.temperature)
        elif windows is not None:
            pooled, shares = _smooth_max(windows.mean(scores), windows.segments, sharpness=sharpness)
            slopes = windows.spread(shares)
        else:
            pooled, slopes = _smooth_max(scores, segments, sharpness=sharpness)
        margins = sign * (pooled + x[:, -1])
        residuals = -weights[:, None] * sign * expit(-margins)
        values = weights @ np.logaddexp(0, -margins) + (w**2).sum(axis=1) / (2 * C)
        of_w = rows.weighted_sums(slopes * segments.spread(residuals)) + w / C
        return values, np.hstack([of_w, residuals.sum(axis=0)[:, None]])

    return loss


def _smooth_max(
    values: Float[NDArray[Any], "w k"], segments: Segments, *, sharpness: float
) -> tuple[Float[NDArray[Any], "n k"], Float[NDArray[Any], "w k"]]:
    """Return τ log Σ exp(v / τ) of each text, and its derivative by every value: their softmax."""
    largest = segments.max(values)
    raised = np.exp((values - segments.spread(largest)) / sharpness)
    total = segments.sum(raised)
    return largest + sharpness * np.log(total), raised / segments.spread(total)


def _starts(w: Float[NDArray[Any], " d"], search: Search) -> Float[NDArray[Any], "s d"]:
    """Return w at unit length, and vectors at 45° from it; a w of zero leaves random ones."""
    rng = np.random.default_rng(search.random_state)
    around = rng.normal(size=(search.n_starts, len(w)))
    norm = float(np.linalg.norm(w))
    unit = w / norm if norm > 0 else np.zeros(len(w))
    around -= np.outer(around @ unit, unit)
    around /= np.maximum(np.linalg.norm(around, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    if norm == 0:
        return around
    points = (unit + around) / np.sqrt(2)
    points[0] = unit
    return np.asarray(points)


def fitted_intercept(
    pooled: Float[NDArray[Any], " n"], y: Int[NDArray[Any], " n"], weights: Float[NDArray[Any], " n"]
) -> float:
    """Minimise the log-loss of pooled scores over what is added to all of them."""
    share = float(weights @ y / weights.sum())
    middle = float(np.log(share / (1 - share)))
    low, high = middle - float(pooled.max()), middle - float(pooled.min())
    if low == high:
        return low
    # at the ends every probability lies on one side of the share
    return float(optimize.brentq(lambda b: weights @ (expit(pooled + b) - y), low, high))


class PooledTokens(SequenceProbe):
    """A linear score of tokens, pooled to a score of the text, and fitted through the pooling.

    It learns from texts which of their tokens matter: with the maximum, one token in thousands can make a text
    positive, and the other tokens of that text are not held to carry the concept. It names a direction.

    After ``fit``: ``direction_`` (d,) of norm 1 in the coordinates of X, ``intercept_``, ``temperature_`` (in units of
    the token scores), ``losses_`` of all starts (empty for ``"mean"``, which needs none) and ``n_iter_``. The score of
    a token is ``X @ direction_ + intercept_``, in units of the activations.

    Parameters
    ----------
    pool
        ``"mean"``: where the concept is in all tokens. ``"max"``: where it is in few. ``"softmax"``: between the two.
        ``"rolling"``: where it is in a run of tokens.
    C
        Inverse strength of the penalty, > 0, relative to the variance of the features: the same at every scale of X.
    window
        Tokens of a run, for ``"rolling"``; with 1 it is the maximum.
    temperature
        In logits, for ``"softmax"``: towards 0 it is the maximum, towards infinity the mean.
    n_starts
        Searches side by side, for all rules but ``"mean"``, whose loss has one minimum.
    random_state
        Seed of the starts.

    See Also
    --------
    pool_scores : pools the token scores of any probe, such as ``Logistic`` fitted on all tokens.
    AttentionProbe : learns where to look apart from what to read there.

    Notes
    -----
    All rules but ``"mean"`` are not convex; see :func:`pooled_tokens` for how they are searched, and for the cost,
    which is O(t d) a step and start in time and O(t) beside the rows in memory. Classes are not balanced: a text
    counts as its weight says. With ``"max"``, ``"softmax"`` and ``"rolling"`` the classes are not alike: a concept
    that some tokens hold can make a text positive, but its absence elsewhere cannot.

    References
    ----------
    Roger (2023), "Coup probes"; McKenzie et al. (2025), "Detecting High-Stakes Interactions with Activation Probes",
    for the rules.

    Examples
    --------
    >>> X = np.array([[0.0, 1.0], [5.0, 0.0], [0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    >>> offsets = np.array([0, 2, 3, 5])
    >>> probe = PooledTokens("max").fit(X, np.array([1, 0, 0]), offsets=offsets)
    >>> probe.predict(X, offsets=offsets).tolist()
    [1, 0, 0]
    >>> int(probe.token_scores(X).argmax())
    1
    """

    direction_: NDArray[Any]
    intercept_: float
    temperature_: float
    losses_: NDArray[Any]
    n_iter_: int

    def __init__(
        self,
        pool: PoolRule = "max",
        *,
        C: float = 1.0,
        window: int = 10,
        temperature: float = 1.0,
        n_starts: int = 4,
        random_state: int = 0,
    ) -> None:
        self.pool = pool
        self.C = C
        self.window = window
        self.temperature = temperature
        self.n_starts = n_starts
        self.random_state = random_state

    def _learn(self, texts: Texts) -> None:
        found = pooled_tokens(
            texts.rows,
            texts.present,
            offsets=texts.offsets,
            pooling=self._pooling(self.temperature),
            C=self.C,
            sample_weight=texts.weights,
            search=Search(self.n_starts, self.random_state),
        )
        norm = float(np.linalg.norm(found.vector))
        if not np.isfinite(norm) or norm == 0.0:
            raise self._refuse()
        self.direction_ = (found.vector / norm).astype(texts.rows.dtype)
        self.intercept_ = found.offset / norm
        self.temperature_ = self.temperature / norm
        self.losses_, self.n_iter_ = found.losses, found.n_steps

    def token_scores(self, X: ArrayLike) -> NDArray[Any]:
        """Score tokens, shape (t, d) to (t,), each as if it were a whole text."""
        return self._project(self._known_rows(X))

    def as_direction(self, *, site: Site | None = None, provenance: dict[str, Any] | None = None) -> Direction:
        """Return the direction of the token scores, its sign given by the labels, not yet assessed."""
        check_is_fitted(self, "direction_")
        return Direction(
            self.direction_,
            offset=float(self.intercept_),
            site=site,
            sign=1,
            method=type(self).__name__,
            provenance={"hyperparameters": plain(self.get_params()), "sign_from": FITTED_LABELS, **(provenance or {})},
        )

    def _score(self, rows: Float[NDArray[Any], "t d"], offsets: Int[NDArray[Any], " m"]) -> NDArray[Any]:
        return pool_scores(self._project(rows), offsets, pooling=self._pooling(self.temperature_))

    def _project(self, rows: Float[NDArray[Any], "t d"]) -> Float[NDArray[Any], " t"]:
        # in float64: a large offset would swallow the differences between single-precision scores
        return np.asarray((rows @ self.direction_.astype(rows.dtype)).astype(np.float64) + self.intercept_)

    def _pooling(self, temperature: float) -> TokenPooling:
        return TokenPooling(self.pool, self.window, temperature)
