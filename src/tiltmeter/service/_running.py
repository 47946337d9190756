"""The score that a text would have if it ended after each of its tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.activations import Pooling
from tiltmeter.core.direction import Direction


class Running:
    """Pools the activations of a text as they come, and scores what there is after each.

    Parameters
    ----------
    direction
        With a sign.
    pooling
        How the tokens of a text are put together.

    Examples
    --------
    >>> running = Running(Direction(np.array([1.0, 0.0]), sign=1), pooling="mean")
    >>> running.add(np.array([[2.0, 0.0], [4.0, 0.0]])).tolist(), running.add(np.array([[0.0, 1.0]])).tolist()
    ([2.0, 3.0], [2.0])
    """

    def __init__(self, direction: Direction, *, pooling: Pooling) -> None:
        self._direction = direction
        self._pooling = pooling
        self._n = 0
        self._state: NDArray[Any] | None = None

    def add(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Take the activations of the next tokens that are read, shape (t, d), and return the score after each."""
        if not len(X):
            return np.empty(0)
        match self._pooling:
            case "last":
                pooled = X
            case "first":
                self._state = X[0] if self._state is None else self._state
                pooled = np.broadcast_to(self._state, X.shape)
            case "max":
                before = X[:1] if self._state is None else self._state[None]
                pooled = np.maximum.accumulate(np.concatenate([before, X]))[1:]
                self._state = pooled[-1]
            case "mean":
                before = np.zeros_like(X[:1], dtype=np.float64) if self._state is None else self._state[None]
                sums = np.cumsum(np.concatenate([before, X]), axis=0)[1:]
                self._state = sums[-1]
                pooled = (sums / (self._n + 1 + np.arange(len(X)))[:, None]).astype(np.float32)
        self._n += len(X)
        return self._direction.score(pooled).astype(np.float64, copy=False)
