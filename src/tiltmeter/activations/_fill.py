"""Add to a store what it lacks: planned first, a shard at a time, and gone on with after any end."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tiltmeter.activations._folder import PLAN, explained, only_writer, present, remove_strays, with_plans
from tiltmeter.activations._labels import Labels, labels_of, none_of, write_labels
from tiltmeter.activations._manifest import Manifest, NotWrittenError, Part, Shard, StoreSpec, write_manifest
from tiltmeter.activations._plan import plan_batches
from tiltmeter.activations._planned import Plan, make_plan, write_plan
from tiltmeter.activations._progress import Meter, OnProgress
from tiltmeter.activations._store import ActivationStore, Missing, positions
from tiltmeter.core.errors import DataError, FileError
from tiltmeter.core.site import Site
from tiltmeter.models import Encoded

Engine = Callable[[Path, Part, Plan, Sequence[int], Meter], Iterator[Shard]]
"""Computes shards of a part, counts their texts, and yields each, in any order, when its file is there."""

# seconds between two writings of the manifest: a disk may take a tenth of one, and no more than this is lost by a kill
_EVERY = 1.0


class Job(NamedTuple):
    """What is to be in a store: how rows are made, where and how wide they are, and how batches are planned.

    ``itemsize`` is the expected bytes of a number; ``fixed_cost`` as in :func:`plan_batches`; ``is_budget_asked``: the
    caller named the token budget, so that a larger one that stands in the store will not do.
    """

    spec: StoreSpec
    sites: dict[Site, int]
    itemsize: int
    token_budget: int
    fixed_cost: int
    is_budget_asked: bool


def shard_file(part: Part, shard: int) -> str:
    """Return the path of a shard from the store's folder."""
    return f"{part.name}/shard-{shard:05}.safetensors"


def fill(folder: Path, encoded: Encoded, *, job: Job, engine: Engine, tell: OnProgress) -> ActivationStore:
    """Complete what a store holds of these texts, and return it.

    Parts that an earlier run left unfinished are finished first, by the plan that stands in the store. What cannot go
    well is refused before anything is written.

    Raises
    ------
    SpecError
        If the store was made otherwise; the message lists the fields that differ.
    DataError
        If a text has the id of another one in the store.
    FileError
        If the folder is something else, cannot be written, is being written by another program, or the disk is full:
        what was stored before stays, and the same call goes on from there.
    """
    with only_writer(folder), explained(folder):
        on_disk = present(folder, job.spec)
        store = ActivationStore(folder, with_plans(folder, on_disk))
        check_texts(store, encoded)
        store, begun = _begun(store, encoded, job=job)
        new = [
            _planned(encoded, missing, job=job, name=f"{i:03}")
            for i, missing in enumerate(store.missing(encoded.ids, tuple(job.sites)), start=_next_name(store.manifest))
        ]
        _check_space(folder, begun, new, job=job)
        remove_strays(folder, on_disk)
        parts = [*begun, *(_part(folder, one, job=job) for one in new)]
        manifest = _relabelled(store, reduce(Manifest.with_part, parts, store.manifest), encoded)
        if manifest != on_disk:
            write_manifest(folder, manifest)
        # the plans that were just made need not be read again
        store = ActivationStore(folder, manifest, plans={**store.plans, **{one.name: one.plan for one in new}})
        if parts:
            store = _run(store, parts, engine=engine, tell=tell)
        # labels that were replaced, and what a worker left that was killed
        remove_strays(folder, store.manifest)
    return store


def _run(store: ActivationStore, parts: list[Part], *, engine: Engine, tell: OnProgress) -> ActivationStore:
    """Compute the shards that are not there, and name them in the manifest as they come."""
    meter = Meter(tell, n_texts=sum(part.n_texts for part in parts), n_tokens=sum(part.n_tokens for part in parts))
    folder, manifest = store.folder, store.manifest
    written, told = manifest, time.monotonic()
    try:
        for part in parts:
            plan = store.plan(part)
            there = {shard.index: shard for shard in part.shards}
            for index in there:
                texts = plan.order[plan.places(index)]
                meter.skip(texts=len(texts), tokens=int(np.diff(plan.tokens.offsets)[texts].sum()))
            known = manifest.part(part.name)
            for shard in engine(folder, part, plan, [k for k in range(part.n_shards) if k not in there], meter):
                there[shard.index] = shard
                known = known.model_copy(update={"shards": tuple(there[k] for k in sorted(there))})
                manifest = manifest.with_part(known)
                if time.monotonic() - told > _EVERY:
                    write_manifest(folder, manifest)
                    written, told = manifest, time.monotonic()
    finally:
        if manifest is not written:
            _write_at_last(folder, manifest)
    return ActivationStore(folder, manifest, plans=store.plans)


def _write_at_last(folder: Path, manifest: Manifest) -> None:
    """Name what was stored; on a full disk, what is not named makes room for that."""
    try:
        write_manifest(folder, manifest)
    except NotWrittenError:
        remove_strays(folder, manifest)
        write_manifest(folder, manifest)


