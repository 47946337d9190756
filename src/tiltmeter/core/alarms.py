"""What a monitor in service writes down: alarms, and the texts that were scored."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from tiltmeter.core.records import Record

Source = Literal["watch", "score", "generate", "replay"]


class Raised(Record):
    """A monitor above its threshold: its name, its card's hash, the score, and the threshold that this is above.

    ``at`` says which of the two thresholds it was: of a whole text, or of the running score.
    """

    monitor: str
    sha256: str
    score: float
    threshold: float
    at: Literal["end", "token"]


class Alarm(Record):
    """One alarm: the rule that held, the monitors that raised it, and on what.

    ``id`` is unique: whoever writes an alarm twice writes it once. ``token`` counts the tokens of the text from 0,
    special ones included; None where the text was decided at its end. ``text`` is what the model had read by then; None
    where texts are not kept. ``n_tokens`` is how many tokens that were.
    """

    format_version: Literal[1] = 1
    id: str
    time: AwareDatetime
    rule: str
    raised: tuple[Raised, ...]
    text_id: str
    token: int | None
    n_tokens: int
    text: str | None
    model: str
    source: Source


class Scored(Record):
    """What one monitor gave one text; ``alarm`` is None where it has no threshold, ``unlike`` where it cannot tell."""

    score: float
    alarm: bool | None
    unlike: bool | None = None


class ScoredText(Record):
    """One text that was scored, by monitor.

    ``text`` is None where texts are not kept. Of a chat it is the chat as the model read it, and ``messages`` are its
    turns.
    """

    format_version: Literal[1] = 1
    time: AwareDatetime
    text_id: str
    scores: dict[str, Scored]
    text: str | None
    source: Source
    messages: tuple[dict[str, str], ...] | None = None


class Review(Record):
    """What became of an alarm that was handed to a reviewer.

    ``suspicion`` is the reviewer's score, above 0 where it agrees; None where it was not asked or gave no answer. An
    alarm is cleared by a reviewer alone: one that was not reviewed stands.
    """

    format_version: Literal[1] = 1
    alarm_id: str
    time: AwareDatetime
    outcome: Literal["upheld", "cleared", "not reviewed"]
    suspicion: float | None
    reason: str
