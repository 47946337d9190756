"""``tiltmeter monitor``: what is done with a monitor in service."""

from __future__ import annotations

import typer

from tiltmeter.cli._monitor_certify import certify
from tiltmeter.cli._monitor_export import export
from tiltmeter.cli._monitor_replay import replay
from tiltmeter.cli._monitor_serve import serve
from tiltmeter.cli._monitor_summary import summary
from tiltmeter.cli._parity import parity, reference

monitor_app = typer.Typer(help="Monitors in service, and their log.", no_args_is_help=True, rich_markup_mode=None)
monitor_app.command(short_help="Serve monitors over HTTP.")(serve)
monitor_app.command(short_help="Replay a monitor's reference texts through a model.")(parity)
monitor_app.command(short_help="Give a monitor reference texts, or others.")(reference)
monitor_app.command(short_help="Certify a threshold for texts that are watched while they grow.")(certify)
monitor_app.command(short_help="Print the log of a service as JSON lines.")(export)
monitor_app.command(short_help="Sum up a log by day, and test whether it has changed.")(summary)
monitor_app.command(short_help="Score the texts of a log again with another monitor.")(replay)
