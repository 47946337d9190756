"""How the command line shows dictionaries: the course of a training, and figures beside their nulls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tiltmeter.cli._figures import value
from tiltmeter.cli._terminal import page
from tiltmeter.core.dictionaries import Chance, DictionaryAudit
from tiltmeter.core.records import Estimate, Measured

# in a log: seconds between two lines
_EVERY = 15.0


@contextmanager
def training() -> Iterator[Callable[[str, int, int, float], None]]:
    """Show which dictionary is being trained and how far it is: a bar in a terminal, now and then a line in a log."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        told: dict[str, float] = {}

        def line(name: str, done: int, total: int, loss: float) -> None:
            if done == total or time.monotonic() - told.get("last", 0.0) > _EVERY:
                told["last"] = time.monotonic()
                console.print(f"dictionary {name}: step {done:,} of {total:,}, loss {loss:.4g}", markup=False)

        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None)
        yield lambda name, done, total, loss: bar.update(
            task, completed=done, total=total, description=f"dictionary {name}, loss {loss:.4g}"
        )


def audit(found: DictionaryAudit) -> None:
    """Print what dictionaries explain, whom their atoms are like, and what a sceptic may take from it."""
    console = page()
    explained = Table(title="Variance unexplained (FVU), and latents in use", title_justify="left", box=None)
    alike = Table(
        title="Mean greatest cosine (MMCS) to the next larger, and to its like in size",
        title_justify="left",
        box=None,
    )
    for column in ("dictionary", "train", "test", "on noise", "random", "linear", "L0", "live"):
        _column(explained, column)
    for column in ("dictionary", "to the larger", "turned", "random", "on noise", "to its like", "turned"):
        _column(alike, column)
    for one in found.dictionaries:
        fractions = (one.train_fvu, one.test_fvu, one.noise_fvu, one.random_fvu, one.linear_fvu)
        live = f"{one.live} of {one.n_latents}"
        explained.add_row(
            Text(one.name), *(value(figure, digits=3) for figure in fractions), value(one.l0, digits=1), live
        )
        alike.add_row(
            Text(one.name),
            _bounded(one.larger),
            _chance(one.larger_turned),
            _chance(one.larger_chance),
            value(one.larger_noise),
            _bounded(one.twin),
            _chance(one.twin_turned),
        )
    for table in (explained, alike):
        console.print(table)
        console.print()
    for sentence in found.conclusions:
        console.print(Padding(Text(f"- {sentence}"), (0, 2)))
    console.print(
        f"\n{found.level:.0%} intervals over {found.n_units:,} {found.unit} or over atoms; {found.n_train:,} rows to "
        f"train on, {found.n_test:,} to judge on. Random: as many directions in use, with a fitted decoder; linear: as "
        "many principal components; noise: Gaussian, of the same mean and covariance. Of MMCS, turned: the other's "
        "atoms, turned as a whole at random; random: as many random directions; on noise: the same sizes, trained on "
        "noise.",
        markup=False,
    )


def _column(table: Table, name: str) -> None:
    """Add a column; names of dictionaries are folded, and never cut, where a terminal is narrow."""
    if name == "dictionary":
        table.add_column(name, overflow="fold")
    else:
        table.add_column(name, justify="right", no_wrap=True)


def _bounded(found: Measured) -> str:
    if not isinstance(found, Estimate):
        return "–"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _chance(found: Chance | None) -> str:
    return "–" if found is None else f"{found.mean:.2f}"
