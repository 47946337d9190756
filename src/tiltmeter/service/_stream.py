"""A text that grows token by token, with its scores. All that generates is in this file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.alarms import Alarm, Scored, ScoredText
from tiltmeter.core.errors import ArrayError, DataError, SpecError
from tiltmeter.core.records import Threshold
from tiltmeter.core.site import Site
from tiltmeter.data import NthMessage, TextSet
from tiltmeter.models import SubjectModel, encode, output_embedding, prompt_tokens
from tiltmeter.monitor import Monitor, MonitorLog
from tiltmeter.service._records import alarm_of
from tiltmeter.service._running import Running
from tiltmeter.service._scoring import Text


class Prompt(NamedTuple):
    """What is asked for."""

    text: Text
    text_id: str
    max_new_tokens: int
    temperature: float
    seed: int


class Stream(Protocol):
    """Lines of an answer, made in the computing thread; an alarm is in the log before a line tells of it."""

    def __call__(
        self, subject: SubjectModel, monitors: Mapping[str, Monitor], prompt: Prompt, /, *, log: MonitorLog
    ) -> Iterator[dict[str, Any]]:
        """Yield a line a token, then the alarms, then the end."""


def stream(
    subject: SubjectModel, monitors: Mapping[str, Monitor], prompt: Prompt, /, *, log: MonitorLog
) -> Iterator[dict[str, Any]]:
    """Go on from a prompt, one forward a token with kept keys and values, and score each token as it is read.

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
    """
    output_embedding(subject)
    is_read, tokens = _read_prompt(subject, monitors, prompt)
    watchers = {name: _Watcher(subject, monitor, name=name, prompt=prompt) for name, monitor in monitors.items()}
    sites = list(dict.fromkeys(monitor.direction.site for monitor in monitors.values()))
    draws = torch.Generator().manual_seed(prompt.seed)
    ends, said, new = _ends(subject), "", list[int]()
    step, cache, given = torch.from_numpy(tokens)[None], None, len(tokens)
    alarms: list[Alarm] = []
    reason = "length"
    while True:
        logits, cache, seen = _forward(subject, step, cache=cache, sites=[site for site in sites if site is not None])
        own = is_read if not new else {name: np.ones(1, dtype=bool) for name in watchers}
        lines = {}
        for name, watcher in watchers.items():
            lines[name], alarm = watcher.take(seen, own[name], tokens=[*tokens.tolist(), *new], log=log)
            alarms += [] if alarm is None else [alarm]
        if new:
            fresh, said = _fresh(subject, new, said)
            yield {"kind": "token", "token": given + len(new) - 1, "id": new[-1], "text": fresh, "scores": lines}
        if len(new) == prompt.max_new_tokens:
            break
        chosen = _choose(logits, temperature=prompt.temperature, draws=draws)
        if chosen in ends:
            reason = "end"
            break
        new.append(chosen)
        step = torch.tensor([[chosen]])
    alarms += _close(subject, watchers, [*tokens.tolist(), *new], prompt=prompt, log=log)
    for alarm in alarms:
        yield {"kind": "alarm", "alarm": alarm.model_copy(update={"text": None}).model_dump(mode="json")}
    yield {"kind": "end", "reason": reason, "n_prompt": given, "n_tokens": len(new)}


class _Watcher:
    """One monitor on one text."""

    def __init__(self, subject: SubjectModel, monitor: Monitor, *, name: str, prompt: Prompt) -> None:
        self.subject = subject
        self.monitor = monitor
        self.name = name
        self.prompt = prompt
        self.running = Running(monitor.direction, pooling=monitor.card.reading.pooling)
        self.n = 0
        self.score: float | None = None
        self.is_raised = False

    def take(
        self, seen: Mapping[Site, Tensor], is_read: NDArray[np.bool_], *, tokens: list[int], log: MonitorLog
    ) -> tuple[dict[str, Any], Alarm | None]:
        """Read the tokens of one forward; return the scores of the last one, and an alarm if it raised the monitor."""
        site, skipped = self.monitor.direction.site, self.monitor.card.reading.skip_first
        read = is_read & (self.n + np.arange(len(is_read)) >= skipped)
        rows = seen[site][0].float().cpu().numpy()[read] if site is not None else np.empty((0, 0))
        running = self.running.add(rows)
        alarm, limit = None, self.monitor.card.running
        if len(running):
            self.score = float(running[-1])
        if limit is not None and not self.is_raised and (above := np.flatnonzero(running > limit.value)).size:
            first = int(above[0])
            token = self.n + int(np.flatnonzero(read)[first])
            alarm = self._raise(float(running[first]), limit, token=token, tokens=tokens[: token + 1], log=log)
        self.n += len(is_read)
        own = float(self.monitor.direction.score(rows[-1:])[0]) if len(rows) and read[-1] else None
        return {"score": own, "running": self.score, "raised": self.is_raised if limit is not None else None}, alarm

    def close(self, tokens: list[int], *, log: MonitorLog) -> Alarm | None:
        """Decide at the end, where nothing could be decided before."""
        limit = self.monitor.card.threshold
        if self.monitor.card.running is not None or not isinstance(limit, Threshold) or self.score is None:
            return None
        if not self.score > limit.value:
            return None
        return self._raise(self.score, limit, token=None, tokens=tokens, log=log)

    @property
    def scored(self) -> Scored | None:
        """What the text got; None if nothing of it was read."""
        has_limit = self.monitor.card.running is not None or isinstance(self.monitor.card.threshold, Threshold)
        return None if self.score is None else Scored(score=self.score, alarm=self.is_raised if has_limit else None)

    def _raise(
        self, score: float, threshold: Threshold, *, token: int | None, tokens: list[int], log: MonitorLog
    ) -> Alarm:
        on, text = (self.prompt.text_id, token, len(tokens)), str(self.subject.tokenizer.decode(tokens))
        alarm = alarm_of(
            self.monitor, name=self.name, score=score, threshold=threshold, on=on, text=text, source="generate"
        )
        log.write(alarms=[alarm])
        self.is_raised = True
        return alarm


def _close(
    subject: SubjectModel,
    watchers: Mapping[str, _Watcher],
    tokens: list[int],
    *,
    prompt: Prompt,
    log: MonitorLog,
) -> list[Alarm]:
    alarms = [watcher.close(tokens, log=log) for watcher in watchers.values()]
    scores = {name: watcher.scored for name, watcher in watchers.items()}
    text = ScoredText(
        time=datetime.now(UTC),
        text_id=prompt.text_id,
        scores={name: one for name, one in scores.items() if one is not None},
        text=str(subject.tokenizer.decode(tokens)),
        source="generate",
    )
    log.write(texts=[text])
    return [alarm for alarm in alarms if alarm is not None]


def _read_prompt(
    subject: SubjectModel, monitors: Mapping[str, Monitor], prompt: Prompt
) -> tuple[dict[str, NDArray[np.bool_]], NDArray[np.int64]]:
    """Return which tokens of the prompt each monitor reads, and the tokens."""
    is_plain = isinstance(prompt.text, str)
    rows = TextSet(
        np.array([prompt.text_id]),
        texts=(prompt.text,) if isinstance(prompt.text, str) else None,
        messages=None if isinstance(prompt.text, str) else (prompt.text,),
        distribution="the request",
    )
    (tokens,) = prompt_tokens(subject, rows)
    if len(tokens) + prompt.max_new_tokens > subject.context:
        raise DataError(
            f"The prompt has {len(tokens)} tokens, and with {prompt.max_new_tokens} new ones it is longer than the "
            f"{subject.context} that {subject.name} takes; shorten it, or ask for fewer."
        )
    if is_plain:
        content = encode(subject, rows).row(0)[1][: len(tokens)]
    else:
        content = ~np.isin(tokens, subject.tokenizer.all_special_ids)
    is_read = {}
    for name, monitor in monitors.items():
        span = monitor.card.reading.span
        if span not in ("all", "assistant", NthMessage(-1)):
            raise SpecError(
                f"The monitor {name} reads {span}, which cannot be known before a text has ended; score the text "
                "instead."
            )
        is_read[name] = content if span == "all" else np.zeros(len(tokens), dtype=bool)
    return is_read, tokens


def _forward(
    subject: SubjectModel,
    tokens: Tensor,
    *,
    cache: Any,  # noqa: ANN401  (the library's own)
    sites: list[Site],
) -> tuple[Tensor, Any, dict[Site, Tensor]]:
    with torch.inference_mode(), subject.capture(sites) as seen:
        out = subject.model(tokens.to(subject.input_device), past_key_values=cache, use_cache=True)
    logits = out.logits[0, -1].float().cpu()
    if bool(torch.isnan(logits).any() | torch.isposinf(logits).any()):
        raise ArrayError("The model gives NaN or infinity; use a wider dtype.")
    return logits, out.past_key_values, seen


def _choose(logits: Tensor, *, temperature: float, draws: torch.Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    return int(torch.multinomial(torch.softmax(logits / temperature, dim=0), 1, generator=draws))


def _ends(subject: SubjectModel) -> set[int]:
    given = subject.model.generation_config.eos_token_id
    return set() if given is None else {given} if isinstance(given, int) else set(given)


def _fresh(subject: SubjectModel, new: list[int], said: str) -> tuple[str, str]:
    """Return what the last token added to the text, and the text; nothing while a character is not whole."""
    text = str(subject.tokenizer.decode(new, skip_special_tokens=True))
    return ("", said) if text.endswith("\ufffd") else (text[len(said) :], text)
