"""Which monitors are raised on which texts, which rules hold, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from tiltmeter.core.alarms import Alarm, Raised, Source
from tiltmeter.core.records import Threshold, Unavailable
from tiltmeter.core.site import Site
from tiltmeter.models import Edit, Places
from tiltmeter.monitor._alarm_maker import Alarmed, AlarmMaker
from tiltmeter.monitor._monitor import Monitor
from tiltmeter.monitor._watch_rules import Action, Rule, SteerOn, Stop, has_not, holds, named
from tiltmeter.monitor._watched_texts import TextsSoFar, TokenScores

_NEVER = torch.iinfo(torch.int64).max


class Switched:
    """An edit that is applied to the texts of a batch for which it was switched on, from a column on.

    ``begins``: shape (b,), the first column, padding included, to be edited of each text; None where all are off.
    """

    def __init__(self, edit: Edit) -> None:
        self.edit = edit
        self.begins: Tensor | None = None

    @property
    def site(self) -> Site:
        """Where the edit works."""
        return self.edit.site

    def __call__(self, old: Tensor, places: Places) -> Tensor:
        """Return what the edit makes of the texts for which it is on."""
        if self.begins is None:
            return old
        # without a cache earlier tokens come again, and must come as they were
        columns = torch.arange(places.past, places.past + places.shape[1])
        is_on = (columns >= self.begins[:, None]).to(old.device)
        return torch.where(is_on[..., None], self.edit(old, places), old)


class Told(NamedTuple):
    """What alarms say of where they come from."""

    model: str
    source: Source
    decode: Callable[[TextsSoFar, int], str | None]


class Raising:
    """Puts running scores to running thresholds, and final ones to the others; tells who is to be told.

    ``alarms`` is the list that every alarm is added to, before anything that follows from it.
    """

    def __init__(
        self, monitors: Mapping[str, Monitor], rules: Sequence[Rule], *, told: Told, alarms: list[Alarm]
    ) -> None:
        self.monitors, self.rules = dict(monitors), tuple(rules)
        self.alarms = alarms
        self._decode = told.decode
        self._maker = AlarmMaker(monitors, model=told.model, source=told.source)
        limits = [monitor.card.running for monitor in self.monitors.values()]
        # nothing is above infinity
        self._limits = torch.tensor(
            [torch.inf if limit is None else limit.value for limit in limits], dtype=torch.float64
        )
        self._has_limits = any(limit is not None for limit in limits)
        self.switches = {
            rule.name: [Switched(edit) for action in rule.then if isinstance(action, SteerOn) for edit in action.edits]
            for rule in self.rules
        }
        self.is_acting = False
        self.begin(0)

    def begin(self, n: int) -> None:
        """Forget the texts before: ``n`` other ones follow."""
        self._raised: list[dict[str, Raised]] = [{} for _ in range(n)]
        self.raised_at: list[dict[str, int]] = [{} for _ in range(n)]
        self._held: list[set[str]] = [set() for _ in range(n)]
        self._is_raised = torch.zeros(n, len(self.monitors), dtype=torch.bool)
        self.stopped: Tensor | None = None
        self._next_column = 0
        for switch in self._all_switches():
            switch.begins = None

    def look(self, texts: TextsSoFar, step: TokenScores) -> None:
        """Raise monitors on what a forward read."""
        if not self._has_limits:
            return
        running = step.running
        if self._limits.device != running.device:
            self._limits, self._is_raised = self._limits.to(running.device), self._is_raised.to(running.device)
        over = running > self._limits
        new = over.any(1) & ~self._is_raised
        if not bool(new.any()):
            return
        # a new one: what was made in inference mode cannot be written to outside of it
        self._is_raised = self._is_raised | new
        self._next_column = texts.n_read
        names = list(self.monitors)
        alarms: list[tuple[Rule, int, Alarm]] = []
        for row in new.any(1).nonzero().flatten().tolist():
            before = len(texts.read_tokens()[row]) - int(step.is_text[row].sum())
            for k in new[row].nonzero().flatten().tolist():
                limit = self.monitors[names[k]].card.running
                if limit is not None:  # as it is where anything is over it
                    column = int(over[row, :, k].int().argmax())
                    self._raise(row, names[k], score=float(running[row, column, k]), limit=limit, at="token")
                    self.raised_at[row][names[k]] = before + int(step.is_text[row, : column + 1].sum()) - 1
            at = max(self.raised_at[row].values())
            alarms += self._alarms(texts, row, at=at, rules=self._open(row, ended=False))
        self._act(alarms)

    def end(self, texts: TextsSoFar, final: Sequence[Mapping[str, float]]) -> None:
        """Decide what is decided at the end of texts."""
        alarms: list[tuple[Rule, int, Alarm]] = []
        for row, scores in enumerate(final):
            for name, monitor in self.monitors.items():
                threshold = monitor.card.threshold
                if monitor.card.running is not None or isinstance(threshold, Unavailable):
                    continue
                if scores[name] > threshold.value:
                    self._raise(row, name, score=scores[name], limit=threshold, at="end")
            alarms += self._alarms(texts, row, at=None, rules=self._open(row, ended=True))
        self._act(alarms)

    def _all_switches(self) -> Iterable[Switched]:
        return (switch for switches in self.switches.values() for switch in switches)

    def _raise(self, row: int, name: str, *, score: float, limit: Threshold, at: Literal["end", "token"]) -> None:
        self._raised[row][name] = self._maker.raised(name, score=score, limit=limit, at=at)

    def _open(self, row: int, *, ended: bool) -> list[Rule]:
        """Return the rules that hold now and did not before."""
        return [
            rule
            for rule in self.rules
            if rule.name not in self._held[row]
            and (ended or not has_not(rule.when))
            and holds(rule.when, self._raised[row].keys())
        ]

    def _alarms(
        self, texts: TextsSoFar, row: int, *, at: int | None, rules: Sequence[Rule]
    ) -> Iterator[tuple[Rule, int, Alarm]]:
        """Keep an alarm for each rule, and yield it with its row."""
        for rule in rules:
            self._held[row].add(rule.name)
            parts = dict.fromkeys(named(rule.when))
            raised = tuple(self._raised[row][name] for name in parts if name in self._raised[row])
            read = Alarmed(texts.ids[row], at, len(texts.read_tokens()[row]), self._decode(texts, row))
            alarm = self._maker.alarm(rule.name, raised, of=read)
            self.alarms.append(alarm)
            yield rule, row, alarm

    def _act(self, alarms: Sequence[tuple[Rule, int, Alarm]]) -> None:
        """Do what follows each alarm; one action that fails must not silence the others."""
        failed: Exception | None = None
        self.is_acting = True
        try:
            for rule, row, alarm in alarms:
                for action in rule.then:
                    try:
                        self._do(action, rule, row=row, alarm=alarm)
                    except Exception as error:  # noqa: BLE001  (raised below, when all was tried)
                        failed = failed or error
        finally:
            self.is_acting = False
        if failed is not None:
            raise failed

    def _do(self, action: Action, rule: Rule, *, row: int, alarm: Alarm) -> None:
        if isinstance(action, Stop):
            self.stopped = self._with(self.stopped, row)
        elif isinstance(action, SteerOn):
            for switch in self.switches[rule.name]:
                begins = torch.full((len(self._held),), _NEVER) if switch.begins is None else switch.begins.clone()
                begins[row] = self._next_column
                switch.begins = begins
        else:
            action(alarm)

    def _with(self, rows: Tensor | None, row: int) -> Tensor:
        marked = torch.zeros(len(self._held), dtype=torch.bool) if rows is None else rows.clone()
        marked[row] = True
        return marked
