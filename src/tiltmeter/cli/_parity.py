"""``tiltmeter monitor parity`` and ``tiltmeter monitor reference``."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Literal

import typer

from tiltmeter.cli._own_texts import TextColumn

_Model = Annotated[str | None, typer.Option(help="Where the model is; default: where it was when it was made.")]
_Device = Annotated[str, typer.Option(help="As PyTorch names it, such as cuda:0.")]


def parity(
    monitor: Annotated[str, typer.Argument(help="A monitor folder, a run, or hub:OWNER/NAME[@REVISION].")],
    model: _Model = None,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None, typer.Option(help="Of the model; default: the monitor's.")
    ] = None,
    attention: Annotated[
        Literal["sdpa", "eager"] | None, typer.Option(help="Attention kernel; default: the one that is usual here.")
    ] = None,
    device: _Device = "cpu",
    explain: Annotated[
        bool, typer.Option("--explain", help="Load the model again with each thing put back, to see what it changes.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of a table.")] = False,
) -> None:
    """Replay a monitor's reference texts through a model, and say what changed and why.

    Exit code 0: the same, or within the tolerance; 1: refused; 2: the input cannot be used.

    Example: tiltmeter monitor parity runs/2026-11-22-facts --dtype bfloat16
    """
    from tiltmeter import studies
    from tiltmeter.cli._monitor_named import model_of
    from tiltmeter.cli._terminal import steps

    with steps("parity") as announce:
        from tiltmeter.cli._parity_table import parity_table
        from tiltmeter.monitor import Monitor

        loaded = Monitor.load(studies.locate_monitor(monitor))
        # before the model, which may take minutes
        loaded.require_reference()
        subject = model_of(loaded, model, announce=announce, dtype=dtype, device=device, attention=attention)
        announce("replaying the reference texts")
        found = loaded.parity(subject, explain=explain)
    if as_json:
        print(json.dumps(found.model_dump(mode="json"), indent=2, ensure_ascii=False))
    else:
        parity_table(found)
    raise typer.Exit(code=int(found.outcome == "refused"))


def reference(
    monitor: Annotated[str, typer.Argument(help="A monitor folder, or a run with one.")],
    texts: Annotated[str, typer.Argument(help="Texts to choose among: JSONL, CSV, Parquet, or organism:NAME/SET.")],
    text: TextColumn = None,
    model: _Model = None,
    device: _Device = "cpu",
) -> None:
    """Choose reference texts for a monitor, read them on the model that it was made for, and put them into its folder.

    12 texts are kept, whole, near to the threshold and far from it, in place of those that it holds. Give texts that
    the probe was not fitted on, and that may go where the monitor goes. A card is written again.

    Example: tiltmeter monitor reference runs/2026-11-22-facts my_texts.jsonl
    """
    from tiltmeter import studies
    from tiltmeter.cli._monitor_named import model_of
    from tiltmeter.cli._own_texts import own_texts
    from tiltmeter.cli._terminal import steps
    from tiltmeter.core.errors import SpecError

    if monitor.startswith("hub:"):
        raise SpecError(f"{monitor} stands in the Hub's cache, which is not written to; give a folder.")
    with steps("reference") as announce:
        from tiltmeter.monitor import Monitor, make_reference, write_reference

        folder = studies.locate_monitor(monitor)
        loaded = Monitor.load(folder)
        rows = own_texts("reference", texts, studies.ColumnsOf(text), distribution="texts", labels="ignored")
        attention = loaded.card.model_fingerprint.get("attention")
        subject = model_of(loaded, model, announce=announce, device=device, attention=attention)
        announce(f"scoring {len(rows):,} texts")
        made = make_reference(loaded, subject, texts=rows, drawn_from=f"{len(rows)} texts that were given")
        write_reference(folder, made)
    print(f"tiltmeter: {len(made)} of {len(rows)} texts stand in it, whole.", file=sys.stderr)
    print((folder / "parity.json").resolve())
