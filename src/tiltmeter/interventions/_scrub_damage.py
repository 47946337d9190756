"""What scrubbing costs: the perplexity of other texts, and answers that the model knew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.core.steering import Fluency
from tiltmeter.data import TextSet
from tiltmeter.evaluation import mean_estimate, resampling, share
from tiltmeter.interventions._answer_sets import answer_sets
from tiltmeter.interventions._clean import flat
from tiltmeter.interventions._fluency import neutral_losses
from tiltmeter.interventions._pairs import EncodedPairs
from tiltmeter.interventions._scrub import Scrub
from tiltmeter.models import Edit, Encoded, SubjectModel, edited, encoded_for, next_logits

_NO_PAIRS = Unavailable(reason="no pairs were given")


class ModelQuality(NamedTuple):
    """How well a model does: the perplexity of held-out texts, and its answers to prompts.

    ``accuracy``: share of the prompts whose own answer is likelier than the other prompt's. ``log_odds``: mean of the
    log-probability of the own answer less that of the other, in nats; over several answers of a side they are added up.
    """

    perplexity: Measured
    accuracy: Measured
    log_odds: Measured


class QualityChange(NamedTuple):
    """A model after edits: held-out texts beside the bare model, its answers, and how far their log-odds moved.

    ``log_odds_change`` is paired: after less before, pair by pair.
    """

    fluency: Fluency
    accuracy: Measured
    log_odds: Measured
    log_odds_change: Measured


class ScrubDamage(NamedTuple):
    """The model as it is, scrubbed, and scrubbed of shuffled labels."""

    before: ModelQuality
    scrubbed: QualityChange
    null: QualityChange


def scrub_damage(
    subject: SubjectModel,
    found: Scrub,
    *,
    null: Scrub,
    texts: TextSet | Encoded,
    pairs: EncodedPairs | None = None,
    batch_size: int = 16,
) -> ScrubDamage:
    """Measure what scrubbing does to a model's predictions, beside a scrub that knew no concept.

    What an eraser takes away besides the concept shows in the difference from the null, which has as many erasers of
    the same rank, fitted in the same way.

    Parameters
    ----------
    subject
        A causal decoder with its unembedding.
    found
        A scrub.
    null
        One of shuffled labels (``scrub(..., shuffled=0)``), of the same sites.
    texts
        Held-out texts: none that an eraser was fitted on.
    pairs
        Prompts and their answers: a task that should go on, or one that should not. None leaves these figures out.
    batch_size
        Most pairs a forward.

    Returns
    -------
    Intervals are over texts and pairs, or their groups.

    Raises
    ------
    SpecError
        If the null's labels were not shuffled, or its sites are others.
    DataError, ModelError
        As :func:`fluency`.

    Examples
    --------
    >>> from tiltmeter.interventions import scrub
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> texts = TextSet(np.array([f"t{i}" for i in range(8)]), texts=("Rome is old", "old Rome is old") * 4)
    >>> z = np.arange(8) % 2
    >>> found, null = scrub(subject, texts, z=z), scrub(subject, texts, z=z, shuffled=0)
    >>> damage = scrub_damage(subject, found, null=null, texts=texts)
    >>> damage.scrubbed.fluency.kl.value < 1, damage.before.accuracy.reason
    (True, 'no pairs were given')
    """
    if null.shuffled is None or list(null.erasers) != list(found.erasers):
        raise SpecError(
            "The null must be a scrub of the same sites with shuffled labels; give the same arguments and shuffled=0."
        )
    conditions = (found.edits, null.edits)
    neutral, losses = neutral_losses(subject, encoded_for(subject, texts), conditions=conditions)
    answers: list[tuple[Measured, Measured, Measured]] = [(_NO_PAIRS, _NO_PAIRS, _NO_PAIRS)] * 3
    if pairs is not None:
        odds = [answer_log_odds(subject, pairs, edits=edits, batch_size=batch_size) for edits in ((), *conditions)]
        answers = [_answers(one, pairs, bare=odds[0]) for one in odds]
    return ScrubDamage(
        ModelQuality(neutral.bare_perplexity, *answers[0][:2]),
        *(QualityChange(neutral.fluency(one), *said) for one, said in zip(losses, answers[1:], strict=True)),
    )


def answer_log_odds(
    subject: SubjectModel, pairs: EncodedPairs, *, edits: Sequence[Edit] = (), batch_size: int = 16
) -> Float[NDArray[np.float64], "n 2"]:
    """Return log p(own answers) − log p(the other prompt's) for both prompts of each pair, the positive one first.

    Several answers of a side are added up.
    """
    found, sets = np.zeros((len(pairs), 2)), answer_sets(pairs.answers)
    with edited(subject, edits):
        for start in range(0, len(pairs), batch_size):
            rows = slice(start, start + batch_size)
            tokens, mask, at = flat(pairs, rows)
            logits = next_logits(subject, tokens, at=at, mask=mask).double().cpu()
            # the normaliser is the same for all answers, and has no part in the difference
            sides = sets.log_probs(rows, logits.reshape(-1, 2, logits.shape[-1]))
            found[rows] = (sides[..., 0] - sides[..., 1]).numpy() * (1, -1)
    return found


def _answers(
    log_odds: Float[NDArray[np.float64], "n 2"], pairs: EncodedPairs, *, bare: Float[NDArray[np.float64], "n 2"]
) -> tuple[Measured, Measured, Measured]:
    """Return the accuracy, the mean log-odds, and their change from the bare model's."""
    groups = pairs.pairs.groups
    by = resampling(len(pairs), groups=groups)
    # both prompts of a pair hang together, and pairs of a group do
    accuracy = share((log_odds > 0).ravel(), groups=np.repeat(groups, 2))
    return accuracy, mean_estimate(log_odds.mean(1), by=by), mean_estimate((log_odds - bare).mean(1), by=by)
