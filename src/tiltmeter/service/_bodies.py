"""What requests and answers look like."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tiltmeter.core.alarms import Alarm
from tiltmeter.service._limits import MOST_CHARACTERS, MOST_MESSAGES, MOST_NEW_TOKENS, MOST_TEXTS


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class MessageBody(_Body):
    """One turn of a chat."""

    role: Annotated[str, Field(min_length=1, max_length=32, pattern="^[a-z_]+$")]
    content: Annotated[str, Field(max_length=MOST_CHARACTERS)]


Item = (
    Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
    | Annotated[list[MessageBody], Field(min_length=1, max_length=MOST_MESSAGES)]
)


class ScoreRequest(_Body):
    """Texts or chats to score; ``ids`` names them in the answer and in the log."""

    texts: Annotated[list[Item], Field(min_length=1, max_length=MOST_TEXTS)]
    ids: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=200)]] | None, Field(min_length=1, max_length=MOST_TEXTS)
    ] = None
    tokens: bool = False
    layers: bool = False

    @model_validator(mode="after")
    def _one_id_each(self) -> ScoreRequest:
        if self.ids is not None and (len(self.ids) != len(self.texts) or len(set(self.ids)) != len(self.ids)):
            raise ValueError("ids must be as many as texts, and none may repeat")
        return self


class GenerateRequest(_Body):
    """A prompt, or a chat that ends with the user's message, and how to go on from it."""

    prompt: Item
    max_new_tokens: Annotated[int, Field(ge=1, le=MOST_NEW_TOKENS)] = 128
    temperature: Annotated[float, Field(ge=0, le=10)] = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0


class TokenScores(BaseModel):
    """The tokens of a text as the model read it; None where the monitor does not read a token."""

    strings: list[str]
    scores: list[float | None]
    running: list[float | None]


class MonitorScore(BaseModel):
    """What one monitor gave one text; ``alarm_id`` is that of the record in the log."""

    score: float
    alarm: bool | None
    alarm_id: str | None = None
    unlike: bool | None = None
    tokens: TokenScores | None = None
    layers: list[float | None] | None = None


class TextScore(BaseModel):
    """One text, by monitor."""

    id: str
    monitors: dict[str, MonitorScore]


class ScoreResponse(BaseModel):
    """One entry a text, in the order of the request."""

    texts: list[TextScore]


class AlarmRow(BaseModel):
    """An alarm with its row in the log."""

    row: int
    alarm: Alarm


class AlarmsResponse(BaseModel):
    """Alarms in the order of writing; ask with ``after`` the last row for those that follow."""

    alarms: list[AlarmRow]


class MonitorBody(BaseModel):
    """One monitor: its card, and the verdict of its evidence (None where it was never judged)."""

    name: str
    card: dict[str, Any]
    verdict: str | None


class MonitorsResponse(BaseModel):
    """All monitors, by the key under which they were loaded."""

    monitors: list[MonitorBody]


class Health(BaseModel):
    """Whether the computing thread lives."""

    status: Literal["ok"] = "ok"
    monitors: list[str]
    waiting: int


class Problem(BaseModel):
    """Why there is no answer, in a sentence."""

    detail: str
