"""Texts × model × sites → activations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tiltmeter.activations._plan import plan_batches
from tiltmeter.activations._pool import Reading, pool_tokens
from tiltmeter.core.activations import Activations, Pooling
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.site import Site
from tiltmeter.data import TextSet
from tiltmeter.models import Encoded, LongTexts, Sites, SubjectModel, encode

OnProgress = Callable[[int, int], None]


class Collected(Mapping[str, Activations]):
    """Activations by the name of their site, such as ``"3.resid_post"``, in the order in which sites were asked for.

    Parameters
    ----------
    by_site
        What was collected.
    truncated
        Identifiers of the texts that were cut to fit the context.
    n_tokens
        Tokens that went through the model, padding not counted.
    """

    def __init__(self, by_site: Mapping[str, Activations], *, truncated: tuple[str, ...], n_tokens: int) -> None:
        self._by_site = dict(by_site)
        self.truncated = truncated
        self.n_tokens = n_tokens

    def __getitem__(self, site: str) -> Activations:
        return self._by_site[site]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_site)

    def __len__(self) -> int:
        return len(self._by_site)


def collect(
    subject: SubjectModel,
    texts: TextSet,
    *,
    sites: Sites = "all",
    pooling: Reading = "last",
    token_budget: int = 8192,
    long_texts: LongTexts = "refuse",
    progress: bool | OnProgress = False,
) -> Collected:
    """Read a model on texts.

    The result is that of one plain forward a text, to rounding: it depends neither on which texts share a batch, nor on
    their order, nor on the token budget. The model runs no further than the deepest site.

    Parameters
    ----------
    subject
        The model.
    texts
        Texts or chats; their span rule says which tokens are read (see :func:`tiltmeter.models.encode`).
    sites
        ``"all"`` (the embedding and ``resid_post`` of every block) or a list such as ``["3.resid_post"]``.
    pooling
        What is kept of the tokens that are read: the ``"last"``, the ``"first"``, their ``"mean"`` or ``"max"`` by
        feature, or ``"all"`` of them, one row each.
    token_budget
        Most tokens in a batch, padding counted. Memory grows with it; the result does not depend on it.
    long_texts
        ``"refuse"`` raises for a text longer than the context, ``"truncate"`` keeps its end and lists it in
        ``truncated`` of the result.
    progress
        True shows a bar on standard error; a function is called with the number of texts done and their total.

    Returns
    -------
    A mapping from the site's name (negative layers resolved) to its activations: float32, rows in the order of the
    texts, with their ids, labels, pairs, sides and groups.

    Raises
    ------
    DataError
        If a text is too long or has no token to read.
    SpecError
        If a site is absent, or an option is none of those listed.
    ModelError
        If chats cannot be rendered.
    ArrayError
        If an activation is not finite; the message names the site and the text.

    Examples
    --------
    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    >>> from tiltmeter.models import bind
    >>> words = Tokenizer(models.WordLevel({"?": 0, "Rome": 1, "is": 2, "old": 3}, unk_token="?"))
    >>> words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    >>> config = LlamaConfig(
    ...     vocab_size=4, hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2
    ... )
    >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?")
    >>> subject = bind(LlamaForCausalLM(config).eval(), tokenizer, name="tiny")
    >>> texts = TextSet(np.array(["a", "b"]), texts=("Rome is old", "Rome"), y=np.array([1, 0]))
    >>> acts = collect(subject, texts, sites=["-1.resid_post"])
    >>> acts["1.resid_post"].X.shape, acts["1.resid_post"].y.tolist()
    ((2, 8), [1, 0])
    """
    rules = (*get_args(Pooling), "all")
    if pooling not in rules:
        raise SpecError(f"pooling is {pooling!r}; use one of {', '.join(rules)}.")
    wanted = subject.resolve_sites(sites)
    encoded = encode(subject, texts, long_texts=long_texts)
    counts = np.array([mask.sum() for mask in encoded.read]) if pooling == "all" else np.ones(len(texts), np.int64)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    kept = {site: np.empty((int(offsets[-1]), subject.width(site)), dtype=np.float32) for site in wanted}
    done = 0
    with _reporting(progress) as report:
        for batch in plan_batches(encoded.lengths, token_budget=token_budget):
            rows = np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in batch])
            for site, values in _read_batch(subject, encoded, batch, sites=wanted, rule=pooling).items():
                _check_finite(values, site, ids=np.repeat(encoded.ids[batch], counts[batch]))
                kept[site][rows] = values
            done += len(batch)
            report(done, len(texts))
    fingerprint = _fingerprint(subject, texts, pooling=pooling, long_texts=long_texts)
    return Collected(
        {
            str(site): Activations(
                kept.pop(site),
                ids=texts.ids,
                offsets=offsets if pooling == "all" else None,
                y=texts.y,
                pairs=texts.pairs,
                sides=texts.sides,
                groups=texts.groups,
                site=site,
                fingerprint=fingerprint,
            )
            for site in wanted
        },
        truncated=tuple(encoded.ids[encoded.truncated].tolist()),
        n_tokens=int(encoded.lengths.sum()),
    )


def _read_batch(
    subject: SubjectModel, encoded: Encoded, batch: NDArray[np.int64], *, sites: tuple[Site, ...], rule: Reading
) -> dict[Site, NDArray[np.float32]]:
    """Pad on the right, run the model, pool on its device, and only then copy."""
    shape = (len(batch), int(encoded.lengths[batch].max()))
    # any identifier serves as padding, for no token that is read sees it
    tokens, mask, read = np.zeros(shape, np.int64), np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    for row, i in enumerate(batch):
        n = len(encoded.tokens[i])
        tokens[row, :n], mask[row, :n], read[row, :n] = encoded.tokens[i], True, encoded.read[i]
    seen = subject.read(
        torch.from_numpy(tokens),
        sites=sites,
        mask=None if mask.all() else torch.from_numpy(mask),
        reduce=partial(pool_tokens, read=torch.from_numpy(read).to(subject.model.device), rule=rule),
    )
    return {site: values.cpu().numpy() for site, values in seen.items()}


def _check_finite(values: NDArray[np.float32], site: Site, *, ids: NDArray[np.str_]) -> None:
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise ArrayError(
            f"Site {site} shows NaN or infinity for text {ids[bad][0]}; a wider dtype may help, or the weights are bad."
        )


def _fingerprint(subject: SubjectModel, texts: TextSet, *, pooling: Reading, long_texts: LongTexts) -> str:
    facts = [subject.fingerprint.digest, texts.span, pooling, long_texts]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


@contextmanager
def _reporting(progress: bool | OnProgress) -> Iterator[OnProgress]:  # noqa: FBT001  (as the caller gave it)
    if not isinstance(progress, bool):
        yield progress
        return
    columns = (TextColumn("reading texts"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not progress) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
