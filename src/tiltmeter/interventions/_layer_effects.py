"""Methods against layers: how far what each finds decides what a model says, by swapping and by taking away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.core.records import Estimate, Measured, Record, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.core.site import Site
from tiltmeter.interventions._causal_methods import (
    CAUSAL_BASELINES,
    CausalMethod,
    basis_of,
    cde_method,
    pair_rows_of,
)
from tiltmeter.interventions._cde import consistency_of
from tiltmeter.interventions._clean import Clean, clean_runs
from tiltmeter.interventions._controls import Controls
from tiltmeter.interventions._pairs import EncodedPairs
from tiltmeter.interventions._swap_effects import ablation_effects, swap_effects
from tiltmeter.models import SubjectModel
from tiltmeter.numerics import bootstrap_weights

_DRAWS = 1000
_LEVEL = 0.95


class _Scored(Protocol):
    @property
    def values(self) -> Float[NDArray[Any], " n"]:
        """One score a pair; NaN for a pair that the model does not tell apart."""


class PairScores(Protocol):
    """What scores directions on pairs: from 0, they decide nothing, to 1, they decide all."""

    def __call__(
        self, subject: SubjectModel, encoded: EncodedPairs, /, *, directions: NDArray[Any], layer: int, clean: Clean
    ) -> _Scored:
        """Score orthonormal directions, shape (k, d), at ``resid_post`` of a block."""


class LayerEffect(Record):
    """What one method does at one layer.

    ``swap`` and ``ablation``: means over seeds and test pairs; their intervals are over both, seeds and groups drawn
    anew. ``swap_of_seeds`` and ``ablation_of_seeds``: the mean of each seed; one entry for a method without seeds.
    ``lowest_agreement``: the least |cosine| of two seeds' directions.
    """

    method: str
    layer: int
    swap: Measured
    ablation: Measured
    swap_of_seeds: tuple[float, ...] = ()
    ablation_of_seeds: tuple[float, ...] = ()
    lowest_agreement: float | Unavailable


class LayerEffects(Record):
    """The table: effects in the order of methods, then layers, and what they were measured on."""

    effects: tuple[LayerEffect, ...]
    methods: tuple[str, ...]
    layers: tuple[int, ...]
    seeds: tuple[int, ...]
    n_train: int
    n_test: int
    train_sha256: str
    test_sha256: str

    def at(self, method: str, layer: int) -> LayerEffect:
        """Return one cell; SpecError if there is none."""
        for effect in self.effects:
            if (effect.method, effect.layer) == (method, layer):
                return effect
        raise SpecError(f"The table has no {method} at layer {layer}; it has {self.methods} at {self.layers}.")

    def table(self) -> str:
        """Return methods × layers in Markdown: swap, and after a stroke ablation, each with its interval."""
        lines = [
            f"| swap / ablation | {' | '.join(f'layer {layer}' for layer in self.layers)} |",
            f"| --- |{' --- |' * len(self.layers)}",
        ]
        for method in self.methods:
            cells = (self.at(method, layer) for layer in self.layers)
            lines.append(f"| {method} | {' | '.join(f'{_cell(c.swap)} / {_cell(c.ablation)}' for c in cells)} |")
        return "\n".join(lines)


def effects_by_layer(
    subject: SubjectModel,
    encoded: EncodedPairs,
    *,
    test: EncodedPairs,
    scores: tuple[PairScores, PairScores] | None = None,
    layers: Sequence[int] | None = None,
    methods: Sequence[CausalMethod] | None = None,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
) -> LayerEffects:
    """Find directions by every method at every layer, and measure on other pairs what they decide.

    Parameters
    ----------
    subject
        A decoder with its unembedding.
    encoded
        Training pairs, which methods see.
    test
        Pairs with their answers, in other groups, on which effects are measured.
    scores
        What measures swaps, and what measures ablations; None for :func:`swap_effects` and :func:`ablation_effects`.
    layers
        Blocks, 0-based; negative ones count from the end. None for the first, those a quarter, half and three quarters
        of the way, and the last.
    methods
        Rows of the table. None for :func:`cde` with one direction and ``CAUSAL_BASELINES``, of which
        the original RLACE takes most of the time.
    seeds
        Each random method runs once with each; the others run once.

    Raises
    ------
    DataError
        If a group lies in both ``encoded`` and ``test``, or ``test`` has fewer than two groups, of which no interval
        can be drawn.
    SpecError
        If a block is absent, two methods share a name, or there are no seeds.
    ModelError
        If the model has no unembedding, or was put into training mode or compiled.

    Warns
    -----
    ConvergenceWarning
        As the methods themselves do.

    See Also
    --------
    cde : Chooses among its seeds on held-out pairs; here every seed counts.

    Notes
    -----
    Intervals are percentiles of 1,000 draws, each of as many seeds and as many groups with replacement. With few seeds
    they are somewhat too narrow; a method without seeds has only its pairs to draw from, and the training pairs are
    held fixed for all. No choice is made on the test pairs; whoever picks the best cell of the table makes one.

    Examples
    --------
    >>> from tiltmeter.interventions import PromptPairs, encode_pairs
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("she he said saw met her his")
    >>> ids = np.array(["a", "b", "c"])
    >>> pairs = PromptPairs(
    ...     ids,
    ...     positive=("she said", "she saw", "she met"),
    ...     negative=("he said", "he saw", "he met"),
    ...     positive_answers=(("her",),) * 3,
    ...     negative_answers=(("his",),) * 3,
    ...     tags=ids,
    ...     groups=ids,
    ... )
    >>> class Length:
    ...     def __init__(self, values):
    ...         self.values = values
    >>> def length(subject, encoded, *, directions, layer, clean):
    ...     return Length(np.full(len(encoded), np.linalg.norm(directions)))
    >>> encoded = encode_pairs(subject, pairs)
    >>> train, test = encoded.select(np.array([0])), encoded.select(np.array([1, 2]))
    >>> quick = [method for method in CAUSAL_BASELINES if method.name == "mean_difference"]
    >>> found = effects_by_layer(subject, train, test=test, scores=(length, length), methods=quick)
    >>> print(found.table())
    | swap / ablation | layer 0 | layer 1 |
    | --- | --- | --- |
    | mean_difference | 1.00 [1.00, 1.00] / 1.00 [1.00, 1.00] | 1.00 [1.00, 1.00] / 1.00 [1.00, 1.00] |
    """
    methods = (cde_method(), *CAUSAL_BASELINES) if methods is None else tuple(methods)
    scores = (_swaps, _ablations) if scores is None else scores
    layers = _depths(subject.n_layers) if layers is None else layers
    sites = subject.resolve_sites([Site(layer, "resid_post") for layer in layers])
    _check(encoded, test, methods=methods, seeds=seeds)
    clean = clean_runs(subject, encoded, layers=[site.layer for site in sites])
    of_test = clean_runs(subject, test, layers=[site.layer for site in sites])
    found: dict[tuple[str, int], LayerEffect] = {}
    for site in sites:
        for method in methods:
            bases = [
                basis_of(method, pair_rows_of(subject, encoded, layer=site.layer, clean=clean, seed=seed))
                for seed in (seeds if method.is_random else seeds[:1])
            ]
            found[method.name, site.layer] = _effect(
                bases,
                method.name,
                site.layer,
                measured=[
                    [
                        score(subject, test, directions=basis, layer=site.layer, clean=of_test).values
                        for basis in bases
                        if not isinstance(basis, Unavailable)
                    ]
                    for score in scores
                ],
                groups=test.pairs.groups,
            )
    names, places = tuple(method.name for method in methods), tuple(site.layer for site in sites)
    return LayerEffects(
        effects=tuple(found[name, layer] for name in names for layer in places),
        methods=names,
        layers=places,
        seeds=tuple(seeds),
        n_train=len(encoded),
        n_test=len(test),
        train_sha256=encoded.pairs.texts().fingerprint(),
        test_sha256=test.pairs.texts().fingerprint(),
    )


# the null of this table is a row of its own
_ONE = Controls(n_random=1)


def _swaps(
    subject: SubjectModel, encoded: EncodedPairs, /, *, directions: NDArray[Any], layer: int, clean: Clean
) -> _Scored:
    return swap_effects(subject, encoded, directions=directions, layer=layer, clean=clean, controls=_ONE)


def _ablations(
    subject: SubjectModel, encoded: EncodedPairs, /, *, directions: NDArray[Any], layer: int, clean: Clean
) -> _Scored:
    return ablation_effects(subject, encoded, directions=directions, layer=layer, clean=clean, controls=_ONE)


def _depths(n_layers: int) -> list[int]:
    """Return METHODS' five depths: 0, L/4 − 1, L/2 − 1, 3L/4 − 1 and L − 1, as far as they differ."""
    return sorted({0, *(max(0, share * n_layers // 4 - 1) for share in (1, 2, 3, 4))})


def _check(encoded: EncodedPairs, test: EncodedPairs, *, methods: Sequence[CausalMethod], seeds: Sequence[int]) -> None:
    if both := sorted({*encoded.pairs.groups.tolist()} & {*test.pairs.groups.tolist()}):
        raise DataError(f"The group {both[0]!r} is among the training pairs and the test pairs; keep it on one side.")
    if len(np.unique(test.pairs.groups)) < 2:
        raise DataError("The test pairs form one group, of which no interval can be drawn; give pairs of two or more.")
    names = [method.name for method in methods]
    if not names or len(set(names)) < len(names):
        raise SpecError(f"methods are {names}; give one or more, each with a name of its own.")
    if not seeds or len(set(seeds)) < len(seeds):
        raise SpecError(f"seeds are {list(seeds)}; give one or more, all different.")


def _effect(
    bases: Sequence[NDArray[np.float64] | Unavailable],
    method: str,
    layer: int,
    *,
    measured: Sequence[Sequence[NDArray[Any]]],
    groups: NDArray[np.str_],
) -> LayerEffect:
    missing = [basis for basis in bases if isinstance(basis, Unavailable)]
    if missing:
        return LayerEffect(
            method=method, layer=layer, swap=missing[0], ablation=missing[0], lowest_agreement=missing[0]
        )
    agreement = consistency_of([basis for basis in bases if not isinstance(basis, Unavailable)])
    (swap, swaps), (ablation, ablations) = (_summary(np.stack(one), groups=groups) for one in measured)
    return LayerEffect(
        method=method,
        layer=layer,
        swap=swap,
        ablation=ablation,
        swap_of_seeds=swaps,
        ablation_of_seeds=ablations,
        lowest_agreement=agreement if isinstance(agreement, Unavailable) else agreement.lowest,
    )


def _summary(scores: Float[NDArray[Any], "s n"], *, groups: NDArray[np.str_]) -> tuple[Measured, tuple[float, ...]]:
    """Return the mean over seeds and pairs with its interval, and the mean of each seed."""
    kept = ~np.isnan(scores).any(axis=0)
    n_groups = len(np.unique(groups[kept]))
    if n_groups < 2:
        return Unavailable(reason=f"the model tells prompts apart in {n_groups} groups of pairs, too few"), ()
    scores = scores[:, kept].astype(np.float64)
    rng = stream(0, "layer effects")
    of_groups = bootstrap_weights(scores.shape[1], _DRAWS, groups=groups[kept], rng=rng)
    of_seeds = bootstrap_weights(len(scores), _DRAWS, groups=None, rng=rng)
    # sums over seeds and pairs, each as often as it was drawn
    drawn = ((of_seeds @ scores) * of_groups).sum(1) / (of_seeds.sum(1) * of_groups.sum(1))
    low, high = np.quantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    estimate = Estimate(
        value=float(scores.mean()),
        low=float(low),
        high=float(high),
        level=_LEVEL,
        n=n_groups,
        method=f"bootstrap of {len(scores)} seeds and of groups",
        seed=0,
    )
    return estimate, tuple(scores.mean(axis=1).tolist())


def _cell(measured: Measured) -> str:
    if isinstance(measured, Unavailable):
        return "not available"
    return f"{measured.value:.2f} [{measured.low:.2f}, {measured.high:.2f}]"
