"""What is common to scores of pairs: runs from a block on, and a record that holds the score beside its nulls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

# pairs a forward
_BATCH = 32

Change = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""From states (b, 2, t, d), the basis (k, d) that is read along, and the one that is written along, to two tensors like
the states: what is given at every position, and what is added to it at those that are meant."""

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
    """Pairs, what a model said of them, and what it says once a block gave something else at some positions."""

    subject: SubjectModel
    encoded: EncodedPairs
    clean: Clean
    layer: int
    positions: Sequence[int] | None

    def edited(
        self, change: Change, read: NDArray[np.float64], write: NDArray[np.float64], measure: Measure
    ) -> NDArray[np.float64]:
        """Run from the block on with changed states, and return what is measured on what follows.

        ``read`` and ``write``: the bases that the change reads along and writes along.
        """
        states, found = self.clean.states[self.layer], []
        with frozen_weights(self.subject):
            for rows in self._batches():
                tokens, mask, at = flat(self.encoded, rows)
                # in double precision: where all of a space is taken away, a norm blows up what rounding leaves
                old = states[rows].double()
                base, added = change(old, torch.from_numpy(read).to(old), torch.from_numpy(write).to(old))
                if self.positions is not None:
                    added = added * self._is_meant(rows, n_tokens=old.shape[2]).to(old)[:, None, :, None]
                new = (base + added).to(states.dtype).flatten(0, 1)
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

    def _is_meant(self, rows: slice, *, n_tokens: int) -> Bool[Tensor, "b t"]:
        positions, lengths = np.array(self.positions), self.encoded.lengths[rows, None]
        places = np.where(positions < 0, lengths + positions, positions)
        return torch.from_numpy((places[:, :, None] == np.arange(n_tokens)).any(axis=1))

    def _batches(self) -> list[slice]:
        return [slice(start, start + _BATCH) for start in range(0, len(self.encoded), _BATCH)]


def pair_runs(
    subject: SubjectModel,
    encoded: EncodedPairs,
    *,
    layer: int,
    positions: Sequence[int] | None,
    clean: Clean | None,
) -> PairRuns:
    """Run the pairs, unless that was done; SpecError if the block is absent or not kept, or a position is absent."""
    (site,) = subject.resolve_sites([Site(layer, "resid_post")])
    _check_positions(positions, encoded)
    if clean is None:
        clean = clean_runs(subject, encoded, layers=[site.layer])
    if site.layer not in clean.states:
        raise SpecError(
            f"The clean runs kept blocks {', '.join(map(str, sorted(clean.states)))}, and layer is {site.layer}; name "
            "it in layers of clean_runs."
        )
    if not np.array_equal(clean.tokens, encoded.tokens):
        raise ArrayError(
            f"The clean runs are of {len(clean.tokens)} other pairs than the {len(encoded)} that are given; run these."
        )
    return PairRuns(subject, encoded, clean, site.layer, positions)


def _check_positions(positions: Sequence[int] | None, encoded: EncodedPairs) -> None:
    if positions is None:
        return
    shortest = int(encoded.lengths.min())
    if len(positions) == 0 or not all(-shortest <= position < shortest for position in positions):
        raise SpecError(
            f"positions are {list(positions)}; give one or more that every prompt has: the shortest has {shortest} "
            "tokens, and negative ones count from the end."
        )


def basis_for(runs: PairRuns, directions: Directions) -> NDArray[np.float64]:
    """Return an orthonormal basis (k, d) of the directions; ArrayError if they are none of this model's."""
    basis = orthonormal(directions)
    if basis.shape[1] != runs.subject.d_model:
        raise ArrayError(
            f"The directions have width {basis.shape[1]}, and {runs.subject.name} shows rows of width "
            f"{runs.subject.d_model}; they belong to another model or site."
        )
    return basis


def swapped(states: Tensor, read: Tensor, write: Tensor) -> tuple[Tensor, Tensor]:
    """Give each prompt the other's activations, and leave it its own component: h' = h₂ + DᵀD (h₁ − h₂)."""
    other = states.flip(1)
    return other, ((states - other) @ read.mT) @ write


def ablated(states: Tensor, read: Tensor, write: Tensor) -> tuple[Tensor, Tensor]:
    """Take a component away: h' = h − DᵀD h."""
    return states, -((states @ read.mT) @ write)


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
