"""``tiltmeter organism``: list, show, train, league."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

organism_app = typer.Typer(
    help="Small models with planted, recorded ground truth.", no_args_is_help=True, rich_markup_mode=None
)


@organism_app.command("list")
def list_organisms(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
) -> None:
    """Name the organisms, what is planted in each, and whether it is there already.

    Example: tiltmeter organism list
    """
    import json

    from tiltmeter import organisms
    from tiltmeter.cli._terminal import steps

    with steps("organism list"):
        lines = {name: organisms.shelf_line(name) for name in organisms.names()}
    if as_json:
        print(json.dumps({name: line.removeprefix(f"{name}: ") for name, line in lines.items()}, indent=2))
    else:
        print("\n".join(lines.values()))


@organism_app.command()
def show(
    name: Annotated[str, typer.Argument(help="An organism, as tiltmeter organism list names it, or ./FOLDER.")],
    seed: Annotated[int, typer.Option(help="Seed that it was trained with.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print its card as one JSON object.")] = False,
) -> None:
    """Describe an organism: what was planted, its sets of texts, and how it behaves.

    Example: tiltmeter organism show facts
    """
    from tiltmeter import organisms
    from tiltmeter.cli._terminal import steps

    with steps("organism show"):
        organism = organisms.read_organism(name) if "/" in name else organisms.load(name, seed=seed)
    print(organism.card.model_dump_json(indent=2) if as_json else organisms.describe(organism))


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
    from tiltmeter.cli._terminal import steps

    with steps("organism train"):
        # the training has bars of its own
        train_one = organisms.train
    print(organisms.describe(train_one(name, out, seed=seed)))


@organism_app.command()
def league(
    out: Annotated[
        Path, typer.Option(help="A folder; one of an earlier run is gone on with, and its finished tasks are kept.")
    ] = Path("runs/league"),
    only: Annotated[
        list[str] | None, typer.Option(metavar="TASK", help="Run this task alone; may be repeated.")
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="Seeds of the organisms, such as 0,1,2. Others than 0 are trained, which takes minutes.")
    ] = "0",
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of a summary.")] = False,
) -> None:
    """Run every probe and every eraser on every bundled organism, in and out of distribution, beside nulls and rivals.

    Writes league.html, with tables to sort, league.json, and a file for each task as it is finished.

    Example: tiltmeter organism league --out league
    """
    from tiltmeter import studies
    from tiltmeter.cli._terminal import steps
    from tiltmeter.core.errors import SpecError

    try:
        numbers = tuple(int(part) for part in seeds.split(","))
    except ValueError:
        raise SpecError(f"--seeds {seeds!r} is not a list of whole numbers such as 0,1,2.") from None
    if min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise SpecError(f"--seeds {seeds!r}: give whole numbers from 0, each once.")
    with steps("league") as announce:
        from tiltmeter.cli._print import league_summary

        tasks = studies.TASKS if not only else studies.pick_tasks(tuple(only))
        spec = studies.LeagueSpec(tasks=tasks, seeds=numbers)
        found = studies.run_league(spec, out, announce=announce)
    if as_json:
        print(found.model_dump_json(indent=2))
        return
    league_summary(found)
    print(f"\nPage: {(out / 'league.html').resolve()}")
