"""Rules over monitors: at least so many of these, or not that one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from tiltmeter.core.alarms import Alarm
from tiltmeter.core.errors import SpecError
from tiltmeter.models import Edit


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Holds where at least ``k`` of its parts hold; a part is the name of a monitor, or another condition.

    Raises
    ------
    SpecError
        If it has fewer than ``k`` parts, or k is below 1.

    Examples
    --------
    >>> two = AtLeast(2, ("lies", "theft", "escape"))
    >>> holds(two, {"lies"}), holds(two, {"lies", "escape"})
    (False, True)
    """

    k: int
    parts: tuple[Condition, ...]

    def __post_init__(self) -> None:
        _check_parts(self.parts)
        if not 1 <= self.k <= len(self.parts):
            raise SpecError(f"A rule asks for {self.k} of {len(self.parts)} parts; ask for 1 to {len(self.parts)}.")


@dataclass(frozen=True, slots=True)
class Not:
    """Holds where its part does not: known when a text has ended, and not before."""

    part: Condition


Condition = str | AtLeast | Not


def any_of(parts: Sequence[Condition]) -> AtLeast:
    """Return the condition that at least one part holds; the false alarm rates of its monitors add up, at most.

    Examples
    --------
    >>> holds(any_of(["lies", "theft"]), {"theft"})
    True
    """
    _check_parts(parts)
    return AtLeast(1, tuple(parts))


def all_of(parts: Sequence[Condition]) -> AtLeast:
    """Return the condition that every part holds.

    Examples
    --------
    >>> holds(all_of(["lies", Not("jokes")]), {"lies"})
    True
    """
    _check_parts(parts)
    return AtLeast(len(parts), tuple(parts))


def _check_parts(parts: object) -> None:
    if isinstance(parts, str) or not parts:
        raise SpecError(f"A rule is over the parts {parts!r}; give a list of monitors or conditions, as in ['lies'].")


class Stop:
    """Ends the texts on which the rule holds: the token being chosen is their last."""


@dataclass(frozen=True, slots=True)
class SteerOn:
    """Applies edits to the texts on which the rule holds, from the next token on.

    What monitors read at a later site, or at the same one after these edits, is then of an edited model.
    """

    edits: tuple[Edit, ...]


Action = Callable[[Alarm], object] | Stop | SteerOn
"""A function that is given the alarm (to log it, or hand it to a reviewer), or what only the watch can do."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When an alarm is raised, and what follows.

    Parameters
    ----------
    name
        What alarms call it.
    when
        The name of a monitor, or a condition over several.
    then
        In this order; the alarm is kept by the watch whatever follows.

    Raises
    ------
    SpecError
        If ``when`` is no condition, or ``then`` no tuple of functions, :class:`Stop` and :class:`SteerOn`.

    Examples
    --------
    >>> seen = []
    >>> Rule("both", all_of(["lies", "theft"]), then=(seen.append, Stop())).name
    'both'
    """

    name: str
    when: Condition
    then: tuple[Action, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.when, str | AtLeast | Not):
            raise SpecError(
                f"The rule {self.name!r} holds when {self.when!r}; give the name of a monitor, or all_of, any_of, "
                "AtLeast or Not."
            )
        # the class Stop, too, can be called, and would fail when the alarm is raised
        if not isinstance(self.then, tuple) or not all(
            isinstance(action, Stop | SteerOn) or (callable(action) and not isinstance(action, type))
            for action in self.then
        ):
            raise SpecError(
                f"What follows the rule {self.name!r} is {self.then!r}; give a tuple of functions of the alarm, Stop() "
                "and SteerOn(edits), as in (Stop(),)."
            )


def holds(condition: Condition, raised: Collection[str]) -> bool:
    """Tell whether a condition holds, given the monitors that are raised.

    Examples
    --------
    >>> holds(Not("lies"), ())
    True
    """
    if isinstance(condition, str):
        return condition in raised
    if isinstance(condition, Not):
        return not holds(condition.part, raised)
    return sum(holds(part, raised) for part in condition.parts) >= condition.k


def named(condition: Condition) -> Iterator[str]:
    """Name the monitors in a condition."""
    if isinstance(condition, str):
        yield condition
    elif isinstance(condition, Not):
        yield from named(condition.part)
    else:
        for part in condition.parts:
            yield from named(part)


def has_not(condition: Condition) -> bool:
    """Tell whether a condition can cease to hold: then it is decided when a text has ended."""
    if isinstance(condition, AtLeast):
        return any(has_not(part) for part in condition.parts)
    return isinstance(condition, Not)


def check_rules(rules: Sequence[Rule], *, monitors: Collection[str], early: Collection[str]) -> None:
    """Refuse rules with one name, that name a monitor there is not, or that come too late for what follows; SpecError.

    ``early``: the monitors that can be raised before a text has ended.
    """
    names = [rule.name for rule in rules]
    if len(set(names)) < len(names):
        raise SpecError(f"Two rules are called {max(names, key=names.count)!r}; give each a name of its own.")
    for rule in rules:
        for name in named(rule.when):
            if name not in monitors:
                raise SpecError(
                    f"The rule {rule.name!r} names the monitor {name!r}; those watching are {', '.join(monitors)}."
                )
        acts = any(isinstance(action, Stop | SteerOn) for action in rule.then)
        if acts and (has_not(rule.when) or not holds(rule.when, early)):
            raise SpecError(
                f"The rule {rule.name!r} stops or steers, but can hold only when a text has ended: give its monitors "
                "running thresholds (certify_running), and leave Not out."
            )
