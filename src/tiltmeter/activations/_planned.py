"""The plan of a part, fixed before its first forward: tokens, batches and shards."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from tiltmeter.activations._forward import Tokens
from tiltmeter.activations._manifest import StoredFile
from tiltmeter.activations._pool import Reading
from tiltmeter.activations._shards import keep, kept
from tiltmeter.activations._strings import packed, unpacked
from tiltmeter.models import Encoded

# A part has 64 shards, so that little is lost when a run is stopped ...
_FEW = 64
# ... none so small that files and flushes cost more than rows ...
_LEAST_BYTES = 256 << 10
# ... nor, until there are 512, so large that much memory is held; then they grow, lest the manifest do, up to a limit
_USUAL_BYTES = 8 << 20
_MANY = 512
MOST_BYTES = 256 << 20


class Plan(NamedTuple):
    """What a part will hold.

    ``order`` lists the texts as they are read; batch b is ``order[batch_ends[b - 1]:batch_ends[b]]`` and shard s holds
    batches ``shard_ends[s - 1]`` to ``shard_ends[s]``. Rows of a shard stand in this order. ``hashes`` are those of
    each text's tokens and read marks, shape (n, 16).
    """

    tokens: Tokens
    hashes: NDArray[np.uint8]
    order: NDArray[np.int64]
    batch_ends: NDArray[np.int64]
    shard_ends: NDArray[np.int64]

    @property
    def n_shards(self) -> int:
        """Number of shards."""
        return len(self.shard_ends)

    def batches(self, shard: int) -> list[NDArray[np.int64]]:
        """Return the texts of each batch of a shard."""
        first, end = _between(self.shard_ends, shard)
        return [self.order[slice(*_between(self.batch_ends, batch))] for batch in range(first, end)]

    def places(self, shard: int) -> slice:
        """Return which entries of ``order`` a shard holds."""
        first, end = _between(self.shard_ends, shard)
        return slice(_between(self.batch_ends, first)[0], int(self.batch_ends[end - 1]))

    def ids_of(self, shards: Iterable[int]) -> NDArray[np.str_]:
        """Return the texts that these shards hold, in the order in which they were given."""
        held = np.zeros(len(self.order), dtype=np.bool_)
        for shard in shards:
            held[self.order[self.places(shard)]] = True
        return self.tokens.ids[held]

    def counts(self, rule: Reading) -> NDArray[np.int64]:
        """Return the rows of each text, in the order of the texts."""
        if rule != "all":
            return np.ones(len(self.tokens.ids), np.int64)
        return np.add.reduceat(self.tokens.read, self.tokens.offsets[:-1], dtype=np.int64)


def _between(ends: NDArray[np.int64], i: int) -> tuple[int, int]:
    return int(ends[i - 1]) if i else 0, int(ends[i])


def make_plan(encoded: Encoded, batches: tuple[NDArray[np.int64], ...], *, row_bytes: int, rule: Reading) -> Plan:
    """Cut batches into shards of like size; ``row_bytes`` is what one row takes at all sites."""
    rows = encoded.n_read if rule == "all" else np.ones(len(encoded), np.int64)
    size = np.array([rows[batch].sum() for batch in batches], dtype=np.int64) * row_bytes
    total = int(size.sum())
    most = int(np.clip(min(total // _FEW, max(_USUAL_BYTES, total // _MANY)), _LEAST_BYTES, MOST_BYTES))
    shard_ends, filled = [], 0
    for i, one in enumerate(size.tolist()):
        if filled and filled + one > most:
            shard_ends.append(i)
            filled = 0
        filled += one
    return Plan(
        Tokens(encoded.ids, encoded.tokens, encoded.read, encoded.offsets),
        encoded.hashes(),
        np.concatenate(batches),
        np.cumsum([len(batch) for batch in batches]),
        np.array([*shard_ends, len(batches)]),
    )


def write_plan(folder: Path, file: str, plan: Plan) -> StoredFile:
    """Write a plan beside the shards it will have."""
    arrays = {
        "tokens": plan.tokens.tokens,
        "read": plan.tokens.read,
        "offsets": plan.tokens.offsets,
        "hashes": plan.hashes,
        "order": plan.order,
        "batch_ends": plan.batch_ends,
        "shard_ends": plan.shard_ends,
        **packed("ids", plan.tokens.ids),
    }
    return keep(folder, file, save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def read_plan(folder: Path, stored: StoredFile) -> Plan:
    """Read a plan; FileError or FormatError naming the file if it is gone or damaged."""
    arrays = load(kept(folder, stored))
    return Plan(
        Tokens(unpacked("ids", arrays), arrays["tokens"], arrays["read"], arrays["offsets"]),
        arrays["hashes"],
        arrays["order"],
        arrays["batch_ends"],
        arrays["shard_ends"],
    )
