"""Whether a direction goes with the concept, brings it about, is needed for it, and suffices for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.core.site import Site
from tiltmeter.core.steering import Fluency
from tiltmeter.data import TextSet
from tiltmeter.evaluation import auroc_columns, ranking_estimates
from tiltmeter.interventions._ablate import Ablate
from tiltmeter.interventions._answers import Answers
from tiltmeter.interventions._asked import asked, block_output
from tiltmeter.interventions._constant import wide
from tiltmeter.interventions._controls import Controls, RandomScores, Tested, random_bases
from tiltmeter.interventions._fluency import neutral_losses
from tiltmeter.interventions._pairs import EncodedPairs
from tiltmeter.interventions._steer import Steer, unit_of
from tiltmeter.interventions._trial import Ability, Recovery, Trial, Unit
from tiltmeter.models import Edit, Encoded, SubjectModel, encoded_for


class Manipulation(NamedTuple):
    """What adding the direction does, at one strength, in units of the mean norm at the site.

    ``effect`` is 1 where either class is moved, on average, to where the other was, and 0 where it stays.
    ``towards`` and ``away`` are the side effects of adding and of subtracting it on neutral texts, and
    ``random_side_effects`` those of random directions of the same length.
    """

    strength: float
    effect: Tested | Unavailable
    towards: Fluency
    away: Fluency
    random_side_effects: tuple[Fluency, ...]


class Termination(NamedTuple):
    """What is lost without the direction: 1 − gap after / gap before, clipped; and what ability is left."""

    lost: Tested | Unavailable
    left: Ability
    side_effects: Fluency
    random_side_effects: tuple[Fluency, ...]


class FourTests(NamedTuple):
    """What one direction passes and what it fails, each figure beside its nulls.

    Parameters
    ----------
    site, n
        Where, and of how many texts.
    mean_norm
        Mean norm of the activations at the last token that is read: the unit of strengths.
    clean
        What the model, as it is, makes of the texts.
    clean_perplexity
        Of the neutral texts, as the model is.
    correlation
        AUROC of the direction's scores. Random directions were given the sign that does better here.
    manipulation
        By strength.
    termination, recovery
        Necessity and sufficiency.
    """

    site: Site
    n: int
    mean_norm: float
    clean: Ability
    clean_perplexity: Measured
    correlation: Tested
    manipulation: tuple[Manipulation, ...]
    termination: Termination
    recovery: Recovery


def four_tests(
    subject: SubjectModel,
    texts: TextSet | Encoded | EncodedPairs,
    *,
    direction: Direction,
    neutral: TextSet | Encoded,
    answers: tuple[Answers, Answers] | None = None,
    strengths: Sequence[float] = (0.25, 0.5, 1.0),
    controls: Controls = Controls(),  # noqa: B008  (frozen)
) -> FourTests:
    """Put a direction to RepE's four tests: correlation, manipulation, termination, recovery.

    Parameters
    ----------
    subject
        A causal decoder with its unembedding.
    texts
        Labelled texts, none of which found the direction; the answer is predicted after the last token. Or pairs of
        prompts.
    direction
        With its sign, at a block's output.
    neutral
        Texts that have nothing to do with the concept, for the side effects, as :func:`fluency` measures them.
    answers
        The positive and the negative answer, or answers, of one token each; None for pairs, which have their own.
    strengths
        Above 0, in units of the mean norm of the activations at the last token that is read.
    controls
        The nulls beside every figure.

    Returns
    -------
    One record. Where the clean model's answers do not tell the labels (a gap under 0.1 nats), all that is measured by
    them is ``Unavailable``.

    Raises
    ------
    SpecError
        If the direction is not one of a block's output, a strength is not above 0, or answers are missing or cannot be
        used.
    ArrayError
        If the direction has no sign, or belongs to another model.
    DataError, ModelError
        As :func:`fluency`, or if the texts have no labels of both kinds.

    Notes
    -----
    With h what the block gives at any token, u the unit vector to more of the concept, and the gap the mean log-odds of
    the positive answer after positive texts minus that after negative ones:

    *Correlation*: AUROC of h · u at the last token that is read. *Manipulation*: h + s u at every token of negative
    texts, h − s u of positive ones; how far the log-odds move, over the gap. *Termination*: h − (h · u) u at every
    token. *Recovery*: every token is given m + (h · u − m · u) u, with m the mean at its position over the texts of as
    many tokens, so that nothing but the component along u tells one text from another; compared with m alone.

    Only recovery and termination say anything about what else the model uses; a direction can pass one and fail the
    other. Cost: with s strengths and r random directions about (1 + r)(s + 2) runs of the texts from the block on, and
    s (2 + r) + 1 + r runs of the neutral ones.

    References
    ----------
    Zou et al., "Representation Engineering", arXiv 2310.01405, sections 3.1 and 5.1.

    Examples
    --------
    >>> from tiltmeter import activations, models, organisms, probes
    >>> organism = organisms.load("facts")
    >>> subject = models.load(str(organism.folder))
    >>> texts = organisms.statements(organism.world, "affirmative")
    >>> train, test = (texts.select(np.flatnonzero(texts.split == split)[:200]) for split in ("train", "test"))
    >>> acts = activations.collect(subject, train, sites=["3.resid_post"])["3.resid_post"]
    >>> direction = probes.MeanDifference().fit(acts.X, acts.y).as_direction(site=acts.site)
    >>> few = test.select(np.arange(32))
    >>> found = four_tests(
    ...     subject, few, direction=direction, neutral=few, answers=("<true>", "<false>"), strengths=(1.0,),
    ...     controls=Controls(n_random=2),
    ... )
    >>> found.correlation.score.value > 0.9, found.recovery.regained.score.value > found.recovery.regained.random.best
    (True, True)
    """
    site, unit = block_output(subject, direction), unit_of(direction)
    if not strengths or min(strengths) <= 0 or not np.isfinite(strengths).all():
        raise SpecError(f"strengths are {tuple(strengths)}; give one or more, each above 0.")
    question = asked(subject, texts, answers=answers, controls=controls)
    states, before = question.clean(subject, layer=site.layer)
    random = tuple(one[0] for one in random_bases((1, len(unit)), controls=controls, name="directions"))
    trial = Trial(subject, question, states, site.layer, before, random, controls)
    read = wide(states[torch.arange(len(question)), question.last_read]).double().cpu().numpy()
    mean_norm = float(np.linalg.norm(read, axis=1).mean())
    side = _measured_sides(
        subject, neutral, site=site, lengths=[strength * mean_norm for strength in strengths], trial=trial, unit=unit
    )
    lost, left = trial.terminated(unit)
    return FourTests(
        site=site,
        n=len(question),
        mean_norm=mean_norm,
        clean=trial.ability(before),
        clean_perplexity=side.clean,
        correlation=_correlation(read, trial, unit=unit),
        manipulation=tuple(
            Manipulation(strength, trial.manipulated(unit, strength * mean_norm), beside[0], beside[1], beside[2:])
            for strength, beside in zip(strengths, side.steered, strict=True)
        ),
        termination=Termination(lost, left, side.ablated[0], side.ablated[1:]),
        recovery=trial.recovered(unit),
    )


def _correlation(read: Float[NDArray[np.float64], "n d"], trial: Trial, *, unit: Unit) -> Tested:
    y, by = trial.texts.y, trial.texts.resampling(trial.controls)
    chance = auroc_columns(y, read @ np.stack(trial.random, axis=1))
    unchanged = Unavailable(reason="nothing is changed")
    return Tested(
        ranking_estimates(y, read @ unit, fpr=1.0, by=by).auroc,
        RandomScores(np.maximum(chance, 1 - chance)),
        unchanged,
        unchanged,
    )


class _Sides(NamedTuple):
    """Clean perplexity; side effects by strength of adding, of subtracting and of random ones; and of ablating."""

    clean: Measured
    steered: list[tuple[Fluency, ...]]
    ablated: tuple[Fluency, ...]


def _measured_sides(
    subject: SubjectModel,
    neutral: TextSet | Encoded,
    *,
    site: Site,
    lengths: Sequence[float],
    trial: Trial,
    unit: Unit,
) -> _Sides:
    """Run the neutral texts under every intervention in one go, so that the clean model is run once."""
    steered: list[list[Edit]] = [
        [Steer(one, length, site=site)] for length in lengths for one in (unit, -unit, *trial.random)
    ]
    ablated: list[list[Edit]] = [[Ablate(site, directions=one)] for one in (unit, *trial.random)]
    texts, losses = neutral_losses(
        subject, encoded_for(subject, neutral), conditions=[*steered, *ablated], seed=trial.controls.seed
    )
    found = [texts.fluency(one) for one in losses]
    n_each = 2 + len(trial.random)
    starts = range(0, len(steered), n_each)
    return _Sides(texts.bare_perplexity, [tuple(found[i : i + n_each]) for i in starts], tuple(found[len(steered) :]))
