"""``tiltmeter monitor replay``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tiltmeter.core.alarms import ScoredText


def replay(
    log: Annotated[Path, typer.Argument(help="The SQLite file of a service that kept texts (--keep-texts).")],
    monitor: Annotated[str, typer.Argument(help="A monitor folder, a run, or hub:OWNER/NAME[@REVISION].")],
    beside: Annotated[
        str | None, typer.Option(help="The monitor of the log to compare with. Default: the only one there is.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Where the model is; default: where it was when the monitor was made.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write a JSON object a text to this new file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the totals as a record.")] = False,
) -> None:
    """Score the texts of a log again with another monitor, and count where the two agree.

    Example: tiltmeter monitor replay alarms.sqlite runs/2026-12-01-new --out replayed.jsonl
    """
    from tiltmeter import studies
    from tiltmeter.cli._monitor_named import model_of
    from tiltmeter.cli._summary_tables import replay_table
    from tiltmeter.cli._terminal import steps
    from tiltmeter.core.errors import FileError
    from tiltmeter.core.files import write_text

    if out is not None and out.exists():
        raise FileError(f"{out} exists already; name another file or remove it first.")
    with steps("replay") as announce:
        from tiltmeter.monitor import Monitor, replay_totals
        from tiltmeter.monitor import replay as again

        loaded = Monitor.load(studies.locate_monitor(monitor))
        kept, n_left, beside = _kept(log, beside)
        subject = model_of(loaded, model, announce=announce)
        announce(f"scoring {len(kept):,} texts")
        found = list(again(kept, loaded, subject=subject))
        totals = replay_totals(found, monitor=loaded.card.name, beside=beside, n_left=n_left)
    if out is not None:
        write_text(out, "".join(text.model_dump_json() + "\n" for text in found))
    if as_json:
        print(json.dumps(totals.model_dump(mode="json"), indent=2))
    else:
        replay_table(totals)


def _kept(log: Path, beside: str | None) -> tuple[list[ScoredText], int, str]:
    """Return the texts that can be scored again, how many cannot, and whose scores they are compared with."""
    from tiltmeter.core.errors import DataError, SpecError
    from tiltmeter.monitor import MonitorLog, can_replay

    with MonitorLog(log, mode="read") as opened:
        texts = list(opened.scores())
    names = sorted({name for text in texts for name in text.scores})
    if beside is None and len(names) > 1:
        raise SpecError(f"The log has scores of {', '.join(names)}; say which to compare with, by --beside.")
    if beside is not None and beside not in names:
        raise SpecError(f"{log} has no scores of {beside!r}; it has those of {', '.join(names) or 'no monitor'}.")
    kept = [text for text in texts if can_replay(text) and text.scores]
    if not kept:
        raise DataError(f"{log} holds no texts that can be scored again; serve with --keep-texts to keep them.")
    return kept, len(texts) - len(kept), beside or names[0]
