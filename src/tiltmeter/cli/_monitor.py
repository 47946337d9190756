"""``tiltmeter monitor``: serve, export."""

from __future__ import annotations

import typer

from tiltmeter.cli._monitor_export import export
from tiltmeter.cli._monitor_serve import serve

monitor_app = typer.Typer(help="Monitors in service, and their log.", no_args_is_help=True, rich_markup_mode=None)
monitor_app.command(short_help="Serve monitors over HTTP.")(serve)
monitor_app.command(short_help="Print the log of a service as JSON lines.")(export)
