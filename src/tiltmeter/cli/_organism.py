"""``tiltmeter organism``: list, show, train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

organism_app = typer.Typer(
    help="Small models with planted, recorded ground truth.", no_args_is_help=True, rich_markup_mode=None
)


@organism_app.command("list")
def list_organisms() -> None:
    """Name the organisms, what is planted in each, and whether it is there already."""
    from tiltmeter import organisms

    for name in organisms.names():
        print(organisms.shelf_line(name))


@organism_app.command()
def show(
    name: Annotated[str, typer.Argument(help="An organism, as tiltmeter organism list names it.")],
    seed: Annotated[int, typer.Option(help="Seed that it was trained with.")] = 0,
) -> None:
    """Describe an organism: what was planted, its sets of texts, and how it behaves.

    Example: tiltmeter organism show facts
    """
    from tiltmeter import organisms

    print(organisms.describe(organisms.load(name, seed=seed)))


@organism_app.command()
def train(
    name: Annotated[str, typer.Argument(help="An organism, as tiltmeter organism list names it.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The folder to write; it must not exist. Else the cache, where studies look for organism:NAME@SEED."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the world and of the training.")] = 0,
) -> None:
    """Train an organism from its seed, with a progress bar; what was interrupted is gone on from.

    Example: tiltmeter organism train facts --out my_facts
    """
    from tiltmeter import organisms

    print(organisms.describe(organisms.train(name, out, seed=seed)))
