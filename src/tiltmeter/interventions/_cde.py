"""Causal direction extraction: the directions that alone decide what a model says of either prompt of a pair."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import ConvergenceWarning, DataError, SpecError
from tiltmeter.core.records import Unavailable
from tiltmeter.core.site import Site
from tiltmeter.data import group_folds
from tiltmeter.interventions._cde_search import CDESettings, SearchEnd, check_search, search
from tiltmeter.interventions._clean import clean_runs
from tiltmeter.interventions._oriented import oriented, pair_facts, side_means
from tiltmeter.interventions._pairs import EncodedPairs
from tiltmeter.interventions._swap_loss import mean_swap_loss, of_model
from tiltmeter.models import SubjectModel, frozen_weights
from tiltmeter.probes import SeedConsistency

# a fifth of the groups is held out to choose among seeds
_FOLDS = 5


class CDE(NamedTuple):
    """What several searches found, one a seed, and which of them is to be used.

    ``directions``: the k of the seed that was chosen; each is a unit vector, and they are orthogonal to each other.
    ``of_seeds``: those of each seed. ``losses`` and ``held_out_losses``: of each seed, in nats a prompt, as the rolling
    mean at the end of the search and on held-out pairs; ``no_direction_loss``: what a swap along nothing has there, so
    that 1 − loss / no_direction_loss is the share that the directions decide. ``consistency``: how well every two seeds
    agree, as the cosine of the largest angle between their subspaces. ``residuals``: see the warning. ``best``: the
    place among ``seeds`` of the one that was chosen.
    """

    directions: tuple[Direction, ...]
    of_seeds: tuple[tuple[Direction, ...], ...]
    losses: Float[NDArray[np.float64], " s"]
    held_out_losses: Float[NDArray[np.float64], " s"]
    no_direction_loss: float
    consistency: SeedConsistency | Unavailable
    is_converged: Bool[NDArray[np.bool_], " s"]
    residuals: Float[NDArray[np.float64], " s"]
    n_pairs: Int[NDArray[np.int64], " s"]
    seeds: tuple[int, ...]
    best: int


def cde(
    subject: SubjectModel,
    encoded: EncodedPairs,
    *,
    layer: int,
    n_directions: int = 1,
    held_out: EncodedPairs | None = None,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    settings: CDESettings | None = None,
) -> CDE:
    """Find the directions of a block's output that alone decide what the model says of the prompts of pairs.

    Give a prompt the other prompt's activations at every position, but for its own component along the directions:
    what the model says should stay what it was. Which prompt is the positive one is not used, but for the sign; nor
    are the answers.

    The weights are left as they were, and no hook remains. Only the blocks after ``layer`` are computed at each step,
    from activations that are recorded once.

    Parameters
    ----------
    subject
        A decoder with its unembedding.
    encoded
        Training pairs, from :func:`encode_pairs`; never those on which the directions are then tested.
    layer
        Block whose ``resid_post`` is swapped, 0-based; negative ones count from the end.
    n_directions
        How many, one or two in the publication.
    held_out
        Pairs on which seeds are compared, in other groups than the training pairs. None holds out a fifth of the groups
        of ``encoded`` (of fewer groups, one).
    seeds
        One search each.
    settings
        Of the searches; None for the defaults.

    Raises
    ------
    DataError
        If a group lies in both ``encoded`` and ``held_out``, or there is one group only and none is held out.
    SpecError
        If the block is absent, ``n_directions`` is below 1 or above the width, there are no seeds or one is repeated,
        or a setting is not positive.
    ModelError
        If the model has no unembedding, or was put into training mode or compiled.

    Warns
    -----
    ConvergenceWarning
        If a search used up its pairs; the message gives the share by which the lowest rolling mean of its loss still
        fell over the last two windows (0.1 % would have done).

    See Also
    --------
    causal_baselines : What the same pairs give other methods.
    effects_by_layer : All methods side by side, in the effect that they have on other pairs.

    Notes
    -----
    With h₁, h₂ the activations of the two prompts, D orthonormal and M what follows the block, the loss of prompt 1 is
    KL(p ‖ q) + KL(q ‖ p) of p = M(h₁) and q = M(h₂ + Dᵀ D (h₁ − h₂)) after the last token, and that of prompt 2
    likewise. It is minimised by Adam from random starts; it is not convex, and seeds tell whether that matters. The
    loss does not ask that D hold *only* the concept: a direction of large activations that feeds the answer will do.

    The offset puts zero midway between the positive and the negative prompts' mean over all tokens, and a vector points
    from the latter to the former. Within a subspace of several directions the vectors mean nothing one by one.

    Cost: a step is a forward and a backward of the blocks after ``layer`` for twice the pairs of a batch.

    References
    ----------
    Roger (2023), "Causal direction extraction", safer-ai/Comparitive-Feature-Evaluation, ``src/dir_finder.py``.

    Examples
    --------
    >>> from tiltmeter.interventions import PromptPairs, encode_pairs
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("she he said saw her his")
    >>> ids = np.array(["a", "b"])
    >>> pairs = PromptPairs(
    ...     ids,
    ...     positive=("she said", "she saw"),
    ...     negative=("he said", "he saw"),
    ...     positive_answers=(("her",), ("her",)),
    ...     negative_answers=(("his",), ("his",)),
    ...     tags=ids,
    ...     groups=ids,
    ... )
    >>> found = cde(
    ...     subject, encode_pairs(subject, pairs), layer=0, seeds=(0, 1), settings=CDESettings(window=4)
    ... )
    >>> str(found.directions[0].site), found.directions[0].vector.shape
    ('0.resid_post', (8,))
    """
    settings = CDESettings() if settings is None else settings
    if not seeds or len(set(seeds)) < len(seeds):
        raise SpecError(f"seeds are {list(seeds)}; give one or more, all different.")
    (site,) = subject.resolve_sites([Site(layer, "resid_post")])
    check_search(n_directions, d=subject.d_model, settings=settings)
    train, held_out = parted(encoded, held_out)
    clean = clean_runs(subject, train, layers=[site.layer])
    other = clean_runs(subject, held_out, layers=[site.layer])
    problem = of_model(subject, train, layer=site.layer, clean=clean)
    judged = of_model(subject, held_out, layer=site.layer, clean=other)
    with frozen_weights(subject):
        ends = [search(problem, n_directions=n_directions, seed=seed, settings=settings) for seed in seeds]
        nothing, *lost = (
            mean_swap_loss(judged, basis=basis, batch_size=settings.batch_size)
            for basis in (ends[0].basis[:0], *(end.basis for end in ends))
        )
    _warn(ends, seeds=seeds)
    best = int(np.argmin(lost))
    facts = {
        "hyperparameters": {"n_directions": n_directions, **settings._asdict()},
        **pair_facts(subject, train),
        "n_pairs_held_out": len(held_out),
        "no_direction_loss": nothing,
    }
    means = side_means(train, clean.states[site.layer])
    of_seeds = tuple(
        tuple(
            oriented(row, means=means, site=site, method="cde", facts={**facts, **_of_search(end, seed, loss)})
            for row in end.basis.cpu().numpy()
        )
        for end, seed, loss in zip(ends, seeds, lost, strict=True)
    )
    return CDE(
        of_seeds[best],
        of_seeds,
        np.array([end.loss for end in ends]),
        np.array(lost),
        nothing,
        consistency_of([end.basis.cpu().numpy() for end in ends]),
        np.array([end.is_converged for end in ends]),
        np.array([end.residual for end in ends]),
        np.array([end.n_pairs for end in ends]),
        tuple(seeds),
        best,
    )


def consistency_of(bases: Sequence[Float[NDArray[Any], "k d"]]) -> SeedConsistency | Unavailable:
    """Return how well subspaces agree: for every two the cosine of the largest angle between them."""
    if len(bases) < 2:
        return Unavailable(reason="one seed has nothing to agree with")
    stacked = np.stack(bases).astype(np.float64)
    products = np.einsum("akd,bld->abkl", stacked, stacked)
    cosines = np.linalg.svd(products, compute_uv=False)[..., -1].clip(max=1.0)
    others = cosines[np.triu_indices(len(stacked), 1)]
    return SeedConsistency(cosines, float(others.mean()), float(others.min()))


def parted(encoded: EncodedPairs, held_out: EncodedPairs | None) -> tuple[EncodedPairs, EncodedPairs]:
    """Return training pairs and held-out ones: those given, or a fifth of the groups; DataError if that cannot be."""
    groups = encoded.pairs.groups
    if held_out is not None:
        if both := sorted({*groups.tolist()} & {*held_out.pairs.groups.tolist()}):
            raise DataError(
                f"The group {both[0]!r} is among the training pairs and the held-out ones; keep a group on one side."
            )
        return encoded, held_out
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise DataError(
            f"All {len(encoded)} pairs form one group, so that none can be held out to choose among seeds; give "
            "held_out, or groups."
        )
    both_sides = np.tile([1, 0], len(encoded))
    fold = group_folds(np.repeat(groups, 2), both_sides, n_folds=min(_FOLDS, n_groups), seed=0)[0]
    return encoded.select(fold.train[::2] // 2), encoded.select(fold.test[::2] // 2)


def _of_search(end: SearchEnd, seed: int, held_out_loss: float) -> dict[str, Any]:
    return {
        "seeds": {"cde": seed},
        "loss": end.loss,
        "held_out_loss": held_out_loss,
        "is_converged": end.is_converged,
        "residual": end.residual,
        "n_pairs_looked_at": end.n_pairs,
    }


def _warn(ends: Sequence[SearchEnd], *, seeds: Sequence[int]) -> None:
    open_ones = {seed: end for seed, end in zip(seeds, ends, strict=True) if not end.is_converged}
    if open_ones:
        worst = max(open_ones.values(), key=lambda end: end.residual)
        warnings.warn(
            f"CDE used up its pairs with seeds {', '.join(map(str, open_ones))}, where the lowest rolling mean of the "
            f"loss had still fallen by up to {worst.residual:.1%} over the last two windows; raise max_pairs.",
            ConvergenceWarning,
            stacklevel=3,
        )
