"""What edits do to texts that should not change: KL to the bare model, and perplexity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.activations import plan_batches
from tiltmeter.core.errors import ArrayError, DataError, ModelError
from tiltmeter.core.records import Measured
from tiltmeter.core.steering import Fluency
from tiltmeter.evaluation import Resampling, bootstrap_estimate, resampling
from tiltmeter.interventions._texts import Texts, encoded_texts
from tiltmeter.models import Edit, Encoded, Padded, SubjectModel, TextRows, edited, pad, text_logits

# tokens of a batch: the log-probabilities of all of them are held, for the bare and the edited model
_TOKENS = 1024


class Losses(NamedTuple):
    """Sums over the predicted tokens of each text, shape (n,): −log p of the token, and KL(bare ‖ edited)."""

    surprisal: NDArray[np.float64]
    kl: NDArray[np.float64]


class Neutral(NamedTuple):
    """How many tokens of each text are predicted, the bare model's surprisal, shape (n,) each, and the draws."""

    counts: NDArray[np.float64]
    surprisal: NDArray[np.float64]
    by: Resampling

    @property
    def bare_perplexity(self) -> Measured:
        """Perplexity of the bare model."""
        return self._exponential(self.surprisal, least=1.0)

    def fluency(self, losses: Losses) -> Fluency:
        """Return the figures of one edited model."""
        return Fluency(
            # rounding may leave a divergence of nothing a little below 0
            kl=bootstrap_estimate(
                lambda weights: np.maximum(self._per_token(losses.kl, weights), 0.0), by=self.by, bounds=(0.0, np.inf)
            ),
            perplexity=self._exponential(losses.surprisal, least=1.0),
            ratio=self._exponential(losses.surprisal - self.surprisal, least=0.0),
            n_tokens=int(self.counts.sum()),
        )

    def _exponential(self, sums: NDArray[np.float64], *, least: float) -> Measured:
        return bootstrap_estimate(
            lambda weights: np.exp(self._per_token(sums, weights)), by=self.by, bounds=(least, np.inf)
        )

    def _per_token(self, sums: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        means: NDArray[np.float64] = (weights @ sums) / (weights @ self.counts)
        return means


def fluency(subject: SubjectModel, texts: Texts, *, edits: Sequence[Edit]) -> Fluency:
    """Measure what edits do to texts that should not change.

    Parameters
    ----------
    subject
        A causal decoder with its unembedding.
    texts
        Neutral texts, such as the model might well have written; eight or more (or as many groups) for figures with
        their intervals. Tokens that are read count, but for the first of a text, which nothing predicts.
    edits
        What is done to the model, in order.

    Returns
    -------
    KL(bare ‖ edited) in nats a token, perplexity under the edits, and its ratio to that of the bare model. All texts
    together, so that long ones count for more; each is Unavailable where units are too few to resample.

    Raises
    ------
    DataError
        If there are no texts, or one has no token that is predicted.
    ModelError, SpecError
        If tokens see later ones, the model has no unembedding, or a site is absent.
    ArrayError
        If the edited model gives NaN.

    Notes
    -----
    Perplexity may fall under an edit that makes the model surer of what is likely anyway; KL counts every change. Cost:
    two forwards of the texts.

    Examples
    --------
    >>> from tiltmeter.interventions import Steer
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> texts = ["Rome is old", "is Rome old"] * 4
    >>> found = fluency(subject, texts, edits=[Steer(np.ones(8), 0.0, site="0.resid_post")])
    >>> found.kl.value, found.ratio.value, found.n_tokens
    (0.0, 1.0, 16)
    """
    neutral, (losses,) = neutral_losses(subject, encoded_texts(subject, texts, what="texts"), conditions=[edits])
    return neutral.fluency(losses)


def neutral_losses(
    subject: SubjectModel, encoded: Encoded, *, conditions: Sequence[Sequence[Edit]], seed: int = 0
) -> tuple[Neutral, list[Losses]]:
    """Measure several edited models on the same texts, batch by batch, so that the bare model runs once.

    ``seed`` is that of the bootstrap.
    """
    n = len(encoded)
    neutral = Neutral(predicted(encoded), np.zeros(n), resampling(n, groups=encoded.texts.groups, seed=seed))
    found = [Losses(np.zeros(n), np.zeros(n)) for _ in conditions]
    for batch, padded in batches(encoded):
        bare = log_probs(subject, padded)
        neutral.surprisal[batch] = _surprisal(bare, padded)
        for edits, losses in zip(conditions, found, strict=True):
            with edited(subject, edits, rows=TextRows(torch.from_numpy(batch), n)):
                changed = log_probs(subject, padded)
            losses.surprisal[batch] = _surprisal(changed, padded)
            losses.kl[batch] = divergence(bare, changed, padded)
    for losses in found:
        if not np.isfinite(losses.surprisal).all() or not np.isfinite(losses.kl).all():
            raise ArrayError("The edited model gives NaN or infinity on the neutral texts; use a smaller strength.")
    return neutral, found


def predicted(encoded: Encoded) -> NDArray[np.float64]:
    """Return how many tokens of each text are read and predicted from others, shape (n,)."""
    counts = (encoded.n_read - encoded.read[encoded.offsets[:-1]]).astype(np.float64)
    if (short := np.flatnonzero(counts == 0)).size:
        raise DataError(
            f"Text {encoded.ids[short[0]]} has no token to read that is predicted from one before; leave it out, or "
            "make it longer."
        )
    return counts


def batches(encoded: Encoded) -> Iterator[tuple[NDArray[np.int64], Padded]]:
    """Yield the rows of each batch and their tokens."""
    for batch in plan_batches(encoded.lengths, token_budget=_TOKENS):
        yield batch, pad(batch, tokens=encoded.tokens, read=encoded.read, offsets=encoded.offsets)


def log_probs(subject: SubjectModel, padded: Padded) -> Tensor:
    """Return log-probabilities of the tokens after the first of each text, shape (b, t - 1, v), single precision."""
    if not subject.is_causal:
        raise ModelError(f"{subject.name} sees later tokens, so that it predicts none; give a causal decoder.")
    # padding needs no mask: it is on the right, where a causal model sees it from nothing but itself
    return text_logits(subject, padded.tokens)[:, :-1].float().log_softmax(-1)


def divergence(bare: Tensor, changed: Tensor, padded: Padded) -> NDArray[np.float64]:
    """Return the sum of KL(bare ‖ changed) over the predicted tokens of each text, shape (b,)."""
    # a token that the bare model holds for impossible counts nothing, whatever the other says
    terms = torch.where(bare == -torch.inf, 0.0, bare.exp() * (bare - changed))
    return _by_text(terms.sum(-1), padded)


def _surprisal(found: Tensor, padded: Padded) -> NDArray[np.float64]:
    targets = padded.tokens[:, 1:, None].to(found.device)
    return _by_text(-found.gather(-1, targets)[..., 0], padded)


def _by_text(values: Tensor, padded: Padded) -> NDArray[np.float64]:
    counted = padded.read[:, 1:].to(values.device)
    sums: NDArray[Any] = torch.where(counted, values, 0).double().sum(1).cpu().numpy()
    return sums
