"""How the command line shows a contest of experts."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from tiltmeter.cli._figures import interval
from tiltmeter.cli._terminal import page
from tiltmeter.core.experts import Experts
from tiltmeter.core.records import Estimate


def experts(found: Experts) -> None:
    """Print the accuracy of each contestant on each suite, and where the student overtakes."""
    console = page()
    console.print(Text(f"{found.about}; taught by {found.teacher}; accuracy over {len(found.seeds)} seeds"))
    # a figure above its interval, so that five contestants stand in 80 columns
    table = Table(box=None, pad_edge=False)
    table.add_column("suite", overflow="fold")
    for one in found.contestants:
        table.add_column(one.name, justify="right")
    for suite in found.suites:
        figures = (interval(one.suites[suite.name].accuracy, between="\n") for one in found.contestants)
        table.add_row(Text(suite.name), *(Text(figure) for figure in figures))
    console.print(table)
    for crossing in found.crossovers:
        size = crossing.size
        said = (
            f"{size.value:,.0f} [{size.low:,.0f}, {size.high:,.0f}] demonstrations"
            if isinstance(size, Estimate)
            else f"– ({size.reason})"
        )
        console.print(Text(f"As good as {crossing.rival} from {said}"))
