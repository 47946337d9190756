"""What a residual stream is after the norm that stands between the last block and the unembedding."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.models._linear import module_at
from tiltmeter.models._subject import SubjectModel


def final_normed(subject: SubjectModel, X: Float[NDArray[Any], "n d"]) -> Float[NDArray[np.float32], "n d"] | None:
    """Return rows of the last block's output after the model's own final norm; None where it has none.

    Parameters
    ----------
    subject
        The model.
    X
        Rows as ``resid_post`` of its last block shows them.

    See Also
    --------
    unembedding : Folds the norm's gain into what the model says.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> final_normed(tiny("Rome"), np.full((1, 8), 2.0)).round(3).tolist()
    [[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]
    """
    stack, place = subject._stack, subject.family.final_norm
    norm: Any = None if place is None else module_at(stack, place.module)
    if norm is None:
        return None
    weight = norm.weight
    with torch.no_grad():
        normed = norm(torch.as_tensor(X).to(device=weight.device, dtype=weight.dtype))
    return np.asarray(normed.float().cpu().numpy())
