"""``tiltmeter anatomy``: what weights, dictionaries and the shape of values say without labels."""

from __future__ import annotations

import typer

from tiltmeter.cli._dictionary import dictionary_app
from tiltmeter.cli._shape import shape
from tiltmeter.cli._svd import locate, svd

anatomy_app = typer.Typer(
    help="What weights, dictionaries and shapes say without labels, beside their nulls.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
anatomy_app.command()(svd)
anatomy_app.command()(locate)
anatomy_app.command()(shape)
anatomy_app.add_typer(dictionary_app, name="dictionary")
