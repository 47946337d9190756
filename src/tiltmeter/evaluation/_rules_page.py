"""The page of rules, written from the rules themselves."""

from __future__ import annotations

import textwrap

from tiltmeter.core.evidence import Stance
from tiltmeter.evaluation._rule import Rule
from tiltmeter.evaluation._rules import BOOK, RULES_VERSION
from tiltmeter.evaluation._verdict import FATAL, LOCAL, STEPS, UNCLEAR

_WIDTH = 120
_STANCES: tuple[Stance, ...] = ("for", "against", "note")


def rules_page() -> str:
    """Return every rule of the verdict and how the outcome follows, in Markdown.

    It is made from what the verdict is made from, constants included, so that neither can change without the other;
    ``docs/reference/verdict.md`` holds it.

    Examples
    --------
    >>> rules_page().splitlines()[0].startswith("## How the outcome follows, in version")
    True
    """
    outcome = [f"{i}. **{step.outcome}** where {step.when};" for i, step in enumerate(STEPS, start=1)]
    lines = [
        f"## How the outcome follows, in version {RULES_VERSION} of the rules",
        "",
        "The first of these that is so decides:",
        "",
        *_wrapped(outcome),
        "",
        f"## The {len(BOOK)} rules",
    ]
    for rule in BOOK:
        lines += [
            "",
            f"### {rule.name}",
            "",
            *_wrapped([f"*{_sentence(rule.condition)}*"]),
            "",
            *_wrapped(_items(rule)),
        ]
    return "\n".join(lines) + "\n"


def _items(rule: Rule) -> list[str]:
    speaks = [f"- {stance}: {rule.speaks[stance]}" for stance in _STANCES if stance in rule.speaks]
    reads = ", ".join(f"`{path}`" for path in rule.reads)
    return [*speaks, f"- reads: {reads}", f"- in the outcome: {_weight(rule)}"]


def _weight(rule: Rule) -> str:
    if "against" not in rule.speaks:
        return "a note"
    weights = [
        word
        for word, names in (
            ("fatal at home", FATAL),
            ("leaves it open at home", UNCLEAR),
            ("counts anywhere: the probe holds in part", LOCAL),
        )
        if rule.name in names
    ]
    return "; ".join(weights) or "none: it is said, and changes nothing"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _wrapped(lines: list[str]) -> list[str]:
    return [part for line in lines for part in _wrap(line)]


def _wrap(line: str) -> list[str]:
    indent = "   " if line[:1].isdigit() else "  " if line.startswith("- ") else ""
    return textwrap.wrap(line, _WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
