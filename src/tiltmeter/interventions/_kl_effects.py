"""How far a direction decides what a model says, where nothing is known of the answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.records import Unavailable
from tiltmeter.evaluation import mean_estimate
from tiltmeter.interventions._clean import Clean
from tiltmeter.interventions._controls import Controls
from tiltmeter.interventions._pair_effects import (
    Effects,
    basis_for,
    nothing_kept,
    pair_runs,
    random_scores,
    swapped,
)
from tiltmeter.interventions._pairs import EncodedPairs
from tiltmeter.interventions._subspace import Directions
from tiltmeter.models import SubjectModel

# in nats: log-probabilities of half precision are exact to about a hundredth, and a divergence goes with their square
_LEAST_KL = 1e-3


def kl_effects(
    subject: SubjectModel,
    encoded: EncodedPairs,
    *,
    directions: Directions,
    layer: int,
    positions: Sequence[int] | None = None,
    clean: Clean | None = None,
    controls: Controls = Controls(),  # noqa: B008  (frozen)
) -> Effects:
    """Measure how far the component along some directions decides all that a model says of paired prompts.

    The swap is that of :func:`swap_effects`; what follows is compared as a distribution, and the pairs' answers are not
    looked at. 1 if the distribution stays that of the component, 0 if it becomes that of the rest.

    Parameters
    ----------
    subject, encoded, directions, layer, positions, clean, controls
        As for :func:`swap_effects`; unrelated answers are not used, since there are none to be related.

    Returns
    -------
    The score beside its nulls. Pairs of which the model says the same, to a divergence of 0.001 nats in either
    direction, are left out. ``moved`` and ``unrelated`` are unavailable.

    Raises
    ------
    SpecError, ArrayError
        As :func:`swap_effects`.

    Notes
    -----
    For each of the two prompts, 1 − clip(KL(clean ‖ swapped) / KL(clean ‖ the other prompt's), 0, 1), and their mean:
    the other prompt's is what the swap gives with no direction at all. It counts whatever differs between the prompts,
    the words themselves if they are repeated among it, and not their concept alone.

    Examples
    --------
    >>> from tiltmeter.interventions import PromptPairs, encode_pairs
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("she he said her his")
    >>> one = np.array(["a"])
    >>> pairs = PromptPairs(one, ("she said",), ("he said",), (("her",),), (("his",),), np.array(["easy"]), one)
    >>> kl_effects(subject, encode_pairs(subject, pairs), directions=np.eye(8), layer=0).n_left_out
    1
    """
    runs = pair_runs(subject, encoded, layer=layer, positions=positions, clean=clean)
    basis = basis_for(runs, directions)

    def divergence(rows: slice, log_probs: Tensor) -> Tensor:
        said = runs.clean.log_probs[rows].double()
        return (said.exp() * (said - log_probs.double())).sum(-1)

    whole = runs.unedited(lambda rows, log_probs: divergence(rows, log_probs.flip(1)))
    kept: NDArray[np.bool_] = np.all(whole >= _LEAST_KL, axis=1)
    if not kept.any():
        return nothing_kept(len(kept), "the model, as it is, says the same of both prompts of every pair")

    def scored(read: NDArray[np.float64], write: NDArray[np.float64]) -> NDArray[np.float64]:
        found = runs.edited(swapped, read, write, divergence)
        with np.errstate(divide="ignore", invalid="ignore"):  # of pairs that are left out
            return np.asarray(1 - (found / whole).clip(0, 1).mean(axis=1))

    values = scored(basis, basis)
    random, displaced = random_scores(basis, scored, kept=kept, controls=controls)
    no_answers = Unavailable(reason="no answers are looked at")
    return Effects(
        score=mean_estimate(values[kept], by=runs.resampling(kept, controls=controls), bounds=(0.0, 1.0)),
        values=np.where(kept, values, np.nan),
        kept=kept,
        random=random,
        displaced=displaced,
        moved=no_answers,
        unrelated=no_answers,
    )