def check_texts(store: ActivationStore, encoded: Encoded) -> None:
    """Refuse a text whose id the store knows from another one."""
    if not store.manifest.parts:
        return
    ours = encoded.hashes()
    for part in store.manifest.parts:
        plan = store.plan(part)
        common = np.flatnonzero(np.isin(plan.tokens.ids, encoded.ids))
        place = positions(plan.tokens.ids[common], encoded.ids)
        differ = common[(ours[place] != plan.hashes[common]).any(axis=1)]
        if len(differ):
            raise DataError(
                f"Text {plan.tokens.ids[differ[0]]} has the id of another text in the store {store.folder} "
                f"({len(differ)} do); give every text an id of its own, or use another folder."
            )


def _next_name(manifest: Manifest) -> int:
    return 1 + max((int(part.name) for part in manifest.parts), default=-1)


class _New(NamedTuple):
    name: str
    sites: dict[str, int]
    plan: Plan
    labels: Labels


def _planned(encoded: Encoded, missing: Missing, *, job: Job, name: str) -> _New:
    chosen = encoded if len(missing.rows) == len(encoded) else encoded.select(missing.rows)
    batches = plan_batches(
        chosen.lengths, token_budget=job.token_budget, together=chosen.texts.pairs, fixed_cost=job.fixed_cost
    )
    widths = {str(site): job.sites[site] for site in missing.sites}
    row_bytes = sum(widths.values()) * job.itemsize
    plan = make_plan(chosen, batches, row_bytes=row_bytes, rule=job.spec.pooling)
    return _New(name, widths, plan, labels_of(chosen.texts))


def _part(folder: Path, new: _New, *, job: Job) -> Part:
    """Write the plan of a new part, and describe the part."""
    plan = new.plan
    return Part(
        name=new.name,
        sites=new.sites,
        n_texts=len(plan.order),
        n_rows=int(plan.counts(job.spec.pooling).sum()),
        n_tokens=len(plan.tokens.tokens),
        n_batches=len(plan.batch_ends),
        n_shards=plan.n_shards,
        token_budget=job.token_budget,
        plan=write_plan(folder, f"{new.name}/{PLAN}", plan),
        labels=write_labels(folder, new.name, new.labels),
    )


def _begun(store: ActivationStore, encoded: Encoded, *, job: Job) -> tuple[ActivationStore, list[Part]]:
    """Return the parts to be gone on with: those of which everything that they lack is asked for.

    A part of which nothing is asked for is left as it is. One of which only some is asked for is closed with what it
    has, for what is left out may be a text that cannot be read; so is one that was planned with larger batches than are
    asked for now, which may not fit into memory. A shard that somebody removed is made again in any case.
    """
    begun: list[Part] = []
    manifest, asked = store.manifest, {str(site) for site in job.sites}
    for part in manifest.parts:
        there = tuple(shard for shard in part.shards if (store.folder / shard.stored.file).exists())
        left = part.model_copy(update={"shards": there})
        if part.is_closed:
            # what is gone from it is planned anew
            manifest = manifest.with_part(left)
        if part.is_closed or left.is_complete or asked.isdisjoint(part.sites):
            continue
        plan = store.plan(part)
        lacking = np.setdiff1d(plan.tokens.ids, plan.ids_of(shard.index for shard in there))
        is_asked = np.isin(lacking, encoded.ids)
        is_whole = bool(is_asked.all()) and asked >= set(part.sites)
        is_small = not job.is_budget_asked or part.token_budget <= job.token_budget
        if is_asked.any() and ((is_whole and is_small) or part.is_complete):
            begun.append(left)
        elif is_asked.any():
            manifest = manifest.with_part(left.model_copy(update={"is_closed": True}))
    return ActivationStore(store.folder, manifest, plans=store.plans), begun


def _relabelled(store: ActivationStore, manifest: Manifest, encoded: Encoded) -> Manifest:
    """Let the store say of these texts what is said of them now; it may have known other labels, or none."""
    given = labels_of(encoded.texts)
    for part in store.manifest.parts:
        ids = store.plan(part).tokens.ids
        common = np.flatnonzero(np.isin(ids, encoded.ids))
        if not len(common):
            continue
        place = positions(ids[common], encoded.ids)
        known = store.labels(part) if (store.folder / part.labels.file).exists() else none_of(len(ids))
        now = known.updated(common, given.select(place))
        if not now.equals(known) or not (store.folder / part.labels.file).exists():
            update = {"labels": write_labels(store.folder, part.name, now)}
            manifest = manifest.with_part(manifest.part(part.name).model_copy(update=update))
    return manifest


def _check_space(folder: Path, begun: list[Part], new: list[_New], *, job: Job) -> None:
    """Refuse what the disk has no room for."""
    needed = sum(
        part.n_rows * sum(part.sites.values()) * job.itemsize * (part.n_shards - len(part.shards)) // part.n_shards
        for part in begun
    )
    needed += sum(int(one.plan.counts(job.spec.pooling).sum()) * sum(one.sites.values()) * job.itemsize for one in new)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise FileError(
            f"{folder} needs {needed / 1e6:,.1f} MB more, and its disk has {free / 1e6:,.1f} MB free; name a folder on "
            "another disk, or fewer sites."
        )
