"""``tiltmeter score``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tiltmeter.cli._own_texts import IdColumn, TextColumn

if TYPE_CHECKING:
    from tiltmeter.monitor import Scores


def score(
    monitor: Annotated[str, typer.Argument(help="A monitor folder, a run, or hub:OWNER/NAME[@REVISION].")],
    texts: Annotated[str, typer.Argument(help="Texts to score: JSONL, CSV, Parquet, or organism:NAME/SET.")],
    text: TextColumn = None,
    id_: IdColumn = None,
    model: Annotated[
        str | None, typer.Option(help="Where the model is; default: where it was when the monitor was made.")
    ] = None,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None,
        typer.Option(help="Of the model; where it is not the monitor's, a replay decides whether that will do."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write JSONL here instead of to standard output.")] = None,
) -> None:
    """Score texts with a monitor: a JSON object a line with id, score, alarm, and unlike (the calibration texts).

    Example: tiltmeter score runs/2026-11-22-facts/monitors/best new_texts.jsonl
    """
    from tiltmeter import studies
    from tiltmeter.cli._monitor_named import model_of, warn_of
    from tiltmeter.cli._own_texts import own_texts
    from tiltmeter.cli._terminal import steps
    from tiltmeter.core.errors import FileError
    from tiltmeter.core.files import write_text

    if out is not None and out.exists():
        raise FileError(f"{out} exists already; name another file or remove it first.")
    with steps("score") as announce:
        from tiltmeter.monitor import Monitor

        loaded = Monitor.load(studies.locate_monitor(monitor))
        warn_of(loaded)
        columns = studies.ColumnsOf(text=text, id=id_)
        rows = own_texts("score", texts, columns, distribution="new texts", labels="ignored")
        subject = model_of(loaded, model, dtype=dtype, announce=announce)
        replayed = loaded.check(subject)
        if replayed is not None and replayed.outcome != "exact":
            print(f"tiltmeter: {replayed.sentence}", file=sys.stderr)
        announce(f"scoring {len(rows):,} texts")
        scored = loaded.score(subject, rows)
    lines = [
        json.dumps(
            {
                "id": str(row),
                "score": float(value),
                "alarm": None if scored.alarms is None else bool(scored.alarms[i]),
                "unlike": None if scored.unlike is None else bool(scored.unlike[i]),
            }
        )
        for i, (row, value) in enumerate(zip(rows.ids, scored.scores, strict=True))
    ]
    if out is not None:
        write_text(out, "\n".join(lines) + "\n")
        print(f"{out}: {_counts(scored)}")
    else:
        print("\n".join(lines))
        print(f"score: {_counts(scored)}", file=sys.stderr)


def _counts(scored: Scores) -> str:
    n = f"{len(scored.scores):,} texts"
    alarms = "no threshold for alarms" if scored.alarms is None else f"{int(scored.alarms.sum()):,} alarms"
    unlike = "" if scored.unlike is None else f", {int(scored.unlike.sum()):,} unlike the calibration texts"
    return f"{n}, {alarms}{unlike}"
