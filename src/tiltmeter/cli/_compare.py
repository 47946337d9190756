"""``tiltmeter compare``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, as made by tiltmeter study.")],
    against: Annotated[
        Path | None, typer.Option(help="A run that the others must not be clearly worse than: exit code 1 if one is.")
    ] = None,
    bounds: Annotated[
        Path | None, typer.Option(help="A file of bounds that every run must keep: exit code 1 if one does not.")
    ] = None,
    write_bounds: Annotated[
        Path | None, typer.Option(help="Take bounds from the one run that is given, and write them here.")
    ] = None,
    draws: Annotated[int, typer.Option(help="Of the bootstrap.")] = 2000,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of a table.")] = False,
) -> None:
    """Compare the chosen probes of runs on their common test texts, or hold a run against bounds.

    Exit code 0: nothing is worse, or nothing was asked to be held; 1: something is; 2: the input cannot be used.

    Example: tiltmeter compare runs/before runs/after
    """
    from tiltmeter import studies
    from tiltmeter.cli._terminal import steps
    from tiltmeter.core.comparison import Bounds
    from tiltmeter.core.errors import FileError, SpecError
    from tiltmeter.core.files import read_record, write_json

    if sum(option is not None for option in (against, bounds, write_bounds)) > 1:
        raise SpecError("Give one of --against, --bounds and --write-bounds.")
    if write_bounds is not None:
        if len(runs) > 1:
            raise SpecError("Bounds are taken from one run; give that alone.")
        if write_bounds.exists():
            raise FileError(f"{write_bounds} exists already; name another file or remove it first.")
        with steps("compare"):
            write_json(write_bounds, studies.bounds_of(runs[0]).model_dump(mode="json"))
        print(write_bounds)
        return
    if bounds is not None:
        known = read_record(bounds, Bounds)
        with steps("compare"):
            from tiltmeter.cli import _tables

            kept = [one for run in runs for one in studies.check_bounds(run, known)]
        if as_json:
            print(json.dumps([one.model_dump(mode="json") for one in kept], indent=2, ensure_ascii=False))
        else:
            _tables.kept(kept)
        raise typer.Exit(code=int(not all(one.is_kept for one in kept)))
    with steps("compare"):
        from tiltmeter.cli import _tables

        found = studies.compare_runs(runs if against is None else [against, *runs], n_draws=draws, seed=seed)
        worse = studies.regressions(found) if against is not None else None
    gone = found.gone if against is not None else ()
    if gone:
        named = ", ".join(f"{one.run}: {one.test}" for one in gone)
        print(f"Test sets of {against} on which a run was not judged: {named}.", file=sys.stderr)
    if as_json:
        print(json.dumps(found.model_dump(mode="json"), indent=2, ensure_ascii=False))
    else:
        _tables.comparison(found, worse=worse)
    raise typer.Exit(code=int(bool(worse or gone)))
