"""What a census found, and what that means in words."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.probes._fact_groups import FactGroups

NOTHING_LEFT = "nothing is left to find once the mean difference is removed"


class CensusNull(NamedTuple):
    """Accuracies of directions that mean nothing, on the real fresh examples: r repetitions of at most k directions.

    ``mean``, ``sd`` and ``best`` are over all of them. ``n_good`` (r,) are the directions of each repetition above the
    census's threshold.
    """

    mean: float
    sd: float
    best: float
    n_good: Int[NDArray[Any], " r"]

    @classmethod
    def of(cls, accuracies: list[Float[NDArray[Any], " _"]], *, threshold: float) -> CensusNull:
        """Sum up the accuracies of each repetition."""
        pooled = np.concatenate(accuracies)
        counts = np.array([int((one > threshold).sum()) for one in accuracies])
        return cls(float(pooled.mean()), float(pooled.std()), float(pooled.max()), counts)


class Census(NamedTuple):
    """Orthonormal directions (k, d), their accuracy and AUROC (k,) on fresh examples, and three nulls.

    ``n_good`` of them are above ``threshold``, the accuracy that the best of k random directions exceeds in 5 % of
    cases. ``ablated`` is the accuracy of the method's first direction where the class means no longer differ.
    ``fact_groups`` bounds from below the number of labelings that are all perfectly consistent. ``n_test`` examples
    were judged, differences of pairs or rows (``unit``), and the nulls shuffled what ``supervision`` names.
    """

    method: str
    directions: Float[NDArray[Any], "k d"]
    accuracies: Float[NDArray[Any], " k"]
    aurocs: Float[NDArray[Any], " k"]
    threshold: float
    n_good: int
    random: CensusNull
    shuffled: CensusNull
    gaussian: CensusNull
    ablated: Measured
    fact_groups: FactGroups | Unavailable
    n_test: int
    unit: str
    supervision: str

    @property
    def summary(self) -> str:
        """What the count is, what the nulls have to say of it, and what it does not mean."""
        return " ".join([*_what_was_counted(self), *_what_nulls_say(self), *_what_it_is_not(self)])


def _what_was_counted(census: Census) -> list[str]:
    k, random = len(census.directions), census.random
    verb = "is" if census.n_good == 1 else "are"
    said = [
        f"{census.n_good} of {k} orthogonal directions of {census.method} {verb} more accurate on {census.n_test} "
        f"fresh {census.unit} than {census.threshold:.2f}, which the best of {k} random directions exceeds in 5 % of "
        f"cases; random directions have {random.mean:.2f} ± {2 * random.sd:.2f} (two standard deviations)."
    ]
    if census.threshold >= 1:
        said.append("Random directions make no mistake either, so that accuracy can tell nothing here.")
    return said


def _what_nulls_say(census: Census) -> list[str]:
    shuffled, gaussian = float(census.shuffled.n_good.mean()), float(census.gaussian.n_good.mean())
    said = [
        f"The same search finds {shuffled:.1f} such directions on average where {census.supervision} shuffled, and "
        f"{gaussian:.1f} in Gaussian noise with the mean and covariance of these rows."
    ]
    if census.n_good and max(shuffled, gaussian) >= census.n_good:
        source = "mean and covariance alone give" if gaussian >= shuffled else "the search gives when told nothing"
        said.append(f"So the count is no more than what {source}.")
    return said


def _what_it_is_not(census: Census) -> list[str]:
    said = [
        "The count measures how far the classes stand apart and how strongly the search is penalised; it is not the "
        "number of independent features, since directions that each lean a little towards one and the same feature "
        "are all good once the classes stand far apart."
    ]
    if isinstance(census.ablated, Estimate):
        one = census.ablated
        said.append(
            f"With the difference of the class means removed, the first direction found has an accuracy of "
            f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})"
            + (": one direction holds what this method can find." if one.low <= 0.5 else ".")
        )
    elif census.ablated.reason == NOTHING_LEFT:
        said.append(
            "With the difference of the class means removed this method finds no direction: one direction holds what "
            "this method can find."
        )
    if isinstance(census.fact_groups, FactGroups):
        groups = census.fact_groups
        said.append(
            f"At least {groups.n_labelings} labelings of the facts are perfectly consistent for a linear probe, since "
            f"{len(groups.independent)} of {groups.n_groups} groups of facts can be called true or false "
            "independently; so consistency does not single out the truth."
        )
    return said
