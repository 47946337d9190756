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
    """What a site showed for n other texts: one for each text that is edited, in their order, or one for all."""

    def __init__(self, states: NDArray[Any] | Tensor, *, site: Site) -> None:
        shape = tuple(getattr(states, "shape", ()))
        if len(shape) != 3 or not all(shape):
            raise ArrayError(f"The source has shape {shape}; give activations (n, t, d), an array or a tensor.")
        self._states = Constant(states, name="The source")
        self._site = site

    def at(self, rows: Tensor, places: Places) -> Tensor:
        """Return the source's activations at the positions of a forward; rows themselves beyond the source's end."""
        self._states.check_width(rows, self._site)
        states = self._states.like(rows)
        n_texts = len(rows) if places.rows is None else places.rows.n
        is_odd = len(rows) % len(states) if places.rows is None else len(states) != n_texts
        if len(states) > 1 and is_odd:
            raise ArrayError(
                f"The source at {self._site} holds {len(states)} texts, and {n_texts} are edited; give one for each, "
                "in their order, or one for all."
            )
        if len(states) > 1 and places.rows is not None:
            states = states[places.rows.which.to(rows.device)]
        states = places.by_row(states)
        positions = places.positions.to(rows.device)
        is_known = (positions >= 0) & (positions < states.shape[1])
        # without padding and from the start, as in most experiments, nothing need be looked up
        if places.mask is None and places.past == 0 and states.shape[1] == rows.shape[1]:
            return states
        index = positions.clamp(0, states.shape[1] - 1)[..., None].expand(-1, -1, states.shape[2])
        return states.gather(1, index).where(is_known[..., None], rows)
