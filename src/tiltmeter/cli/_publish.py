"""``tiltmeter card`` and ``tiltmeter publish``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def card(
    monitor: Annotated[str, typer.Argument(help="A monitor folder, or a run with one.")],
    licence: Annotated[
        str | None, typer.Option(help="Of the probe, as the Hub names it: apache-2.0, cc-by-4.0, other.")
    ] = None,
    base_model: Annotated[str | None, typer.Option(help="The model's identifier on the Hub.")] = None,
    out: Annotated[Path | None, typer.Option(help="A new folder for the two files. Default: the monitor's.")] = None,
) -> None:
    """Write the card of a probe, README.md and card.json, from the evidence that it was shipped with.

    Example: tiltmeter card runs/2026-11-22-facts --licence apache-2.0
    """
    from tiltmeter import studies
    from tiltmeter.cli._terminal import steps
    from tiltmeter.core.errors import SpecError
    from tiltmeter.core.files import new_folder

    if out is None and monitor.startswith("hub:"):
        raise SpecError(f"{monitor} stands in the Hub's cache, which is not written to; add --out FOLDER.")
    with steps("card"):
        from tiltmeter.monitor import write_card

        folder = studies.locate_monitor(monitor)
        if out is None:
            write_card(folder, licence=licence, base_model=base_model)
        else:
            with new_folder(out) as made:
                write_card(folder, out=made, licence=licence, base_model=base_model)
    print(((out or folder) / "README.md").resolve())


def publish(
    monitor: Annotated[str, typer.Argument(help="A monitor folder with its card, or a run with one.")],
    target: Annotated[str, typer.Argument(help="OWNER/NAME on the Hugging Face Hub, or file:FOLDER.")],
    private: Annotated[bool, typer.Option("--private", help="Make the repository private.")] = False,
    revision: Annotated[str | None, typer.Option(help="Branch of the repository; made if it is not there.")] = None,
) -> None:
    """Publish a monitor with its card. Nothing is sent if a hash does not match.

    The token of the Hub is that of `hf auth login`, or stands in HF_TOKEN.

    Example: tiltmeter publish runs/2026-11-22-facts OWNER/NAME --private
    """
    from tiltmeter import studies
    from tiltmeter.cli._terminal import steps

    with steps("publish") as announce:
        from tiltmeter.monitor import publish as send
        from tiltmeter.monitor import read_card

        folder = studies.locate_monitor(monitor)
        held = read_card(folder)
        for n_texts, what in ((held.n_texts, "direction.json quotes"), (held.n_reference, "parity.json holds")):
            if n_texts:
                print(f"tiltmeter: {what} {n_texts} texts of the data, which are published with it.", file=sys.stderr)
        announce(f"sending it to {target}")
        where = send(folder, target, private=private, revision=revision)
    print(where)
