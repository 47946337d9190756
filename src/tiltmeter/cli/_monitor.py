"""``tiltmeter monitor``: what is done with a monitor in service."""

from __future__ import annotations

import typer

from tiltmeter.cli._parity import parity, reference

monitor_app = typer.Typer(
    help="A monitor in service: is it still the one that was tested?", no_args_is_help=True, rich_markup_mode=None
)
monitor_app.command(short_help="Replay a monitor's reference texts through a model.")(parity)
monitor_app.command(short_help="Give a monitor reference texts, or others.")(reference)
