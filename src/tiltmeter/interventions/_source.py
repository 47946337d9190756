"""Activations of other texts, looked up by position."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.errors import ArrayError
from tiltmeter.core.site import Site
from tiltmeter.interventions._constant import Constant
from tiltmeter.models import Places


class Source:
    """What a site showed for n other texts, one a row of the batch that is edited, or one for several rows in turn."""

    def __init__(self, states: NDArray[Any] | Tensor, *, site: Site) -> None:
        if states.ndim != 3:
            raise ArrayError(f"The source has shape {tuple(states.shape)}; give activations (n, t, d).")
        self._states = Constant(states, name="The source")
        self._site = site

    def at(self, rows: Tensor, places: Places) -> Tensor:
        """Return the source's activations at the positions of a forward; rows themselves beyond the source's end."""
        self._states.check_width(rows, self._site)
        states = self._states.like(rows)
        if len(rows) % len(states):
            raise ArrayError(
                f"The source at {self._site} holds {len(states)} texts, and the forward has {len(rows)}; give one a "
                "text, in the order of the batch."
            )
        # several rows of one text, as in a beam, lie side by side
        states = states.repeat_interleave(len(rows) // len(states), dim=0)
        positions = places.positions.to(rows.device)
        is_known = (positions >= 0) & (positions < states.shape[1])
        # without padding and from the start, as in most experiments, nothing need be looked up
        if places.mask is None and places.past == 0 and states.shape[1] == rows.shape[1]:
            return states
        index = positions.clamp(0, states.shape[1] - 1)[..., None].expand(-1, -1, states.shape[2])
        return states.gather(1, index).where(is_known[..., None], rows)
