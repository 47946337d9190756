"""Erasing a concept from what a site shows."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from tiltmeter.core.errors import ArrayError
from tiltmeter.core.site import Site
from tiltmeter.erasure import AffineEraser
from tiltmeter.interventions._constant import Constant, wide
from tiltmeter.interventions._where import Where, check_where, only
from tiltmeter.models import Places


class Erase:
    """Apply a frozen affine eraser to activations.

    Parameters
    ----------
    site
        Where; the site of the rows that the eraser was fitted on.
    eraser
        From ``LEACE().fit(X, z).eraser_``, say. Erasers that must be told the concept of each row cannot be used.
    where
        As in :class:`Steer`.

    Raises
    ------
    SpecError
        If ``where`` is none that can be.
    ArrayError
        If the eraser is not affine; when applied, if its width is not the site's.

    Examples
    --------
    >>> import numpy as np, torch
    >>> first = np.eye(2)[:, :1]
    >>> eraser = AffineEraser(first, first.T, np.ones(2), method="by hand", guarantee="", tol=0.0)
    >>> Erase("0.resid_post", eraser)(torch.tensor([[[2.0, 3.0]]]), Places((1, 1))).tolist()
    [[[1.0, 3.0]]]
    """

    def __init__(self, site: str | Site, eraser: AffineEraser, *, where: Where = "all") -> None:
        if not isinstance(eraser, AffineEraser):
            raise ArrayError(
                f"The eraser is a {type(eraser).__name__}; only affine ones can be used inside a model, where nobody "
                "tells them the concept."
            )
        check_where(where)
        self.site = Site.parse(site) if isinstance(site, str) else site
        self.where: Where = where
        self.eraser = eraser
        self._left, self._right, self._center = (
            Constant(part, name="The eraser") for part in (eraser.left.T, eraser.right, eraser.center)
        )

    def __call__(self, old: Float[Tensor, "b t d"], places: Places) -> Float[Tensor, "b t d"]:
        """Return erased activations, as a new tensor of the same dtype."""
        self._center.check_width(old, self.site)
        rows = wide(old)
        new = rows - ((rows - self._center.like(old)) @ self._right.like(old).mT) @ self._left.like(old)
        return only(new.to(old.dtype), old, self.where, places)
