"""``tiltmeter study``."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer


def study(
    spec: Annotated[Path, typer.Argument(help="The study's spec, a YAML file; examples/ holds some to copy.")],
    out: Annotated[
        Path | None, typer.Option(help="The run directory; it must not exist. Default: runs/DATE-NAME.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A value for a $NAME in the spec; may be repeated."),
    ] = None,
) -> None:
    """Run a study: texts, activations, probes, evidence, verdict, report, monitor.

    Example: tiltmeter study examples/facts.yaml
    """
    from tiltmeter import studies
    from tiltmeter.cli._print import steps, verdict
    from tiltmeter.core.errors import SpecError

    values = {}
    for pair in set_ or []:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise SpecError(f"--set {pair!r} is not of the form NAME=VALUE.")
        values[name] = value
    asked = studies.read_spec(spec, values=values)
    folder = out or Path("runs") / f"{date.today().isoformat()}-{asked.name.replace(' ', '-')}"
    with steps(asked.name) as announce:
        done = studies.run_study(asked, folder, announce=announce)
    verdict(done.evidence)
    print(f"\nReport:  {(folder / 'report.html').resolve()}")
    if (monitor := folder / "monitors" / "best").is_dir():
        print(f"Monitor: {monitor}")
