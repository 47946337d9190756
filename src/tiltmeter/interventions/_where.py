"""At which tokens an intervention works."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from tiltmeter.core.errors import SpecError
from tiltmeter.models import Places

Where = Literal["all", "prompt", "generated", "last"] | Sequence[int] | slice


def check_where(where: Any) -> None:  # noqa: ANN401
    """Raise SpecError unless ``where`` can be understood."""
    if isinstance(where, str):
        if where not in ("all", "prompt", "generated", "last"):
            raise SpecError(
                f'where is {where!r}; use "all", "prompt", "generated", "last", a list of positions, or a slice.'
            )
        return
    if isinstance(where, slice):
        if where.step not in (None, 1) or min(where.start or 0, where.stop or 0) < 0:
            raise SpecError(
                f"where is {where}; a slice of positions goes up one by one from the start of the text, since its end "
                "is not known while it grows."
            )
        return
    if not isinstance(where, Sequence) or not where or not all(_is_position(i) for i in where):
        raise SpecError(
            f"where is {where!r}; positions are whole numbers from 0, at least one, counted from the start of the text."
        )


def _is_position(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 0)


def chosen(where: Where, places: Places) -> Bool[Tensor, "b t"] | None:
    """Return which tokens of a forward are meant, None for all of them, padding included.

    Raises
    ------
    SpecError
        If it asks for what was generated, and nobody said how long the prompts are; or for the last token of texts of
        which earlier tokens were kept, and nobody said either.
    """
    if isinstance(where, str) and where == "all":
        return None
    positions = places.positions
    if isinstance(where, str):
        if places.n_prompt is None and where == "last" and not places.past:
            return (positions >= 0) & (positions == positions.amax(dim=1, keepdim=True))
        if places.n_prompt is None:
            raise SpecError(
                f'where is "{where}" in a forward of which it is not known what was generated; use generate, or give '
                "n_prompt to edited."
            )
        end = places.by_row(places.n_prompt).to(positions.device)[:, None]
        if where == "last":
            return (positions >= 0) & (positions == end - 1)
        return positions >= end if where == "generated" else (positions >= 0) & (positions < end)
    if isinstance(where, slice):
        is_meant = positions >= (where.start or 0)
        return is_meant if where.stop is None else is_meant & (positions < where.stop)
    return torch.isin(positions, torch.tensor(list(where), device=positions.device))


def only(new: Tensor, old: Tensor, where: Where, places: Places) -> Tensor:
    """Return ``new`` at the tokens that are meant, and ``old`` elsewhere."""
    is_meant = chosen(where, places)
    return new if is_meant is None else torch.where(is_meant.to(old.device)[..., None], new, old)
