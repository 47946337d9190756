"""How surprised a model is by texts, bare or edited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.data import TextSet
from tiltmeter.interventions._mean_estimate import mean_estimate
from tiltmeter.models import Edit, Encoded, SubjectModel, edited, encoded_for, output_embedding, pad


class Perplexity(NamedTuple):
    """``value``: e to the mean loss. ``nats_per_token``: that mean, −log p of each token. ``n_tokens``: of how many."""

    value: Measured
    nats_per_token: Measured
    n_tokens: int


class TextLosses(NamedTuple):
    """Sum of −log p over the tokens of each text that are predicted, and how many these are, shape (n,) each."""

    nats: Float[NDArray[np.float64], " n"]
    counts: NDArray[np.int64]


def perplexity(
    subject: SubjectModel, texts: TextSet | Encoded, *, edits: Sequence[Edit] = (), batch_size: int = 16
) -> Perplexity:
    """Measure how well a model predicts the tokens of texts from those before.

    Tokens that are read (see :func:`encode`) count, but for one that stands first in its text: nothing predicts it.

    Parameters
    ----------
    subject
        A decoder with its unembedding.
    texts
        Texts or chats.
    edits
        Applied while it reads; none for the model as it is.
    batch_size
        Most texts a forward. The logits of all their tokens are held at once.

    Returns
    -------
    Intervals are of the bootstrap over texts, or over groups where there are any.

    Raises
    ------
    DataError
        If no token is predicted.
    ModelError
        If the model has no unembedding, or was put into training mode or compiled.
    SpecError
        If ``batch_size`` is below 1, or an edit's site is absent.

    Examples
    --------
    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    >>> from tiltmeter.models import bind
    >>> words = Tokenizer(models.WordLevel({"?": 0, "Rome": 1, "is": 2, "old": 3}, unk_token="?"))
    >>> words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    >>> config = LlamaConfig(
    ...     vocab_size=4, hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2
    ... )
    >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?")
    >>> subject = bind(LlamaForCausalLM(config).eval(), tokenizer, name="tiny")
    >>> texts = TextSet(np.array([f"t{i}" for i in range(8)]), texts=("Rome is old",) * 8)
    >>> found = perplexity(subject, texts)
    >>> found.n_tokens, 3 < found.value.value < 5
    (16, True)
    """
    encoded = encoded_for(subject, texts)
    losses = text_losses(subject, encoded, edits=edits, batch_size=batch_size)
    nats = mean_estimate(losses.nats, counts=losses.counts, groups=encoded.texts.groups)
    return Perplexity(_exponential(nats), nats, int(losses.counts.sum()))


def text_losses(
    subject: SubjectModel, encoded: Encoded, *, edits: Sequence[Edit] = (), batch_size: int = 16
) -> TextLosses:
    """Return the losses of each text; raises as :func:`perplexity`."""
    if batch_size < 1:
        raise SpecError(f"batch_size is {batch_size}; give at least 1.")
    output_embedding(subject)
    found = TextLosses(np.zeros(len(encoded)), np.zeros(len(encoded), np.int64))
    # texts of like length together: less padding
    order = np.argsort(encoded.lengths, kind="stable")
    with torch.inference_mode(), edited(subject, edits):
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            tokens, read, own = pad(batch, tokens=encoded.tokens, read=encoded.read, offsets=encoded.offsets)
            device = subject.input_device
            logits = subject.model(
                input_ids=tokens.to(device), attention_mask=own.long().to(device), use_cache=False
            ).logits[:, :-1]
            after = tokens[:, 1:, None].to(logits.device)
            nats = logits.float().logsumexp(-1) - logits.gather(-1, after)[..., 0].float()
            counted = read[:, 1:]
            found.nats[batch] = nats.cpu().double().where(counted, 0.0).sum(1).numpy()
            found.counts[batch] = counted.sum(1).numpy()
    if not found.counts.any():
        raise DataError(
            f"{encoded.texts.distribution} holds no token that is predicted from one before; give longer texts."
        )
    return found


def _exponential(measured: Measured) -> Measured:
    if isinstance(measured, Unavailable):
        return measured
    value, low, high = np.exp([measured.value, measured.low, measured.high]).tolist()
    return measured.model_copy(update={"value": value, "low": low, "high": high})
