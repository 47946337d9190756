"""Monitors that a command line names, and the model that they were made for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from tiltmeter.models import Attention, DType, SubjectModel
    from tiltmeter.monitor import Monitor


def model_of(
    monitor: Monitor,
    place: str | None,
    *,
    announce: Callable[[str], None],
    dtype: DType | None = None,
    device: str = "cpu",
    attention: Attention | None = None,
) -> SubjectModel:
    """Open the model of a monitor: where it was and in the precision that it had, unless others are named."""
    from tiltmeter import models, studies

    card = monitor.card
    where = place or card.model
    announce("loading the model")
    studies.tell_of_hub(where, announce)
    return models.load(
        studies.locate_model(where),
        revision=card.revision,
        dtype=dtype or cast("DType", card.reading.dtype),
        device=device,
        attention=attention,
    )


def named_monitors(places: Sequence[str]) -> dict[str, Monitor]:
    """Load monitors, given as PLACE or NAME=PLACE; SpecError if two have one name."""
    from tiltmeter import studies
    from tiltmeter.core.errors import SpecError
    from tiltmeter.monitor import Monitor

    loaded: dict[str, Monitor] = {}
    for where in places:
        name, equals, rest = where.partition("=")
        monitor = Monitor.load(studies.locate_monitor(rest if equals else where))
        called = name if equals else monitor.card.name
        if called in loaded:
            raise SpecError(f"Two monitors are called {called}; name one of them, as in other={where}.")
        loaded[called] = monitor
    return loaded


def warn_of(monitor: Monitor, *, called: str = "this monitor") -> None:
    """Say what speaks against a monitor's scores before they are there."""
    from tiltmeter.core.evidence import Evidence, Verdict
    from tiltmeter.core.records import Unavailable

    evidence = monitor.direction.evidence
    if isinstance(evidence, Evidence) and isinstance(evidence.verdict, Verdict) and evidence.verdict.outcome != "holds":
        print(f"tiltmeter: verdict on {called}: {evidence.verdict.outcome}.", file=sys.stderr)
    if isinstance(threshold := monitor.card.threshold, Unavailable):
        print(f"tiltmeter: no alarms from {called}, for it has no threshold: {threshold.reason}", file=sys.stderr)
