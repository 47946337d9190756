"""``tiltmeter study-experts``."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer


def study_experts(
    spec: Annotated[
        Path, typer.Argument(help="The contest's spec, a YAML file such as examples/experts/grammar.yaml.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The folder to write; it must not exist. Default: runs/DATE-NAME.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of a summary.")] = False,
) -> None:
    """Hold rules against a student that learns from a teacher's demonstrations: accuracy, edge cases, transparency.

    Writes experts.html and experts.json.

    Example: tiltmeter study-experts examples/experts/grammar.yaml
    """
    from tiltmeter import studies
    from tiltmeter.cli._expert_tables import experts
    from tiltmeter.cli._print import steps

    asked = studies.read_experts_spec(spec)
    folder = out or Path("runs") / f"{date.today().isoformat()}-{asked.name.replace(' ', '-')}"
    with steps(asked.name) as announce:
        found = studies.run_experts(asked, folder, announce=announce)
    if as_json:
        print(found.model_dump_json(indent=2))
        return
    experts(found)
    print(f"\nPage: {(folder / 'experts.html').resolve()}")
