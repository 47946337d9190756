"""What is common to scores of pairs: runs from a block on, and a record that holds the score beside its nulls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.core.site import Site
from tiltmeter.evaluation import Resampling, resampling
from tiltmeter.interventions._clean import Clean, clean_runs, flat
from tiltmeter.interventions._controls import Controls, RandomScores, random_bases
from tiltmeter.interventions._pairs import EncodedPairs
from tiltmeter.interventions._subspace import Directions, orthonormal
from tiltmeter.models import SubjectModel, frozen_weights, logits_from

Change = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From states (b, 2, t, d), the basis (k, d) that is read along, and the one that is written along, to new states."""

Measure = Callable[[slice, Tensor], Tensor]
"""From which pairs they are, and log-probabilities (b, 2, v) of what follows, to b rows of figures."""


class Effects(NamedTuple):
    """How far some directions decide what a model says of n pairs, beside what others do.

    Parameters
    ----------
    score
        Mean over the pairs that were kept, with an interval over groups.
    values
        The score of each pair; NaN where it was left out.
    kept
        Which pairs were kept: those on which the clean model tells the two prompts apart.
    random
        Mean scores of random subspaces of as many dimensions, under the same intervention.
    displaced
        Mean scores where activations are moved as far as by the directions, along random ones instead.
    moved
        How far the intervention moves the log-odds of the pairs' own answers, in nats: mean absolute change.
    unrelated
        The same of answers that have nothing to do with the concept. Where it is as large, the intervention moves
        whatever there is.
    """

    score: Measured
    values: Float[NDArray[Any], " n"]
    kept: Bool[NDArray[Any], " n"]
    random: RandomScores | Unavailable
    displaced: RandomScores | Unavailable
    moved: Measured
    unrelated: Measured

    @property
    def n_left_out(self) -> int:
        """Pairs that have no score."""
        return int((~self.kept).sum())


@dataclass(frozen=True, slots=True, eq=False)
class PairRuns:
    """Pairs, what a model said of them, and what it says once a block gave something else."""

    subject: SubjectModel
    encoded: EncodedPairs
    clean: Clean
    layer: int
    batch_size: int

    def edited(self, change: Callable[[Tensor], Tensor], measure: Measure) -> NDArray[np.float64]:
        """Run from the block on with changed states, and return what is measured on what follows."""
        states, found = self.clean.states[self.layer], []
        with frozen_weights(self.subject):
            for rows in self._batches():
                tokens, mask, at = flat(self.encoded, rows)
                # in double precision: where all of a space is taken away, a norm blows up what rounding leaves
                new = change(states[rows].double()).to(states.dtype).flatten(0, 1)
                logits = logits_from(self.subject, new, tokens=tokens, layer=self.layer, at=at, mask=mask)
                # in single precision, as the clean ones
                log_probs = logits.float().log_softmax(-1)
                found.append(measure(rows, log_probs.reshape(-1, 2, log_probs.shape[-1])).double().cpu())
        return torch.cat(found).numpy()

    def unedited(self, measure: Measure) -> NDArray[np.float64]:
        """Return what is measured on what the model says of itself."""
        found = [measure(rows, self.clean.log_probs[rows]).double().cpu() for rows in self._batches()]
        return torch.cat(found).numpy()

    def resampling(self, kept: NDArray[np.bool_], *, controls: Controls) -> Resampling:
        """Resample the groups of the pairs that were kept."""
        return resampling(int(kept.sum()), groups=self.encoded.pairs.groups[kept], seed=controls.seed)

    def _batches(self) -> list[slice]:
        return [slice(start, start + self.batch_size) for start in range(0, len(self.encoded), self.batch_size)]


def pair_runs(
    subject: SubjectModel, encoded: EncodedPairs, *, layer: int, clean: Clean | None, batch_size: int
) -> PairRuns:
    """Run the pairs, unless that was done; SpecError if the block is absent or is not among what was kept."""
    if batch_size < 1:
        raise SpecError(f"batch_size is {batch_size}; give the pairs of a forward, at least 1.")
    (site,) = subject.resolve_sites([Site(layer, "resid_post")])
    if clean is None:
        clean = clean_runs(subject, encoded, layers=[site.layer], batch_size=batch_size)
    if site.layer not in clean.states:
        raise SpecError(
            f"The clean runs kept blocks {', '.join(map(str, sorted(clean.states)))}, and layer is {site.layer}; name "
            "it in layers of clean_runs."
        )
    if len(clean.log_probs) != len(encoded):
        raise ArrayError(f"The clean runs are of {len(clean.log_probs)} pairs, and {len(encoded)} are given.")
    return PairRuns(subject, encoded, clean, site.layer, batch_size)


def basis_for(runs: PairRuns, directions: Directions) -> NDArray[np.float64]:
    """Return an orthonormal basis (k, d) of the directions; ArrayError if they are none of this model's."""
    basis = orthonormal(directions)
    if basis.shape[1] != runs.subject.d_model:
        raise ArrayError(
            f"The directions have width {basis.shape[1]}, and {runs.subject.name} shows rows of width "
            f"{runs.subject.d_model}; they belong to another model or site."
        )
    return basis


def along(change: Change, read: NDArray[np.float64], write: NDArray[np.float64]) -> Callable[[Tensor], Tensor]:
    """Return the change of states that reads along one basis, and writes along another."""

    def changed(states: Tensor) -> Tensor:
        return change(states, torch.from_numpy(read).to(states), torch.from_numpy(write).to(states))

    return changed


def swapped(states: Tensor, read: Tensor, write: Tensor) -> Tensor:
    """Give each prompt the other's activations, and leave it its own component: h' = h₂ + DᵀD (h₁ − h₂)."""
    other = states.flip(1)
    return other + ((states - other) @ read.mT) @ write


def ablated(states: Tensor, read: Tensor, write: Tensor) -> Tensor:
    """Take a component away: h' = h − DᵀD h."""
    return states - (states @ read.mT) @ write


def random_scores(
    basis: NDArray[np.float64],
    score: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
    *,
    kept: NDArray[np.bool_],
    controls: Controls,
) -> tuple[RandomScores, RandomScores]:
    """Score random subspaces, and the directions' displacement along random ones.

    ``score`` takes the basis to read along and the one to write along, and gives a score a pair.
    """
    subspaces = [score(one, one)[kept].mean() for one in random_bases(basis.shape, controls=controls, name="subspaces")]
    displaced = [
        score(basis, one)[kept].mean() for one in random_bases(basis.shape, controls=controls, name="displaced")
    ]
    return RandomScores(np.array(subspaces)), RandomScores(np.array(displaced))


def nothing_kept(n: int, why: str) -> Effects:
    """Return the record of pairs none of which could be scored."""
    reason = Unavailable(reason=why)
    return Effects(reason, np.full(n, np.nan), np.zeros(n, dtype=np.bool_), reason, reason, reason, reason)
