"""Adding a vector to what a site shows."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.site import Site
from tiltmeter.interventions._constant import Constant, wide
from tiltmeter.interventions._where import Where, check_where, only
from tiltmeter.models import Places

SteerMode = Literal["add", "piecewise", "preserve_norm"]


class Steer:
    """Move activations along a direction by a strength.

    Parameters
    ----------
    direction
        A direction whose sign is known, so that a positive strength brings more of its concept; or an array (d,), which
        is made a unit vector.
    strength
        How far, in units of the activations; negative for the other way. See :func:`norm_budget` and :func:`kl_budget`
        for strengths that mean the same at other sites and methods.
    site
        Where; None for the site of the direction.
    mode
        ``"add"``: h + s v. ``"piecewise"``: h + s sign(h · v) v, which amplifies whatever is there (with s < 0: damps
        it). ``"preserve_norm"``: h + s v, shrunk to the length of h.
    where
        ``"all"`` tokens, those of the ``"prompt"`` or the ``"generated"`` ones, the ``"last"`` one of the prompt (of
        each text, where it is not known what was generated), a list of positions counted from the start of a text, or
        a slice of them.

    Raises
    ------
    SpecError
        If an option is none that can be, or no site is known.
    ArrayError
        If the direction has no sign, is zero or not finite; when applied, if its width is not the site's.

    References
    ----------
    Zou et al., "Representation Engineering", arXiv 2310.01405, section 3.2, for the first two modes.

    Examples
    --------
    >>> import torch
    >>> steer = Steer(np.array([0.0, 2.0]), strength=3.0, site="0.resid_post")
    >>> steer(torch.zeros(1, 2, 2), Places((1, 2))).tolist()
    [[[0.0, 3.0], [0.0, 3.0]]]
    """

    def __init__(
        self,
        direction: Direction | Float[NDArray[Any], " d"],
        strength: float,
        *,
        site: str | Site | None = None,
        mode: SteerMode = "add",
        where: Where = "all",
    ) -> None:
        if mode not in get_args(SteerMode):
            raise SpecError(f"mode is {mode!r}; use one of {', '.join(get_args(SteerMode))}.")
        if not isinstance(strength, int | float | np.number) or not np.isfinite(strength):
            raise SpecError(f"strength is {strength!r}; it must be a finite number.")
        check_where(where)
        self.site = site_of(direction, site)
        self.strength = float(strength)
        self.mode: SteerMode = mode
        self.where: Where = where
        self._unit = Constant(unit_of(direction), name="The direction")
        self._step = Constant(self._unit.value * self.strength, name="The direction")

    def __call__(self, old: Float[Tensor, "b t d"], places: Places) -> Float[Tensor, "b t d"]:
        """Return the moved activations, as a new tensor of the same dtype."""
        self._unit.check_width(old, self.site)
        step, rows = self._step.like(old), wide(old)
        if self.mode == "piecewise":
            step = (rows @ self._unit.like(old)).sign()[..., None] * step
        new = rows + step
        if self.mode == "preserve_norm":
            before, after = rows.norm(dim=-1, keepdim=True), new.norm(dim=-1, keepdim=True)
            # a row that was steered to nothing has no length to be given back; one that did not move keeps its bits
            new = new * (before / after).where((after > 0) & (before != after), after.new_ones(()))
        return only(new.to(old.dtype), old, self.where, places)


def unit_of(direction: Direction | NDArray[Any]) -> NDArray[np.float64]:
    """Return the unit vector (d,) that points to more of the concept."""
    if isinstance(direction, Direction):
        if direction.sign == "unknown":
            raise ArrayError(
                f"The direction by {direction.method or 'an unnamed method'} has no sign, so nobody knows which way "
                "its concept lies; orient its probe on calibration labels, or give the vector itself."
            )
        return np.asarray(direction.sign * direction.vector.astype(np.float64))
    vector = np.asarray(direction, dtype=np.float64)
    norm = float(np.linalg.norm(vector))
    if vector.ndim != 1 or not 0 < norm < np.inf:
        raise ArrayError(f"direction has shape {vector.shape} and length {norm}; give one finite vector that is not 0.")
    return vector / norm


def site_of(direction: object, site: str | Site | None) -> Site:
    """Return the site named, or that of the direction."""
    if site is None:
        site = direction.site if isinstance(direction, Direction) else None
    if site is None:
        raise SpecError("No site is named, and the direction has none; give site, for example 12.resid_post.")
    return Site.parse(site) if isinstance(site, str) else site
