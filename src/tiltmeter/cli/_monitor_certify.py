"""``tiltmeter monitor certify``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tiltmeter.cli._own_texts import GroupColumn, LabelColumn, PositiveLabel, TextColumn


def certify(
    monitor: Annotated[str, typer.Argument(help="A monitor folder, a run, or hub:OWNER/NAME[@REVISION].")],
    texts: Annotated[
        str, typer.Argument(help="What the model writes when nothing is wrong: JSONL, CSV, Parquet, organism:NAME/SET.")
    ],
    population: Annotated[str, typer.Option(help="What these texts are, for the record.")],
    out: Annotated[Path, typer.Option(help="The new monitor folder.")],
    text: TextColumn = None,
    label: LabelColumn = None,
    positive: PositiveLabel = None,
    group: GroupColumn = None,
    fpr: Annotated[float, typer.Option(help="Share of such texts that may ever raise an alarm.")] = 0.01,
    confidence: Annotated[float, typer.Option(help="Probability that the promise holds.")] = 0.95,
    model: Annotated[
        str | None, typer.Option(help="Where the model is; default: where it was when the monitor was made.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the threshold as one JSON object.")] = False,
) -> None:
    """Give a monitor the threshold for texts that are watched while they grow: for the highest running score.

    Texts of label 1 are left out, where they have labels.

    Example: tiltmeter monitor certify runs/2026-11-22-facts quiet.jsonl --population "May" --out monitors/facts
    """
    from tiltmeter import studies
    from tiltmeter.cli._monitor_named import model_of
    from tiltmeter.cli._own_texts import own_texts
    from tiltmeter.cli._terminal import steps
    from tiltmeter.core.errors import FileError
    from tiltmeter.core.records import Threshold

    if out.exists():
        raise FileError(f"{out} exists already; name another folder or remove it first.")
    with steps("certify") as announce:
        from tiltmeter.monitor import Monitor, certify_running

        loaded = Monitor.load(studies.locate_monitor(monitor))
        columns = studies.ColumnsOf(text, label, group, positive)
        rows = own_texts("certify", texts, columns, distribution=population, labels="given")
        own = loaded.card.threshold
        if rows.groups is None and isinstance(own, Threshold) and own.unit == "group":
            print(
                "certify: the study counted groups; these texts have none, and each counts for itself. Name their "
                "column with --group where some belong together.",
                file=sys.stderr,
            )
        subject = model_of(loaded, model, announce=announce)
        announce(f"scoring every token of {len(rows):,} texts")
        certified = certify_running(loaded, subject, texts=rows, population=population, fpr=fpr, confidence=confidence)
        certified.save(out)
    limit = certified.card.running
    if as_json:
        print("null" if limit is None else limit.model_dump_json(indent=2))
    elif limit is not None:
        print(
            f"{out}: an alarm above {limit.value:.4g} at any token; at most {limit.fpr:g} of texts like these "
            f"({population}) ever raise one (confidence {limit.confidence:g}, {limit.n:,} {limit.unit}s)"
        )
