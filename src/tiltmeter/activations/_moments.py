"""Means and covariances instead of rows: what closed-form methods need, in one pass and in memory that stays flat."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from tiltmeter.activations._collect import ask
from tiltmeter.activations._forward import Tokens, forward
from tiltmeter.activations._massive import Spread
from tiltmeter.activations._memory import available_bytes, fixed_cost
from tiltmeter.activations._plan import plan_batches
from tiltmeter.activations._pool import Reading
from tiltmeter.activations._progress import Meter, OnProgress, reporting
from tiltmeter.activations._store import ActivationStore, concatenated
from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.core.site import Site
from tiltmeter.data import TextSet
from tiltmeter.models import Encoded, Sites, SubjectModel
from tiltmeter.numerics import Moments


def collect_moments(
    subject: SubjectModel,
    texts: TextSet | Encoded,
    *,
    sites: Sites = "all",
    pooling: Reading = "last",
    token_budget: int | None = None,
    progress: bool | OnProgress = False,
) -> dict[str, Moments]:
    """Read a model on texts and keep counts, means and scatters by label, and those of pair differences.

    No rows are kept, so that memory does not grow with the number of texts: it is d² float64 for each label that
    occurs, and once more where there are pairs, at each site. Both members of a pair are read in the same batch.

    Parameters
    ----------
    subject, texts, sites
        As in :func:`collect`.
    pooling
        As in :func:`collect`. With ``"all"`` every token that is read is a row with the label of its text, and pairs
        are left out.
    token_budget
        As in :func:`collect`.
    progress
        As in :func:`collect`; True also says how much memory will be held.

    Returns
    -------
    Moments by the name of their site, from which closed-form probes are fitted with ``fit_moments``.

    Raises
    ------
    SpecError
        If the moments do not fit into the free memory; before anything is read.
    DataError
        If a pair has more than two texts.
    TiltmeterError
        As :func:`collect` does, which warns alike.

    See Also
    --------
    collect : Keeps the rows.
    stored_moments : The same from a store.

    Examples
    --------
    >>> from tiltmeter.models import load
    >>> from tiltmeter.probes import LDA
    >>> moments = collect_moments(load("Qwen/Qwen3-0.6B"), texts, sites="all")  # doctest: +SKIP
    >>> probes = {site: LDA().fit_moments(m) for site, m in moments.items()}  # doctest: +SKIP
    """
    asked = ask(subject, texts, sites=sites, pooling=pooling, token_budget=token_budget)
    rows = asked.encoded.texts
    pairs = None if pooling == "all" else _whole_pairs(rows.pairs)
    needed = _bytes_needed(subject, asked.sites, y=rows.y, has_pairs=pairs is not None)
    _check_memory(needed, n_sites=len(asked.sites))
    if progress is True:
        words = f"moments of {len(asked.sites)} sites: {needed / 1e6:,.1f} MB"
        Console(stderr=True, highlight=False).print(words, markup=False, soft_wrap=True)
    moments = {site: Moments(subject.width(site)) for site in asked.sites}
    spread = Spread()
    encoded = asked.encoded
    batches = plan_batches(
        encoded.lengths, token_budget=asked.token_budget, together=pairs, fixed_cost=fixed_cost(subject)
    )
    tokens = Tokens(encoded.ids, encoded.tokens, encoded.read, encoded.offsets)
    with reporting(progress) as tell:
        meter = Meter(tell, n_texts=len(encoded), n_tokens=len(encoded.tokens))
        for read in forward(subject, tokens, batches, sites=asked.sites, rule=pooling):
            texts_of_rows = np.repeat(read.batch, encoded.n_read[read.batch]) if pooling == "all" else read.batch
            for site, values in read.values.items():
                exact = values.float().numpy()
                spread.update(site, exact)
                moments[site].update(
                    exact,
                    None if rows.y is None else rows.y[texts_of_rows],
                    pairs=None if pairs is None else pairs[read.batch],
                    sides=None if pairs is None or rows.sides is None else rows.sides[read.batch],
                )
            meter.add(texts=len(read.batch), tokens=read.n_tokens)
    spread.warn()
    return {str(site): found for site, found in moments.items()}


def stored_moments(store: ActivationStore, site: str) -> Moments:
    """Return the moments of all rows of a store at a site, a shard at a time; as :func:`collect_moments` would.

    Pairs whose members were collected in different calls are counted too.

    Parameters
    ----------
    store
        As ``ActivationStore.open`` gives it.
    site
        One of its sites.

    Raises
    ------
    TiltmeterError
        As ``ActivationStore.chunks`` does.

    Examples
    --------
    >>> stored_moments(ActivationStore.open("acts"), "12.resid_post").counts  # doctest: +SKIP
    MomentCounts(negative=500, positive=500, unlabelled=0, pairs=500)
    """
    waiting: dict[str, Activations] = {}
    moments: Moments | None = None
    for chunk in store.chunks(site):
        moments = Moments(chunk.X.shape[1]) if moments is None else moments
        pairs = None if chunk.offsets is not None else _whole_pairs(chunk.pairs)
        if pairs is None or chunk.pairs is None:
            _add(moments, chunk, pairs=None)
            continue
        alone = (chunk.pairs != "") & (pairs == "")
        _add(moments, chunk.select(~alone), pairs=pairs[~alone])
        for row in np.flatnonzero(alone):
            one, pair = chunk.select(np.array([row])), str(chunk.pairs[row])
            if pair not in waiting:
                waiting[pair] = one
                continue
            both = concatenated([waiting.pop(pair), one])
            _add(moments, both, pairs=both.pairs)
    if moments is None:
        raise DataError(f"The store {store.folder} holds no rows at {site} yet; collect them first.")
    for one in waiting.values():
        _add(moments, one, pairs=None)
    return moments


def _add(moments: Moments, acts: Activations, *, pairs: NDArray[np.str_] | None) -> None:
    y = acts.y
    if y is not None and acts.offsets is not None:
        y = np.repeat(y, np.diff(acts.offsets))
    moments.update(acts.X, y, pairs=pairs, sides=None if pairs is None else acts.sides)


def _whole_pairs(pairs: NDArray[np.str_] | None) -> NDArray[np.str_] | None:
    """Return the pairs with "" for those of which one member is not there, as in a split that divided them."""
    if pairs is None:
        return None
    names, which, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    if (many := (counts > 2) & (names != "")).any():
        raise DataError(f"Pair {names[many][0]} has {counts[many][0]} texts; moments need pairs of two.")
    return np.where(counts[which] == 1, "", pairs)


def _bytes_needed(
    subject: SubjectModel, sites: tuple[Site, ...], *, y: NDArray[np.int64] | None, has_pairs: bool
) -> int:
    n_labels = 1 if y is None else len(np.unique(y))
    return sum(Moments.bytes_needed(subject.width(site), n_labels=n_labels, has_pairs=has_pairs) for site in sites)


def _check_memory(needed: int, *, n_sites: int) -> None:
    free = available_bytes(torch.device("cpu"))
    if needed > free:
        raise SpecError(
            f"Moments of {n_sites} sites need {needed / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free; ask "
            "for fewer sites at a time."
        )
