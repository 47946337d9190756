"""What goes into the log of what was scored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from tiltmeter.core.alarms import Alarm, Scored, ScoredText
from tiltmeter.core.records import Threshold
from tiltmeter.models import SubjectModel
from tiltmeter.monitor import Alarmed, AlarmMaker, Monitor
from tiltmeter.service._scoring import Found, Text


class Recorder:
    """Makes the records of texts that were scored."""

    def __init__(self, subject: SubjectModel, monitors: Mapping[str, Monitor]) -> None:
        self._subject = subject
        self._limits = {name: monitor.card.threshold for name, monitor in monitors.items()}
        self._maker = AlarmMaker(monitors, model=subject.name, source="score")

    def records_of(
        self, text: Text, *, text_id: str, found: Mapping[str, Found]
    ) -> tuple[ScoredText, dict[str, Alarm]]:
        """Make the record of a text, and an alarm for each monitor that raised one."""
        said = text if isinstance(text, str) else str(self._subject.tokenizer.decode(next(iter(found.values())).tokens))
        alarms = {}
        for name, one in found.items():
            limit = self._limits[name]
            if one.alarm and isinstance(limit, Threshold):
                raised = self._maker.raised(name, score=one.score, limit=limit, at="end")
                read = Alarmed(text_id, token=None, n_tokens=len(one.tokens), text=said)
                alarms[name] = self._maker.alarm(name, (raised,), of=read)
        scores = {name: Scored(score=one.score, alarm=one.alarm, unlike=one.unlike) for name, one in found.items()}
        messages = None if isinstance(text, str) else tuple({"role": m["role"], "content": m["content"]} for m in text)
        record = ScoredText(
            time=datetime.now(UTC), text_id=text_id, scores=scores, text=said, source="score", messages=messages
        )
        return record, alarms
