"""Alarms are made here, whoever raises them: of whole texts that were scored, or of texts that are watched."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from tiltmeter.core.alarms import Alarm, Raised, Source
from tiltmeter.core.records import Threshold
from tiltmeter.monitor._monitor import Monitor


class Alarmed(NamedTuple):
    """What an alarm is about: the text, and how much of it the model had read; as :class:`Alarm` names these."""

    text_id: str
    token: int | None
    n_tokens: int
    text: str | None


class AlarmMaker:
    """Makes alarms of monitors; their cards are hashed once.

    Parameters
    ----------
    monitors
        By the name that alarms give.
    model
        The model that runs.
    source
        How the texts come to be scored.

    Examples
    --------
    >>> maker = AlarmMaker({}, model="tiny", source="score")
    >>> alarm = maker.alarm("deceit", (), of=Alarmed("a text", token=None, n_tokens=3, text=None))
    >>> alarm.rule, alarm.text_id, alarm.model
    ('deceit', 'a text', 'tiny')
    """

    def __init__(self, monitors: Mapping[str, Monitor], *, model: str, source: Source) -> None:
        self._hashes = {name: monitor.card.hash_now() for name, monitor in monitors.items()}
        self._model = model
        self._source = source

    def raised(self, name: str, *, score: float, limit: Threshold, at: Literal["end", "token"]) -> Raised:
        """Return that a monitor is above one of its two thresholds."""
        return Raised(monitor=name, sha256=self._hashes[name], score=score, threshold=limit.value, at=at)

    def alarm(self, rule: str, raised: tuple[Raised, ...], *, of: Alarmed) -> Alarm:
        """Return a new alarm, of now."""
        return Alarm(
            id=uuid.uuid4().hex,
            time=datetime.now(UTC),
            rule=rule,
            raised=raised,
            text_id=of.text_id,
            token=of.token,
            n_tokens=of.n_tokens,
            text=of.text,
            model=self._model,
            source=self._source,
        )
