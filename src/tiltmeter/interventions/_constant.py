"""Numbers of an intervention, where the activations are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.errors import ArrayError


class Constant:
    """An array that follows the activations that it meets, in at least single precision; copied when these move."""

    def __init__(self, array: NDArray[Any] | Tensor, *, name: str) -> None:
        value = array.detach().clone() if isinstance(array, Tensor) else torch.from_numpy(np.array(array))
        if not value.is_floating_point() or not bool(torch.isfinite(value).all()):
            raise ArrayError(f"{name} must hold finite floating-point numbers; got {value.dtype}, or NaN or infinity.")
        self.value = value
        self._name = name

    def like(self, old: Tensor) -> Tensor:
        """Return the array on the device of ``old``, in its dtype, or single precision where that is half."""
        dtype = torch.promote_types(old.dtype, torch.float32)
        if self.value.dtype != dtype or self.value.device != old.device:
            self.value = self.value.to(device=old.device, dtype=dtype)
        return self.value

    def check_width(self, old: Tensor, site: object) -> None:
        """Raise ArrayError unless rows of ``old`` are as wide as those of the array."""
        if self.value.shape[-1] != old.shape[-1]:
            raise ArrayError(
                f"{self._name}: rows of width {self.value.shape[-1]}, where site {site} shows rows of width "
                f"{old.shape[-1]}; give what belongs to this model and site."
            )


def wide(old: Tensor) -> Tensor:
    """Return activations in at least single precision."""
    return old.to(torch.promote_types(old.dtype, torch.float32))
