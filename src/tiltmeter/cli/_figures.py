"""How figures look in the tables of the command line."""

from __future__ import annotations

from tiltmeter.core.records import Estimate, Measured


def value(found: Measured, digits: int = 2) -> str:
    """Write a figure alone, or a dash where there is none."""
    return f"{found.value:.{digits}f}" if isinstance(found, Estimate) else "–"


def interval(found: Measured, *, between: str = " ") -> str:
    """Write a figure and its interval, with this between them; a dash where there is none."""
    if not isinstance(found, Estimate):
        return "–"
    return f"{found.value:.2f}{between}[{found.low:.2f}, {found.high:.2f}]"
