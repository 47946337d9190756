"""Pairs: two rows that state the same thing, once with the concept and once without."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError
from tiltmeter.data._tables import Table


def unfold_pairs(table: Table, *, distribution: str) -> Table:
    """Turn each row of ``positive`` and ``negative`` into two rows of a pair, labelled 1 and 0.

    The pair is named by the column ``pair``, else by the row's ``id``, else by distribution and row number, so that
    the first rows of two files are not taken for one pair; where no row has a group, the pair is the group.
    """
    rows = []
    grouped = any(row.values.get("group") is not None for row in table.rows)
    for row in table.rows:
        shared = {name: value for name, value in row.values.items() if name not in ("positive", "negative")}
        if shared.get("label") is not None:
            raise DataError(
                f"{table.at(row)}: has a label beside positive and negative, which are labelled 1 and 0; drop it."
            )
        row_id = shared.get("id")
        pair = shared.get("pair")
        if pair is None:
            pair = f"{distribution}:{row.number}" if row_id is None else row_id
        for name, label in (("positive", 1), ("negative", 0)):
            content = row.values.get(name)
            if content is None:
                raise DataError(f"{table.at(row)}: has no {name}; every row needs positive and negative.")
            values = shared | {
                "messages" if isinstance(content, list) else "text": content,
                "label": label,
                "pair": pair,
                "id": f"{row.number if row_id is None else row_id}:{name}",
            }
            if not grouped:
                values["group"] = pair
            rows.append(row._replace(values=values))
    return table._replace(rows=rows)


def check_pairs(
    table: Table,
    *,
    pairs: Sequence[str | None],
    groups: Sequence[str | None],
    y: NDArray[np.int64] | None,
    sides: NDArray[np.int64] | None,
) -> None:
    """Check that a pair has two members with different labels and sides, and one group; DataError if not."""
    members: dict[str, list[int]] = {}
    for index, pair in enumerate(pairs):
        if pair is not None:
            members.setdefault(pair, []).append(index)
    for pair, indices in members.items():
        where = f"{table.at(table.rows[indices[0]])}: the pair {pair!r}"
        if len(indices) != 2:
            count = "one member" if len(indices) == 1 else f"{len(indices)} members"
            raise DataError(f"{where} has {count}; a pair has two.")
        first, second = indices
        if groups[first] != groups[second]:
            raise DataError(
                f"{where} lies in the groups {groups[first]!r} and {groups[second]!r}; both members need one group."
            )
        if y is not None and y[first] == y[second]:
            raise DataError(f"{where} has two members of label {y[first]}; one must have label 1 and the other 0.")
        if sides is not None and sides[first] == sides[second]:
            raise DataError(f"{where} has two members of side {sides[first]}; one must have side 0 and the other 1.")
