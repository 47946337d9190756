"""How many labelings of facts a linear probe can reach: a lower bound by counting independent groups."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray
from scipy import linalg, optimize

from tiltmeter.core.errors import ArrayError
from tiltmeter.numerics import pair_rows


class FactGroups(NamedTuple):
    """The groups that a probe can label as it likes, each whatever the others' labels: at least 2^g labelings.

    ``independent`` names g groups of ``n_groups``; ``n_labelings`` is 2^g, an exact integer.
    """

    independent: tuple[str, ...]
    n_groups: int
    n_labelings: int


def independent_fact_groups(
    X: Float[NDArray[Any], "n d"],
    y: Int[NDArray[Any], " n"],
    *,
    pairs: Shaped[NDArray[Any], " n"],
    groups: Shaped[NDArray[Any], " n"],
    tol: float = 1e-6,
) -> FactGroups:
    """Count the groups of facts whose truth a linear probe can turn round at will: a lower bound on its labelings.

    A fact is a pair of rows, one true and one false; its difference is d = x_true − x_false. A group is independent of
    others when some w has w · d > 0 for all of its own facts and w · d = 0 for all of theirs. With g groups independent
    of one another, the sum of ± w over them gives each of the 2^g ways to call whole groups true or false, all of them
    consistent and, scaled up, as confident as one likes: each has a CCS loss of zero. So low loss, or a consistent
    probe, does not single out the truth.

    The groups are taken greedily in the order of their names; the true maximum may be larger.

    Parameters
    ----------
    X
        Rows.
    y
        Whether the statement of each row is true; one true and one false row a pair.
    pairs, groups
        Shape (n,): the fact of each row, and the group of each fact.
    tol
        Relative: what is left of a group's differences beside those of the others counts as nothing below this share.

    Raises
    ------
    ArrayError
        If a pair does not hold one true and one false row of one group.

    References
    ----------
    The discussion under Roger (2023), "What discovering latent knowledge did and did not find".

    Examples
    --------
    >>> X = np.concatenate([np.eye(3), -np.eye(3)])
    >>> facts = np.array(["a", "b", "c"] * 2)
    >>> independent_fact_groups(X, np.repeat([1, 0], 3), pairs=facts, groups=facts).n_labelings
    8
    """
    try:
        members = pair_rows(pairs, n=len(X), sides=y)
    except ArrayError as error:
        raise ArrayError(f"{error} Here sides are y: a fact is a true and a false row.") from error
    of_facts = np.asarray(groups).astype(str)[members]
    if (of_facts[:, 0] != of_facts[:, 1]).any():
        where = int((of_facts[:, 0] != of_facts[:, 1]).argmax())
        raise ArrayError(f"The rows of one fact are in the groups {of_facts[where].tolist()}; a fact has one group.")
    differences = X[members[:, 1]].astype(np.float64) - X[members[:, 0]].astype(np.float64)
    names = np.unique(of_facts)
    by_group = {name: differences[of_facts[:, 0] == name] for name in names.tolist()}
    kept: list[str] = []
    for name in by_group:
        # joining must leave those that are in already independent too
        if all(_stands_alone(by_group, one, among=[*kept, name], tol=tol) for one in [*kept, name]):
            kept.append(name)
    return FactGroups(tuple(kept), len(names), 2 ** len(kept))


def _stands_alone(by_group: dict[str, NDArray[Any]], name: str, *, among: list[str], tol: float) -> bool:
    """Tell whether some w is positive on all differences of one group and zero on those of the others."""
    own = by_group[name]
    others = [by_group[other] for other in among if other != name]
    rest = own
    if others:
        basis = linalg.orth(np.concatenate(others).T, rcond=tol)
        rest = own - own @ basis @ basis.T
    lengths = np.linalg.norm(own, axis=1)
    if (np.linalg.norm(rest, axis=1) <= tol * lengths).any():
        return False
    rest = rest / lengths[:, None]
    if len(rest) == 1:
        return True
    # a w in the span of the rest, which reduces the unknowns to the number of facts
    gram = rest @ rest.T
    found = optimize.linprog(
        np.zeros(len(rest)), A_ub=-gram, b_ub=-np.full(len(rest), tol), bounds=(-1 / tol, 1 / tol), method="highs"
    )
    return bool(found.status == 0)
