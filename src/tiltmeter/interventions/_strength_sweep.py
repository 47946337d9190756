"""Strength against effect and cost, with random directions of the same length beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.core.steering import Luck, StrengthSweep, SweepPoint
from tiltmeter.evaluation import Resampling, mean_estimate, resampling
from tiltmeter.interventions._answers import Answers, AnswerTokens, answer_tokens
from tiltmeter.interventions._budgets import activation_norm, mean_norms
from tiltmeter.interventions._fluency import Losses, Neutral, batches, neutral_losses
from tiltmeter.interventions._steer import Steer
from tiltmeter.interventions._steering_vectors import vectors_of
from tiltmeter.interventions._texts import Texts, encoded_texts
from tiltmeter.models import Edit, Encoded, SubjectModel, edited, next_logits


class Question(NamedTuple):
    """Prompts, and the answers between which the model chooses: its log-odds are what steering should move.

    ``positive`` and ``negative``: one answer or several, of one token each, as they follow a prompt; of several, the
    mean of their log-probabilities counts. The answer is predicted at the last token that is read.
    """

    prompts: Texts
    positive: Answers
    negative: Answers


def strength_sweep(
    subject: SubjectModel,
    neutral: Texts,
    *,
    direction: Direction,
    strengths: Sequence[float],
    question: Question | None = None,
    n_random: int = 20,
    random_state: int = 0,
) -> StrengthSweep:
    """Measure what steering along a direction does to the odds of two answers and to neutral texts, by strength.

    Parameters
    ----------
    subject
        A causal decoder with its unembedding.
    neutral
        Texts that should not change; eight or more, or as many groups, for figures with intervals, as of prompts.
    direction
        With its site and a known sign.
    strengths
        In mean activation norms at the site, on the neutral texts; of either sign, none of them 0.
    question
        None to measure the cost alone.
    n_random
        Random directions of the same length, which are the null: at least 1.
    random_state
        Their seed.

    Raises
    ------
    SpecError
        If there are no strengths, one is 0 or not finite, there is no random direction, a site is absent, or an answer
        is not one token.
    DataError
        If a neutral text has no token that is predicted.
    ArrayError
        If the sign is unknown, the width is another, or the steered model gives NaN.
    ModelError
        If tokens see later ones, or the model has no unembedding.

    See Also
    --------
    kl_budget : Strengths at equal cost, to compare methods.

    Notes
    -----
    Random directions are isotropic: of uniform direction in the site's space, each tried at every strength. Where
    activations lie mostly along a few axes, most random directions are gentler than any that the model uses, so that
    beating them is needed and not sufficient; compare methods with each other at an equal KL.

    Examples
    --------
    >>> from tiltmeter.core import Site
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old new")
    >>> along = Direction(np.eye(8)[0], site=Site(0, "resid_post"), sign=1, method="hand")
    >>> asked = Question(["Rome is", "is Rome"], "old", "new")
    >>> found = strength_sweep(subject, ["Rome is old", "is it"], direction=along, strengths=[-1, 1], question=asked)
    >>> [point.share for point in found.points], found.points[0].luck_kl.n
    ([-1.0, 1.0], 20)
    """
    if not len(strengths) or not np.isfinite(strengths).all() or 0 in strengths:
        raise SpecError(f"strengths is {list(strengths)}; give one or more finite numbers, none of them 0.")
    if n_random < 1:
        raise SpecError(f"n_random is {n_random}; give 1 or more: a result needs its null.")
    ((site, unit),) = vectors_of(subject, direction).items()
    encoded = encoded_texts(subject, neutral, what="neutral")
    norm = mean_norms(subject, encoded, sites=(site,))[site]
    others = stream(random_state, "random directions").normal(size=(n_random, len(unit)))
    conditions: list[list[Edit]] = [
        [Steer(vector, share * norm, site=site)] for share in strengths for vector in (unit, *others)
    ]
    texts, losses = neutral_losses(subject, encoded, conditions=conditions)
    answered = None if question is None else _answered(subject, question, conditions=conditions)
    points = []
    for i, share in enumerate(strengths):
        # the direction, then the random ones
        own = slice((1 + n_random) * i, (1 + n_random) * (i + 1))
        points.append(_point(texts, losses[own], share=float(share), norm=norm, answered=answered, own=own))
    return StrengthSweep(
        model=subject.name,
        site=str(site),
        method=direction.method,
        norm=activation_norm(subject, encoded, site=site),
        bare_perplexity=texts.bare_perplexity,
        bare_log_odds=_NO_QUESTION if answered is None else answered.mean(answered.bare),
        n_prompts=0 if answered is None else len(answered.bare),
        n_neutral=len(encoded),
        points=tuple(points),
        seed=random_state,
    )


_NO_QUESTION = Unavailable(reason="no question was asked")


class _Answered(NamedTuple):
    """Log-odds after each prompt, shape (n,): of the bare model, and under each condition."""

    bare: NDArray[np.float64]
    changed: list[NDArray[np.float64]]
    by: Resampling

    def mean(self, values: NDArray[np.float64]) -> Measured:
        """Estimate the mean over prompts, groups together where groups exist."""
        return mean_estimate(values, by=self.by)


def _answered(subject: SubjectModel, question: Question, *, conditions: Sequence[Sequence[Edit]]) -> _Answered:
    answers = answer_tokens(subject, positive=question.positive, negative=question.negative)
    encoded = encoded_texts(subject, question.prompts, what="prompts")
    bare, *changed = (_log_odds(subject, encoded, answers=answers, edits=edits) for edits in ((), *conditions))
    return _Answered(bare, changed, resampling(len(encoded), groups=encoded.texts.groups))


def _log_odds(
    subject: SubjectModel, encoded: Encoded, *, answers: AnswerTokens, edits: Sequence[Edit]
) -> NDArray[np.float64]:
    """Return log p(positive) − log p(negative) after each prompt, shape (n,)."""
    found, tokens = np.zeros(len(encoded)), [*answers.positive, *answers.negative]
    for batch, padded in batches(encoded):
        last = padded.read.shape[1] - 1 - padded.read.int().flip(1).argmax(1)
        mask = padded.mask(is_causal=subject.is_causal)
        with edited(subject, edits):
            logits = next_logits(subject, padded.tokens, at=last, mask=mask)
        # the normaliser is the same for all answers, and has no part in the difference
        found[batch] = (logits[:, tokens].double().cpu() @ answers.weights).numpy()
    if not np.isfinite(found).all():
        raise ArrayError("The steered model gives NaN or infinity after the prompts; use a smaller strength.")
    return found


def _point(
    texts: Neutral,
    losses: Sequence[Losses],
    *,
    share: float,
    norm: float,
    answered: _Answered | None,
    own: slice,
) -> SweepPoint:
    """Put one strength together; of its conditions the first is the direction, and the others are random."""
    n_tokens = texts.counts.sum()
    log_odds: Measured = _NO_QUESTION
    change: Measured = _NO_QUESTION
    luck_change = None
    if answered is not None:
        steered, *others = answered.changed[own]
        log_odds, change = answered.mean(steered), answered.mean(steered - answered.bare)
        luck_change = _luck([float((one - answered.bare).mean()) for one in others])
    return SweepPoint(
        share=share,
        strength=share * norm,
        fluency=texts.fluency(losses[0]),
        log_odds=log_odds,
        change=change,
        luck_kl=_luck([float(one.kl.sum() / n_tokens) for one in losses[1:]]),
        luck_ratio=_luck([float(np.exp((one.surprisal - texts.surprisal).sum() / n_tokens)) for one in losses[1:]]),
        luck_change=luck_change,
    )


def _luck(values: Sequence[float]) -> Luck:
    return Luck(n=len(values), mean=float(np.mean(values)), lowest=min(values), highest=max(values))
