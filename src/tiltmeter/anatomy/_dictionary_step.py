"""One step of training a sparse autoencoder: loss and gradients in closed form, without a tape.

Automatic differentiation would form the gradient of the rows only to sum it into that of the centre, a sixth matrix
product beside the five that are needed, and keep every intermediate array of the batch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tiltmeter.core.dictionaries import DictionaryRecipe


class Weights(NamedTuple):
    """What is learned: encoder (f, d), bias (f,), decoder (f, d) of unit rows, centre (d,), log of thresholds (f,).

    The centre is zero and not learned where a recipe has none; thresholds are of JumpReLU only.
    """

    encoder: Tensor
    bias: Tensor
    decoder: Tensor
    centre: Tensor
    log_threshold: Tensor


class Step(NamedTuple):
    """The loss of a batch before the step, and the gradient of each part of the weights."""

    loss: Tensor
    gradients: Weights


def gradients(weights: Weights, x: Tensor, *, recipe: DictionaryRecipe, bandwidth: float) -> Step:
    """Return the loss of a batch (b, d), and its gradients.

    The loss is the squared error, mean over rows and features, plus the penalty, mean over rows and latents.
    """
    (b, d), f = x.shape, len(weights.bias)
    inner = x - weights.centre if recipe.centred else x
    pre = torch.addmm(weights.bias, inner, weights.encoder.T)
    rate = recipe.penalty / (b * f)
    if recipe.kind == "topk":
        codes = _largest(pre, recipe.k or 1)
    elif recipe.kind == "jumprelu":
        threshold = weights.log_threshold.exp()
        codes = torch.where(pre > threshold, pre, 0.0)
    else:
        codes = pre.relu_()
    error = torch.addmm(weights.centre - x, codes, weights.decoder) if recipe.centred else codes @ weights.decoder - x
    loss = error.square().sum() / (b * d)
    error *= 2 / (b * d)
    decoder = codes.T @ error
    back = error @ weights.decoder.T
    log_threshold = weights.log_threshold
    if recipe.kind == "relu":
        loss += rate * codes.sum()
        back += rate
    if recipe.kind == "jumprelu":
        loss += rate * float(codes.count_nonzero())
        # a rectangle stands in for the derivative of the step (Rajamanoharan et al., equations 11 and 12)
        near = ((pre - threshold).abs_() < bandwidth / 2).to(pre.dtype)
        pull = (near * back).sum(0) * threshold + rate * near.sum(0)
        log_threshold = -pull * threshold / bandwidth
    # where a latent is zero nothing flows back
    back = torch.ops.aten.threshold_backward.grad_input(back, codes, 0, grad_input=back)
    bias = back.sum(0)
    centre = error.sum(0) - bias @ weights.encoder if recipe.centred else weights.centre
    encoder = back.T @ inner
    # along an atom only its norm would change, which is fixed
    decoder -= (decoder * weights.decoder).sum(1, keepdim=True) * weights.decoder
    return Step(loss, Weights(encoder, bias, decoder, centre, log_threshold))


def _largest(pre: Tensor, k: int) -> Tensor:
    """Keep the k largest of each row, and of these what is positive."""
    found = pre.topk(k, dim=1, sorted=False)
    return torch.zeros_like(pre).scatter_(1, found.indices, found.values.relu_())
