"""Reading sites behind a block whose result is known, without computing what lies before."""

from __future__ import annotations

from jaxtyping import Bool, Float, Int
from torch import Tensor

from tiltmeter.core.errors import SpecError
from tiltmeter.core.site import Site
from tiltmeter.models._logits import given
from tiltmeter.models._subject import Sites, SubjectModel


def read_from(
    subject: SubjectModel,
    states: Float[Tensor, "b t d"],
    *,
    tokens: Int[Tensor, "b t"],
    layer: int,
    sites: Sites,
    mask: Bool[Tensor, "b t"] | None = None,
) -> dict[Site, Float[Tensor, "b t _"]]:
    """Go on from what block ``layer`` gave, as if it had given ``states``, and return what later sites see.

    Neither the blocks up to that one nor those after the deepest site are computed. Inside :func:`edited`, edits apply
    from the block's own ``resid_post`` on. (Blocks that ``accelerate`` looks after are computed as ever, and so are
    those of T5, where the first works out the relative positions for all.)

    Parameters
    ----------
    subject
        The model.
    states
        ``resid_post`` of the block, edited or not, of the model's dtype.
    tokens
        The texts: the model is told how long they are, and nothing else of them is used.
    layer
        The block whose result is given, from 0.
    sites
        Where to read, in later blocks; see :meth:`SubjectModel.resolve_sites`.
    mask
        As in :meth:`SubjectModel.read`.

    Raises
    ------
    SpecError
        If there is no such block, or a site is not behind it.
    ArrayError
        If the states are not those of the tokens' shape.
    ModelError
        As :meth:`SubjectModel.read`.

    See Also
    --------
    logits_from : Goes on to the end.

    Examples
    --------
    >>> import torch
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> tokens = torch.tensor([[1, 2, 3]])
    >>> first, last = subject.read(tokens, sites=["0.resid_post", "1.resid_post"]).values()
    >>> (again,) = read_from(subject, first, tokens=tokens, layer=0, sites=["1.resid_post"]).values()
    >>> torch.equal(again, last)
    True
    """
    wanted = subject.resolve_sites(sites)
    with given(subject, layer, states, tokens=tokens):
        for site in wanted:
            if site.layer <= layer:
                raise SpecError(f"Site {site} is not behind block {layer}, whose result is given; read it before.")
        return subject.read(tokens, sites=wanted, mask=mask)
