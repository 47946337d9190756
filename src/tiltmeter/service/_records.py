"""What goes into the log of what was scored."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from tiltmeter.core.alarms import Alarm, Raised, Scored, ScoredText
from tiltmeter.core.records import Unavailable
from tiltmeter.models import SubjectModel
from tiltmeter.monitor import Monitor
from tiltmeter.service._scoring import Found, Text


def records_of(
    subject: SubjectModel, monitors: Mapping[str, Monitor], text: Text, *, text_id: str, found: Mapping[str, Found]
) -> tuple[ScoredText, dict[str, Alarm]]:
    """Make the record of a text, and an alarm for each monitor that raised one."""
    said = text if isinstance(text, str) else str(subject.tokenizer.decode(next(iter(found.values())).tokens))
    alarms = {}
    for name, one in found.items():
        threshold = monitors[name].card.threshold
        if one.alarm and not isinstance(threshold, Unavailable):
            raised = Raised(
                monitor=name,
                sha256=monitors[name].card.digest(),
                score=one.score,
                threshold=threshold.value,
                at="end",
            )
            alarms[name] = Alarm(
                id=uuid.uuid4().hex,
                time=datetime.now(UTC),
                rule=name,
                raised=(raised,),
                text_id=text_id,
                token=None,
                n_tokens=len(one.tokens),
                text=said,
                model=monitors[name].card.model,
                source="score",
            )
    scores = {name: Scored(score=one.score, alarm=one.alarm, unlike=one.unlike) for name, one in found.items()}
    record = ScoredText(
        time=datetime.now(UTC),
        text_id=text_id,
        scores=scores,
        text=said,
        source="score",
        messages=None if isinstance(text, str) else tuple({"role": m["role"], "content": m["content"]} for m in text),
    )
    return record, alarms
