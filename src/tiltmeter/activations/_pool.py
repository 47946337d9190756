"""Reduce what a site shows of a batch to what is kept of it, on the device."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tiltmeter.core.activations import Pooling

Reading = Pooling | Literal["all"]


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
        case "first":
            chosen = read.int().argmax(dim=1)
        case "last":
            chosen = read.shape[1] - 1 - read.int().flip(1).argmax(dim=1)
    return values[torch.arange(len(values), device=values.device), chosen]
