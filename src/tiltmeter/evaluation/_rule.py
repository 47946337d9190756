"""What a rule of the verdict is: a name, what it asks for, the figures that it reads, and when it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tiltmeter.core.evidence import Stance, Statement


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, as the page of rules lists it and as its statements carry it.

    Parameters
    ----------
    name
        As it stands in every statement, unique.
    condition
        What it asks for, with the constants that it compares with.
    reads
        The figures that it looks at, as paths into ``evidence.json``: ``transfer[].auroc``.
    speaks
        When it speaks, by stance. A stance that is not here is never taken.

    Examples
    --------
    >>> rule = Rule("size", "at least 50 units", reads=("transfer[].auroc",), speaks={"note": "there are fewer"})
    >>> rule.say("note", "The intervals rest on few units.", because="20 units").rule
    'size'
    """

    name: str
    condition: str
    reads: tuple[str, ...]
    speaks: Mapping[Stance, str]

    def say(self, stance: Stance, text: str, *, because: str, test: str | None = None) -> Statement:
        """Return a statement of this rule; KeyError for a stance that the page of rules does not tell of."""
        if stance not in self.speaks:
            raise KeyError(f"the rule {self.name!r} says nothing {stance}; describe it in its ``speaks``")
        return Statement(rule=self.name, condition=self.condition, test=test, stance=stance, text=text, because=because)
