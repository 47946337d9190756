"""Texts × model × sites → activations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import torch

from tiltmeter.activations._fill import Engine, Job, fill
from tiltmeter.activations._forward import Tokens, forward
from tiltmeter.activations._local import LocalEngine
from tiltmeter.activations._manifest import StoreSpec, fingerprint_of
from tiltmeter.activations._massive import Spread
from tiltmeter.activations._memory import available_bytes, find_token_budget, fixed_cost
from tiltmeter.activations._plan import plan_batches
from tiltmeter.activations._pool import Reading
from tiltmeter.activations._progress import Meter, OnProgress, reporting
from tiltmeter.activations._store import ActivationStore
from tiltmeter.core.activations import Activations, Pooling
from tiltmeter.core.errors import SpecError
from tiltmeter.core.site import Site
from tiltmeter.data import TextSet
from tiltmeter.models import Encoded, Sites, SubjectModel, encoded_for


class Collected(Mapping[str, Activations]):
    """Activations by the name of their site, such as ``"3.resid_post"``, in the order in which sites were asked for.

    Parameters
    ----------
    by_site
        What was collected.
    truncated
        Identifiers of the texts that were cut to fit the context.
    n_tokens
        Tokens of the texts, padding not counted.
    """

    def __init__(self, by_site: Mapping[str, Activations], *, truncated: tuple[str, ...], n_tokens: int) -> None:
        self._by_site = by_site
        self.truncated = truncated
        self.n_tokens = n_tokens

    def __getitem__(self, site: str) -> Activations:
        return self._by_site[site]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_site)

    def __len__(self) -> int:
        return len(self._by_site)


class _Stored(Mapping[str, Activations]):
    """The sites of a store, each read when it is asked for, with what the texts carry now."""

    def __init__(self, store: ActivationStore, sites: tuple[Site, ...], texts: TextSet) -> None:
        self._store = store
        self._sites = [str(site) for site in sites]
        self._texts = texts

    def __getitem__(self, site: str) -> Activations:
        if site not in self._sites:
            raise KeyError(site)
        texts = self._texts
        read = self._store.read(site, texts.ids)
        return replace(read, y=texts.y, pairs=texts.pairs, sides=texts.sides, groups=texts.groups)

    def __iter__(self) -> Iterator[str]:
        return iter(self._sites)

    def __len__(self) -> int:
        return len(self._sites)


def collect(
    subject: SubjectModel,
    texts: TextSet | Encoded,
    *,
    sites: Sites = "all",
    pooling: Reading = "last",
    store: str | Path | None = None,
    token_budget: int | None = None,
    progress: bool | OnProgress = False,
) -> Collected:
    """Read a model on texts.

    The result is that of one plain forward a text, to rounding: it depends neither on which texts share a batch, nor on
    their order, nor on the token budget. The model runs no further than the deepest site.

    With ``store``, rows go to a folder of shards as they are computed, and are read from it when a site of the result
    is asked for. What the folder holds already is not computed again: a run that was stopped, by whatever, goes on
    where it was, and new texts or sites are added to what is there.

    Parameters
    ----------
    subject
        The model.
    texts
        Texts or chats; their span rule says which tokens are read. Long texts are refused: to truncate them, or to
        leave out the first positions, give what :func:`tiltmeter.models.encode` makes of them.
    sites
        ``"all"`` (the embedding and ``resid_post`` of every block) or a list such as ``["3.resid_post"]``.
    pooling
        What is kept of the tokens that are read: the ``"last"``, the ``"first"``, their ``"mean"`` or ``"max"`` by
        feature, or ``"all"`` of them, one row each.
    store
        A folder, made if it is not there; None keeps everything in memory.
    token_budget
        Most tokens in a batch, padding counted; None for what fits a quarter of the free memory, and at most 2,048 on
        a processor and 65,536 on a GPU. The result does not depend on it.
    progress
        True shows a bar on standard error, or lines in a log; a function is called with a :class:`Done`.

    Returns
    -------
    A mapping from the site's name (negative layers resolved) to its activations: float32, rows in the order of the
    texts, with their ids, labels, pairs, sides and groups.

    Raises
    ------
    DataError
        If a text is too long or has no token to read, or has the id of another one in the store.
    SpecError
        If a site is absent, an option is none of those listed, memory does not suffice, or the store was made
        by another model or rule (the message lists the fields that differ).
    ModelError
        If chats cannot be rendered.
    ArrayError
        If an activation is not finite; the message names the site and the text.
    FileError, FormatError
        If the store cannot be written, or a file of it is damaged.

    Warns
    -----
    DataWarning
        If three or fewer coordinates of a site hold more than half of its variance.

    See Also
    --------
    collect_moments : Keeps means and covariances instead of rows.
    ActivationStore : Reads the folder.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> texts = TextSet(np.array(["a", "b"]), texts=("Rome is old", "Rome"), y=np.array([1, 0]))
    >>> acts = collect(subject, texts, sites=["-1.resid_post"])
    >>> acts["1.resid_post"].X.shape, acts["1.resid_post"].y.tolist()
    ((2, 8), [1, 0])
    """
    asked = ask(subject, texts, sites=sites, pooling=pooling, token_budget=token_budget)
    spread = Spread()
    with reporting(progress) as tell:
        if store is None:
            collected = _in_memory(asked, spread=spread, tell=tell)
        else:
            engine = LocalEngine(subject, rule=pooling, spread=spread)
            collected = into_store(asked, store, engine=engine, tell=tell)
    spread.warn()
    return collected


class Asked(NamedTuple):
    """What is to be collected: checked, resolved and encoded."""

    subject: SubjectModel
    encoded: Encoded
    sites: tuple[Site, ...]
    rule: Reading
    token_budget: int
    is_budget_asked: bool

    @property
    def spec(self) -> StoreSpec:
        """How the rows are made."""
        return StoreSpec(model=self.subject.fingerprint, encoding=self.encoded.rule, pooling=self.rule)


def ask(
    subject: SubjectModel,
    texts: TextSet | Encoded,
    *,
    sites: Sites,
    pooling: Reading,
    token_budget: int | None = None,
) -> Asked:
    """Check and resolve the arguments of a collection; raises as :func:`collect` does."""
    rules = (*get_args(Pooling), "all")
    if pooling not in rules:
        raise SpecError(f"pooling is {pooling!r}; use one of {', '.join(rules)}.")
    wanted = subject.resolve_sites(sites)
    encoded = encoded_for(subject, texts)
    # with every token kept, a batch is as large as its rows are
    row_bytes = 4 * sum(subject.width(site) for site in wanted) if pooling == "all" else 0
    budget = token_budget
    if budget is None:
        budget = find_token_budget(subject, longest=int(encoded.lengths.max()), row_bytes=row_bytes)
    return Asked(subject, encoded, wanted, pooling, budget, token_budget is not None)


def into_store(asked: Asked, folder: str | Path, *, engine: Engine, tell: OnProgress) -> Collected:
    """Fill a store, whatever computes the shards."""
    subject, encoded = asked.subject, asked.encoded
    # means are float32, everything else is an element of what the model gave
    itemsize = 4 if asked.rule == "mean" else torch.empty(0, dtype=subject.model.dtype).element_size()
    widths = {site: subject.width(site) for site in asked.sites}
    job = Job(asked.spec, widths, itemsize, asked.token_budget, fixed_cost(subject), asked.is_budget_asked)
    store = fill(Path(folder), encoded, job=job, engine=engine, tell=tell)
    return _collected(_Stored(store, asked.sites, encoded.texts), encoded)


def _collected(by_site: Mapping[str, Activations], encoded: Encoded) -> Collected:
    truncated = tuple(encoded.ids[encoded.truncated].tolist())
    return Collected(by_site, truncated=truncated, n_tokens=len(encoded.tokens))


def _in_memory(asked: Asked, *, spread: Spread, tell: OnProgress) -> Collected:
    subject, encoded, sites, rule, budget, _ = asked
    counts = encoded.n_read if rule == "all" else np.ones(len(encoded), np.int64)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    needed, free = 4 * int(offsets[-1]) * sum(map(subject.width, sites)), available_bytes(torch.device("cpu"))
    if needed > free:
        raise SpecError(
            f"The rows of {len(sites)} sites need {needed / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free; "
            "give a store, or ask for fewer sites or tokens."
        )
    kept = {site: np.empty((int(offsets[-1]), subject.width(site)), dtype=np.float32) for site in sites}
    meter = Meter(tell, n_texts=len(encoded), n_tokens=len(encoded.tokens))
    tokens = Tokens(encoded.ids, encoded.tokens, encoded.read, encoded.offsets)
    batches = plan_batches(encoded.lengths, token_budget=budget, fixed_cost=fixed_cost(subject))
    for rows in forward(subject, tokens, batches, sites=sites, rule=rule):
        where = np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in rows.batch])
        for site, values in rows.values.items():
            exact = values.float().numpy()
            spread.update(site, exact)
            kept[site][where] = exact
        meter.add(texts=len(rows.batch), tokens=rows.n_tokens)
    texts, fingerprint = encoded.texts, fingerprint_of(asked.spec)
    by_site = {
        str(site): Activations(
            kept.pop(site),
            ids=texts.ids,
            offsets=offsets if rule == "all" else None,
            y=texts.y,
            pairs=texts.pairs,
            sides=texts.sides,
            groups=texts.groups,
            site=site,
            fingerprint=fingerprint,
        )
        for site in sites
    }
    return _collected(by_site, encoded)
