"""What the log of a monitor in service comes to: days, changes, and the past scored again."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import AwareDatetime

from tiltmeter.core.records import Measured, Record


class MonitorDay(Record):
    """One monitor on one day (of UTC).

    ``n`` texts were scored and ``n_alarms`` of them raised an alarm, which is the ``rate``; ``promised`` is the highest
    rate that the threshold was certified for, of texts without the concept. ``n_undecided`` had no threshold to be put
    to, ``n_unlike`` were unlike the calibration texts. ``quantiles``: of the scores, by share.
    """

    day: date
    monitor: str
    n: int
    n_alarms: int
    n_undecided: int
    n_unlike: int
    rate: Measured
    promised: float | None
    quantiles: dict[str, float]


class Change(Record):
    """Whether a stream of texts was found to have changed.

    ``what``: alarms come more often than was certified, or scores are no longer like those of the reference.
    ``evidence`` is how much a bet on that has won from 1, and ``alpha`` the probability that it is ever said of a
    stream without a change. ``since`` is the time of the text at which it was first said, the ``at``-th of the stream.
    """

    monitor: str
    what: Literal["alarms", "scores"]
    n: int
    n_reference: int
    evidence: float
    alpha: float
    at: int | None
    since: AwareDatetime | None


class MonitorSummary(Record):
    """Days and changes of every monitor in a log."""

    format_version: Literal[1] = 1
    days: tuple[MonitorDay, ...]
    changes: tuple[Change, ...]


class ReplayedText(Record):
    """A text of the past: what it got then, by monitor, and what a monitor gives it now.

    ``score`` is None where the monitor cannot read the text, and ``unreadable`` says why.
    """

    text_id: str
    time: AwareDatetime
    then: dict[str, float]
    then_alarms: dict[str, bool | None]
    score: float | None
    alarm: bool | None
    unlike: bool | None
    unreadable: str | None = None


class ReplayTotals(Record):
    """A replay in figures: alarms of both, of either alone, of neither, and how alike the orders of scores are.

    ``n_left`` texts could not be replayed: they were not kept, or were written by the model. ``unreadable`` names those
    that the monitor cannot read. For ``n_undecided`` of the ``n`` one of the two had no threshold: they are in no count
    of alarms.
    """

    monitor: str
    beside: str
    n: int
    n_left: int
    unreadable: tuple[str, ...] = ()
    n_undecided: int = 0
    both: int
    only_then: int
    only_now: int
    neither: int
    rank_correlation: Measured
