"""What a residual stream is after the norm that stands between the last block and the unembedding."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.models._linear import module_at
from tiltmeter.models._subject import SubjectModel


def final_normed(subject: SubjectModel, X: Float[NDArray[Any], "n d"]) -> Float[NDArray[np.float32], "n d"] | None:
    """Return rows of the last block's output after the model's own final norm; None where it has none.

    Parameters
    ----------
    subject
        The model.
    X
        Rows as ``resid_post`` of its last block shows them.

    See Also
    --------
    unembedding : Folds the norm's gain into what the model says.

    Examples
    --------
    >>> from tokenizers import Tokenizer, models
    >>> from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    >>> from tiltmeter.models import bind
    >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"Rome": 0}, unk_token="Rome")))
    >>> config = LlamaConfig(
    ...     vocab_size=9, hidden_size=4, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2
    ... )
    >>> subject = bind(LlamaForCausalLM(config).eval(), tokenizer, name="tiny")
    >>> final_normed(subject, np.full((1, 4), 2.0)).round(3).tolist()
    [[1.0, 1.0, 1.0, 1.0]]
    """
    stack, place = subject._stack, subject.family.final_norm
    norm: Any = None if place is None else module_at(stack, place.module)
    if norm is None:
        return None
    weight = norm.weight
    with torch.no_grad():
        normed = norm(torch.as_tensor(X).to(device=weight.device, dtype=weight.dtype))
    return np.asarray(normed.float().cpu().numpy())
