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
from tiltmeter.monitor import Monitor, MonitorLog, Rule, TokenScores, WatchedText, watch
from tiltmeter.service._scoring import Text, strings_of

Tell = Callable[[dict[str, Any]], None]
# a character has four bytes at most, and a token one at least; what is not whole by then will not be
_MOST_WAITING = 8


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
    end of the text, by its threshold for whole texts. Where it ends too early, because whoever was told has left or
    something broke, the text ends with what was read: its scores and alarms are in the log all the same.

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
        try:
            generate(
                subject,
                rows,
                max_new_tokens=prompt.max_new_tokens,
                temperature=prompt.temperature,
                random_state=prompt.seed,
            )
        finally:
            log.write(texts=[told.record(text) for text in seen.texts])
    (text,) = seen.texts
    n_new = len(text.tokens) - text.n_prompt
    reason = "length" if n_new == prompt.max_new_tokens else "end"
    tell({"kind": "end", "reason": reason, "n_prompt": text.n_prompt, "n_tokens": n_new, "text": told.rest()})


class _Told:
    """What a watch sees, as lines."""

    def __init__(self, subject: SubjectModel, monitors: Mapping[str, Monitor], *, log: MonitorLog, tell: Tell) -> None:
        self._subject, self._monitors, self._log, self._tell = subject, monitors, log, tell
        self._raised: set[str] = set()
        self._n_tokens = 0
        self._special = frozenset(subject.tokenizer.all_special_ids)
        # the tokens told last, and those after them, which do not end with a whole character yet
        self._before: list[int] = []
        self._waiting: list[int] = []

    def alarm(self, alarm: Alarm) -> None:
        """Keep an alarm, and then tell of it."""
        self._raised |= {raised.monitor for raised in alarm.raised}
        self._log.write(alarms=[alarm])
        self._tell({"kind": "alarm", "alarm": alarm.model_copy(update={"text": None}).model_dump(mode="json")})

    def tokens(self, step: TokenScores) -> None:
        """Tell what one forward read: all of the prompt, or the next token."""
        if step.tokens is None or not bool(step.is_text.any()):
            return
        if not self._n_tokens:
            self._n_tokens = int(step.tokens.shape[1])
            self._before = step.tokens[0, -1:].tolist()
            scores = {
                name: {"scores": _numbers(step.scores[0, :, k]), "running": _numbers(step.running[0, :, k])}
                for k, name in enumerate(self._monitors)
            }
            self._tell({"kind": "prompt", "strings": strings_of(self._subject, step.tokens[0]), "scores": scores})
            return
        token = int(step.tokens[0, 0])
        line = {
            name: {
                "score": _number(step.scores[0, 0, k]),
                "running": _number(step.running[0, 0, k]),
                "raised": None if self._monitors[name].card.running is None else name in self._raised,
            }
            for k, name in enumerate(self._monitors)
        }
        if token not in self._special:
            self._waiting.append(token)
        self._tell({"kind": "token", "token": self._n_tokens, "id": token, "text": self._fresh(), "scores": line})
        self._n_tokens += 1

    def record(self, text: WatchedText) -> ScoredText:
        """Return the text as it goes into the log."""
        return ScoredText(
            time=datetime.now(UTC),
            text_id=text.id,
            scores={name: self._scored(name, score) for name, score in text.final.items() if not math.isnan(score)},
            text=str(self._subject.tokenizer.decode(text.tokens)),
            source="generate",
        )

    def rest(self) -> str:
        """Return what the tokens that wait are behind those before them; of all tokens it would take ever longer."""
        if not self._waiting:
            return ""
        before, whole = self._subject.tokenizer.batch_decode([self._before, [*self._before, *self._waiting]])
        return str(whole[len(before) :])

    def _scored(self, name: str, score: float) -> Scored:
        card = self._monitors[name].card
        is_decided = card.running is not None or isinstance(card.threshold, Threshold)
        return Scored(score=score, alarm=name in self._raised if is_decided else None)

    def _fresh(self) -> str:
        """Return what the last token added to the text; nothing while a character is not whole."""
        added = self.rest()
        if added.endswith("\ufffd") and len(self._waiting) < _MOST_WAITING:
            return ""
        if self._waiting:
            self._before, self._waiting = self._waiting, []
        return added


def _number(value: Tensor) -> float | None:
    return None if bool(torch.isnan(value)) else float(value)


def _numbers(values: Tensor) -> list[float | None]:
    return [_number(value) for value in values]
