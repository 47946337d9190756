"""``tiltmeter anatomy``: what weights and dictionaries say without labels."""

from __future__ import annotations

import typer

from tiltmeter.cli._dictionary import dictionary_app

anatomy_app = typer.Typer(
    help="What weights and dictionaries say without labels.", no_args_is_help=True, rich_markup_mode=None
)
anatomy_app.add_typer(dictionary_app, name="dictionary")
