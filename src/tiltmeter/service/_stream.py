"""A text that grows token by token, with its scores: a watched generation, told line by line."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from tiltmeter.core.alarms import Alarm, Scored, ScoredText
from tiltmeter.core.records import Threshold
from tiltmeter.data import TextSet
from tiltmeter.models import SubjectModel, generate
from tiltmeter.monitor import Monitor, MonitorLog, Rule, TokenScores, watch
from tiltmeter.service._scoring import Text, strings_of

Tell = Callable[[dict[str, Any]], None]


class LeftError(Exception):
    """Whoever was told has left: there is nobody to generate for."""


class Prompt(NamedTuple):
    """What is asked for."""

    text: Text
    text_id: str
    max_new_tokens: int
    temperature: float
    seed: int


class Stream(Protocol):
    """Tells the lines of an answer, from the computing thread; an alarm is in the log before a line tells of it."""

    def __call__(
        self, subject: SubjectModel, monitors: Mapping[str, Monitor], prompt: Prompt, /, *, log: MonitorLog, tell: Tell
    ) -> None:
        """Tell the prompt, each token, each alarm as it is raised, and the end."""


def stream(
    subject: SubjectModel, monitors: Mapping[str, Monitor], prompt: Prompt, /, *, log: MonitorLog, tell: Tell
) -> None:
    """Go on from a prompt while the monitors watch.

    A monitor with a threshold for the running score raises at the first token above it; one without is decided at the
    end of the text, by its threshold for whole texts.

    Raises
    ------
    SpecError
        If a monitor reads what cannot be known before the text has ended.
    DataError
        If the prompt leaves no room in the model's context.
    ArrayError
        If the model gives NaN or infinity.
    LeftError
        If ``tell`` raises it.
    """
    told = _Told(subject, monitors, log=log, tell=tell)
    rows = TextSet(
        np.array([prompt.text_id]),
        texts=(prompt.text,) if isinstance(prompt.text, str) else None,
        messages=None if isinstance(prompt.text, str) else (prompt.text,),
        distribution="the request",
    )
    rules = [Rule(name, name, then=(told.alarm,)) for name in monitors]
    with watch(subject, monitors, rules=rules, on_tokens=told.tokens, keep_texts=True, source="generate") as seen:
        seen.call_next([prompt.text_id])
        said = generate(
            subject,
            rows,
            max_new_tokens=prompt.max_new_tokens,
            temperature=prompt.temperature,
            random_state=prompt.seed,
        )
    (text,) = seen.texts
    scores = {name: told.scored(name, score) for name, score in text.final.items() if not math.isnan(score)}
    record = ScoredText(
        time=datetime.now(UTC),
        text_id=prompt.text_id,
        scores=scores,
        text=str(subject.tokenizer.decode(text.tokens)),
        source="generate",
    )
    log.write(texts=[record])
    n_new = len(text.tokens) - text.n_prompt
    reason = "length" if len(said.tokens[0]) == n_new else "end"
    tell({"kind": "end", "reason": reason, "n_prompt": text.n_prompt, "n_tokens": n_new})


class _Told:
    """What a watch sees, as lines."""

    def __init__(self, subject: SubjectModel, monitors: Mapping[str, Monitor], *, log: MonitorLog, tell: Tell) -> None:
        self._subject, self._monitors, self._log, self._tell = subject, monitors, log, tell
        self._raised: set[str] = set()
        self._n_prompt: int | None = None
        self._new: list[int] = []
        self._said = ""

    def alarm(self, alarm: Alarm) -> None:
        """Keep an alarm, and then tell of it."""
        self._log.write(alarms=[alarm])
        self._raised |= {raised.monitor for raised in alarm.raised}
        self._tell({"kind": "alarm", "alarm": alarm.model_copy(update={"text": None}).model_dump(mode="json")})

    def tokens(self, step: TokenScores) -> None:
        """Tell what one forward read: all of the prompt, or the next token."""
        if step.tokens is None or not bool(step.is_text.any()):
            return
        if self._n_prompt is None:
            self._n_prompt = int(step.tokens.shape[1])
            scores = {
                name: {"scores": _numbers(step.scores[0, :, k]), "running": _numbers(step.running[0, :, k])}
                for k, name in enumerate(self._monitors)
            }
            self._tell({"kind": "prompt", "strings": strings_of(self._subject, step.tokens[0]), "scores": scores})
            return
        self._new.append(int(step.tokens[0, 0]))
        line = {
            name: {
                "score": _number(step.scores[0, 0, k]),
                "running": _number(step.running[0, 0, k]),
                "raised": None if self._monitors[name].card.running is None else name in self._raised,
            }
            for k, name in enumerate(self._monitors)
        }
        at = self._n_prompt + len(self._new) - 1
        self._tell({"kind": "token", "token": at, "id": self._new[-1], "text": self._fresh(), "scores": line})

    def scored(self, name: str, score: float) -> Scored:
        """Return what the whole text got."""
        card = self._monitors[name].card
        is_decided = card.running is not None or isinstance(card.threshold, Threshold)
        return Scored(score=score, alarm=name in self._raised if is_decided else None)

    def _fresh(self) -> str:
        """Return what the last token added to the text; nothing while a character is not whole."""
        text = str(self._subject.tokenizer.decode(self._new, skip_special_tokens=True))
        if text.endswith("\ufffd"):
            return ""
        fresh, self._said = text[len(self._said) :], text
        return fresh


def _number(value: Tensor) -> float | None:
    return None if bool(torch.isnan(value)) else float(value)


def _numbers(values: Tensor) -> list[float | None]:
    return [_number(value) for value in values]
