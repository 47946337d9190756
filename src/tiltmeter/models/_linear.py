"""The matrix of a linear module, whichever way round it is stored, and the gain of a norm."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from tiltmeter.core.errors import ModelError
from tiltmeter.models._family import NormKind


def matrix_of(module: Any, *, name: str) -> Float[Tensor, "d e"]:  # noqa: ANN401  (an adapter is no Linear)
    """Return the matrix W of x ↦ x W + b in single precision at least, adapters included.

    Linear layers keep it transposed, GPT-2's own kind as it is. Of anything else, such as an adapter around a layer,
    the linear part is computed: the derivative of each output, which no bias rounds. ``name`` is the model's,
    for the message of the ModelError where weights are kept elsewhere.
    """
    found: Tensor
    if any(weight.is_meta for weight in module.parameters()):
        raise ModelError(f"Weights of {name} are kept elsewhere; load the model into memory to take them apart.")
    if isinstance(module, nn.Linear):
        found = module.weight.detach().T
    elif isinstance(module, Conv1D):
        found = module.weight.detach()
    else:
        with torch.inference_mode(mode=False), torch.enable_grad():
            like = next(module.parameters())
            x = torch.zeros(module.out_features, module.in_features, dtype=like.dtype, device=like.device)
            x.requires_grad_()
            # output i of copy i, so that no sum is rounded
            (rows,) = torch.autograd.grad(module(x).diagonal().sum(), x)
        found = rows.T
    return found if found.dtype == torch.float64 else found.float()


def norm_gain(norm: nn.Module, *, kind: NormKind, name: str) -> Tensor:
    """Return what a norm multiplies by, float64; one where it has no weights of its own."""
    weight = getattr(norm, "weight", None)
    if not isinstance(weight, Tensor):
        return torch.ones(())
    if weight.is_meta:
        raise ModelError(f"The weight of a norm of {name} is kept elsewhere; load it into memory.")
    gain = weight.detach().double().cpu()
    return gain + 1 if kind == "rms_plus_one" else gain


def module_at(stack: nn.Module, path: str) -> nn.Module | None:
    """Return a module, or None where the model's configuration has left it out."""
    above, _, name = path.rpartition(".")
    found = getattr(stack.get_submodule(above), name, None)
    return found if isinstance(found, nn.Module) else None
