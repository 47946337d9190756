"""The engine that computes in this process: shards are written while the next one is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from tiltmeter.activations._fill import shard_file
from tiltmeter.activations._forward import forward
from tiltmeter.activations._manifest import Part, Shard, StoredFile
from tiltmeter.activations._massive import Spread
from tiltmeter.activations._planned import Plan
from tiltmeter.activations._pool import Reading
from tiltmeter.activations._progress import Meter
from tiltmeter.activations._shards import write_shard
from tiltmeter.core.site import Site
from tiltmeter.models import SubjectModel

# shards that are being written while the next one is computed; each is held in memory so long
_WRITERS = 2


class LocalEngine:
    """Reads a model in this process."""

    def __init__(self, subject: SubjectModel, *, rule: Reading, spread: Spread) -> None:
        self._subject = subject
        self._rule = rule
        self._spread = spread

    def __call__(self, folder: Path, part: Part, plan: Plan, shards: Sequence[int], meter: Meter) -> Iterator[Shard]:
        """Compute shards one after the other."""
        writing: deque[tuple[int, Future[StoredFile]]] = deque()
        with ThreadPoolExecutor(_WRITERS) as writers:
            for index in shards:
                values = self._rows(plan, index, sites=tuple(map(Site.parse, part.sites)), meter=meter)
                writing.append((index, writers.submit(write_shard, folder, shard_file(part, index), values)))
                if len(writing) > _WRITERS:
                    first, file = writing.popleft()
                    yield Shard(index=first, stored=file.result())
            for last, file in writing:
                yield Shard(index=last, stored=file.result())

    def _rows(self, plan: Plan, shard: int, *, sites: tuple[Site, ...], meter: Meter) -> dict[str, Tensor]:
        kept: dict[Site, list[Tensor]] = {site: [] for site in sites}
        for rows in forward(self._subject, plan.tokens, plan.batches(shard), sites=sites, rule=self._rule):
            for site, values in rows.values.items():
                self._spread.update(site, values.float().numpy())
                kept[site].append(values)
            meter.add(texts=len(rows.batch), tokens=rows.n_tokens)
        return {str(site): torch.cat(values) for site, values in kept.items()}
