"""What a model shows and says of pairs of prompts when nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.site import Site
from tiltmeter.interventions._pairs import EncodedPairs
from tiltmeter.models import SubjectModel, next_logits


class Clean(NamedTuple):
    """Of n pairs: states of some layers, shape (n, 2, t, d) each, and log-probabilities of what follows, (n, 2, v).

    ``tokens`` are those of the pairs, and tell whose runs these are. States are ``resid_post`` of the block, in the
    model's dtype, on its device; at padding they mean nothing.
    """

    states: dict[int, Float[Tensor, "n two t d"]]
    log_probs: Float[Tensor, "n two v"]
    tokens: Int[NDArray[np.int64], "n two t"]


def clean_runs(subject: SubjectModel, encoded: EncodedPairs, *, layers: Sequence[int], batch_size: int = 32) -> Clean:
    """Run both prompts of every pair once, and keep what the layers show and what the model says.

    Parameters
    ----------
    subject
        The model that the pairs were encoded for.
    encoded
        Aligned pairs.
    layers
        Blocks, 0-based; negative ones count from the end.
    batch_size
        Pairs a forward.

    Raises
    ------
    SpecError
        If a block is absent.

    Notes
    -----
    The states take n · 2 · t · d numbers a layer, and the log-probabilities n · 2 · v.

    Examples
    --------
    >>> from tiltmeter.interventions import PromptPairs, encode_pairs
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("she he said her his")
    >>> one = np.array(["a"])
    >>> pairs = PromptPairs(one, ("she said",), ("he said",), (("her",),), (("his",),), np.array(["easy"]), one)
    >>> found = clean_runs(subject, encode_pairs(subject, pairs), layers=[-1])
    >>> list(found.states), tuple(found.states[1].shape), tuple(found.log_probs.shape)
    ([1], (1, 2, 2, 8), (1, 2, 6))
    """
    sites = subject.resolve_sites([Site(layer, "resid_post") for layer in layers])
    states: dict[Site, list[Tensor]] = {site: [] for site in sites}
    log_probs = []
    for start in range(0, len(encoded), batch_size):
        rows = slice(start, start + batch_size)
        tokens, mask, at = flat(encoded, rows)
        with subject.capture(sites) as seen:
            logits = next_logits(subject, tokens, at=at, mask=mask)
        # out of inference mode, so that what is computed from them can be differentiated
        log_probs.append(_by_pair(logits.clone().float().log_softmax(-1)))
        for site in sites:
            states[site].append(_by_pair(seen[site].clone()))
    return Clean({site.layer: torch.cat(parts) for site, parts in states.items()}, torch.cat(log_probs), encoded.tokens)


def _by_pair(rows: Tensor) -> Tensor:
    return rows.reshape(-1, 2, *rows.shape[1:])


def flat(encoded: EncodedPairs, rows: slice | np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Return tokens (2 b, t), mask and last positions of some pairs, the two prompts of a pair side by side."""
    tokens = torch.from_numpy(np.ascontiguousarray(encoded.tokens[rows])).flatten(0, 1)
    mask = torch.from_numpy(np.ascontiguousarray(encoded.mask[rows])).flatten(0, 1)
    return tokens, mask, torch.from_numpy(np.repeat(encoded.lengths[rows] - 1, 2))
