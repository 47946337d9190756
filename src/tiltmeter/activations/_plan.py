"""Which texts share a batch: those of like length, so that little padding is computed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import SpecError


def plan_batches(
    lengths: NDArray[np.int64],
    *,
    token_budget: int,
    together: NDArray[np.str_] | None = None,
    fixed_cost: int = 48,
) -> tuple[NDArray[np.int64], ...]:
    """Divide texts into batches, the longest first.

    A batch holds at most ``token_budget`` tokens, padding counted; a text (or a pair) longer than that is alone in its
    batch. It is closed before that where texts become so much shorter that padding them costs more than another batch
    would. The plan depends on the arguments alone, so that a run can be repeated exactly.

    Parameters
    ----------
    lengths
        Tokens of each text, shape (n,).
    token_budget
        At least 1.
    together
        None, or shape (n,): texts with the same name, "" excepted, are put in the same batch, as pair differences need.
    fixed_cost
        What a forward costs however small, in tokens; 24 to 70 were measured on one and two cores.

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
    >>> pairs = np.array(["a", "b", "b", "a"])
    >>> [batch.tolist() for batch in plan_batches(np.array([3, 9, 4, 4]), token_budget=12, together=pairs)]
    [[1, 2], [0, 3]]
    """
    if token_budget < 1:
        raise SpecError(f"token_budget is {token_budget}; give the number of tokens a batch may hold, at least 1.")
    unit = _units(len(lengths), together)
    needed = np.zeros(len(lengths), dtype=np.int64)  # by unit: its longest member
    np.maximum.at(needed, unit, lengths)
    needed = needed[unit]
    # the longest first: what does not fit into memory fails at once, and the time left is not underestimated
    order = np.lexsort((np.arange(len(lengths)), unit, -needed))
    needed = needed[order]
    # a batch may end after a row that is the last of its unit
    last = np.append(np.diff(unit[order]) != 0, True)
    ends = np.flatnonzero(last) + 1
    batches, start = [], 0
    while start < len(order):
        longest = int(needed[start])
        padding = np.cumsum(longest - needed[start : start + max(1, token_budget // longest)])
        most = start + int(np.searchsorted(padding, fixed_cost, side="right"))
        # the last end within the batch, or the first one where a whole unit does not fit
        place = int(np.searchsorted(ends, most, side="right")) - 1
        stop = int(ends[place]) if place >= 0 and ends[place] > start else int(ends[place + 1])
        batches.append(order[start:stop])
        start = stop
    return tuple(batches)


def _units(n: int, together: NDArray[np.str_] | None) -> NDArray[np.int64]:
    """Return a number for each text, the same for those that stay together: the first of them."""
    alone = np.arange(n)
    if together is None:
        return alone
    _, first, unit = np.unique(together, return_index=True, return_inverse=True)
    return np.where(together == "", alone, first[unit])
