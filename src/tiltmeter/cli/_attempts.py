"""``tiltmeter attempts``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def attempts(
    out: Annotated[Path, typer.Argument(help="The JSONL file to write; it must not exist.")],
    kind: Annotated[
        Literal["backdoor", "exfiltrate", "disable_log"] | None, typer.Option(help="What is attempted. Default: all.")
    ] = None,
    form: Annotated[
        Literal["log", "shell", "tool", "report"] | None,
        typer.Option("--format", help="How it is written. Default: in every way."),
    ] = None,
    language: Annotated[Literal["en", "de"] | None, typer.Option(help="Default: both.")] = None,
    difficulty: Annotated[
        Literal["blatant", "split", "buried"] | None,
        typer.Option(help="In one step, spread over two, or one of many. Default: all."),
    ] = None,
    paired: Annotated[
        bool, typer.Option("--paired/--unpaired", help="Clean pairs of the same words, or attempts and ordinary logs.")
    ] = True,
    sizes: Annotated[tuple[int, int, int], typer.Option(help="Groups of each kind in train, calibration and test.")] = (
        20,
        10,
        10,
    ),
    seed: Annotated[int, typer.Option(help="Of the words that come together, and of what is ordinary.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of words.")] = False,
) -> None:
    """Write texts of an agent that plants a back door, exfiltrates or disables a log, and harmless ones.

    Says what their words alone tell.

    Example: tiltmeter attempts attempts.jsonl --language de --format shell --difficulty buried --paired
    """
    from tiltmeter import data, studies
    from tiltmeter.cli._terminal import steps
    from tiltmeter.core.records import Estimate

    asked = {"kinds": kind, "formats": form, "languages": language, "difficulties": difficulty}
    chosen = {name: (given,) for name, given in asked.items() if given is not None}
    with steps("attempts"):
        spec = data.AttemptsSpec.model_validate({"seed": seed, "sizes": sizes, "paired": paired} | chosen)
        card = studies.build_attempts(spec, out)
    if as_json:
        print(card.model_dump_json(indent=2))
        return
    counts = ", ".join(f"{card.rows[part]:,} {part} ({card.groups[part]} groups)" for part in card.rows)
    print(f"{out}: texts: {counts}")
    print(f"pairs of a train and a held-out text: {card.leakage.n_exact} copies, {card.leakage.n_near} near copies")
    for found in card.baselines:
        figure = found.auroc
        shown = (
            f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}] ({figure.method}, n = {figure.n})"
            if isinstance(figure, Estimate)
            else figure.reason
        )
        print(f"AUROC on test texts of {found.name}: {shown}")
