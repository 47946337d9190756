"""The record of a run: what was asked, what was resolved, what came of it."""

from __future__ import annotations

from typing import Any, Literal

from tiltmeter.core.records import Record


class Run(Record):
    """``run.json``: enough to know what was done and to do it again.

    ``spec`` is as passed, ``resolved`` with every default filled in. ``seconds`` holds the duration of each step.
    """

    format_version: Literal[1] = 1
    name: str
    status: Literal["complete", "failed"]
    started: str
    seconds: dict[str, float]
    spec: dict[str, Any]
    resolved: dict[str, Any]
    seed: int
    commit: str | None
    versions: dict[str, str]
    platform: str
    model: dict[str, Any]
    error: str | None = None
