"""Logistic regression that must do without most of its inputs at each step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch.nn import functional

from tiltmeter.core.seeds import stream

_RATE = 0.6
_STEPS = 2000
_BATCH = 256
# in units of the rows' root mean square; it falls to 0, so that the last batches do not decide
_LEARNING_RATE = 0.02
_WEIGHT_DECAY = 1e-4


def dropout_vector(
    X: Float[NDArray[Any], "n d"], y: Int[NDArray[Any], " n"], *, rate: float = _RATE, random_state: int = 0
) -> Float[NDArray[np.float64], " d"]:
    """Return the weights of a logistic regression on labels 0 and 1, fitted with a share of the inputs set to zero.

    Every batch draws which inputs are zero, and the others are scaled up by 1 / (1 − rate), so that the model cannot
    lean on few features. Weight decay and the number of steps are the publication's; the learning rate is 200 times its
    own, in units of the rows' size: with 1e-4 it has hardly begun when it ends.
    """
    size = math.sqrt(float(np.mean(np.square(X, dtype=np.float64))))
    center = X.mean(axis=0, dtype=np.float64)
    rows = torch.from_numpy((X - center).astype(np.float32) / (size if size > 0 else 1.0))
    labels = torch.from_numpy(y.astype(np.float32))
    rng = stream(random_state, "dropout probe")
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    weights, offset = torch.zeros(X.shape[1], requires_grad=True), torch.zeros(1, requires_grad=True)
    adam = torch.optim.Adam([weights, offset], lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    falling = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.0, total_iters=_STEPS)
    with torch.inference_mode(mode=False), torch.enable_grad():
        for _ in range(_STEPS):
            chosen = torch.from_numpy(rng.integers(len(rows), size=_BATCH))
            kept = torch.rand(_BATCH, X.shape[1], generator=generator) >= rate
            scores = (rows[chosen] * kept / (1 - rate)) @ weights + offset
            adam.zero_grad()
            functional.binary_cross_entropy_with_logits(scores, labels[chosen]).backward()  # type: ignore[no-untyped-call]
            adam.step()
            falling.step()
    return weights.detach().double().numpy()
