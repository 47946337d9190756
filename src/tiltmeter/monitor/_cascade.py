"""A cheap probe first, and a costly reviewer for what it finds most suspicious, within a budget."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.baselines import Rival
from tiltmeter.core.alarms import Alarm, Review
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.data import TextSet

Reviewer = Callable[[str], float]
"""From a text to how suspicious it is: above 0 where the reviewer agrees with the alarm."""


class Budget:
    """So many reviews in any so many seconds; safe to share between threads.

    Parameters
    ----------
    n
        Most reviews in a window, from 1.
    seconds
        How long the window is, above 0; a day by default.
    clock
        Seconds that only grow.

    Raises
    ------
    SpecError
        If either is out of range.

    Examples
    --------
    >>> budget = Budget(1)
    >>> budget.take(), budget.take()
    (True, False)
    """

    def __init__(self, n: int, *, seconds: float = 86400.0, clock: Callable[[], float] = time.monotonic) -> None:
        if not n >= 1 or n != int(n) or not 0 < seconds < math.inf:
            raise SpecError(
                f"A budget of {n} reviews in {seconds} seconds; give a whole number from 1, in a time above 0."
            )
        self.n, self.seconds = n, seconds
        self._clock = clock
        self._taken: deque[float] = deque()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take one review from the budget if there is one."""
        with self._lock:
            now = self._clock()
            while self._taken and self._taken[0] <= now - self.seconds:
                self._taken.popleft()
            if len(self._taken) >= self.n:
                return False
            self._taken.append(now)
            return True


class Cascade:
    """Hands the text of an alarm to a reviewer while the budget lasts, and keeps what became of it.

    It is an action of a :class:`Rule`: certify the monitor at a rate of reviews (10 %, say) rather than of alarms. The
    reviewer is called where the alarm is raised, and the text waits for it, so that one which may hang needs a time-out
    of its own (as that of an :class:`~tiltmeter.baselines.Endpoint`). An alarm stands unless the reviewer clears it:
    one that the budget did not reach, or whose reviewer raised an exception or answered what is no number, is "not
    reviewed", and none is lost.

    Parameters
    ----------
    reviewer
        Any function; :func:`reviewer_of` makes one of a rival that reads texts, such as a model behind an endpoint.
    budget
        None for no limit.
    on_review
        Called with each outcome, such as a log's writer.

    Attributes
    ----------
    reviews
        All outcomes so far.

    Examples
    --------
    >>> cascade = Cascade(lambda text: 1.0 if "theft" in text else -1.0, budget=Budget(100))
    >>> cascade.reviews
    []
    """

    def __init__(
        self,
        reviewer: Reviewer,
        *,
        budget: Budget | None = None,
        on_review: Callable[[Review], object] | None = None,
    ) -> None:
        self.reviews: list[Review] = []
        self._reviewer, self._budget, self._on_review = reviewer, budget, on_review

    def __call__(self, alarm: Alarm) -> Review:
        """Review one alarm; SpecError if it holds no text."""
        if alarm.text is None:
            raise SpecError("An alarm without its text cannot be reviewed; watch with keep_texts=True.")
        review = _reviewed(alarm.id, alarm.text, reviewer=self._reviewer, budget=self._budget)
        self.reviews.append(review)
        if self._on_review is not None:
            self._on_review(review)
        return review


def review_most_suspicious(
    scores: Float[NDArray[Any], " n"],
    texts: TextSet,
    *,
    reviewer: Reviewer,
    fraction: float,
    budget: Budget | None = None,
) -> tuple[Review | None, ...]:
    """Have the share of texts with the highest scores reviewed, the most suspicious first.

    Parameters
    ----------
    scores
        Shape (n,), finite.
    texts
        Plain texts, in the order of the scores.
    reviewer
        As in :class:`Cascade`.
    fraction
        Strictly above 0 and at most 1; of texts with equal scores the earlier ones come first.
    budget
        As in :class:`Cascade`.

    Returns
    -------
    One outcome a text; None for those below.

    Raises
    ------
    ArrayError
        If there is not one finite score a text.
    SpecError
        If the fraction is out of range, or these are chats.

    Examples
    --------
    >>> texts = TextSet(np.array(["a", "b"]), texts=("quiet", "theft"))
    >>> found = review_most_suspicious(np.array([0.1, 2.0]), texts, reviewer=lambda text: 1.0, fraction=0.5)
    >>> found[0] is None, found[1].outcome
    (True, 'upheld')
    """
    if scores.shape != (len(texts),) or not np.isfinite(scores).all():
        raise ArrayError(f"scores have shape {scores.shape} for {len(texts)} texts; give one finite score each.")
    if not 0 < fraction <= 1:
        raise SpecError(f"The fraction to review is {fraction}; give one above 0, and 1 at most.")
    if texts.texts is None:
        raise SpecError("A reviewer is given plain texts, and these are chats; render them first.")
    most = np.argsort(-scores, kind="stable")[: math.ceil(fraction * len(texts))]
    found: list[Review | None] = [None] * len(texts)
    for i in most:
        found[i] = _reviewed(str(texts.ids[i]), texts.texts[i], reviewer=reviewer, budget=budget)
    return tuple(found)


def reviewer_of(rival: Rival) -> Reviewer:
    """Return a reviewer that asks a rival which needs no fit, such as the raw one of :func:`baselines.monitor_at`.

    Raises
    ------
    SpecError
        If the rival is to be fitted first.

    Examples
    --------
    >>> from tiltmeter.baselines import Endpoint, monitor_at
    >>> raw, _ = monitor_at(Endpoint("http://localhost:8000/v1/chat/completions", "m"), prompt="Harmful? {text}",
    ...                     positive=["yes"], negative=["no"])
    >>> reviewer = reviewer_of(raw)
    """
    if rival.build is not None:
        raise SpecError(f"The rival {rival.name} is fitted on labels before it scores; give one that scores as it is.")

    def review(text: str) -> float:
        return float(np.asarray(rival.read(TextSet(np.array(["alarm"]), texts=(text,))))[0, 0])

    return review


def _reviewed(alarm_id: str, text: str, *, reviewer: Reviewer, budget: Budget | None) -> Review:
    def outcome(suspicion: float | None, reason: str) -> Review:
        kind = "not reviewed" if suspicion is None else "upheld" if suspicion > 0 else "cleared"
        return Review.model_validate(
            {"alarm_id": alarm_id, "time": datetime.now(UTC), "outcome": kind, "suspicion": suspicion, "reason": reason}
        )

    if budget is not None and not budget.take():
        return outcome(None, f"the budget of {budget.n} reviews in {budget.seconds:g} seconds is spent")
    try:
        suspicion = float(reviewer(text))
    except Exception as error:  # noqa: BLE001  (whatever a reviewer does, the alarm stands and the text goes on)
        return outcome(None, f"the reviewer failed: {type(error).__name__}: {error}")
    if not math.isfinite(suspicion):
        return outcome(None, f"the reviewer said {suspicion}")
    return outcome(suspicion, f"the reviewer's score is {suspicion:g}")
