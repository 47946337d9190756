"""Taking away what a site shows, or what of it lies along some directions."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.errors import ArrayError
from tiltmeter.core.site import Site
from tiltmeter.interventions._constant import Constant, wide
from tiltmeter.interventions._source import Source
from tiltmeter.interventions._subspace import Directions, orthonormal, replaced
from tiltmeter.interventions._where import Where, check_where, only
from tiltmeter.models import Places


class Ablate:
    """Replace activations, or their component along some directions, by what says nothing of the text.

    Parameters
    ----------
    site
        Where.
    directions
        What is taken away: the component in the span of these (directional ablation). An array has shape (d,) or
        (k, d). None for the whole activation.
    to
        What comes in its place. None: zero. Shape (d,): a mean, such as that of neutral texts. Shape (n, t, d):
        activations of other texts at the same site, row by row and position by position (resampling); see
        :class:`Swap`.
    where
        As in :class:`Steer`.

    Raises
    ------
    SpecError
        If ``where`` is none that can be.
    ArrayError
        If the directions depend on each other or are zero, or a number is not finite; when applied, if a width is not
        the site's, or the rows are not as many as the batch's.

    Notes
    -----
    h + Dᵀ D (m − h) with D an orthonormal basis of the directions (the identity for None) and m what comes in their
    place. Zero is far from most activations along a direction with a mean: mean ablation asks less of the rest of the
    model.

    Examples
    --------
    >>> import numpy as np
    >>> ablate = Ablate("0.resid_post", directions=np.array([1.0, 0.0]))
    >>> ablate(torch.tensor([[[2.0, 3.0]]]), Places((1, 1))).tolist()
    [[[0.0, 3.0]]]
    """

    def __init__(
        self,
        site: str | Site,
        *,
        directions: Directions | None = None,
        to: NDArray[Any] | Tensor | None = None,
        where: Where = "all",
    ) -> None:
        check_where(where)
        self.site = Site.parse(site) if isinstance(site, str) else site
        self.where: Where = where
        self._basis = None if directions is None else Constant(orthonormal(directions), name="The directions")
        self._mean: Constant | None = None
        self._source: Source | None = None
        shape = tuple(getattr(to, "shape", ()))
        if to is not None and len(shape) == 3:
            self._source = Source(to, site=self.site)
        elif to is not None:
            if len(shape) != 1:
                raise ArrayError(
                    f"to has shape {shape}; give an array or tensor: a mean (d,), or activations (n, t, d)."
                )
            self._mean = Constant(to, name="to")

    def __call__(self, old: Float[Tensor, "b t d"], places: Places) -> Float[Tensor, "b t d"]:
        """Return what is left, as a new tensor of the same dtype."""
        for part in (self._basis, self._mean):
            if part is not None:
                part.check_width(old, self.site)
        rows = wide(old)
        basis = None if self._basis is None else self._basis.like(old)
        if self._source is not None:
            by = self._source.at(rows, places)
        else:
            by = torch.zeros_like(rows) if self._mean is None else self._mean.like(old)
        return only(replaced(rows, by, basis).to(old.dtype), old, self.where, places)
