"""What became of the chosen probe, test set by test set, and figures in words."""

from __future__ import annotations

from typing import Literal

from tiltmeter.core.evidence import Cell, Evidence
from tiltmeter.core.records import Measured, Unavailable

KEEPS = 0.8
"""A probe carries over to a test set if it keeps this share of its in-distribution lead over chance."""

# A lead of this size, if its interval contains 0, says that the texts are few rather than that there is none.
CLEAR = 0.1
# What is no better than the probe is luck if it does as well in more than this share of refits.
LUCK = 0.05
# An interval wider than this that contains chance says that the texts are few, not that the probe fails.
WIDE = 0.3

Fate = Literal["carries", "weakens", "fails", "unclear", "inverts", "unknown"]


def figure(measured: Measured) -> str:
    """Write a figure as ``0.93 [0.90, 0.95]``, or say that there is none.

    Examples
    --------
    >>> figure(Unavailable(reason="one class only"))
    'not available (one class only)'
    """
    if isinstance(measured, Unavailable):
        return f"not available ({measured.reason})"
    return f"{number(measured.value)} [{number(measured.low)}, {number(measured.high)}]"


def number(value: float) -> str:
    """Write two decimals, but never round to 0 or 1 what is neither."""
    if 0.995 <= value < 1 or 0 < value < 0.005:
        return ">0.999" if value > 0.9995 else "<0.001" if value < 0.0005 else f"{value:.3f}"
    return f"{value:.2f}"


def percent(rate: float) -> str:
    """Write a rate that was asked for in percent, as it was asked for.

    Examples
    --------
    >>> percent(0.005), percent(0.01)
    ('0.5%', '1%')
    """
    return f"{round(100 * rate, 10):g}%"


def chosen_cells(evidence: Evidence) -> list[Cell]:
    chosen = (evidence.site, evidence.method, evidence.train)
    return [cell for cell in evidence.transfer if (cell.site, cell.method, cell.train) == chosen]


def home_auroc(evidence: Evidence) -> Measured:
    cells = [cell.auroc for cell in chosen_cells(evidence) if cell.test == evidence.train]
    return cells[0] if cells else Unavailable(reason=f"{evidence.train} has no test texts")


def fate(cell: Cell, home: Measured) -> Fate:
    """Sort a test set by what becomes of the probe there."""
    if isinstance(cell.auroc, Unavailable) or isinstance(home, Unavailable):
        return "unknown"
    if home.low <= 0.5:
        return "unknown"  # nothing was read at home that could carry over
    if cell.auroc.high < 0.5:
        return "inverts"
    if cell.auroc.low <= 0.5:
        return "unclear" if cell.auroc.high - cell.auroc.low > WIDE else "fails"
    return "carries" if cell.auroc.value - 0.5 >= KEEPS * (home.value - 0.5) else "weakens"


def failed(evidence: Evidence) -> set[str]:
    """Return the test sets of which it is said already that nothing is read there."""
    home = home_auroc(evidence)
    return {
        cell.test
        for cell in chosen_cells(evidence)
        if cell.test != evidence.train and fate(cell, home) in ("fails", "inverts", "unclear")
    }


def listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
