"""Texts of different length side by side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor


class Padded(NamedTuple):
    """Texts of a batch, padded on the right: tokens, which of them are read, and which are the texts' own."""

    tokens: Int[Tensor, "b t"]
    read: Bool[Tensor, "b t"]
    own: Bool[Tensor, "b t"]

    def mask(self, *, is_causal: bool) -> Bool[Tensor, "b t"] | None:
        """Return the mask that a model needs, or None, with which attention is quicker.

        In a causal model padding on the right is seen by nothing but itself.
        """
        return None if is_causal or bool(self.own.all()) else self.own


def pad(
    batch: NDArray[np.int64], *, tokens: NDArray[np.int32], read: NDArray[np.bool_], offsets: NDArray[np.int64]
) -> Padded:
    """Lay some texts out as a rectangle.

    Parameters
    ----------
    batch
        Which texts, shape (b,).
    tokens, read, offsets
        As in :class:`Encoded`.

    Returns
    -------
    As many rows as ``batch`` names texts, as long as the longest of them. What fills the others up is token 0.

    Examples
    --------
    >>> tokens, offsets = np.array([5, 6, 7], np.int32), np.array([0, 1, 3])
    >>> pad(np.array([1, 0]), tokens=tokens, read=tokens > 5, offsets=offsets).tokens.tolist()
    [[6, 7], [5, 0]]
    """
    starts = offsets[batch]
    lengths = offsets[batch + 1] - starts
    own = np.arange(lengths.max()) < lengths[:, None]
    flat = np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
    # any identifier serves as padding, for no token that is read sees it
    padded, marks = np.zeros(own.shape, np.int64), np.zeros(own.shape, np.bool_)
    padded[own], marks[own] = tokens[flat], read[flat]
    return Padded(torch.from_numpy(padded), torch.from_numpy(marks), torch.from_numpy(own))
