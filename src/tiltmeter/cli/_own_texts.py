"""Options of the commands that read a file of somebody's own texts, and what is said of how it was read."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from tiltmeter.data import TextSet
    from tiltmeter.studies import ColumnsOf

TextColumn = Annotated[str | None, typer.Option("--text", help="The column of the texts, where it is not called text.")]
LabelColumn = Annotated[
    str | None, typer.Option("--label", help="The column of the labels, where it is not called label.")
]
PositiveLabel = Annotated[
    str | None, typer.Option("--positive", help="The label that means 1, where labels are not 0 and 1.")
]
GroupColumn = Annotated[
    str | None, typer.Option("--group", help="The column of what belongs together, where it is not called group.")
]
IdColumn = Annotated[str | None, typer.Option("--id", help="The column of the identifiers, where it is not called id.")]


def own_texts(
    command: str, where: str, columns: ColumnsOf, *, distribution: str, labels: Literal["given", "ignored"]
) -> TextSet:
    """Read a file of texts, and say on standard error which columns were taken for what."""
    from tiltmeter import studies

    texts, notes = studies.open_own_texts(where, columns, distribution=distribution, labels=labels)
    for note in notes:
        print(f"{command}: {note}.", file=sys.stderr)
    return texts
