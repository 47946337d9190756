"""``tiltmeter doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tiltmeter.models import Support
    from tiltmeter.studies import Environment


def doctor(
    model: Annotated[
        str | None, typer.Argument(help="A model that you mean to read: a folder, a hub id, or organism:NAME.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of words.")] = False,
) -> None:
    """Say what is installed, what it may run on, and whether a model can be read and will fit.

    Exit code 0; 1 where something that is needed is absent, or the model cannot be read.

    Example: tiltmeter doctor organism:facts
    """
    import json

    from tiltmeter import studies
    from tiltmeter.cli._terminal import steps

    with steps("doctor") as announce:
        if model is not None:
            studies.tell_of_hub(model, announce)
        found = studies.examine(model)
    is_well = None not in found.versions.values() and (found.model is None or found.model.problem is None)
    if as_json:
        told = found._asdict() | {
            "extras": {one.name: not one.absent for one in found.extras},
            "model": None if found.model is None else _model_record(found.model),
        }
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _tell(found)
    raise typer.Exit(code=int(not is_well))


def _tell(found: Environment) -> None:
    print(f"tiltmeter {found.tiltmeter}, Python {found.python}, {found.platform}")
    print("packages  " + ", ".join(f"{name} {version or 'ABSENT'}" for name, version in found.versions.items()))
    for one in found.extras:
        absent = f"absent; pip install 'tiltmeter[{one.name}]' brings {', '.join(one.absent)}"
        print(f"extra     {one.name}: {absent if one.absent else 'present'}")
    for device, free in found.devices.items():
        threads = f", {found.threads} threads" if device == "cpu" else ""
        print(f"device    {device}: {free / 1e9:,.1f} GB free{threads}")
    for where, free in found.disk.items():
        print(f"disk      {where}: {free / 1e9:,.1f} GB free")
    if found.model is not None:
        _tell_of(found.model, free=found.devices["cpu"])


def _tell_of(model: Support, *, free: int) -> None:
    if model.size is None:
        print(f"model     {model.name}: CANNOT BE READ. {model.problem}")
        return
    single, half = (model.size.weight_bytes(each) for each in (4, 2))
    fit = "both fit" if single < free else "bfloat16 fits" if half < free else "NEITHER FITS"
    print(
        f"model     {model.name}: {model.family}, {model.size.n_parameters:,} parameters, {model.size.n_layers} blocks "
        f"of d = {model.size.d_model:,}"
    )
    print(f"memory    weights take {_size(single)} in float32, {_size(half)} in bfloat16; {fit} here")
    print(f"rows      {model.size.row_bytes() / 1e3:,.1f} KB a text at every block, one token kept, in memory")


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:,.2f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:,.2f} MB"


def _model_record(model: Support) -> dict[str, object]:
    return model._asdict() | {"size": None if model.size is None else model.size._asdict()}
