"""Scoring the past again, with another monitor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import cast

import numpy as np
from scipy import stats

from tiltmeter.core.alarms import ScoredText
from tiltmeter.core.errors import DataError, SpecError, TiltmeterError
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
    not as a text to be read again), are passed over. A text that the monitor cannot read, because it is too long or has
    nothing to read, is yielded without a score and with the reason.

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

    Examples
    --------
    >>> for text in replay(log.scores(), new, subject=subject):  # doctest: +SKIP
    ...     print(text.text_id, text.then, text.score)
    """
    # a model that is another one reads no text at all
    monitor.check(subject)
    kept = (text for text in texts if can_replay(text))
    while some := list(islice(kept, _AT_ONCE)):
        # a chat and a plain text are not of one set
        plain = [text for text in some if text.messages is None]
        chats = [text for text in some if text.messages is not None]
        found = {kind: iter(_scored(own, monitor, subject=subject)) for kind, own in ((True, plain), (False, chats))}
        for text in some:
            yield next(found[text.messages is None])


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
    Counts over texts with both scores, the names of those that the monitor could not read, and Spearman's correlation
    of the scores with an interval after Bonett and Wright (2000), which takes texts for independent.

    Raises
    ------
    SpecError
        If there is no such monitor in the log.
    DataError
        If the monitor could read none of the texts.

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
    unreadable = tuple(text.text_id for text in replayed if text.score is None)
    reason = next((text.unreadable for text in own if text.score is None), None)
    own = [text for text in own if text.score is not None]
    if not own:
        raise DataError(
            f"None of the {len(replayed)} texts can be read by {monitor}; of the first it is said: {reason}"
        )
    decided = [text for text in own if text.then_alarms[beside] is not None and text.alarm is not None]
    then = np.array([text.then_alarms[beside] for text in decided], dtype=np.bool_)
    now = np.array([text.alarm for text in decided], dtype=np.bool_)
    return ReplayTotals(
        monitor=monitor,
        beside=beside,
        n=len(own),
        n_left=n_left,
        n_undecided=len(own) - len(decided),
        unreadable=unreadable,
        both=int((then & now).sum()),
        only_then=int((then & ~now).sum()),
        only_now=int((~then & now).sum()),
        neither=int((~then & ~now).sum()),
        rank_correlation=_ranks_alike(
            np.array([text.then[beside] for text in own]), np.array([text.score for text in own], dtype=np.float64)
        ),
    )


def _scored(texts: Sequence[ScoredText], monitor: Monitor, *, subject: SubjectModel) -> list[ReplayedText]:
    """Score texts, or chats, at once; where one of them cannot be read, each half on its own."""
    if not texts:
        return []
    try:
        found = monitor.score(subject, _as_set(texts))
    except TiltmeterError as error:
        if len(texts) == 1:
            return [_replayed(texts[0], unreadable=str(error))]
        half = len(texts) // 2
        return [one for part in (texts[:half], texts[half:]) for one in _scored(part, monitor, subject=subject)]
    return [
        _replayed(
            text,
            score=float(found.scores[i]),
            alarm=None if found.alarms is None else bool(found.alarms[i]),
            unlike=None if found.unlike is None else bool(found.unlike[i]),
        )
        for i, text in enumerate(texts)
    ]


def _as_set(texts: Sequence[ScoredText]) -> TextSet:
    # by number where there are several: one text may have been scored twice under one name
    ids = [texts[0].text_id] if len(texts) == 1 else [str(i) for i in range(len(texts))]
    chats = tuple(tuple(cast("Message", message) for message in text.messages or ()) for text in texts)
    is_chat = texts[0].messages is not None
    return TextSet(
        np.array(ids),
        texts=None if is_chat else tuple(text.text or "" for text in texts),
        messages=chats if is_chat else None,
        distribution="the log",
    )


def _replayed(
    text: ScoredText,
    *,
    score: float | None = None,
    alarm: bool | None = None,
    unlike: bool | None = None,
    unreadable: str | None = None,
) -> ReplayedText:
    return ReplayedText(
        text_id=text.text_id,
        time=text.time,
        then={name: one.score for name, one in text.scores.items()},
        then_alarms={name: one.alarm for name, one in text.scores.items()},
        score=score,
        alarm=alarm,
        unlike=unlike,
        unreadable=unreadable,
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
