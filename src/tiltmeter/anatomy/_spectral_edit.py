"""Taking a share of one direction out of what a matrix writes, while the model runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.anatomy._model_svd import WeightSvd
from tiltmeter.core.errors import SpecError
from tiltmeter.core.site import Site
from tiltmeter.models import Places, SubjectModel


class SpectralEdit:
    """Have a matrix that writes do without a share of one direction; an edit for :func:`tiltmeter.models.edited`.

    Equal to changing the weight, W ← W − c W v vᵀ, without touching it: what enters the projection is changed so that
    what leaves it has no v. Made by :func:`spectral_edit`.

    Parameters
    ----------
    site
        Where it works: ``z`` of a head, or ``mlp_post``.
    read
        W v: how much of v each coordinate of the site would write.
    write
        v W⁺: the change of the site that changes what is written by v.
    strength
        c: 1 takes v out, 2 turns it round, -1 doubles it.
    """

    def __init__(self, site: Site, *, read: Tensor, write: Tensor, strength: float) -> None:
        self.site = site
        self.read = read
        self.write = write
        self.strength = strength

    def __call__(self, old: Tensor, places: Places) -> Tensor:  # noqa: ARG002  (edits are told)
        """Return new values of the site; those of padding are changed like any other."""
        read, write = (part.to(device=old.device, dtype=torch.float32) for part in (self.read, self.write))
        amount = old.float() @ read
        return old - (self.strength * amount[..., None] * write).to(old.dtype)


def spectral_edit(
    subject: SubjectModel, found: WeightSvd, *, direction: NDArray[Any], strength: float = 1.0
) -> SpectralEdit:
    """Return the edit that takes a direction out of what a head or an MLP writes.

    Parameters
    ----------
    subject
        The model.
    found
        A matrix that writes, from :func:`weight_svds`: ``"ov"`` or ``"mlp_out"``.
    direction
        Of norm 1, in the span of what the matrix writes, in the coordinates of ``found``; one of its singular
        directions, most often.
    strength
        1 takes it out.

    Raises
    ------
    SpecError
        If the matrix writes nothing to the stream, the model shows no point where it could be edited (mixtures of
        experts), or the matrix cannot write the direction.

    Examples
    --------
    >>> from tiltmeter.anatomy import weight_svds
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> found = next(weight_svds(subject, "ov"))
    >>> str(spectral_edit(subject, found, direction=found.sides["writes"].vectors[0]).site)
    '0.z.h0'
    """
    if "writes" not in found.sides:
        raise SpecError(f"The matrix {found.matrix} writes nothing to the stream; edit ov or mlp_out.")
    site = Site(found.layer, "z", found.part) if found.matrix == "ov" else Site(found.layer, "mlp_post")
    (site,) = subject.resolve_sites([site])
    weights = found.sides["writes"].rows.astype(np.float64)
    write = direction.astype(np.float64) @ np.linalg.pinv(weights)
    if np.linalg.norm(write @ weights - direction) > 1e-3:
        raise SpecError("The matrix cannot write this direction; take one from what it spans.")
    return SpectralEdit(
        site, read=torch.from_numpy(weights @ direction), write=torch.from_numpy(write), strength=strength
    )
