"""Reduce what a site shows of a batch to what is kept of it, on the device."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tiltmeter.core.activations import Pooling

Reading = Pooling | Literal["all"]


def positions_needed(read: Bool[Tensor, "b t"], *, rule: Reading) -> Bool[Tensor, "b t"]:
    """Return which of the tokens that are read decide what is kept: one a text for ``"first"`` and ``"last"``."""
    if rule not in ("first", "last"):
        return read
    needed = torch.zeros_like(read)
    needed[torch.arange(len(read)), _chosen(read, rule=rule)] = True
    return needed


def pool_tokens(values: Float[Tensor, "b t d"], read: Bool[Tensor, "b t"], *, rule: Reading) -> Float[Tensor, "r d"]:
    """Return one row a text, or for ``"all"`` one row a token that is read, text by text.

    Rows keep the dtype of ``values``, of which they are elements, but means are float32. Every text must have a token
    that is read.
    """
    read = read.to(values.device)
    match rule:
        case "all":
            return values[read]
        case "mean":
            # in float32: half precision overflows within a long text; where, not times: padding may hold NaN
            total = torch.where(read[..., None], values, 0).sum(dim=1, dtype=torch.float32)
            return total / read.sum(dim=1, keepdim=True)
        case "max":
            return torch.where(read[..., None], values, -torch.inf).amax(dim=1)
        case "first" | "last":
            return values[torch.arange(len(values), device=values.device), _chosen(read, rule=rule)]


def _chosen(read: Bool[Tensor, "b t"], *, rule: Literal["first", "last"]) -> Int[Tensor, " b"]:
    if rule == "first":
        return read.int().argmax(dim=1)
    return read.shape[1] - 1 - read.int().flip(1).argmax(dim=1)
