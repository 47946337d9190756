"""Reading the last token of texts whose earlier ones are kept."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from tiltmeter.models._subject import SubjectModel


def read_on(
    subject: SubjectModel,
    tokens: Int[Tensor, "b t"],
    *,
    mask: Int[Tensor, "b t"],
    kept: Any,  # noqa: ANN401  (a cache of transformers)
) -> None:
    """Run the blocks on the last token of each text, with the keys and values that are kept of those before.

    ``generate`` gives the last token that it makes to nothing. Edits and captures around the call see it here; the
    unembedding is not computed.

    Parameters
    ----------
    subject
        The model.
    tokens
        Whole texts.
    mask
        Nonzero at tokens, zero at padding.
    kept
        What ``generate`` returns as ``past_key_values``, of all tokens but the last; None to run on all tokens.

    Raises
    ------
    ModelError
        If the weights have no values.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> tokens = torch.tensor([[1, 2, 3]])
    >>> kept = subject.model(tokens[:, :2], use_cache=True).past_key_values
    >>> with subject.capture(["1.resid_post"]) as seen:
    ...     read_on(subject, tokens, mask=torch.ones_like(tokens), kept=kept)
    >>> [tuple(states.shape) for states in seen.values()]
    [(1, 1, 8)]
    """
    given = subject._inputs(tokens, mask)
    if kept is not None:
        # the mask stays whole
        given |= {name: given[name][:, -1:] for name in ("input_ids", "position_ids") if name in given}
    with torch.inference_mode():
        subject._stack(**given, past_key_values=kept, use_cache=kept is not None)
