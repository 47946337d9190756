"""Encoder, action decoder and value heads: small networks with weights from a named stream."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tiltmeter.agents._spec import Head


def layers(*widths: int, rng: np.random.Generator) -> nn.Sequential:
    """Make a network of linear layers with rectifiers between them; He's initial weights, offsets of 0."""
    made: list[nn.Module] = []
    for number, (n_in, n_out) in enumerate(pairwise(widths)):
        if number:
            made.append(nn.ReLU())
        made.append(linear(n_in, n_out, rng=rng))
    return nn.Sequential(*made)


def linear(n_in: int, n_out: int, *, rng: np.random.Generator) -> nn.Linear:
    """Make a linear layer; PyTorch's own generator is neither read nor moved."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, n_in, n_out)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(rng.normal(scale=np.sqrt(2 / n_in), size=(n_out, n_in))))
        layer.bias.zero_()
    return layer


class MlpValue(nn.Module):
    """V(z) of one hidden layer."""

    def __init__(self, d_state: int, d_hidden: int, *, rng: np.random.Generator) -> None:
        super().__init__()
        self.net = layers(d_state, d_hidden, 1, rng=rng)

    def forward(self, z: Tensor) -> Tensor:
        """From states (n, d) to values (n,)."""
        values: Tensor = self.net(z)
        return values[:, 0]


class GatedValue(nn.Module):
    """V(z) = Σ_k g_k(z) v_k(z): linear parts v_k, weighed by gates that are linear in z before their softmax.

    With ``top1`` the largest gate is 1 and the others are 0. While it learns, the gradient of these is that of the
    softmax (straight through); when it is used they are constant wherever they do not switch.
    """

    def __init__(
        self, d_state: int, n_gates: int, *, kind: Literal["softmax", "top1"], rng: np.random.Generator
    ) -> None:
        super().__init__()
        self.kind = kind
        self.gate = linear(d_state, n_gates, rng=rng)
        self.parts = linear(d_state, n_gates, rng=rng)

    def gates(self, z: Tensor) -> Tensor:
        """From states (n, d) to gates (n, k) that are not negative and add up to 1."""
        soft = functional.softmax(self.gate(z), dim=1)
        if self.kind == "softmax":
            return soft
        hard = functional.one_hot(soft.argmax(dim=1), soft.shape[1]).to(soft.dtype)
        return hard + soft - soft.detach() if self.training else hard

    def forward(self, z: Tensor) -> Tensor:
        """From states (n, d) to values (n,)."""
        return self.contributions(z).sum(dim=1)

    def contributions(self, z: Tensor) -> Tensor:
        """Return what each gated part adds to the value, (n, k)."""
        parts: Tensor = self.parts(z)
        return self.gates(z) * parts


ValueHead = MlpValue | GatedValue


def value_head(head: Head, *, d_state: int, d_hidden: int, n_gates: int, rng: np.random.Generator) -> ValueHead:
    """Make an untrained value head of the form that was asked for."""
    if head == "mlp":
        return MlpValue(d_state, d_hidden, rng=rng)
    return GatedValue(d_state, n_gates, kind=head, rng=rng)
