"""Scoring the past again, with another monitor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from scipy import stats

from tiltmeter.core.alarms import ScoredText
from tiltmeter.core.errors import SpecError
from tiltmeter.core.operations import ReplayedText, ReplayTotals
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.data import Message, TextSet
from tiltmeter.models import SubjectModel
from tiltmeter.monitor._monitor import Monitor

_AT_ONCE = 256
_LEVEL = 0.95


def replay(texts: Iterable[ScoredText], monitor: Monitor, *, subject: SubjectModel) -> Iterator[ReplayedText]:
    """Score the texts of a log again, as they come.

    Those that were not kept, and those that the model itself wrote (what was read of them is known token by token, and
    not as a text to be read again), are passed over.

    Parameters
    ----------
    texts
        As :meth:`MonitorLog.scores` yields them.
    monitor
        Any that was made for the model.
    subject
        The model.

    Raises
    ------
    ModelError
        If the monitor was made for another model.
    DataError
        If a text is too long, or has nothing that this monitor reads.

    Examples
    --------
    >>> for text in replay(log.scores(), new, subject=subject):  # doctest: +SKIP
    ...     print(text.text_id, text.then, text.score)
    """
    kept = (text for text in texts if can_replay(text))
    while some := list(islice(kept, _AT_ONCE)):
        # a chat and a plain text are not of one set
        for own in ([text for text in some if text.messages is None], [text for text in some if text.messages]):
            if own:
                yield from _scored(own, monitor, subject=subject)


def can_replay(text: ScoredText) -> bool:
    """Tell whether a text of a log is there to be scored again.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> moment = datetime(2026, 5, 1, tzinfo=UTC)
    >>> can_replay(ScoredText(time=moment, text_id="a", scores={}, text=None, source="score"))
    False
    """
    return text.text is not None and text.source != "generate"


def replay_totals(replayed: Sequence[ReplayedText], *, monitor: str, beside: str, n_left: int) -> ReplayTotals:
    """Count where two monitors agree: one then, one now.

    Parameters
    ----------
    replayed
        What :func:`replay` yielded.
    monitor
        What the new one is called.
    beside
        The one of the log that it is put beside.
    n_left
        Texts of the log that could not be replayed.

    Returns
    -------
    Counts over texts with both scores, and Spearman's correlation of the scores with an interval after Bonett and
    Wright (2000), which takes texts for independent.

    Raises
    ------
    SpecError
        If there is no such monitor in the log.

    Examples
    --------
    >>> replay_totals([], monitor="new", beside="old", n_left=0)
    Traceback (most recent call last):
    ...
    tiltmeter.core.errors.SpecError: No text that was replayed has a score of 'old'; those in the log are none.
    """
    own = [text for text in replayed if beside in text.then]
    if not own:
        there = ", ".join(sorted({name for text in replayed for name in text.then})) or "none"
        raise SpecError(f"No text that was replayed has a score of {beside!r}; those in the log are {there}.")
    then = np.array([text.then_alarms[beside] is True for text in own])
    now = np.array([text.alarm is True for text in own])
    return ReplayTotals(
        monitor=monitor,
        beside=beside,
        n=len(own),
        n_left=n_left,
        both=int((then & now).sum()),
        only_then=int((then & ~now).sum()),
        only_now=int((~then & now).sum()),
        neither=int((~then & ~now).sum()),
        rank_correlation=_ranks_alike(
            np.array([text.then[beside] for text in own]), np.array([text.score for text in own])
        ),
    )


def _scored(texts: Sequence[ScoredText], monitor: Monitor, *, subject: SubjectModel) -> Iterator[ReplayedText]:
    chats = tuple(
        tuple(Message(role=message["role"], content=message["content"]) for message in text.messages)
        for text in texts
        if text.messages is not None
    )
    rows = TextSet(
        # by number: one text may have been scored twice under one name
        np.arange(len(texts)).astype(str),
        texts=None if chats else tuple(text.text or "" for text in texts),
        messages=chats or None,
        distribution="the log",
    )
    found = monitor.score(subject, rows)
    for i, text in enumerate(texts):
        yield ReplayedText(
            text_id=text.text_id,
            time=text.time,
            then={name: one.score for name, one in text.scores.items()},
            then_alarms={name: one.alarm for name, one in text.scores.items()},
            score=float(found.scores[i]),
            alarm=None if found.alarms is None else bool(found.alarms[i]),
            unlike=None if found.unlike is None else bool(found.unlike[i]),
        )


def _ranks_alike(one: np.ndarray, other: np.ndarray) -> Measured:
    n = len(one)
    # one text again and again differs by rounding, which is no order
    if n < 4 or any(np.ptp(scores) <= 1e-6 * np.abs(scores).max() for scores in (one, other)):
        return Unavailable(reason="fewer than four texts, or scores that are all equal")
    rho = float(stats.spearmanr(one, other).statistic)
    # the variance of the transform of a rank correlation is larger than that of Pearson's
    spread = float(np.sqrt((1 + rho**2 / 2) / (n - 3)) * stats.norm.ppf((1 + _LEVEL) / 2))
    at = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
    return Estimate(
        value=rho,
        low=float(np.tanh(at - spread)),
        high=float(np.tanh(at + spread)),
        level=_LEVEL,
        n=n,
        method="Spearman, Fisher's transform with the variance of Bonett and Wright",
    )
