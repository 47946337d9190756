"""Long work shows: a bar in a terminal or a notebook, now and then a line in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

# in a log: seconds between two lines
_EVERY = 15.0


class Done(NamedTuple):
    """How far a collection is.

    ``texts`` of ``n_texts`` and ``tokens`` of ``n_tokens`` are done (a text counts once for each set of sites that is
    read of it); ``fresh_tokens`` were computed in this run, in ``seconds``, the others were stored before.
    """

    texts: int
    n_texts: int
    tokens: int
    n_tokens: int
    fresh_tokens: int
    seconds: float

    @property
    def tokens_per_second(self) -> float:
        """Return the speed of this run; 0 before the first batch."""
        return self.fresh_tokens / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Return the time left at this speed; None before the first batch."""
        if self.fresh_tokens == 0:
            return None
        return (self.n_tokens - self.tokens) * self.seconds / self.fresh_tokens


OnProgress = Callable[[Done], None]


class Meter:
    """Counts what is done and tells a listener."""

    def __init__(self, tell: OnProgress, *, n_texts: int, n_tokens: int) -> None:
        self._tell = tell
        self._done = Done(0, n_texts, 0, n_tokens, 0, 0.0)
        self._start = time.perf_counter()

    def skip(self, *, texts: int, tokens: int) -> None:
        """Count what was stored before."""
        done = self._done
        self._done = done._replace(texts=done.texts + texts, tokens=done.tokens + tokens)
        self._tell(self._done)

    def add(self, *, texts: int, tokens: int) -> None:
        """Count a batch."""
        done = self._done
        self._done = done._replace(
            texts=done.texts + texts,
            tokens=done.tokens + tokens,
            fresh_tokens=done.fresh_tokens + tokens,
            seconds=time.perf_counter() - self._start,
        )
        self._tell(self._done)


@contextmanager
def reporting(progress: bool | OnProgress) -> Iterator[OnProgress]:  # noqa: FBT001  (as the caller gave it)
    """Yield the listener that the caller asked for: none, a display on standard error, or a function of theirs."""
    if not isinstance(progress, bool):
        yield progress
        return
    if not progress:
        yield silent
        return
    console = Console(stderr=True, highlight=False)
    if not (console.is_terminal or console.is_jupyter):
        yield _in_a_log(console)
        return
    with Progress(TextColumn("reading texts"), BarColumn(), TextColumn("{task.description}"), console=console) as bar:
        task = bar.add_task("", total=None)
        yield lambda done: bar.update(task, completed=done.tokens, total=done.n_tokens, description=described(done))


def silent(done: Done) -> None:
    """Say nothing."""


def _in_a_log(console: Console) -> OnProgress:
    """Return a listener that writes a line at once, every so many seconds, and at the end."""
    told: list[float] = []

    def tell(done: Done) -> None:
        is_last = done.texts == done.n_texts
        if told and not is_last and time.perf_counter() - told[0] < _EVERY:
            return
        told[:] = [time.perf_counter()]
        console.print(f"reading texts: {described(done)}", markup=False, soft_wrap=True)

    return tell


def described(done: Done) -> str:
    """Write it in words: texts, speed, and time left."""
    words = [f"{done.texts:,} of {done.n_texts:,} texts"]
    if done.fresh_tokens:
        words.append(f"{done.tokens_per_second:,.0f} tokens/s")
    if done.seconds_left is not None and done.texts < done.n_texts:
        words.append(f"{_duration(done.seconds_left)} left")
    return ", ".join(words)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
