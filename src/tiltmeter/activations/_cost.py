"""What a collection would cost, before it is begun: tokens, time and bytes."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from tiltmeter.activations._collect import Asked, ask
from tiltmeter.activations._fill import check_texts
from tiltmeter.activations._folder import present, with_plans
from tiltmeter.activations._forward import Tokens, forward
from tiltmeter.activations._memory import available_bytes, fixed_cost
from tiltmeter.activations._plan import plan_batches
from tiltmeter.activations._pool import Reading
from tiltmeter.activations._store import ActivationStore, Missing
from tiltmeter.data import TextSet
from tiltmeter.models import Encoded, Sites, SubjectModel

# the longest batch, the shortest and three between: a few seconds with a small model, and what differs most
_MEASURED = 5


class CollectionCost(NamedTuple):
    """What :func:`tiltmeter.activations.collect` would read and keep.

    ``n_texts`` of the ``n_asked`` texts lack a site in the store (all of them, without one); ``n_tokens`` are theirs,
    padding not counted, a text counting once for each set of sites that it lacks. ``n_bytes`` go to the disk, or to
    memory, where ``free_bytes`` are free. ``seconds`` of reading are those of ``n_measured`` batches carried over to
    all by their tokens; ``seconds_at_most`` take the pace of the slowest of them for all. The writing of files is not
    measured.
    """

    n_asked: int
    n_texts: int
    n_tokens: int
    n_batches: int
    n_bytes: int
    free_bytes: int
    n_measured: int
    seconds: float
    seconds_at_most: float


def collection_cost(
    subject: SubjectModel,
    texts: TextSet | Encoded,
    *,
    sites: Sites = "all",
    pooling: Reading = "last",
    token_budget: int | None = None,
    store: str | Path | None = None,
) -> CollectionCost:
    """Say what a collection with these arguments would cost; a few of its batches are read, and nothing is written.

    Parameters
    ----------
    subject, texts, sites, pooling, token_budget
        As for :func:`tiltmeter.activations.collect`.
    store
        The folder that would be filled, or gone on with; None for memory.

    Raises
    ------
    TiltmeterError
        As :func:`tiltmeter.activations.collect` would before its first batch.

    See Also
    --------
    collect : Does it.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> texts = TextSet(np.array(["a", "b"]), texts=("Rome is old", "Rome"))
    >>> cost = collection_cost(subject, texts, sites=["-1.resid_post"])
    >>> cost.n_texts, cost.n_tokens, cost.n_bytes
    (2, 4, 64)
    """
    asked = ask(subject, texts, sites=sites, pooling=pooling, token_budget=token_budget)
    encoded = asked.encoded
    lacking = _lacking(asked, None if store is None else Path(store))
    # memory holds float32; a store what the model gave, but for means
    keeps = torch.float32 if store is None or asked.rule == "mean" else subject.model.dtype
    itemsize = torch.empty(0, dtype=keeps).element_size()
    rows = encoded.n_read if asked.rule == "all" else np.ones(len(encoded), np.int64)
    n_bytes = sum(int(rows[one.rows].sum()) * itemsize * sum(map(subject.width, one.sites)) for one in lacking)
    free = available_bytes(torch.device("cpu")) if store is None else shutil.disk_usage(_existing(Path(store))).free
    planned = [(one, batch) for one in lacking for batch in _batches(asked, one)]
    chosen = sorted({round(place) for place in np.linspace(0, len(planned) - 1, _MEASURED)}) if planned else []
    pace = [_seconds_a_token(asked, *planned[place]) for place in chosen]
    work = np.array([_work(asked, batch) for _, batch in planned])
    weights = work[chosen]
    return CollectionCost(
        n_asked=len(encoded),
        n_texts=len(np.unique(np.concatenate([one.rows for one in lacking]))) if lacking else 0,
        n_tokens=sum(int(encoded.lengths[batch].sum()) for _, batch in planned),
        n_batches=len(planned),
        n_bytes=n_bytes,
        free_bytes=free,
        n_measured=len(chosen),
        seconds=float(np.dot(pace, weights) / weights.sum() * work.sum()) if planned else 0.0,
        seconds_at_most=float(max(pace) * work.sum()) if planned else 0.0,
    )


def _lacking(asked: Asked, store: Path | None) -> tuple[Missing, ...]:
    """Return the texts that are to be read, those of shards that a run left unwritten among them."""
    if store is None or not store.exists():
        return (Missing(np.arange(len(asked.encoded)), asked.sites),)
    manifest = with_plans(store, present(store, asked.spec))
    check_texts(ActivationStore(store, manifest), asked.encoded)
    # of a closed part only what is stored counts as there
    closed = tuple(part.model_copy(update={"is_closed": True}) for part in manifest.parts)
    there = ActivationStore(store, manifest.model_copy(update={"parts": closed}))
    return there.missing(asked.encoded.ids, asked.sites)


def _batches(asked: Asked, lacking: Missing) -> list[NDArray[np.int64]]:
    """Return the batches that would be read, as places among the texts that were asked for."""
    pairs = asked.encoded.texts.pairs
    batches = plan_batches(
        asked.encoded.lengths[lacking.rows],
        token_budget=asked.token_budget,
        together=None if pairs is None else pairs[lacking.rows],
        fixed_cost=fixed_cost(asked.subject),
    )
    return [lacking.rows[batch] for batch in batches]


def _work(asked: Asked, batch: NDArray[np.int64]) -> int:
    """Return what a batch takes, in tokens: its own, its padding, and the fixed cost of a forward."""
    return len(batch) * int(asked.encoded.lengths[batch].max()) + fixed_cost(asked.subject)


def _seconds_a_token(asked: Asked, lacking: Missing, batch: NDArray[np.int64]) -> float:
    encoded = asked.encoded
    tokens = Tokens(encoded.ids, encoded.tokens, encoded.read, encoded.offsets)
    started = 0.0
    # twice, for the first forward of a shape pays for memory that the others find there
    for _ in range(2):
        started = time.perf_counter()
        for _rows in forward(asked.subject, tokens, [batch], sites=lacking.sites, rule=asked.rule):
            pass
    return (time.perf_counter() - started) / _work(asked, batch)


def _existing(folder: Path) -> Path:
    """Return the nearest folder above that is there, whose disk will hold this one."""
    return next(one for one in (folder.absolute(), *folder.absolute().parents) if one.is_dir())
