"""Add to a store what it lacks: planned first, a shard at a time, and gone on with after any end."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tiltmeter.activations._manifest import (
    MANIFEST,
    Manifest,
    Part,
    Shard,
    StoreSpec,
    read_manifest,
    require_same,
    write_manifest,
)
from tiltmeter.activations._plan import plan_batches
from tiltmeter.activations._planned import Plan, make_plan, write_plan
from tiltmeter.activations._progress import Meter, OnProgress
from tiltmeter.activations._store import ActivationStore, Missing
from tiltmeter.core.errors import DataError, FileError, TiltmeterError
from tiltmeter.core.site import Site
from tiltmeter.models import Encoded

try:
    import fcntl
except ImportError:  # not on Windows, where nothing keeps two programs from writing to the same store
    fcntl = None  # type: ignore[assignment]

Engine = Callable[[Path, Part, Plan, Sequence[int], Meter], Iterator[Shard]]
"""Computes shards of a part, counts their texts, and yields each, in any order, when its file is there."""

_PLAN = "plan.safetensors"
# the folder of a part, a shard, and what an atomic write leaves behind when its process is killed
_PART = re.compile(r"\d{3,}")
_SHARD = re.compile(r"shard-\d+\.safetensors")
_TEMPORARY = re.compile(r"\.(manifest\.json|plan\.safetensors|shard-\d+\.safetensors)\.[^.]+")


class Job(NamedTuple):
    """What is to be in a store: how rows are made, where and how wide they are, and how batches are planned.

    ``itemsize`` is the expected bytes of a number; ``fixed_cost`` as in :func:`plan_batches`.
    """

    spec: StoreSpec
    sites: dict[Site, int]
    itemsize: int
    token_budget: int
    fixed_cost: int


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
    with _writing(folder), _explained(folder):
        store = ActivationStore(folder, _present(folder, job.spec))
        _check_texts(store, encoded)
        store, begun = _begun(store, encoded, job=job)
        new = [
            _planned(encoded, missing, job=job, name=f"{i:03}")
            for i, missing in enumerate(store.missing(encoded.ids, tuple(job.sites)), start=len(store.manifest.parts))
        ]
        _check_space(folder, begun, new, job=job)
        _remove_strays(folder, store.manifest)
        parts = [*begun, *(_part(folder, one, job=job) for one in new)]
        if parts:
            manifest = reduce(Manifest.with_part, parts, store.manifest)
            write_manifest(folder, manifest)
            # the plans that were just made need not be read again
            store = ActivationStore(folder, manifest, plans={**store.plans, **{one.name: one.plan for one in new}})
            store = _run(store, parts, engine=engine, tell=tell)
        # a worker that was killed leaves some too
        _remove_strays(folder, store.manifest)
    return store


def _run(store: ActivationStore, parts: list[Part], *, engine: Engine, tell: OnProgress) -> ActivationStore:
    """Compute the shards that are not there, naming each in the manifest as soon as it is."""
    meter = Meter(tell, n_texts=sum(part.n_texts for part in parts), n_tokens=sum(part.n_tokens for part in parts))
    folder, manifest = store.folder, store.manifest
    for part in parts:
        plan = store.plan(part)
        there = {shard.index: shard for shard in part.shards}
        for index in there:
            texts = plan.order[plan.places(index)]
            meter.skip(texts=len(texts), tokens=int(np.diff(plan.tokens.offsets)[texts].sum()))
        for shard in engine(folder, part, plan, [k for k in range(part.n_shards) if k not in there], meter):
            there[shard.index] = shard
            manifest = manifest.with_part(part.model_copy(update={"shards": tuple(there[k] for k in sorted(there))}))
            write_manifest(folder, manifest)
    return ActivationStore(folder, manifest, plans=store.plans)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Say with whatever ends the work what is there and how to go on."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        stopped.add_note(f"{_extent(folder)} The same call goes on from there.")
        raise
    except TiltmeterError:
        raise
    except OSError as error:
        raise FileError(
            f"{folder} cannot be written ({error.strerror or error}). {_extent(folder)} "
            "Make room or name another folder; the same call goes on from what is there."
        ) from error


def _extent(folder: Path) -> str:
    if not (folder / MANIFEST).exists():
        return "Nothing was stored."
    parts = [part for part in read_manifest(folder).parts if not part.is_closed]
    n_stored, n_all = sum(len(part.shards) for part in parts), sum(part.n_shards for part in parts)
    return f"{folder} holds {n_stored} of {n_all} shards."


def _present(folder: Path, spec: StoreSpec) -> Manifest:
    """Return the manifest that is there, or that of an empty store."""
    if (folder / MANIFEST).exists():
        manifest = read_manifest(folder)
        require_same(spec, manifest.spec, folder=folder)
        return manifest
    strange = [path.name for path in folder.iterdir() if not _is_ours(path)]
    if strange:
        raise FileError(f"{folder} is no activation store (it holds {strange[0]}); name another folder.")
    return Manifest(spec=spec)


def _is_ours(path: Path) -> bool:
    return bool(_TEMPORARY.fullmatch(path.name) or (_PART.fullmatch(path.name) and path.is_dir()))


def _check_texts(store: ActivationStore, encoded: Encoded) -> None:
    """Refuse a text whose id the store knows from another one."""
    if not store.manifest.parts:
        return
    ours = encoded.hashes()
    order = np.argsort(encoded.ids)
    for part in store.manifest.parts:
        plan = store.plan(part)
        common = np.flatnonzero(np.isin(plan.tokens.ids, encoded.ids))
        place = order[np.searchsorted(encoded.ids, plan.tokens.ids[common], sorter=order)]
        differ = common[(ours[place] != plan.hashes[common]).any(axis=1)]
        if len(differ):
            raise DataError(
                f"Text {plan.tokens.ids[differ[0]]} has the id of another text in the store {store.folder} "
                f"({len(differ)} do); give every text an id of its own, or use another folder."
            )


class _New(NamedTuple):
    name: str
    sites: dict[str, int]
    plan: Plan


def _planned(encoded: Encoded, missing: Missing, *, job: Job, name: str) -> _New:
    chosen = encoded if len(missing.rows) == len(encoded) else encoded.select(missing.rows)
    batches = plan_batches(
        chosen.lengths, token_budget=job.token_budget, together=chosen.texts.pairs, fixed_cost=job.fixed_cost
    )
    widths = {str(site): job.sites[site] for site in missing.sites}
    row_bytes = sum(widths.values()) * job.itemsize
    return _New(name, widths, make_plan(chosen, batches, row_bytes=row_bytes, rule=job.spec.pooling))


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
        plan=write_plan(folder, f"{new.name}/{_PLAN}", plan),
    )


def _begun(store: ActivationStore, encoded: Encoded, *, job: Job) -> tuple[ActivationStore, list[Part]]:
    """Return the parts to be gone on with: those of which everything that they lack is asked for.

    A part of which nothing is asked for is left as it is. One of which only some is asked for is closed with what it
    has, for what is left out may be a text that cannot be read. A shard that somebody removed is lacking too.
    """
    begun: list[Part] = []
    manifest = store.manifest
    for part in manifest.parts:
        there = tuple(shard for shard in part.shards if (store.folder / shard.stored.file).exists())
        if part.is_closed or len(there) == part.n_shards:
            continue
        part = part.model_copy(update={"shards": there})
        plan = store.plan(part)
        lacking = np.setdiff1d(plan.tokens.ids, plan.ids_of(shard.index for shard in there))
        is_asked = np.isin(lacking, encoded.ids)
        if is_asked.all() and set(part.sites) <= {str(site) for site in job.sites}:
            begun.append(part)
        elif is_asked.any() and not set(part.sites).isdisjoint(str(site) for site in job.sites):
            manifest = manifest.with_part(part.model_copy(update={"is_closed": True}))
    return ActivationStore(store.folder, manifest, plans=store.plans), begun


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
            f"{folder} needs {needed / 1e9:,.1f} GB more, and its disk has {free / 1e9:,.1f} GB free; name a folder on "
            "another disk, or fewer sites."
        )


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Make the folder if it is not there, and be the only one to write to it; an empty folder does not stay."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise FileError(f"{folder} cannot be made ({error.strerror or error}); name another folder.") from error
    try:
        if not os.access(folder, os.W_OK):
            raise FileError(f"{folder} is read-only; name another folder, or open the store and read what it holds.")
        if fcntl is not None:
            try:
                # released by the system when this process ends, however it ends
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FileError(
                    f"Another program is writing to {folder}; wait for it, or name another folder."
                ) from None
        yield
    finally:
        os.close(handle)
        for path in (*folder.iterdir(), *made):
            with suppress(OSError):  # a file, or not empty: something was written
                path.rmdir()


def _remove_strays(folder: Path, manifest: Manifest) -> None:
    """Remove what a killed run left: files that the manifest does not name."""
    named = {stored.file for part in manifest.parts for stored in (part.plan, *(s.stored for s in part.shards))}
    for path in folder.iterdir():
        if _TEMPORARY.fullmatch(path.name):
            path.unlink()
        elif _PART.fullmatch(path.name) and path.is_dir():
            for file in path.iterdir():
                ours = file.name == _PLAN or _SHARD.fullmatch(file.name) or _TEMPORARY.fullmatch(file.name)
                if ours and f"{path.name}/{file.name}" not in named:
                    file.unlink()
            with suppress(OSError):  # not empty
                path.rmdir()
