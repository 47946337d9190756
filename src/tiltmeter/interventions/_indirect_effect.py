"""Geometry of Truth's causal figure: statements pushed over to the other class by the difference of the class means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.activations import Activations
from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import ArrayError, DataError
from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.core.site import Site
from tiltmeter.data import TextSet
from tiltmeter.evaluation import bootstrap_estimate
from tiltmeter.interventions._answers import Answers
from tiltmeter.interventions._asked import Asked, Said, Statistic, asked, block_output, class_gap, tested
from tiltmeter.interventions._constant import wide
from tiltmeter.interventions._controls import Controls, Tested, random_bases
from tiltmeter.interventions._pairs import EncodedPairs
from tiltmeter.interventions._subspace import orthonormal
from tiltmeter.models import Edit, Encoded, Places, SubjectModel

# of a probability: what is divided by less is mostly rounding and luck
_LEAST_GAP = 0.01


class IndirectEffect(NamedTuple):
    """What pushing texts over to the other class does to their answers, as a share of what being there does.

    Parameters
    ----------
    to_positive, to_negative
        Of negative texts pushed along the direction, and of positive ones pushed against it: 0 if the answers stay, 1
        if they become, on average, those of the other class; more if they go beyond. Each beside random directions of
        the same length.
    clean_gap
        P(positive answer) − P(negative answer), of positive texts minus that of negative ones.
    length
        How far the texts are pushed: the difference of the class means of ``train`` along the direction.
    layers
        The blocks after which they are.
    n
        Texts.
    """

    to_positive: Tested | Unavailable
    to_negative: Tested | Unavailable
    clean_gap: Measured
    length: float
    layers: tuple[int, ...]
    n: int


def indirect_effect(
    subject: SubjectModel,
    texts: TextSet | Encoded | EncodedPairs,
    *,
    direction: Direction,
    train: Activations,
    answers: tuple[Answers, Answers] | None = None,
    layers: Sequence[int] | None = None,
    controls: Controls = Controls(),  # noqa: B008  (frozen)
) -> IndirectEffect:
    """Measure the normalised indirect effect of a direction on labelled texts.

    Parameters
    ----------
    subject
        A causal decoder with its unembedding.
    texts
        Labelled texts, best of another set than ``train``; the answer is predicted after the last token, and the push
        is at the last token that is read. Of a statement with a question behind it, mark the statement. Or pairs of
        prompts.
    direction
        Its sign does not matter: the class means say which way it is pushed.
    train
        Labelled activations of the site, one row a text, of which the class means are taken.
    answers
        The positive and the negative answer, or answers, of one token each; None for pairs, which have their own.
    layers
        Blocks after which the push is added, all of them by the same length; None for that of the direction.
    controls
        The nulls beside the figure.

    Returns
    -------
    Both effects beside their nulls; ``Unavailable`` if the clean model's gap is under 0.01.

    Raises
    ------
    SpecError
        If the direction is not one of a block's output, a block is absent, or answers are missing or cannot be used.
    DataError
        If there are no labels of both kinds, among the texts or in ``train``.
    ArrayError
        If ``train`` is not of one row a text of the model's width.

    Notes
    -----
    With u the unit vector and μ₊, μ₋ the class means of ``train``, the push is θ = ((μ₊ − μ₋) · u) u, which carries the
    negative mean to the positive one as the direction sees it. With PD the mean of P(positive) − P(negative), over the
    negative texts PD₋ before and PD₋* with θ added, and over the positive ones PD₊ and PD₊* with θ subtracted,
    the effects are (PD₋* − PD₋) / (PD₊ − PD₋) and (PD₊* − PD₊) / (PD₋ − PD₊). They are ratios of means, not clipped.

    References
    ----------
    Marks and Tegmark, "The Geometry of Truth", arXiv 2310.06824, section 6.

    Examples
    --------
    >>> from tiltmeter import activations, models, organisms, probes
    >>> organism = organisms.load("facts")
    >>> subject = models.load(str(organism.folder))
    >>> texts = organisms.statements(organism.world, "affirmative")
    >>> train, test = (texts.select(np.flatnonzero(texts.split == split)[:200]) for split in ("train", "test"))
    >>> acts = activations.collect(subject, train, sites=["3.resid_post"])["3.resid_post"]
    >>> direction = probes.MeanDifference().fit(acts.X, acts.y).as_direction(site=acts.site)
    >>> found = indirect_effect(
    ...     subject, test, direction=direction, train=acts, answers=("<true>", "<false>"), controls=Controls(n_random=2)
    ... )
    >>> found.to_positive.score.value > 0.5 > found.to_positive.random.best
    True
    """
    named = [block_output(subject, direction).layer] if layers is None else layers
    ordered = tuple(sorted(site.layer for site in subject.resolve_sites([Site(i, "resid_post") for i in named])))
    (unit,) = orthonormal(direction)
    length = _class_distance(train, unit)
    question = asked(subject, texts, answers=answers, controls=controls)
    states, before = question.clean(subject, layer=ordered[0])
    by, y = question.resampling(controls), question.y

    def gap(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return class_gap(_difference(before), y, weights)

    clean_gap = bootstrap_estimate(gap, by=by, bounds=(-2.0, 2.0))
    if gap(np.ones((1, len(y))))[0] < _LEAST_GAP:
        reason = Unavailable(reason="the model, as it is, does not answer positive texts otherwise than negative ones")
        return IndirectEffect(reason, reason, clean_gap, length, ordered, len(y))

    def run(one: NDArray[np.float64]) -> Said:
        return _pushed(subject, question, states, layers=ordered, steps=np.where(y, -1, 1)[:, None] * length * one)

    def effect_on(label: int) -> Tested:
        is_meant = (y == label).astype(np.float64)

        def statistic(said: Said) -> Statistic:
            gained = (_difference(said) - _difference(before)) * (1 - 2 * label)
            return lambda weights: (weights @ (gained * is_meant)) / (weights @ is_meant) / gap(weights)

        return tested(found, random, statistic, before=before, by=by)

    found = run(unit)
    random = [run(one[0]) for one in random_bases((1, len(unit)), controls=controls, name="directions")]
    return IndirectEffect(effect_on(0), effect_on(1), clean_gap, length, ordered, len(y))


def _difference(said: Said) -> Float[NDArray[np.float64], " n"]:
    return np.asarray(np.exp(said.own[:, 0]) - np.exp(said.own[:, 1]))


def _class_distance(train: Activations, unit: NDArray[np.float64]) -> float:
    """Return how far the class means are apart along a unit vector."""
    if train.offsets is not None or train.X.shape[1] != len(unit):
        raise ArrayError(
            f"train has rows of width {train.X.shape[1]}{'' if train.offsets is None else ', one a token'}; give one "
            f"row a text of width {len(unit)}."
        )
    if train.y is None or len(np.unique(train.y)) < 2:
        raise DataError("train needs labels of both kinds: the class means say how far to push.")
    along = train.X.astype(np.float64) @ unit
    return float(along[train.y == 1].mean() - along[train.y == 0].mean())


def _pushed(
    subject: SubjectModel,
    question: Asked,
    states: Float[Tensor, "n t d"],
    *,
    layers: tuple[int, ...],
    steps: Float[NDArray[np.float64], "n d"],
) -> Said:
    """Run texts with a step of their own added at the last token that is read of each."""
    step = torch.from_numpy(steps)

    def later(rows: slice) -> list[Edit]:
        return [_Push(Site(layer, "resid_post"), step[rows], question.last_read[rows]) for layer in layers]

    # what is given to the lowest block is seen by its own push first
    return question.given(subject, states, layer=layers[0], later=later)


class _Push:
    """Add to each row of a batch a step of its own, at one position."""

    def __init__(self, site: Site, steps: Float[Tensor, "b d"], at: Int[Tensor, " b"]) -> None:
        self.site = site
        self._steps = steps
        self._at = at

    def __call__(self, old: Float[Tensor, "b t d"], places: Places) -> Float[Tensor, "b t d"]:  # noqa: ARG002
        new, rows = wide(old).clone(), torch.arange(len(old))
        new[rows, self._at] += self._steps.to(new)
        return new.to(old.dtype)
