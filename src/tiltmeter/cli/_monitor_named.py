"""Monitors that a command line names, each by its card or by what stands before the sign of equality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tiltmeter.monitor import Monitor


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
