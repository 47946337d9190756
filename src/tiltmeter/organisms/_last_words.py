"""What is lacking in the last words of texts, which are all that is taught of them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

from tiltmeter.organisms._cells import Ints


def last_words_loss(model: LlamaForCausalLM, tokens: Ints, *, n_last: int) -> Tensor:
    """Return the cross-entropy of the last words of texts of one length, summed over them: each weighs the same."""
    told = torch.from_numpy(tokens)
    hidden = model.model(input_ids=told[:, :-1]).last_hidden_state[:, -n_last:]
    logits = hidden @ model.lm_head.weight.T
    return n_last * cross_entropy(logits.flatten(0, 1), told[:, -n_last:].flatten())
