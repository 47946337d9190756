"""Whether weights were rounded to the few levels of a quantised file before they were loaded."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tiltmeter.models._adapters import without_wrapper
from tiltmeter.models._placement import state_of
from tiltmeter.models._subject import SubjectModel
from tiltmeter.numerics import share_on_grid

# Quantised files scale whole rows, or groups of 32, 64 or 128 of them: a stretch of 32 has one scale in all of these.
_STRETCH = 32
# below this, values would lie on some grid of 255 steps by chance
_SHORTEST = 16
_MATRICES, _STRETCHES = 64, 16


def share_of_weights_on_grid(subject: SubjectModel) -> float:
    """Return the share of stretches of weights that lie on a grid of so few levels that 8 bits, or fewer, hold them.

    Matrices are sampled, evenly. Trained weights lie on none. Weights that were quantised and written back as floats
    do, unless they were then rounded more coarsely than their steps (8 bits in bfloat16), or have uneven levels.

    Parameters
    ----------
    subject
        The model.

    Returns
    -------
    In [0, 1]; 0.0 where no matrix is wide enough to tell.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> share_of_weights_on_grid(tiny("Rome is old"))
    0.0
    """
    model = without_wrapper(subject.model)
    names = [
        name
        for name, tensor in model.state_dict().items()
        if tensor.ndim > 1 and tensor.is_floating_point() and max(tensor.shape[-2:]) >= _SHORTEST
    ]
    chosen = set(np.array(sorted(names))[_spread(len(names), _MATRICES)].tolist()) if names else set()
    found = [_of(tensor) for name, tensor in state_of(model) if name in chosen]
    return float(np.mean(found)) if found else 0.0


def _of(tensor: Tensor) -> float:
    """Return the share of stretches on a grid, along rows or columns, whichever is larger: scales go with either."""
    matrix = tensor.reshape(-1, tensor.shape[-1])
    resolution = 0.5 * torch.finfo(tensor.dtype).eps
    shares = []
    for lines in (matrix, matrix.T):
        if lines.shape[1] < _SHORTEST:
            continue
        width = min(_STRETCH, lines.shape[1])
        some = lines[_spread(len(lines), _STRETCHES)][:, :width]
        shares.append(share_on_grid(some.double().cpu().numpy(), resolution=resolution))
    return max(shares)


def _spread(n: int, most: int) -> list[int]:
    return list(dict.fromkeys(int(i) for i in np.linspace(0, n - 1, min(n, most))))
