"""``tiltmeter monitor export``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    log: Annotated[Path, typer.Argument(help="The SQLite file of a service; it may be running.")],
    what: Annotated[Literal["alarms", "scores"], typer.Option(help="Which records.")] = "alarms",
    out: Annotated[Path | None, typer.Option(help="Write a new file instead of to standard output.")] = None,
) -> None:
    """Print the alarms of a log, or every text that was scored: a JSON object a line, in the order of writing.

    Example: tiltmeter monitor export alarms.sqlite --out alarms.jsonl
    """
    from tiltmeter.monitor import MonitorLog

    with MonitorLog(log, mode="read") as opened:
        n = opened.export(sys.stdout if out is None else out, what=what)
    if out is not None:
        print(f"{out}: {n:,} {what}")
