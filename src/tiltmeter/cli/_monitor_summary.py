"""``tiltmeter monitor summary``."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer


def summary(
    log: Annotated[Path, typer.Argument(help="The SQLite file of a service; it may be running.")],
    monitors: Annotated[
        list[str] | None,
        typer.Argument(help="The monitors of the log, as for serve: their thresholds say what rate was promised."),
    ] = None,
    since: Annotated[datetime | None, typer.Option(help="Days from this one on, in UTC.")] = None,
    reference_until: Annotated[
        datetime | None, typer.Option(help="Test scores from this time on (UTC) against those before it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of tables.")] = False,
) -> None:
    """Sum up a log by day, and say whether alarms or scores have changed.

    Exit code 0; 1 where a change was found; 2 where the input cannot be used.

    Example: tiltmeter monitor summary alarms.sqlite runs/2026-11-22-facts --reference-until 2026-11-24
    """
    from datetime import UTC

    from tiltmeter.cli._monitor_named import named_monitors
    from tiltmeter.cli._terminal import steps

    with steps("summary"):
        from tiltmeter.cli._summary_tables import summary_tables
        from tiltmeter.monitor import MonitorLog, summarise

        loaded = named_monitors(monitors or [])
        with MonitorLog(log, mode="read") as opened:
            texts = opened.scores(since=None if since is None else since.replace(tzinfo=UTC))
            found = summarise(
                texts,
                monitors=loaded,
                reference_until=None if reference_until is None else reference_until.replace(tzinfo=UTC),
            )
    if as_json:
        print(json.dumps(found.model_dump(mode="json"), indent=2, ensure_ascii=False))
    else:
        summary_tables(found)
    raise typer.Exit(code=int(any(change.at is not None for change in found.changes)))
