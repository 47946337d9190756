"""Activations on disk: what was collected once is read again, in parts or whole, by anyone who has the folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from tiltmeter.activations._labels import Labels, read_labels
from tiltmeter.activations._manifest import Manifest, Part, StoreSpec, fingerprint_of, read_manifest
from tiltmeter.activations._planned import Plan, read_plan
from tiltmeter.activations._shards import ShardReader, problem_of
from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.core.records import Record
from tiltmeter.core.site import Site


class Missing(NamedTuple):
    """Texts, by their place among those asked for, that lack the same sites."""

    rows: NDArray[np.int64]
    sites: tuple[Site, ...]


class StoreInfo(Record):
    """What a store holds: texts with all their rows by site, features by site, parts, bytes on disk, and how made."""

    sites: dict[str, int]
    texts: dict[str, int]
    n_parts: int
    n_shards: int
    n_shards_missing: int
    bytes: int
    spec: StoreSpec


class ActivationStore:
    """A folder of activations: one manifest, and safetensors shards that it names by hash.

    Made by :func:`tiltmeter.activations.collect` with ``store``; ``open`` reads it. What is opened is the state at that
    moment: a run that goes on writing does not disturb its readers, of which there may be any number.

    Every shard is hashed before its first row is used, so that a damaged file raises and never gives a wrong number.

    Parameters
    ----------
    folder
        Where it lies.
    manifest
        What it holds.
    plans
        Plans of its parts that are known already, by name.

    Notes
    -----
    Rows keep the dtype in which the model gave them (means are float32) and come back as float32. The format is on one
    page in ``docs/reference/store-format.md``.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, plans: Mapping[str, Plan] | None = None) -> None:
        self.folder = folder
        self.manifest = manifest
        self.plans = dict(plans or {})
        self._labels: dict[str, Labels] = {}
        self._shard = ShardReader(folder)

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open a store.

        Raises
        ------
        FileError
            If there is none.
        FormatError
            If its manifest is damaged, or of another version.
        """
        return cls(Path(folder), read_manifest(Path(folder)))

    @property
    def sites(self) -> dict[str, int]:
        """The sites of which there are rows, with their widths."""
        return {site: width for part in self.manifest.parts for site, width in part.sites.items()}

    def ids(self, site: str) -> NDArray[np.str_]:
        """Return the texts that are stored whole at a site, part by part, in the order in which they were given.

        Raises
        ------
        SpecError
            If the store has no such site; the message lists those it has.
        """
        found = [self._stored_ids(part) for part in self._parts(site)]
        return np.concatenate(found)

    def missing(self, ids: NDArray[np.str_], sites: tuple[Site, ...]) -> tuple[Missing, ...]:
        """Return what a collection would have to add, texts that lack the same sites together.

        Texts of unfinished parts count as there, but for closed ones.
        """
        lacks = np.ones((len(ids), len(sites)), dtype=np.bool_)
        for part in self.manifest.parts:
            known = np.isin(ids, self._stored_ids(part) if part.is_closed else self.plan(part).tokens.ids)
            for column, site in enumerate(sites):
                if str(site) in part.sites:
                    lacks[known, column] = False
        patterns, which = np.unique(lacks, axis=0, return_inverse=True)
        return tuple(
            Missing(
                np.flatnonzero(which == i), tuple(site for site, is_out in zip(sites, pattern, strict=True) if is_out)
            )
            for i, pattern in enumerate(patterns)
            if pattern.any()
        )

    def read(self, site: str | Site, ids: Sequence[str] | NDArray[np.str_] | None = None) -> Activations:
        """Read the rows of texts at a site; only their pages of the shards are touched.

        Parameters
        ----------
        site
            One of :attr:`sites`.
        ids
            Texts, each once, in the order in which they are wanted; None for all.

        Returns
        -------
        float32 rows with ids, and labels, pairs, sides and groups where all the texts have them.

        Raises
        ------
        SpecError
            If the store has no such site.
        DataError
            If a text is not stored there, or not yet.
        FormatError
            If a shard or a plan is damaged; the message names it.
        FileError
            If one is gone.
        """
        name = str(site)
        parts = self._parts(name)
        wanted = self.ids(name) if ids is None else np.asarray(ids, dtype=np.str_)
        if ids is None and not len(wanted):
            raise DataError(f"The store {self.folder} has no rows at {name} yet; collect them first.")
        if wanted.ndim != 1 or not len(wanted):
            raise DataError(f"No text was asked for at {name}; give a list of at least one id, or None for all.")
        if len(np.unique(wanted)) < len(wanted):
            raise DataError(f"Some text was asked for twice at {name}; give every id once.")
        where = np.full(len(wanted), -1)
        for i, part in enumerate(parts):
            where[np.isin(wanted, self._stored_ids(part))] = i
        if (where < 0).any():
            absent = wanted[where < 0]
            raise DataError(
                f"The store {self.folder} has no rows of {len(absent)} of the texts at {name}, first {absent[0]}; "
                "collect them first."
            )
        read = [self._read_part(part, name, wanted[where == i]) for i, part in enumerate(parts) if (where == i).any()]
        together = read[0] if len(read) == 1 else concatenated(read)
        # parts come one after the other; the caller wants the order of the ids
        order = np.argsort(np.argsort(where, kind="stable"), kind="stable")
        return together if (order == np.arange(len(order))).all() else together.select(order)

    def chunks(self, site: str | Site) -> Iterator[Activations]:
        """Yield all rows of a site, a shard at a time, in the order in which they were read; memory stays flat.

        Texts of a pair that were collected together come in the same chunk. Rows that are float32 on disk are the file
        itself, memory-mapped: copy what is to outlive it. Raises as :meth:`read`.
        """
        name = str(site)
        for part in self._parts(name):
            plan = self.plan(part)
            for shard in part.shards:
                chosen = plan.order[plan.places(shard.index)]
                yield self._labelled(part, name, chosen, self._shard(shard.stored, name).float().numpy())

    def verify(self) -> tuple[str, ...]:
        """Hash every file that the manifest names, and return a sentence for each that is damaged or gone."""
        problems = (problem_of(self.folder, stored) for stored in self.manifest.files())
        return tuple(problem for problem in problems if problem is not None)

    def info(self) -> StoreInfo:
        """Describe the store."""
        parts = self.manifest.parts
        return StoreInfo(
            sites=self.sites,
            texts={site: len(self.ids(site)) for site in self.sites},
            n_parts=len(parts),
            n_shards=sum(len(part.shards) for part in parts),
            n_shards_missing=sum(part.n_shards - len(part.shards) for part in parts if not part.is_closed),
            bytes=sum(stored.bytes for stored in self.manifest.files()),
            spec=self.manifest.spec,
        )

    def plan(self, part: Part) -> Plan:
        """Return the plan of a part, read once."""
        if part.name not in self.plans:
            self.plans[part.name] = read_plan(self.folder, part.plan)
        return self.plans[part.name]

    def labels(self, part: Part) -> Labels:
        """Return what the texts of a part carry, read once."""
        if part.name not in self._labels:
            self._labels[part.name] = read_labels(self.folder, part.labels)
        return self._labels[part.name]

    def _parts(self, site: str) -> list[Part]:
        parts = [part for part in self.manifest.parts if site in part.sites]
        if not parts:
            there = ", ".join(self.sites) or "none yet"
            raise SpecError(f"The store {self.folder} has no rows at {site!r}; sites there are {there}.")
        return parts

    def _stored_ids(self, part: Part) -> NDArray[np.str_]:
        return self.plan(part).ids_of(shard.index for shard in part.shards)

    def _read_part(self, part: Part, site: str, ids: NDArray[np.str_]) -> Activations:
        plan = self.plan(part)
        chosen = positions(ids, plan.tokens.ids)
        counts = plan.counts(self.manifest.spec.pooling)
        offsets = np.concatenate([[0], np.cumsum(counts[chosen])])
        X = np.empty((int(offsets[-1]), part.sites[site]), dtype=np.float32)
        place = np.empty(len(plan.order), dtype=np.int64)
        place[plan.order] = np.arange(len(plan.order))
        place = place[chosen]
        for shard in part.shards:
            span = plan.places(shard.index)
            here = np.flatnonzero((place >= span.start) & (place < span.stop))
            if len(here):
                rows = self._shard(shard.stored, site)
                first = np.concatenate([[0], np.cumsum(counts[plan.order[span]])])[place[here] - span.start]
                sizes = counts[chosen[here]]
                X[_ranges(offsets[here], sizes)] = rows[torch.from_numpy(_ranges(first, sizes))].float().numpy()
        return self._labelled(part, site, chosen, X)

    def _labelled(self, part: Part, site: str, chosen: NDArray[np.int64], X: NDArray[np.float32]) -> Activations:
        plan = self.plan(part)
        counts = plan.counts(self.manifest.spec.pooling)[chosen]
        return Activations(
            X,
            ids=plan.tokens.ids[chosen],
            offsets=np.concatenate([[0], np.cumsum(counts)]) if self.manifest.spec.pooling == "all" else None,
            site=Site.parse(site),
            fingerprint=fingerprint_of(self.manifest.spec),
            **self.labels(part).columns(chosen),
        )


def columns_at(store: ActivationStore, site: str) -> tuple[str, ...]:
    """Name the columns that a site has: y and sides if all its texts have them, pairs and groups if some do."""
    found = []
    for part in store.manifest.parts:
        if site in part.sites and part.shards:
            ids = store.plan(part).tokens.ids
            held = np.flatnonzero(np.isin(ids, store.plan(part).ids_of(shard.index for shard in part.shards)))
            found.append(set(store.labels(part).columns(held)))
    for_all = {name for name in ("y", "sides") if found and all(name in one for one in found)}
    for_some = {name for name in ("pairs", "groups") if any(name in one for one in found)}
    return tuple(name for name in ("y", "pairs", "sides", "groups") if name in for_all | for_some)


def positions(wanted: NDArray[np.str_], ids: NDArray[np.str_]) -> NDArray[np.int64]:
    """Return where each of ``wanted`` stands in ``ids``, which holds them all."""
    order = np.argsort(ids)
    return order[np.searchsorted(ids, wanted, sorter=order)]


def _ranges(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers of ``sizes[i]`` rows from ``starts[i]`` on, end to end."""
    ends = np.cumsum(sizes)
    return np.repeat(starts - ends + sizes, sizes) + np.arange(int(ends[-1]))


def concatenated(parts: list[Activations]) -> Activations:
    """Put parts end to end; a column that one of them lacks is left out."""
    first = parts[0]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("y", "pairs", "sides", "groups")
        if all(getattr(part, name) is not None for part in parts)
    }
    offsets = None
    if first.offsets is not None:
        sizes = np.concatenate([np.diff(part.offsets) for part in parts if part.offsets is not None])
        offsets = np.concatenate([[0], np.cumsum(sizes)])
    return Activations(
        np.concatenate([part.X for part in parts]),
        ids=np.concatenate([part.ids for part in parts]),
        offsets=offsets,
        site=first.site,
        fingerprint=first.fingerprint,
        **columns,
    )
