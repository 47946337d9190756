"""Which texts share a batch: those of like length, so that little padding is computed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import SpecError


def plan_batches(lengths: NDArray[np.int64], *, token_budget: int) -> tuple[NDArray[np.int64], ...]:
    """Divide texts into batches, the longest first.

    A batch holds at most ``token_budget`` tokens, padding counted; a text longer than that is alone in its batch. The
    plan depends on the lengths alone, so that a run can be repeated exactly.

    Parameters
    ----------
    lengths
        Tokens of each text, shape (n,).
    token_budget
        At least 1.

    Returns
    -------
    The rows of each batch.

    Raises
    ------
    SpecError
        If the budget is not positive.

    Examples
    --------
    >>> [batch.tolist() for batch in plan_batches(np.array([3, 9, 4, 4]), token_budget=12)]
    [[1], [2, 3, 0]]
    """
    if token_budget < 1:
        raise SpecError(f"token_budget is {token_budget}; give the number of tokens a batch may hold, at least 1.")
    # the longest first: what does not fit into memory fails at once, and the time left is not underestimated
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        size = max(1, token_budget // int(lengths[order[start]]))
        batches.append(order[start : start + size])
        start += size
    return tuple(batches)
