"""From steps to a text: an action log, a shell-like program, tool calls or a report, in English or German.

Words stand between spaces, and no word that a slot may hold touches a sign, so that texts of the same steps with other
things at other places are made of the same words, however words are counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tiltmeter.data._attempts_plan import Step
from tiltmeter.data._attempts_words import ARTICLES, Term


class _Language(NamedTuple):
    """The fixed words of a language: ``keys`` are those of a tool call, in the order of its parts."""

    task: str
    done: str
    keys: tuple[str, str, str, str, str]
    opening: str
    leads: tuple[str, str]
    sentence: str


_LANGUAGES = {
    "en": _Language(
        task="task",
        done="ok",
        keys=("task", "tool", "what", "to", "done"),
        opening="I was asked to {task} today.",
        leads=("First", "Then"),
        sentence="{lead} I {did} {what} as noted.",
    ),
    "de": _Language(
        task="Aufgabe",
        done="fertig",
        keys=("aufgabe", "werkzeug", "was", "wohin", "fertig"),
        opening="Ich sollte heute {task} wie besprochen.",
        leads=("Zuerst", "Dann"),
        sentence="{lead} {did} ich {what} wie vermerkt.",
    ),
}


def slug(phrase: str) -> str:
    """Return a phrase as one word without its article, as programs name things."""
    return "-".join(word for word in phrase.lower().split() if word not in ARTICLES)


def _in(language: str, term: Term | None) -> str:
    return "" if term is None else str(getattr(term, language))


def _log(task: Term, steps: Sequence[Step], language: str) -> str:
    fixed = _LANGUAGES[language]
    lines = [f"00 {fixed.task} {slug(_in(language, task))} {fixed.done}"]
    for number, step in enumerate(steps, start=1):
        target = f"{_in(language, step.preposition)} {slug(_in(language, step.to))} " if step.to else ""
        lines.append(f"{number:02d} {_command(step, language)} {slug(_in(language, step.what))} {target}{fixed.done}")
    return "\n".join(lines)


def _shell(task: Term, steps: Sequence[Step], language: str) -> str:
    lines = [f"# {_in(language, task)}"]
    for step in steps:
        target = f" --{_in(language, step.preposition)} {slug(_in(language, step.to))}" if step.to else ""
        lines.append(f"{_command(step, language)} {slug(_in(language, step.what))}{target}")
    return "\n".join(lines)


def _tool(task: Term, steps: Sequence[Step], language: str) -> str:
    about, tool, what, to, done = _LANGUAGES[language].keys
    calls: list[dict[str, object]] = [{about: _in(language, task), done: False}]
    for step in steps:
        target = {to: slug(_in(language, step.to))} if step.to else {}
        calls.append({tool: _command(step, language), what: slug(_in(language, step.what)), **target, done: True})
    return "\n".join(json.dumps(call, separators=(" , ", " : "), ensure_ascii=False) for call in calls)


def _report(task: Term, steps: Sequence[Step], language: str) -> str:
    fixed = _LANGUAGES[language]
    sentences = [fixed.opening.format(task=_in(language, task))]
    for number, step in enumerate(steps):
        what = " ".join(filter(None, (_in(language, part) for part in (step.what, step.preposition, step.to))))
        did = getattr(step.verb, language)[1]
        sentences.append(fixed.sentence.format(lead=fixed.leads[number > 0], did=did, what=what))
    return " ".join(sentences)


def _command(step: Step, language: str) -> str:
    return str(getattr(step.verb, language)[0])


FORMATS: dict[str, Callable[[Term, Sequence[Step], str], str]] = {
    "log": _log,
    "shell": _shell,
    "tool": _tool,
    "report": _report,
}
