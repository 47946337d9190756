"""Days of a monitor in service, and whether what it sees has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime

import numpy as np

from tiltmeter.core.alarms import ScoredText
from tiltmeter.core.errors import SpecError
from tiltmeter.core.operations import Change, MonitorDay, MonitorSummary
from tiltmeter.core.records import Threshold
from tiltmeter.evaluation import AlarmDrift, ScoreDrift, share
from tiltmeter.monitor._monitor import Monitor

_QUANTILES = (0.5, 0.9, 0.99, 1.0)


def summarise(
    texts: Iterable[ScoredText],
    *,
    monitors: Mapping[str, Monitor] | None = None,
    reference_until: datetime | None = None,
    alpha: float = 0.01,
) -> MonitorSummary:
    """Sum up a log of scored texts by day, and test whether the stream has changed.

    Parameters
    ----------
    texts
        In the order in which they were scored, as :meth:`MonitorLog.scores` yields them.
    monitors
        By the names in the log, for what their thresholds promise; None where the folders are not at hand: then no
        rate is promised, and none can be found broken.
    reference_until
        Scores before this time are the reference, and those from it on are put to it; None for no such test. A monitor
        that has none before it is not tested.
    alpha
        Of all tests together: each of k gets alpha / k. The probability that any is ever raised without a change,
        however often one looks, is at most this.

    Returns
    -------
    A day for each monitor and date of UTC, and a change for each test.

    Raises
    ------
    SpecError
        If ``reference_until`` has no time zone or no scores before it, alpha is out of range, or the log has no scores
        of a monitor.

    See Also
    --------
    tiltmeter.evaluation.AlarmDrift, tiltmeter.evaluation.ScoreDrift : The tests.

    Notes
    -----
    The tests take every text for a unit of its own. Texts of one conversation or author follow one another in score,
    which is a departure by itself: log one score for each where that is so.

    Examples
    --------
    >>> from tiltmeter.core.alarms import Scored
    >>> texts = [
    ...     ScoredText(
    ...         time=datetime(2026, 5, 1, hour, tzinfo=UTC),
    ...         text_id=str(hour),
    ...         scores={"lies": Scored(score=hour, alarm=hour > 22)},
    ...         text=None,
    ...         source="score",
    ...     )
    ...     for hour in range(24)
    ... ]
    >>> (day,) = summarise(texts).days
    >>> day.n, day.n_alarms, day.quantiles["0.5"]
    (24, 1, 11.5)
    """
    if not 0 < alpha < 1:
        raise SpecError(f"alpha is {alpha}; it must lie strictly between 0 and 1.")
    if reference_until is not None and reference_until.tzinfo is None:
        raise SpecError(f"reference_until is {reference_until}, without a time zone; give one.")
    seen = list(texts)
    names = sorted({name for text in seen for name in text.scores})
    by_day: dict[date, list[ScoredText]] = {}
    for text in seen:
        by_day.setdefault(text.time.astimezone(UTC).date(), []).append(text)
    known = dict(monitors or {})
    if strange := sorted(known.keys() - set(names)):
        raise SpecError(
            f"The log has no scores of {', '.join(strange)}; it has those of {', '.join(names) or 'no monitor'}: name "
            "monitors as they were served."
        )
    found = [_day(name, by_day[day], on=day, monitor=known.get(name)) for day in sorted(by_day) for name in names]
    promised = {name: _promised(monitor, seen, name=name) for name, monitor in known.items()}
    asked = [(name, *one) for name, one in promised.items() if one is not None]
    begun = (
        []
        if reference_until is None
        else [name for name in names if any(name in text.scores and text.time < reference_until for text in seen)]
    )
    if reference_until is not None and not begun:
        raise SpecError(f"The log has no scores before {reference_until} to be the reference; give a later time.")
    n_tests = len(asked) + len(begun)
    changes = [_alarms(name, own, fpr=fpr, alpha=alpha / n_tests) for name, own, fpr in asked]
    if reference_until is not None:
        changes += [_scores(name, seen, until=reference_until, alpha=alpha / n_tests) for name in begun]
    return MonitorSummary(days=tuple(day for day in found if day.n), changes=tuple(changes))


def _promised(monitor: Monitor, texts: Sequence[ScoredText], *, name: str) -> tuple[list[ScoredText], float] | None:
    """Return the texts that one of the monitor's thresholds decided, and the rate that it was certified for.

    Those that the model wrote are decided by the running threshold where there is one, and all others by that for whole
    texts; where there are both, the latter.
    """
    own = [text for text in texts if name in text.scores and text.scores[name].alarm is not None]
    threshold, running = monitor.card.threshold, monitor.card.running
    at_end = [text for text in own if running is None or text.source != "generate"]
    if at_end and isinstance(threshold, Threshold):
        return at_end, threshold.fpr
    grown = [text for text in own if text.source == "generate"]
    return (grown, running.fpr) if grown and running is not None else None


def _day(name: str, texts: Sequence[ScoredText], *, on: date, monitor: Monitor | None) -> MonitorDay:
    own = [text.scores[name] for text in texts if name in text.scores]
    decided = np.array([one.alarm for one in own if one.alarm is not None], dtype=bool)
    scores = np.array([one.score for one in own])
    promised = None if monitor is None else _promised(monitor, texts, name=name)
    return MonitorDay(
        day=on,
        monitor=name,
        n=len(own),
        n_alarms=int(decided.sum()),
        n_undecided=len(own) - len(decided),
        n_unlike=sum(one.unlike is True for one in own),
        rate=share(decided),
        # of days on which both thresholds decided, neither promise is of all
        promised=None if promised is None or len(promised[0]) < len(decided) else promised[1],
        quantiles={f"{q:g}": float(np.quantile(scores, q)) for q in _QUANTILES} if len(own) else {},
    )


def _alarms(name: str, own: Sequence[ScoredText], *, fpr: float, alpha: float) -> Change:
    won = AlarmDrift(fpr=fpr, alpha=alpha).update(np.array([text.scores[name].alarm is True for text in own], bool)).won
    return Change(
        monitor=name,
        what="alarms",
        n=len(own),
        n_reference=0,
        evidence=won.most,
        alpha=alpha,
        at=won.raised_at,
        since=None if won.raised_at is None else own[won.raised_at - 1].time,
    )


def _scores(name: str, texts: Sequence[ScoredText], *, until: datetime, alpha: float) -> Change:
    own = [text for text in texts if name in text.scores]
    before = np.array([text.scores[name].score for text in own if text.time < until])
    after = [text for text in own if text.time >= until]
    test = ScoreDrift(before, alpha=alpha).update(np.array([text.scores[name].score for text in after]))
    at = test.won.raised_at
    return Change(
        monitor=name,
        what="scores",
        n=len(after),
        n_reference=len(before),
        evidence=test.won.most,
        alpha=alpha,
        at=at,
        since=None if at is None else after[at - 1].time,
    )
