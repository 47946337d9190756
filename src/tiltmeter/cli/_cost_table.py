"""How the command line says what a collection or a study would cost."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from tiltmeter.activations import CollectionCost
from tiltmeter.cli._terminal import page
from tiltmeter.studies import StudyCost


def collection_cost(found: CollectionCost, *, n_sites: int) -> None:
    """Print what a collection into a store would cost."""
    stored = found.n_asked - found.n_texts
    print(
        f"texts    {found.n_texts:,} to be read, at up to {n_sites} sites"
        + (f"; {stored:,} are in the store already" if stored else "")
    )
    print(f"tokens   {found.n_tokens:,} in {found.n_batches:,} batches")
    print(f"time     {_time(found)}")
    too_much = ": TOO LITTLE" if found.n_bytes > found.free_bytes else ""
    print(
        f"disk     {found.n_bytes / 1e6:,.1f} MB of rows, and some hundred bytes a text for its tokens and labels; "
        f"{found.free_bytes / 1e6:,.1f} MB are free{too_much}"
    )


def study_cost(found: StudyCost) -> None:
    """Print how the texts of a study would be split, and what reading them would cost."""
    console = page()
    table = Table(box=None, pad_edge=False)
    table.add_column("texts", overflow="fold")
    for name in ("train", "calibration", "test", "split by", "tokens", "about", "memory"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found.distributions:
        cost = found.by_set[one.name]
        table.add_row(
            Text(one.name),
            *(f"{one.rows[part]:,}" for part in ("train", "calibration", "test")),
            one.grouped_by,
            f"{cost.n_tokens:,}",
            duration(cost.seconds),
            f"{cost.n_bytes / 1e6:,.1f} MB",
        )
    console.print(table)
    costs = found.by_set.values()
    n_bytes, free = sum(cost.n_bytes for cost in costs), min(cost.free_bytes for cost in costs)
    console.print(
        Text(
            f"\nReading takes about {duration(sum(cost.seconds for cost in costs))}, at most "
            f"{duration(sum(cost.seconds_at_most for cost in costs))} at the pace of the slowest batches that were "
            f"measured, and for its rows {n_bytes / 1e6:,.1f} MB of memory, of which {free / 1e6:,.1f} MB are free. "
            f"Fitting, evidence and what asks the model again ({', '.join(found.asks_again) or 'nothing'}) come on top."
        )
    )


def duration(seconds: float) -> str:
    """Write a time in the two largest units that it has."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _time(found: CollectionCost) -> str:
    if not found.n_measured:
        return "none; everything is stored"
    return (
        f"about {duration(found.seconds)}, at most {duration(found.seconds_at_most)} at the pace of the slowest of "
        f"{found.n_measured} batches that were measured"
    )
