"""``tiltmeter report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(run: Annotated[Path, typer.Argument(help="A run directory, as made by tiltmeter study.")]) -> None:
    """Write a run's report again from its records, and print where it is.

    Example: tiltmeter report runs/2026-11-22-facts
    """
    from tiltmeter.report import write_report

    print(write_report(run).resolve())
