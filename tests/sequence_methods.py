"""The table of probes of whole texts that the shared tests loop over, and the texts they are fitted on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.probes import AttentionProbe, PooledTokens, SequenceProbe


class SequenceMethod(NamedTuple):
    """A probe of texts as the shared tests run it.

    ``ignores_order``: permuting the tokens of a text changes nothing. ``is_symmetric``: swapping the labels turns the
    scores round. ``is_linear``: a token's score is linear and names a direction.
    """

    probe: type[SequenceProbe]
    hyperparameters: dict[str, Any]
    ignores_order: bool
    is_symmetric: bool
    is_linear: bool

    def make(self) -> SequenceProbe:
        return self.probe(**self.hyperparameters)

    def fit(self, texts: Texts, **given: Any) -> Any:
        return self.make().fit(texts.X, texts.y, offsets=texts.offsets, **given)

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.hyperparameters.items())
        return f"{self.probe.__name__}({shown})"


SEQUENCE_PROBES: tuple[SequenceMethod, ...] = (
    SequenceMethod(PooledTokens, {"pool": "mean"}, ignores_order=True, is_symmetric=True, is_linear=True),
    SequenceMethod(PooledTokens, {"pool": "max"}, ignores_order=True, is_symmetric=False, is_linear=True),
    SequenceMethod(PooledTokens, {"pool": "softmax"}, ignores_order=True, is_symmetric=False, is_linear=True),
    SequenceMethod(
        PooledTokens, {"pool": "rolling", "window": 3}, ignores_order=False, is_symmetric=False, is_linear=True
    ),
    SequenceMethod(AttentionProbe, {}, ignores_order=True, is_symmetric=True, is_linear=False),
    SequenceMethod(AttentionProbe, {"n_heads": 2}, ignores_order=True, is_symmetric=True, is_linear=False),
)


class Texts(NamedTuple):
    """Tokens of texts, as ``core.Activations`` holds them, with the direction of the concept."""

    X: NDArray[Any]
    y: NDArray[np.int64]
    offsets: NDArray[np.int64]
    direction: NDArray[np.float64]

    def pick(self, order: NDArray[np.int64]) -> Texts:
        """Return the texts of these numbers, in this order, with repetitions."""
        rows = [np.arange(self.offsets[i], self.offsets[i + 1]) for i in order]
        lengths = [len(one) for one in rows]
        return Texts(self.X[np.concatenate(rows)], self.y[order], np.append(0, np.cumsum(lengths)), self.direction)

    def tokens_permuted(self, seed: int) -> Texts:
        rng = np.random.default_rng(seed)
        rows = [rng.permutation(np.arange(a, b)) for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True)]
        return self._replace(X=self.X[np.concatenate(rows)])

    def one_token_each(self) -> Texts:
        return Texts(self.X[self.offsets[:-1]], self.y, np.arange(len(self.y) + 1), self.direction)


def plant_texts(
    n: int,
    d: int,
    *,
    shift: float,
    seed: int,
    direction: NDArray[np.float64] | None = None,
    most: int = 12,
    share: float = 0.5,
) -> Texts:
    """Draw n texts of 1 to ``most`` tokens of N(0, I), all tokens of positive ones moved along the direction."""
    rng = np.random.default_rng(seed)
    if direction is None:
        direction = rng.normal(size=d)
        direction /= np.linalg.norm(direction)
    y = rng.permutation((np.arange(n) < share * n).astype(np.int64))
    lengths = rng.integers(1, most + 1, size=n)
    X = rng.normal(size=(lengths.sum(), d)) + np.repeat(y, lengths)[:, None] * shift * direction
    return Texts(X, y, np.append(0, np.cumsum(lengths)), direction)


def hidden_in_one_token(
    n: int, *, seed: int, d: int = 30, length: int = 20, amount: float = 8.0, is_spread: bool = False
) -> Texts:
    """Draw n texts of 20 tokens of N(0, I_30), half positive: one random token of them carries ``amount`` of feature 0.

    ``is_spread``: every token carries a twentieth of it instead, so that the mean of a text is the same.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, length, d))
    if is_spread:
        X[y == 1, :, 0] += amount / length
    else:
        X[np.flatnonzero(y), rng.integers(length, size=y.sum()), 0] += amount
    return Texts(X.reshape(-1, d), y, np.arange(n + 1) * length, np.eye(d)[0])


def read_at_two_marks(n: int, *, seed: int, d: int = 12, length: int = 10) -> Texts:
    """Draw n texts of 10 tokens of N(0, I_12): feature 0 marks one token by 6 units, feature 1 another.

    A text is positive where feature 2 at the first mark and feature 3 at the second add up to more than 0.
    """
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, length, d))
    text = np.arange(n)
    first, second = np.argsort(rng.random((n, length)), axis=1)[:, :2].T
    X[text, first, 0] += 6.0
    X[text, second, 1] += 6.0
    y = (X[text, first, 2] + X[text, second, 3] > 0).astype(np.int64)
    return Texts(X.reshape(-1, d), y, np.arange(n + 1) * length, np.eye(d)[2])
