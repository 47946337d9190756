"""``tiltmeter study``."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tiltmeter.studies import StudyCost


def study(
    spec: Annotated[Path, typer.Argument(help="The study's spec, a YAML file; examples/ holds some to copy.")],
    out: Annotated[
        Path | None, typer.Option(help="The run directory; it must not exist. Default: runs/DATE-NAME.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A value for a $NAME in the spec; may be repeated."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; say how texts are split, and what reading them costs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of words.")] = False,
) -> None:
    """Run a study: texts, activations, probes, evidence, verdict, report, monitor.

    A spec with grammar or a teacher is that of a contest: rules against a student that learns from demonstrations, by
    accuracy, edge cases and transparency. It writes experts.html and experts.json.

    Example: tiltmeter study examples/facts.yaml
    """
    from tiltmeter import studies
    from tiltmeter.cli._terminal import steps
    from tiltmeter.core.errors import SpecError

    values = {}
    for pair in set_ or []:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise SpecError(f"--set {pair!r} is not of the form NAME=VALUE.")
        values[name] = value
    with steps(spec.stem):
        kind = studies.spec_kind(spec)
    if kind == "contest":
        if values or dry_run:
            raise SpecError(f"{spec} is the spec of a contest, which takes neither --set nor --dry-run.")
        _contest(spec, out, as_json=as_json)
        return
    if not dry_run:
        _study(spec, out, values=values, as_json=as_json)
        return
    with steps(spec.stem, first="splitting the texts, loading the model and timing a few batches") as announce:
        asked = studies.read_spec(spec, values=values)
        studies.tell_of_hub(asked.model.path, announce)
        found = studies.study_cost(asked)
    _cost(found, as_json=as_json)


def _study(spec: Path, out: Path | None, *, values: dict[str, str], as_json: bool) -> None:
    import json

    from tiltmeter import studies
    from tiltmeter.cli._terminal import steps

    with steps(spec.stem, first="reading the spec") as announce:
        from tiltmeter.cli._print import verdict

        asked = studies.read_spec(spec, values=values)
        folder = out or _folder(asked.name)
        done = studies.run_study(asked, folder, announce=announce)
    page, monitor = (folder / "report.html").resolve(), folder / "monitors" / "best"
    if as_json:
        told = {"run": str(folder), "report": str(page), "monitor": str(monitor) if monitor.is_dir() else None}
        judged = done.evidence.model_dump(mode="json")["verdict"]
        print(json.dumps({**told, "verdict": judged}, indent=2, ensure_ascii=False))
        return
    verdict(done.evidence)
    print(f"\nReport:  {page}")
    if monitor.is_dir():
        print(f"Monitor: {monitor}")


def _cost(found: StudyCost, *, as_json: bool) -> None:
    import json

    from tiltmeter.cli._cost_table import study_cost

    if not as_json:
        study_cost(found)
        return
    told = {
        "distributions": [one.model_dump(mode="json") for one in found.distributions],
        "by_set": {name: cost._asdict() for name, cost in found.by_set.items()},
        "asks_again": found.asks_again,
    }
    print(json.dumps(told, indent=2, ensure_ascii=False))


def _contest(spec: Path, out: Path | None, *, as_json: bool) -> None:
    from tiltmeter import studies
    from tiltmeter.cli._terminal import steps

    with steps(spec.stem, first="reading the spec") as announce:
        from tiltmeter.cli._expert_tables import experts

        asked = studies.read_experts_spec(spec)
        folder = out or _folder(asked.name)
        found = studies.run_experts(asked, folder, announce=announce)
    if as_json:
        print(found.model_dump_json(indent=2))
        return
    experts(found)
    print(f"\nPage: {(folder / 'experts.html').resolve()}")


def _folder(name: str) -> Path:
    return Path("runs") / f"{date.today().isoformat()}-{name.replace(' ', '-')}"
