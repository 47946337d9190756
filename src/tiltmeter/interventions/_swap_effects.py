"""How far a direction decides an answer: swapped between two prompts, or taken away from both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.evaluation import mean_estimate
from tiltmeter.interventions._answer_sets import answer_sets
from tiltmeter.interventions._clean import Clean
from tiltmeter.interventions._controls import Controls, log_odds_of, unrelated_answers
from tiltmeter.interventions._pair_effects import (
    Change,
    Effects,
    PairRuns,
    ablated,
    basis_for,
    nothing_kept,
    pair_runs,
    random_scores,
    swapped,
)
from tiltmeter.interventions._pairs import EncodedPairs
from tiltmeter.interventions._subspace import Directions
from tiltmeter.models import SubjectModel

# in nats: a tenth more or less of an answer's probability. What is divided by less is mostly rounding and luck
_LEAST_GAP = 0.1

_NOT_TOLD_APART = "the model, as it is, tells the prompts of no pair apart by their answers"


class _Answered(NamedTuple):
    """Of n pairs, both prompts: log-probabilities of the positive and negative answers, log-odds of u unrelated."""

    own: Float[NDArray[np.float64], "n 2 2"]
    unrelated: Float[NDArray[np.float64], "n 2 u"]

    @property
    def odds(self) -> Float[NDArray[np.float64], "n 2"]:
        return np.asarray(self.own[..., 0] - self.own[..., 1])


_Score = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def swap_effects(
    subject: SubjectModel,
    encoded: EncodedPairs,
    *,
    directions: Directions,
    layer: int,
    positions: Sequence[int] | None = None,
    clean: Clean | None = None,
    controls: Controls = Controls(),  # noqa: B008  (frozen)
) -> Effects:
    """Measure how far the component along some directions decides between the answers of paired prompts.

    Each prompt is run with the other's activations at every position of a block's output, but for its own component in
    the span of the directions. Success is 1 if the answers stay those of the component, and 0 if they become those of
    the rest: exactly 1 with all of the space, and 0 with none of it.

    Parameters
    ----------
    subject
        The model that the pairs were encoded for.
    encoded
        Aligned pairs with their answers.
    directions
        A direction, several, or an array (d,) or (k, d); their span counts. An array (0, d) spans nothing.
    layer
        The block, 0-based; negative ones count from the end.
    positions
        Where the component is a prompt's own: tokens from 0, negative ones from the end of each prompt. None for every
        token. Elsewhere the prompt has all of the other's activations.
    clean
        What :func:`clean_runs` made of these pairs, with this layer among the blocks kept; None to run them here.
    controls
        The nulls beside the figure.

    Returns
    -------
    The score beside its nulls. Pairs on which the clean model raises an answer's log-probability by less than 0.1 from
    the one prompt to the other, on either side, are left out: there is nothing to swap.

    Raises
    ------
    SpecError
        If the block is absent or not among those kept, or an unrelated answer cannot be used.
    ArrayError
        If the directions depend on each other or belong to another model.

    See Also
    --------
    ablation_effects : What is lost without the directions. A direction may do well on one and badly on the other.
    kl_effects : The same where nothing is known of the answers.

    Notes
    -----
    With ℓ(a | x) the log-probability of the set of answers a (that any of its tokens follows), for each of the two
    prompts x, with x' the other, and each of the two sides a:
    r = clip((ℓ_clean(a | x) − ℓ_swapped(a | x)) / (ℓ_clean(a | x) − ℓ_clean(a | x')), 0, 1), and success is 1 − the
    mean of the four r. What comes before the block is not computed again. Cost: 1 + 2 r runs of all prompts from the
    block on, with r random controls.

    References
    ----------
    "Causal Direction Extraction", lesswrong.com/posts/mtZEjDortt8E8Apjs.

    Examples
    --------
    >>> from tiltmeter.interventions import PromptPairs, encode_pairs
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("she he said her his")
    >>> one = np.array(["a"])
    >>> pairs = PromptPairs(one, ("she said",), ("he said",), (("her",),), (("his",),), np.array(["easy"]), one)
    >>> found = swap_effects(subject, encode_pairs(subject, pairs), directions=np.eye(8), layer=0)
    >>> found.n_left_out, found.score.reason  # an untrained model knows no answers
    (1, 'the model, as it is, tells the prompts of no pair apart by their answers')
    """
    runs = pair_runs(subject, encoded, layer=layer, positions=positions, clean=clean)
    return _effects(runs, directions, change=swapped, score=_swap_success, controls=controls)


def ablation_effects(
    subject: SubjectModel,
    encoded: EncodedPairs,
    *,
    directions: Directions,
    layer: int,
    positions: Sequence[int] | None = None,
    clean: Clean | None = None,
    controls: Controls = Controls(),  # noqa: B008  (frozen)
) -> Effects:
    """Measure how much of the difference between paired prompts goes when the component along some directions is zero.

    Both prompts are run with their component in the span of the directions taken away, at every position of a block's
    output. The score is 1 if the answers then no longer tell the prompts apart, and 0 if they do as before.

    Parameters
    ----------
    subject, encoded, directions, layer, positions, clean, controls
        As for :func:`swap_effects`.

    Returns
    -------
    The score beside its nulls, with pairs left out as by :func:`swap_effects`.

    Raises
    ------
    SpecError, ArrayError
        As :func:`swap_effects`.

    Notes
    -----
    1 − clip(gap after / gap before, 0, 1), the mean over the two sides, where the gap of a side's answers is their
    log-probability after their own prompt minus that after the other. A gap that turns round counts as none. What is
    zeroed may break the model instead of blinding it: see ``unrelated``, and :func:`fluency`.

    Examples
    --------
    >>> from tiltmeter.interventions import PromptPairs, encode_pairs
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("she he said her his")
    >>> one = np.array(["a"])
    >>> pairs = PromptPairs(one, ("she said",), ("he said",), (("her",),), (("his",),), np.array(["easy"]), one)
    >>> ablation_effects(subject, encode_pairs(subject, pairs), directions=np.eye(8)[:1], layer=0).n_left_out
    1
    """
    runs = pair_runs(subject, encoded, layer=layer, positions=positions, clean=clean)
    return _effects(runs, directions, change=ablated, score=_ablation_success, controls=controls)


def _effects(runs: PairRuns, directions: Directions, *, change: Change, score: _Score, controls: Controls) -> Effects:
    basis = basis_for(runs, directions)
    sets = answer_sets(runs.encoded.answers)
    pairs = unrelated_answers(
        runs.subject,
        controls,
        taken=sorted({token for both in runs.encoded.answers for side in both for token in side}),
    )

    def measure(rows: slice, log_probs: Tensor) -> Tensor:
        own = sets.log_probs(rows, log_probs).flatten(2)
        return torch.cat([own, log_odds_of(pairs, log_probs)], dim=-1)

    def answered(found: NDArray[np.float64]) -> _Answered:
        return _Answered(found[..., :2], found[..., 2:])

    clean = answered(runs.unedited(measure))
    kept: NDArray[np.bool_] = np.all(_gaps(clean.own) >= _LEAST_GAP, axis=1)
    if not kept.any():
        return nothing_kept(len(kept), _NOT_TOLD_APART)

    def run(read: NDArray[np.float64], write: NDArray[np.float64]) -> _Answered:
        return answered(runs.edited(change, read, write, measure))

    def scored(read: NDArray[np.float64], write: NDArray[np.float64]) -> NDArray[np.float64]:
        return score(clean.own, run(read, write).own)

    found = run(basis, basis)
    values = score(clean.own, found.own)
    by = runs.resampling(kept, controls=controls)
    # the run that differs by the intervention alone: of a swap, that of the prompt which gave all but the component
    before = _Answered(*(part[:, ::-1] for part in clean)) if change is swapped else clean
    moved = np.abs(found.odds - before.odds).mean(axis=1)
    unrelated = np.abs(found.unrelated - before.unrelated).mean(axis=(1, 2))
    random, displaced = random_scores(basis, scored, kept=kept, controls=controls)
    return Effects(
        score=mean_estimate(values[kept], by=by, bounds=(0.0, 1.0)),
        values=np.where(kept, values, np.nan),
        kept=kept,
        random=random,
        displaced=displaced,
        moved=mean_estimate(moved[kept], by=by, bounds=(0.0, np.inf)),
        unrelated=mean_estimate(unrelated[kept], by=by, bounds=(0.0, np.inf)),
    )


def _gaps(own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much likelier each side's answers are after their own prompt, (n, prompts, sides) to (n, sides)."""
    return np.stack([own[:, 0, 0] - own[:, 1, 0], own[:, 1, 1] - own[:, 0, 1]], axis=1)


def _swap_success(clean: NDArray[np.float64], edited: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):  # of pairs that are left out
        lost = (clean - edited) / (clean - clean[:, ::-1])
    return np.asarray(1 - lost.clip(0, 1).mean(axis=(1, 2)))


def _ablation_success(clean: NDArray[np.float64], edited: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):  # of pairs that are left out
        left = _gaps(edited) / _gaps(clean)
    return np.asarray(1 - left.clip(0, 1).mean(axis=1))
