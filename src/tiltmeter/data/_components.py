"""Rows that share a key, directly or by way of other rows."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import final


@final
class Forest:
    """Disjoint sets of rows 0 to n - 1: joined two at a time, never divided again."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))
        self._size = [1] * n
        self.largest = min(n, 1)

    def copy(self) -> Forest:
        """Return a copy that can be joined further without changing this one."""
        other = Forest(0)
        other._parent, other._size, other.largest = self._parent.copy(), self._size.copy(), self.largest
        return other

    def join(self, rows: Iterable[int]) -> None:
        """Put ``rows`` and all that they are joined with in one set."""
        found = [self._root(row) for row in rows]
        for other in found[1:]:
            one, two = self._root(found[0]), self._root(other)
            if one == two:
                continue
            big, small = (one, two) if self._size[one] >= self._size[two] else (two, one)
            self._parent[small] = big
            self._size[big] += self._size[small]
            self.largest = max(self.largest, self._size[big])

    def numbers(self) -> list[int]:
        """Return the number of each row's set; sets are numbered by their first row."""
        known: dict[int, int] = {}
        return [known.setdefault(self._root(row), len(known)) for row in range(len(self._parent))]

    def _root(self, row: int) -> int:
        while self._parent[row] != row:
            self._parent[row] = self._parent[self._parent[row]]
            row = self._parent[row]
        return row


def rows_by_key(keys: Sequence[Iterable[Hashable]]) -> dict[Hashable, list[int]]:
    """Return for each key the rows that have it, in order."""
    rows: dict[Hashable, list[int]] = {}
    for row, row_keys in enumerate(keys):
        for key in row_keys:
            rows.setdefault(key, []).append(row)
    return rows


def components(keys: Sequence[Iterable[Hashable]]) -> list[int]:
    """Return for each row the number of its connected component; rows are joined by every key that they share."""
    forest = Forest(len(keys))
    for rows in rows_by_key(keys).values():
        forest.join(rows)
    return forest.numbers()
