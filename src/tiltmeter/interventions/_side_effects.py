"""What an intervention does to text that has nothing to do with the concept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.activations import plan_batches
from tiltmeter.core.errors import DataError, ModelError
from tiltmeter.core.records import Measured
from tiltmeter.data import TextSet
from tiltmeter.evaluation import Resampling, bootstrap_estimate, resampling
from tiltmeter.models import Edit, Encoded, SubjectModel, edited, encoded_for, output_embedding, pad


class SideEffects(NamedTuple):
    """What a model makes of some texts under an intervention.

    Parameters
    ----------
    perplexity
        exp of the mean negative log-probability of a token.
    kl
        Mean divergence KL(clean ‖ edited) of what the model expects next, in nats a token.
    n_tokens
        Tokens that were predicted: all but the first of each text.
    """

    perplexity: Measured
    kl: Measured
    n_tokens: int


def side_effects(
    subject: SubjectModel,
    texts: TextSet | Encoded,
    *,
    edits: Sequence[Sequence[Edit]],
    token_budget: int = 2048,
    seed: int = 0,
) -> tuple[SideEffects, ...]:
    """Measure what interventions do to the model's predictions of some texts, such as neutral ones.

    Parameters
    ----------
    subject
        A causal decoder with its unembedding.
    texts
        Texts or chats; labels are not looked at.
    edits
        One entry an intervention, each a list of what is applied together; ``[]`` for the model as it is.
    token_budget
        Most tokens in a batch, padding counted: what is predicted of them takes as many rows of the vocabulary.
    seed
        Of the bootstrap, over groups where the texts have them.

    Returns
    -------
    One record an intervention, in order.

    Raises
    ------
    ModelError
        If tokens see later ones, so that nothing is predicted, or the model has no unembedding.
    DataError
        If no text has two tokens, or as :func:`tiltmeter.models.encode`.
    SpecError, ArrayError
        As :func:`tiltmeter.models.edited`.

    Notes
    -----
    The clean model is run once for all interventions. Perplexity is of all texts together, so that long ones count for
    more; the interval resamples texts (or groups). An intervention that asks what was generated finds no such token.

    Examples
    --------
    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    >>> from tiltmeter.interventions import Ablate
    >>> from tiltmeter.models import bind
    >>> words = Tokenizer(models.WordLevel({"Rome": 0, "is": 1, "old": 2}, unk_token="Rome"))
    >>> words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    >>> config = LlamaConfig(
    ...     vocab_size=3, hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2
    ... )
    >>> subject = bind(LlamaForCausalLM(config).eval(), PreTrainedTokenizerFast(tokenizer_object=words), name="tiny")
    >>> texts = TextSet(np.array([f"t{i}" for i in range(8)]), texts=("Rome is old",) * 8)
    >>> clean, ablated = side_effects(subject, texts, edits=[[], [Ablate("1.resid_post")]])
    >>> clean.kl.value, round(ablated.perplexity.value, 4)  # nothing is known: three words, each as likely
    (0.0, 3.0)
    """
    if not subject.is_causal:
        raise ModelError(f"{subject.name} sees later tokens, so that it predicts none; give a causal decoder.")
    output_embedding(subject)
    encoded = encoded_for(subject, texts)
    # one entry a text and intervention: sums over the tokens that are predicted
    losses, divergences = (np.zeros((len(edits), len(encoded))) for _ in range(2))
    counts = encoded.lengths - 1
    if not counts.any():
        raise DataError(f"{encoded.texts.distribution} holds no text of two tokens or more; nothing can be predicted.")
    for batch in plan_batches(encoded.lengths, token_budget=token_budget):
        padded = pad(batch, tokens=encoded.tokens, read=encoded.read, offsets=encoded.offsets)
        clean = _log_probs(subject, padded.tokens)
        is_followed = padded.own[:, 1:].to(clean.device)
        following = padded.tokens[:, 1:, None].to(clean.device)
        for i, together in enumerate(edits):
            with edited(subject, together):
                found = clean if not together else _log_probs(subject, padded.tokens)
            loss = -found.gather(-1, following)[..., 0]
            divergence = (clean.exp() * (clean - found)).sum(-1)
            for total, values in ((losses, loss), (divergences, divergence)):
                total[i, batch] = (values.double() * is_followed).sum(1).cpu().numpy()
    by = resampling(len(encoded), groups=encoded.texts.groups, seed=seed)
    return tuple(
        _summary(loss, divergence, counts=counts, by=by) for loss, divergence in zip(losses, divergences, strict=True)
    )


def _log_probs(subject: SubjectModel, tokens: Tensor) -> Float[Tensor, "b s v"]:
    """Return what the model expects after each token but the last; padding on the right is seen by nothing else."""
    with torch.inference_mode():
        logits = subject.model(input_ids=tokens.to(subject.input_device), use_cache=False).logits
        log_probs: Tensor = logits[:, :-1].float().log_softmax(-1)
        return log_probs


def _summary(
    losses: NDArray[np.float64], divergences: NDArray[np.float64], *, counts: NDArray[np.int64], by: Resampling
) -> SideEffects:
    def a_token(totals: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((weights @ totals) / (weights @ counts))

    return SideEffects(
        bootstrap_estimate(lambda weights: np.exp(a_token(losses, weights)), by=by, bounds=(1.0, np.inf)),
        # rounding may leave a divergence of nothing a little below 0
        bootstrap_estimate(lambda weights: np.maximum(a_token(divergences, weights), 0), by=by, bounds=(0.0, np.inf)),
        int(counts.sum()),
    )
