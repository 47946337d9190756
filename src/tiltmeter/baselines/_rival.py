"""The form of a rival: what it sees of a text, and what is fitted on that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.baselines._text import TEXT_BASELINES
from tiltmeter.core.errors import DataError
from tiltmeter.core.rivals import RivalKind
from tiltmeter.data import TextSet, plain_texts

Seen = NDArray[Any]
"""What a rival sees of n texts: n strings, or numbers of shape (n, k)."""


def no_notes(fitted: Any, seen: Seen) -> tuple[str, ...]:  # noqa: ANN401, ARG001
    """Say nothing of a rival: its figures are all that there is."""
    return ()


class Rival(NamedTuple):
    """Anything that scores texts without their activations.

    ``read`` is given texts and never labels. ``build`` returns a fresh scikit-learn estimator with a
    ``decision_function``; None where the first number that is read is the score itself, with 0 in the middle.
    ``fit_on`` names the split on whose labels the estimator is fitted. ``notes`` says in lines what is to be known of
    the fitted estimator (None without one) and of what was read of the test texts.
    """

    name: str
    kind: RivalKind
    description: str
    read: Callable[[TextSet], Seen]
    build: Callable[[], Any] | None = None
    fit_on: Literal["train", "calibration"] = "train"
    notes: Callable[[Any, Seen], tuple[str, ...]] = no_notes

    def fit(self, seen: Seen, y: NDArray[np.int64]) -> Any:  # noqa: ANN401
        """Fit the estimator; None if there is none, DataError if y has one class only."""
        if self.build is None:
            return None
        if len(np.unique(y)) < 2:
            raise DataError(f"The rival {self.name} needs {self.fit_on} texts of both labels; these have one.")
        return self.build().fit(seen, y)

    def score(self, fitted: Any, seen: Seen) -> NDArray[np.float64]:  # noqa: ANN401
        """Score texts by what was read of them; higher means more of the concept."""
        scores = seen[:, 0] if self.build is None else fitted.decision_function(seen)
        return np.asarray(scores, dtype=np.float64)


class Readings:
    """What rivals read, kept: two rivals that share a reader read each set of texts once."""

    def __init__(self) -> None:
        # with the texts themselves, so that none is taken for another that came to lie in its place
        self._kept: dict[tuple[object, int], tuple[TextSet, Seen]] = {}

    def __call__(self, rival: Rival, texts: TextSet) -> Seen:
        """Return what a rival sees of the texts."""
        key = (rival.read, id(texts))
        if key not in self._kept:
            # a reader is not to see what it will be judged by
            self._kept[key] = (texts, rival.read(replace(texts, y=None)))
        return self._kept[key][1]


def strings(texts: TextSet) -> Seen:
    """See each row as one string, as :func:`tiltmeter.data.plain_texts` writes it."""
    return np.array(plain_texts(texts), dtype=object)


TEXT_RIVALS: tuple[Rival, ...] = tuple(
    Rival(baseline.name, "text", baseline.description, strings, baseline.build) for baseline in TEXT_BASELINES
)
