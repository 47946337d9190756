"""``tiltmeter organism``: list, show, train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

organism_app = typer.Typer(
    help="Bundled models with planted, recorded ground truth.", no_args_is_help=True, rich_markup_mode=None
)


@organism_app.command("list")
def list_organisms() -> None:
    """Name the bundled organisms."""
    from tiltmeter import organisms

    for name in organisms.names():
        print(f"{name}: {organisms.load(name).summary}")


@organism_app.command()
def show(name: Annotated[str, typer.Argument(help="An organism, as tiltmeter organism list names it.")]) -> None:
    """Describe an organism: its world, its sets of texts, and how well it knows what was planted.

    Example: tiltmeter organism show facts
    """
    from tiltmeter import organisms

    print(organisms.describe(organisms.load(name)))


@organism_app.command()
def train(
    name: Annotated[str, typer.Argument(help="An organism, as tiltmeter organism list names it.")],
    out: Annotated[Path, typer.Option(help="The folder to write; it must not exist.")],
    seed: Annotated[int, typer.Option(help="Seed of the world and of the training.")] = 0,
) -> None:
    """Train an organism again from its seed, with a progress bar.

    Example: tiltmeter organism train facts --out my_facts
    """
    from tiltmeter import organisms

    print(organisms.describe(organisms.train(name, out, seed=seed)))
