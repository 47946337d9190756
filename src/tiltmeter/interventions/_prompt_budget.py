"""How many runs of a model it takes to find words that hide texts from a monitor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Shaped
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.errors import SpecError
from tiltmeter.core.hiding import HiddenByWords, PromptBudget
from tiltmeter.evaluation import mean_estimate, resampling, share
from tiltmeter.interventions._coordinate_search import CoordinateSearch, FoundTokens, TokenLoss


def prompt_budget(
    found: FoundTokens,
    held_out: Int[Tensor, "n t"],
    *,
    slots: Sequence[int],
    loss: TokenLoss,
    search: CoordinateSearch,
    random: Int[Tensor, "r k"],
    groups: Shaped[NDArray[Any], " n"] | None = None,
) -> PromptBudget:
    """Say what share of held-out texts the words found hide, by how long they were sought, beside random words.

    Parameters
    ----------
    found
        By :func:`coordinate_search` with this very ``loss``, on other texts.
    held_out
        Token identifiers of positives that the search did not see.
    slots
        Where the words are put.
    loss
        By how much a monitor's score lies above its threshold: what :func:`score_loss` gives (which leaves the offset
        out), plus sign × offset, less the threshold.
    search
        As it was searched: it says how many runs of the model a step took.
    random
        Words drawn at random, r times: the null.
    groups
        Of the held-out texts, or None.

    Returns
    -------
    The share hidden at the start, whenever better words were found, and at the end, of the texts that raise an alarm
    as they came. Whether texts with these words still do what the monitor looks for is another question: ask the
    model.

    Raises
    ------
    SpecError
        If no held-out text raises an alarm as it is, or no random words came.

    Examples
    --------
    >>> texts = torch.tensor([[5, 1], [6, 1], [0, 1]])
    >>> found = FoundTokens(torch.tensor([3]), (2.0, 1.0), torch.tensor([[1], [3]]))
    >>> budget = prompt_budget(
    ...     found, texts, slots=[1], loss=lambda tokens: (tokens[:, 0] - tokens[:, 1]) - 2.5,
    ...     search=CoordinateSearch(n_steps=1), random=torch.tensor([[1], [2]]),
    ... )
    >>> budget.n_alarms, [(one.calls, one.hidden.value) for one in budget.found], budget.best_random
    (2, [(1, 0.0), (66, 0.5)], 0.0)
    """
    with torch.no_grad():
        raised = (loss(held_out) > 0).cpu().numpy()
    if not raised.any() or not len(random):
        raise SpecError(
            f"{int(raised.sum())} of {len(held_out)} held-out texts raise an alarm, and {len(random)} draws of random "
            "words came; at least one of each is needed."
        )
    texts, names = held_out[torch.as_tensor(np.flatnonzero(raised))], None if groups is None else groups[raised]
    better = [k for k in range(1, len(found.losses)) if found.losses[k] < found.losses[k - 1]]
    steps = sorted({0, *better, len(found.losses) - 1})
    hidden = np.array([_hidden(texts, tokens, slots=slots, loss=loss) for tokens in random])
    return PromptBudget(
        n_alarms=len(texts),
        found=tuple(
            HiddenByWords(
                # one run at the start; at each step one for the gradient, and one for each that is tried
                calls=1 + k * (1 + search.n_tried),
                words=tuple(found.path[k].tolist()),
                loss=found.losses[k],
                hidden=share(_hidden(texts, found.path[k], slots=slots, loss=loss), groups=names),
            )
            for k in steps
        ),
        count=len(random),
        random=mean_estimate(hidden.mean(axis=0), by=resampling(len(texts), groups=names), bounds=(0.0, 1.0)),
        best_random=float(hidden.mean(axis=1).max()),
    )


def _hidden(texts: Tensor, tokens: Tensor, *, slots: Sequence[int], loss: TokenLoss) -> NDArray[np.bool_]:
    """Tell which texts raise no alarm with the words in their places."""
    filled = texts.clone()
    filled[:, torch.as_tensor(list(slots))] = tokens.to(texts.device)
    with torch.no_grad():
        return np.asarray((loss(filled) <= 0).cpu().numpy())
