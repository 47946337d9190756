"""Interchange: the component along some directions comes from another text."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.site import Site
from tiltmeter.interventions._constant import Constant, wide
from tiltmeter.interventions._source import Source
from tiltmeter.interventions._subspace import Directions, orthonormal, replaced
from tiltmeter.interventions._where import Where, check_where, only
from tiltmeter.models import Places


class Swap:
    """Give a text another one's activations along some directions, and leave it its own everywhere else.

    Parameters
    ----------
    site
        Where.
    source
        What the site showed for the other texts, shape (n, t, d): one text a row of the batch, aligned position by
        position from the first token. Beyond its end, and at padding, nothing is changed.
    directions
        The subspace that is interchanged, as in :class:`Ablate`; None for the whole activation.
    where
        As in :class:`Steer`.

    Raises
    ------
    SpecError
        If ``where`` is none that can be.
    ArrayError
        As :class:`Ablate`.

    Notes
    -----
    h + Dᵀ D (h' − h), with h' the source's activation at the same position.

    References
    ----------
    Geiger et al., "Causal abstractions of neural networks", NeurIPS 2021, for interchange interventions.

    Examples
    --------
    >>> import numpy as np, torch
    >>> swap = Swap("0.resid_post", np.array([[[5.0, 6.0]]]), directions=np.array([1.0, 0.0]))
    >>> swap(torch.tensor([[[2.0, 3.0]]]), Places((1, 1))).tolist()
    [[[5.0, 3.0]]]
    """

    def __init__(
        self,
        site: str | Site,
        source: Float[NDArray[Any], "n t d"] | Float[Tensor, "n t d"],
        *,
        directions: Directions | None = None,
        where: Where = "all",
    ) -> None:
        check_where(where)
        self.site = Site.parse(site) if isinstance(site, str) else site
        self.where: Where = where
        self._source = Source(source, site=self.site)
        self._basis = None if directions is None else Constant(orthonormal(directions), name="The directions")

    def __call__(self, old: Float[Tensor, "b t d"], places: Places) -> Float[Tensor, "b t d"]:
        """Return the activations with the source's component, as a new tensor of the same dtype."""
        if self._basis is not None:
            self._basis.check_width(old, self.site)
        rows = wide(old)
        basis = None if self._basis is None else self._basis.like(old)
        return only(replaced(rows, self._source.at(rows, places), basis).to(old.dtype), old, self.where, places)
