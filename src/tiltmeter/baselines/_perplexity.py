"""How surprised the model is by a text."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.baselines._question import batches, platt
from tiltmeter.baselines._rival import Rival, Seen
from tiltmeter.core.errors import DataError
from tiltmeter.data import TextSet
from tiltmeter.models import LongTexts, SubjectModel, encode, output_embedding, pad, text_logits

# logits of a batch: half a gigabyte
_ELEMENTS_A_BATCH = 1 << 27


def surprise(
    subject: SubjectModel, texts: TextSet, *, long_texts: LongTexts = "refuse"
) -> Float[NDArray[np.float64], " n"]:
    """Return the mean negative log-likelihood of the tokens of each text, each given those before it.

    Special tokens, and the very first token where none stands before it, are not counted. The exponential of the figure
    is the perplexity.

    Parameters
    ----------
    subject
        A decoder with its unembedding.
    texts
        Texts or chats; all of each counts, whatever the span.
    long_texts
        As in :func:`tiltmeter.models.encode`.

    Returns
    -------
    Natural units (nats) a token, shape (n,), at least 0.

    Raises
    ------
    ModelError
        If the model has no unembedding.
    DataError
        If a text is too long, or has no token with another before it.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> found = surprise(subject, TextSet(np.array(["a"]), texts=("Rome is old",)))
    >>> bool(abs(found[0] - np.log(4)) < 0.1)
    True
    """
    n_rows = int(output_embedding(subject).out_features)
    if not len(texts):
        return np.empty(0)
    whole = TextSet(texts.ids, texts=texts.texts, messages=texts.messages, distribution=texts.distribution)
    encoded = encode(subject, whole, long_texts=long_texts)
    found = np.empty(len(encoded))
    for batch in batches(encoded.lengths, most_tokens=max(1, _ELEMENTS_A_BATCH // n_rows)):
        laid = pad(batch, tokens=encoded.tokens, read=encoded.read, offsets=encoded.offsets)
        logits = text_logits(subject, laid.tokens, mask=laid.mask(is_causal=subject.is_causal))
        # position t says what comes at t + 1
        counted = laid.read[:, 1:]
        if (bare := torch.nonzero(~counted.any(1))).numel():
            row = encoded.ids[batch[int(bare[0])]]
            raise DataError(f"Text {row} has no token with another before it; its likelihood needs two tokens or more.")
        named = laid.tokens[:, 1:, None].to(logits.device)
        loss = -logits[:, :-1].float().log_softmax(-1).gather(-1, named)[..., 0].cpu().double()
        found[batch] = ((loss * counted).sum(1) / counted.sum(1)).numpy()
    return found


def perplexity(subject: SubjectModel, *, long_texts: LongTexts = "refuse") -> Rival:
    """Tell the labels apart by how likely the model finds each text, with a logistic regression on that number.

    Parameters
    ----------
    subject
        The model that is read.
    long_texts
        As in :func:`tiltmeter.models.encode`.

    Raises
    ------
    ModelError
        If the model has no unembedding.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> perplexity(tiny("Rome is old")).kind
    'perplexity'
    """
    output_embedding(subject)

    def read(texts: TextSet) -> Seen:
        return surprise(subject, texts, long_texts=long_texts)[:, None]

    described = f"logistic regression on the mean negative log-likelihood of a token under {subject.name}"
    return Rival("perplexity", "perplexity", described, read, platt)
