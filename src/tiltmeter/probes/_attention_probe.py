"""Attention over the tokens of a text: where to look, and what to read there, both learned from labels of texts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from tiltmeter.core.errors import SpecError
from tiltmeter.probes._logistic import logistic
from tiltmeter.probes._pooled_tokens import TokenPooling, fitted_intercept, pool_scores, pooled_loss
from tiltmeter.probes._segments import Segments, TokenRows
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

# length of the random part of the queries that start from something known
_NUDGE = 0.01
# attention that looks where it reads: its query is its value
_ALIKE = TokenPooling("softmax")


class AttentionFit(NamedTuple):
    """What was found, in the units of X: a query and a value (d,) for each head, and one offset.

    Queries have no offset, as it would change no weight. ``losses`` (s,) are those of all starts, ``n_steps`` of the
    one kept.
    """

    queries: Float[NDArray[Any], "h d"]
    values: Float[NDArray[Any], "h d"]
    offset: float
    losses: Float[NDArray[Any], " s"]
    n_steps: int


def attention_probe(
    X: Float[NDArray[Any], "t d"],
    y: Int[NDArray[Any], " n"],
    *,
    offsets: Int[NDArray[Any], " m"],
    n_heads: int = 1,
    C: float = 1.0,
    sample_weight: Float[NDArray[Any], " n"] | None = None,
    search: Search = DEFAULT_SEARCH,
) -> AttentionFit:
    """Minimise Σ log-loss of the texts' scores + Σ_h (|q_h|² + |v_h|²) / (2C) over queries, values and an offset.

    The score of a text is Σ_h Σ_t a_ht (v_h · z_t) + b, with a_h the softmax of q_h · z_t over its tokens and z the
    features, centred and divided by their standard deviation within classes: rescaling X, or one feature of it,
    changes nothing.

    Parameters
    ----------
    X, y, offsets
        Tokens, labels 0 and 1 of the texts, and where each text begins and ends.
    n_heads
        Pairs of a query and a value, at least 1.
    C
        Inverse strength of the penalty, > 0.
    sample_weight
        Non-negative, one a text: weight 2 counts as the text twice. None for equal weights.
    search
        Where the search begins and when it ends. The first start looks at all tokens nearly alike and reads along the
        mean-pooled solution, the fourth and later look in random directions. The second is softmax pooling (query and
        value are one vector) fitted before, and the third the same for swapped labels: nothing worse is returned.

    Raises
    ------
    ArrayError
        If a class is absent or has no weight, or offsets are wrong.
    SpecError
        If ``n_heads`` or C is not positive.

    Warns
    -----
    ConvergenceWarning
        If the kept search ended above its tolerance; the message gives the residual.

    Notes
    -----
    The loss is not convex: what is found is the best of several local minima. Queries are not divided by √d, so that
    the penalty means the same at every width. Cost O(t d h) a step and start, in one product for all; memory beside
    the rows O(t h) a start and some 100 MB: no text is padded.

    Examples
    --------
    >>> X = np.array([[0.0, 1.0], [5.0, 0.0], [0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    >>> found = attention_probe(X, np.array([1, 0, 0]), offsets=np.array([0, 2, 3, 5]))
    >>> found.queries.shape, bool(found.values[0, 0] > 0)
    ((1, 2), True)
    """
    check_strength(C)
    if n_heads < 1:
        raise SpecError(f"n_heads is {n_heads}; attention needs at least one head.")
    offsets = checked_offsets(offsets, n_rows=len(X))
    weights = np.ones(len(y)) if sample_weight is None else sample_weight
    center, variance = scale_of_texts(X, y, offsets=offsets, weights=weights)
    # a constant feature is read as 0: rounding in it must not grow from step to step
    scale = np.where(variance > 0, np.sqrt(variance), np.inf)
    rows = TokenRows(X, center=center, scale=scale)
    at_mean = logistic((Segments(offsets).mean_rows(X) - center) / scale, y, C=C, sample_weight=weights)
    share = float(weights @ y / weights.sum())
    curvature = np.full(2 * n_heads * len(center) + 1, weights.sum() * share * (1 - share) + 1 / C)
    # averages vary less than tokens: the solution for them can be too long for tokens, and a penalty makes it too short
    unit = at_mean.vector / max(float(np.linalg.norm(at_mean.vector)), np.finfo(np.float64).tiny)
    looking = []
    for sign, labels in ((1.0, y), (-1.0, 1 - y)):
        # half the strength, as the penalty counts the vector twice: as a query and as a value
        alike = pooled_loss(rows, labels, offsets=offsets, pooling=_ALIKE, sharpness=1.0, C=C / 2, weights=weights)
        pooled = pool_scores(rows.dot(sign * unit[None])[:, 0], offsets, pooling=_ALIKE)
        point = np.append(sign * unit, fitted_intercept(pooled, labels, weights))
        found = minimise_loss(alike, point[None], curvature=curvature[-len(point) :], search=search)
        looking.append(found.x.numpy()[0])
    first = np.append(at_mean.vector, at_mean.offset) / max(float(np.linalg.norm(at_mean.vector)), 1.0)
    points = _starts(first, looking, n_heads=n_heads, search=search)
    loss = attention_loss(rows, y, offsets=offsets, n_heads=n_heads, C=C, weights=weights)
    found = minimise_loss(loss, points, curvature=curvature, search=search)
    best = lowest(found, name="AttentionProbe")
    vectors = found.x[best, :-1].numpy().reshape(2, n_heads, -1) / scale
    offset = float(found.x[best, -1]) - float(vectors[1].sum(axis=0) @ center)
    return AttentionFit(vectors[0], vectors[1], offset, found.values.numpy(), int(found.n_steps[best]))


def attention_loss(
    rows: TokenRows,
    y: Int[NDArray[Any], " n"],
    *,
    offsets: Int[NDArray[Any], " m"],
    n_heads: int,
    C: float,
    weights: Float[NDArray[Any], " n"],
) -> Loss:
    """Return the loss of points (queries, values, b), several at once, in the units of ``rows``, with its gradient."""
    segments = Segments(offsets)
    sign = 2.0 * y[:, None] - 1

    def loss(x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        n_points = len(x)
        vectors = x[:, :-1].reshape(n_points, 2, n_heads, -1).swapaxes(0, 1)
        # columns: the logits of all heads of all points, then their values
        products = rows.dot(vectors.reshape(2 * n_points * n_heads, -1))
        logits, values = np.split(products, 2, axis=1)
        attention = segments.softmax(logits)
        heads = segments.sum(attention * values)
        margins = sign * (heads.reshape(len(y), n_points, n_heads).sum(axis=2) + x[:, -1])
        residuals = -weights[:, None] * sign * expit(-margins)
        of_values = attention * segments.spread(np.repeat(residuals, n_heads, axis=1))
        of_logits = of_values * (values - segments.spread(heads))
        pulls = rows.weighted_sums(np.hstack([of_logits, of_values])).reshape(vectors.shape) + vectors / C
        gradients = pulls.swapaxes(0, 1).reshape(n_points, -1)
        total = weights @ np.logaddexp(0, -margins) + (x[:, :-1] ** 2).sum(axis=1) / (2 * C)
        return total, np.hstack([gradients, residuals.sum(axis=0)[:, None]])

    return loss


def attend(
    X: Float[NDArray[Any], "t d"], queries: Float[NDArray[Any], "h d"], *, offsets: Int[NDArray[Any], " m"]
) -> Float[NDArray[Any], "t h"]:
    """Return the weight of every token under every head; they add up to 1 within a text."""
    return Segments(offsets).softmax((X @ queries.T.astype(X.dtype)).astype(np.float64))


def _starts(
    first: Float[NDArray[Any], " p"], looking: list[Float[NDArray[Any], " p"]], *, n_heads: int, search: Search
) -> Float[NDArray[Any], "s z"]:
    """Divide the mean-pooled solution among the heads, and draw queries; put what was found with q = ± v between.

    Those of the first start are short, so that all tokens count alike, and those of the fourth and later have unit
    length. The second and third look and read along one vector, with one head. Swapping the labels swaps those two.
    """
    rng = np.random.default_rng(search.random_state)
    n_starts = max(search.n_starts, 3)
    queries = rng.normal(size=(n_starts, n_heads, len(first) - 1))
    queries /= np.linalg.norm(queries, axis=2, keepdims=True)
    # not 0: equal heads would stay equal
    queries[:3] *= _NUDGE
    values = np.tile(first[:-1] / n_heads, (n_starts, n_heads, 1))
    offsets = np.full(n_starts, first[-1])
    for i, (sign, found) in enumerate(zip((1.0, -1.0), looking, strict=True), start=1):
        queries[i, 0] = found[:-1]
        values[i], values[i, 0] = 0.0, sign * found[:-1]
        offsets[i] = sign * found[-1]
    points = np.column_stack([np.concatenate([queries, values], axis=1).reshape(n_starts, -1), offsets])
    return points[: search.n_starts]


class AttentionProbe(SequenceProbe):
    """Attention over the tokens of a text: where to look, and what to read there, both learned from labels of texts.

    With one head it can read a feature where another one marks the place; with several, it can look for different
    things in different places of one text. It names no direction.

    After ``fit``: ``queries_`` and ``values_`` (n_heads, d) in the coordinates of X, ``intercept_``, ``losses_`` of all
    starts and ``n_iter_``. Scores are in logits. That of a token is Σ_h v_h · x_t + b, what the text would score if it
    were this token alone.

    Parameters
    ----------
    n_heads
        Pairs of a query and a value, at least 1.
    C
        Inverse strength of the penalty, > 0, in units of the features' deviations: the same at every scale of X.
    n_starts
        Searches side by side; the lowest loss is kept.
    random_state
        Seed of the starts.

    See Also
    --------
    PooledTokens : one direction says both where to look and what is there; it can be read and steered with.

    Notes
    -----
    See :func:`attention_probe` for the loss, and for the cost, which is O(t d n_heads) a step and start in time and
    O(t n_heads) a start beside the rows in memory. The weights say where this probe looks, not what caused the
    model's output. With few texts and a large C it finds tokens that tell the train texts apart and no others: where
    the concept may lie in all tokens, compare it with the mean, or take a C of 0.01.

    References
    ----------
    McKenzie et al. (2025), "Detecting High-Stakes Interactions with Activation Probes", the attention probe.

    Examples
    --------
    >>> X = np.array([[0.0, 1.0], [5.0, 0.0], [0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    >>> offsets = np.array([0, 2, 3, 5])
    >>> probe = AttentionProbe().fit(X, np.array([1, 0, 0]), offsets=offsets)
    >>> probe.decision_function(X, offsets=offsets).argmax()
    np.int64(0)
    >>> probe.attention(X, offsets=offsets)[2].tolist()
    [1.0]
    """

    queries_: NDArray[Any]
    values_: NDArray[Any]
    intercept_: float
    losses_: NDArray[Any]
    n_iter_: int

    def __init__(self, n_heads: int = 1, *, C: float = 1.0, n_starts: int = 4, random_state: int = 0) -> None:
        self.n_heads = n_heads
        self.C = C
        self.n_starts = n_starts
        self.random_state = random_state

    def _learn(self, texts: Texts) -> None:
        found = attention_probe(
            texts.rows,
            texts.present,
            offsets=texts.offsets,
            n_heads=self.n_heads,
            C=self.C,
            sample_weight=texts.weights,
            search=Search(self.n_starts, self.random_state),
        )
        self.queries_, self.values_ = (one.astype(texts.rows.dtype) for one in (found.queries, found.values))
        self.intercept_, self.losses_, self.n_iter_ = found.offset, found.losses, found.n_steps

    def token_scores(self, X: ArrayLike) -> NDArray[Any]:
        """Score tokens, shape (t, d) to (t,), each as if it were a whole text."""
        rows = self._known_rows(X)
        return np.asarray(self._values(rows).sum(axis=1) + self.intercept_)

    def attention(self, X: ArrayLike, *, offsets: ArrayLike | None) -> NDArray[Any]:
        """Return the weight of every token under every head, shape (t, n_heads); they add up to 1 within a text."""
        rows = self._known_rows(X)
        return attend(rows, self.queries_, offsets=checked_offsets(offsets, n_rows=len(rows)))

    def _score(self, rows: Float[NDArray[Any], "t d"], offsets: Int[NDArray[Any], " m"]) -> NDArray[Any]:
        looked = attend(rows, self.queries_, offsets=offsets) * self._values(rows)
        return np.asarray(Segments(offsets).sum(looked).sum(axis=1) + self.intercept_)

    def _values(self, rows: Float[NDArray[Any], "t d"]) -> Float[NDArray[Any], "t h"]:
        return np.asarray((rows @ self.values_.T.astype(rows.dtype)).astype(np.float64))
