"""``tiltmeter anatomy shape``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tiltmeter.cli._own_texts import TextColumn

if TYPE_CHECKING:
    from tiltmeter.core.direction import Direction


def shape(
    model: Annotated[str, typer.Argument(help="A model folder, a hub id, or organism:NAME.")],
    texts: Annotated[str, typer.Argument(help="JSONL, CSV, Parquet, hf:NAME:SPLIT, or organism:NAME/SET.")],
    text: TextColumn = None,
    site: Annotated[
        list[str] | None,
        typer.Option(help="Where activations are read, such as 3.resid_post; may be repeated. Else every block."),
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(
            help="activations, activation_gradients, weights, gradients (by weights), spectra; may be repeated. Else "
            "activations alone."
        ),
    ] = None,
    direction: Annotated[
        list[Path] | None,
        typer.Option(help="A saved direction (its folder, or RUN/probes/SITE/METHOD) to project on; may be repeated."),
    ] = None,
    n_coordinates: Annotated[int, typer.Option(help="Most coordinates of a site that are looked at singly.")] = 32,
    n_random: Annotated[int, typer.Option(help="Random directions of a site.")] = 32,
    part_kurtosis: Annotated[
        float, typer.Option(help="Excess kurtosis of one part, for the effective number of parts; 3 is a Laplace's.")
    ] = 3.0,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="A new folder for the page, shape.html, and the record, shape.json.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of a table.")] = False,
) -> None:
    """Test whether activations, weights and gradients look Gaussian or exponential, beside nulls that are normal.

    Example: tiltmeter anatomy shape organism:facts organism:facts/affirmative --site 2.resid_post --out shape
    """
    from contextlib import nullcontext
    from typing import get_args

    from tiltmeter import anatomy, studies
    from tiltmeter.cli._own_texts import own_texts
    from tiltmeter.cli._terminal import steps
    from tiltmeter.core.errors import SpecError
    from tiltmeter.core.files import new_folder, write_json
    from tiltmeter.report import write_shape

    with nullcontext() if out is None else new_folder(out) as folder, steps("shape") as announce:
        from tiltmeter.cli._shape_tables import shapes

        known = {name: name for name in get_args(anatomy.Part)}
        if wrong := [name for name in part or () if name not in known]:
            raise SpecError(f"--part {wrong[0]!r} is none of {', '.join(known)}.")
        directions = _directions(direction or ())
        settings = anatomy.ShapeSettings(
            part_kurtosis=part_kurtosis, n_coordinates=n_coordinates, n_random=n_random, seed=seed
        )
        announce("loading the model")
        found = anatomy.model_shape(
            studies.open_model(studies.ModelSpec(path=model), announce=announce),
            own_texts("shape", texts, studies.ColumnsOf(text), distribution=texts, labels="ignored"),
            sites=site or "all",
            parts=tuple(known[name] for name in part or ("activations",)),
            directions=directions,
            settings=settings,
            announce=announce,
        )
        if folder is not None:
            write_json(folder / "shape.json", found.model_dump(mode="json"))
            write_shape(folder)
    if as_json:
        print(found.model_dump_json(indent=2))
    else:
        shapes(found)
    if out is not None and not as_json:
        print(f"\nPage: {(out / 'shape.html').resolve()}")


def _directions(paths: Sequence[Path]) -> dict[str, Direction]:
    """Open saved directions, by their paths."""
    from tiltmeter.core.direction import Direction
    from tiltmeter.core.errors import SpecError
    from tiltmeter.interventions import open_steering

    directions: dict[str, Direction] = {}
    for path in paths:
        opened = open_steering(path)
        if not isinstance(opened, Direction):
            raise SpecError(f"{path} holds steering vectors; give a saved direction.")
        directions[str(path)] = opened
    return directions
