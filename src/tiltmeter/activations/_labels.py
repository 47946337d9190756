"""What the texts of a part carry beside their tokens: the one thing about them that may change."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from tiltmeter.activations._manifest import StoredFile
from tiltmeter.activations._shards import keep, kept
from tiltmeter.activations._strings import packed, unpacked
from tiltmeter.core.files import sha256
from tiltmeter.data import TextSet

# y and sides where a text has none; a pair or a group that is none is ""
_NONE = -1


class Labels(NamedTuple):
    """Labels, pairs, sides and groups of n texts, shape (n,) each, with -1 or "" where a text has none."""

    y: NDArray[np.int64]
    sides: NDArray[np.int64]
    pairs: NDArray[np.str_]
    groups: NDArray[np.str_]

    def columns(self, chosen: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return those that all of the chosen texts have (of pairs and groups, any)."""
        return {name: column for name, column in self.select(chosen)._asdict().items() if _is_there(column)}

    def select(self, rows: NDArray[np.int64]) -> Labels:
        """Return those of some texts."""
        return Labels(self.y[rows], self.sides[rows], self.pairs[rows], self.groups[rows])

    def updated(self, rows: NDArray[np.int64], new: Labels) -> Labels:
        """Return labels in which these rows have what ``new`` says of them, where it says anything."""
        changed = [
            column.astype(np.result_type(column, given), copy=True) for column, given in zip(self, new, strict=True)
        ]
        for column, given in zip(changed, new, strict=True):
            says = given != ("" if given.dtype.kind == "U" else _NONE)
            column[rows[says]] = given[says]
        return Labels(*changed)

    def equals(self, other: Labels) -> bool:
        """Whether all are the same."""
        return all(np.array_equal(mine, theirs) for mine, theirs in zip(self, other, strict=True))


def none_of(n: int) -> Labels:
    """Return the labels of n texts that have none."""
    return Labels(np.full(n, _NONE), np.full(n, _NONE), np.full(n, ""), np.full(n, ""))


def labels_of(texts: TextSet) -> Labels:
    """Return what a set of texts carries."""
    none = none_of(len(texts))
    return Labels(
        none.y if texts.y is None else texts.y.astype(np.int64),
        none.sides if texts.sides is None else texts.sides.astype(np.int64),
        none.pairs if texts.pairs is None else texts.pairs,
        none.groups if texts.groups is None else texts.groups,
    )


def write_labels(folder: Path, part: str, labels: Labels) -> StoredFile:
    """Write labels under a name of their own, so that a manifest that names others stays right."""
    content = save(
        {"y": labels.y, "sides": labels.sides, **packed("pairs", labels.pairs), **packed("groups", labels.groups)}
    )
    return keep(folder, f"{part}/labels-{sha256(content)[:12]}.safetensors", content)


def read_labels(folder: Path, stored: StoredFile) -> Labels:
    """Read labels; FileError or FormatError naming the file if they are gone or damaged."""
    arrays = load(kept(folder, stored))
    return Labels(arrays["y"], arrays["sides"], unpacked("pairs", arrays), unpacked("groups", arrays))


def _is_there(column: NDArray[Any]) -> bool:
    return bool((column != "").any()) if column.dtype.kind == "U" else bool((column != _NONE).all())
