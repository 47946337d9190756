"""Batches through the model: padded, pooled where they are computed, and brought to the host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.activations._pool import Reading, pool_tokens, positions_needed
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.site import Site
from tiltmeter.models import SubjectModel, pad

# just below the 32 MiB up to which glibc learns; larger blocks teach it nothing
_LARGEST_LESSON = 31 * 2**20


class Tokens(NamedTuple):
    """What a forward needs of n texts: flat tokens and read marks; text i owns ``offsets[i]:offsets[i + 1]``."""

    ids: NDArray[np.str_]
    tokens: NDArray[np.int32]
    read: NDArray[np.bool_]
    offsets: NDArray[np.int64]


class Rows(NamedTuple):
    """What the sites showed of one batch: one row a text, or for ``"all"`` one row a token that is read."""

    batch: NDArray[np.int64]
    values: dict[Site, Tensor]
    n_tokens: int


class _Underway(NamedTuple):
    rows: Rows
    copied: torch.cuda.Event | None


def forward(
    subject: SubjectModel,
    tokens: Tokens,
    batches: Iterable[NDArray[np.int64]],
    *,
    sites: tuple[Site, ...],
    rule: Reading,
) -> Iterator[Rows]:
    """Yield the rows of each batch, on the host, checked to be finite.

    On a GPU, a batch is copied while the next one is computed.

    Raises
    ------
    ArrayError
        If an activation is not finite; the message names the site and the text.
    SpecError
        If a batch does not fit into memory.
    """
    _keep_freed_memory()
    before: _Underway | None = None
    for batch in batches:
        underway = _start(subject, tokens, batch, sites=sites, rule=rule)
        if before is not None:
            yield _arrived(before, tokens)
        before = underway
    if before is not None:
        yield _arrived(before, tokens)


def _keep_freed_memory() -> None:
    """Have the allocator keep what a batch frees for the next one, which asks for as much again.

    The GNU C library hands large blocks back to the system, which clears each page when it is touched anew: a sixth of
    the time of a collection. How much it keeps grows with the largest block that it has seen freed. This one is never
    touched, and so takes no memory.
    """
    torch.empty(_LARGEST_LESSON, dtype=torch.uint8)


def _start(
    subject: SubjectModel, tokens: Tokens, batch: NDArray[np.int64], *, sites: tuple[Site, ...], rule: Reading
) -> _Underway:
    padded = pad(batch, tokens=tokens.tokens, read=tokens.read, offsets=tokens.offsets)
    try:
        seen = subject.read(
            padded.tokens,
            sites=sites,
            mask=padded.mask(is_causal=subject.is_causal),
            reduce=partial(pool_tokens, read=padded.read, rule=rule),
            needed=positions_needed(padded.read, rule=rule),
        )
    except (RuntimeError, MemoryError) as error:
        # on a processor PyTorch raises a bare RuntimeError
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and "can't allocate memory" not in str(error):
            raise
        raise SpecError(
            f"A batch of {len(batch)} texts of {padded.own.shape[1]} tokens does not fit into memory; "
            f"lower token_budget below {padded.own.numel()}."
        ) from error
    n_tokens = int(padded.own.sum())
    on_gpu = any(value.is_cuda for value in seen.values())
    if not on_gpu:
        return _Underway(Rows(batch, {site: value.cpu() for site, value in seen.items()}, n_tokens), None)
    pinned = {
        site: torch.empty(value.shape, dtype=value.dtype, pin_memory=True).copy_(value, non_blocking=True)
        for site, value in seen.items()
    }
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record()
    return _Underway(Rows(batch, pinned, n_tokens), copied)


def _arrived(underway: _Underway, tokens: Tokens) -> Rows:
    rows, copied = underway
    if copied is not None:
        copied.synchronize()
    for site, values in rows.values.items():
        finite = torch.isfinite(values)
        if not finite.all():
            raise ArrayError(
                f"Site {site} shows NaN or infinity for text {_text_of(rows, finite, tokens)}; "
                "use a wider dtype, or leave the text out."
            )
    return rows


def _text_of(rows: Rows, finite: Tensor, tokens: Tokens) -> str:
    bad = int((~finite.all(dim=1)).int().argmax())
    counts = np.ones(len(rows.batch), np.int64)
    if len(finite) != len(rows.batch):  # a row a token
        counts = np.array([tokens.read[tokens.offsets[i] : tokens.offsets[i + 1]].sum() for i in rows.batch])
    return str(tokens.ids[np.repeat(rows.batch, counts)[bad]])
