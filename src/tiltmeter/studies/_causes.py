"""What the directions of a study do: pairs of its own held-out texts, swapped and ablated along every probe."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError, NoDirectionError, SpecError
from tiltmeter.core.evidence import Causal
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.core.site import Site
from tiltmeter.data import TextSet
from tiltmeter.interventions import (
    Controls,
    PromptPairs,
    RandomScores,
    ablation_effects,
    clean_runs,
    encode_pairs,
    swap_effects,
)
from tiltmeter.models import SubjectModel, encode
from tiltmeter.studies._fitting import fit
from tiltmeter.studies._material import Material
from tiltmeter.studies._select import first_fold
from tiltmeter.studies._spec import AnswersSpec, Method, StudySpec
from tiltmeter.studies._transfer import Fitted

# enough for intervals of a few hundredths, and all in one forward where the model is small
_MOST_PAIRS = 100
_N_RANDOM = 10
_N_DISPLACED = 4


def check_causes(spec: StudySpec, material: Material, reader: object) -> None:
    """Refuse, before any work is done, what :func:`causes` and :func:`choose_by_cause` could not measure."""
    if not isinstance(reader, SubjectModel):
        if spec.probes.choose_by == "cause":
            raise SpecError("probes.choose_by is cause, and ready vectors cause nothing; use auroc.")
        return
    if spec.evidence.answers is not None:
        texts = material.rows(spec.train.distribution, "test")
        encode_pairs(reader, _pairs(reader, texts, answers=spec.evidence.answers, seed=spec.seed))


def causes(spec: StudySpec, texts: TextSet, *, subject: SubjectModel, fitted: Sequence[Fitted]) -> tuple[Causal, ...]:
    """Swap and ablate along every probe of the training distribution at ``resid_post``, in pairs of held-out texts.

    Empty where the spec names no answers.
    """
    answers, home = spec.evidence.answers, spec.train.distribution
    if answers is None:
        return ()
    probes = [f for f in fitted if f.train == home and Site.parse(f.site).point == "resid_post"]
    encoded = encode_pairs(subject, _pairs(subject, texts, answers=answers, seed=spec.seed))
    found = []
    for site in dict.fromkeys(f.site for f in probes):
        layer = Site.parse(site).layer
        clean = clean_runs(subject, encoded, layers=[layer])
        null: tuple[RandomScores | Unavailable, RandomScores | Unavailable] | None = None
        for probe in (f for f in probes if f.site == site):
            # random directions of a site are the same for all methods, and are run with the first; those that are moved
            # along as far are each method's own
            n_random = (_N_RANDOM, _N_RANDOM) if null is None else (_N_DISPLACED, 1)
            swap, ablation = (
                effects(
                    subject,
                    encoded,
                    directions=probe.probe.as_direction(),
                    layer=layer,
                    clean=clean,
                    controls=Controls(n_random=n, seed=spec.seed),
                )
                for effects, n in zip((swap_effects, ablation_effects), n_random, strict=True)
            )
            null = (swap.random, ablation.random) if null is None else null
            found.append(
                Causal(
                    site=site,
                    method=probe.method,
                    test=home,
                    swap=swap.score,
                    ablation=ablation.score,
                    random_swap=_mean_and_best(null[0]),
                    displaced_swap=_mean_and_best(swap.displaced, n=_N_DISPLACED),
                    random_ablation=_mean_and_best(null[1]),
                    count=_N_RANDOM,
                    displaced_count=_N_DISPLACED,
                    n_pairs=len(encoded),
                    n_left_out=swap.n_left_out,
                )
            )
    return tuple(found)


def choose_by_cause(
    spec: StudySpec, material: Material, methods: tuple[Method, ...], *, subject: SubjectModel
) -> tuple[Causal, ...]:
    """Judge every site and method by what they cause, on a fold of the training split that they were not fitted on.

    The most causal comes first.

    Raises
    ------
    DataError
        If none could be judged.
    """
    home = spec.train.distribution
    texts, fold = material.rows(home, "train"), first_fold(spec, material)
    fitted = []
    for site in material.sites:
        rows = material.part(home, "train", site).select(fold.train)
        for method in methods:
            with suppress(NoDirectionError):
                fitted.append(Fitted(home, site, method, fit(method, rows, C=spec.probes.C, orient_on=rows)))
    found = causes(spec, texts.select(fold.test), subject=subject, fitted=fitted)
    judged = [one for one in found if isinstance(one.swap, Estimate)]
    if not judged:
        why = found[0].swap.reason if found and isinstance(found[0].swap, Unavailable) else "no site is a resid_post"
        raise DataError(f"probes.choose_by is cause, and no probe of {home} can be judged by it ({why}); use auroc.")
    # the sort is stable: among equals the earliest site and the simplest method stays first
    return tuple(sorted(judged, key=lambda one: -one.swap.value if isinstance(one.swap, Estimate) else 0.0))


def _pairs(subject: SubjectModel, texts: TextSet, *, answers: AnswersSpec, seed: int) -> PromptPairs:
    """Pair texts of both labels that are of one length, at most 100 pairs."""
    if texts.texts is None or texts.pairs is None or texts.y is None:
        raise SpecError(
            f"evidence.answers asks what {texts.distribution} causes, which needs plain texts in pairs of both labels; "
            "give a pair column, or leave evidence.answers out."
        )
    positive, negative = (_first_of(texts, label) for label in (1, 0))
    lengths = encode(subject, texts).lengths
    aligned = [
        (positive[pair], negative[pair])
        for pair in positive
        if pair in negative and lengths[positive[pair]] == lengths[negative[pair]]
    ]
    if not aligned:
        raise SpecError(
            f"evidence.answers asks what {texts.distribution} causes, and in none of its held-out pairs are both texts "
            "of as many tokens; positions would not mean the same in both."
        )
    order = stream(seed, "causal pairs").permutation(len(aligned))[:_MOST_PAIRS]
    chosen = [aligned[i] for i in np.sort(order)]
    strings, groups = texts.texts, texts.groups if texts.groups is not None else texts.pairs
    n = len(chosen)
    return PromptPairs(
        texts.ids[[one for one, _ in chosen]],
        tuple(strings[one] for one, _ in chosen),
        tuple(strings[other] for _, other in chosen),
        (answers.positive,) * n,
        (answers.negative,) * n,
        np.full(n, texts.distribution),
        np.asarray(groups)[[one for one, _ in chosen]],
    )


def _first_of(texts: TextSet, label: int) -> dict[str, int]:
    """Return the first row of each pair that has a label."""
    y: NDArray[np.int64] = np.asarray(texts.y)
    pairs = np.asarray(texts.pairs)
    rows = np.flatnonzero((y == label) & (pairs != ""))
    return {str(pairs[row]): int(row) for row in rows[::-1]}


def _mean_and_best(random: RandomScores | Unavailable, *, n: int = _N_RANDOM) -> tuple[float, float]:
    """Return both of the first n."""
    # where no pair can be scored there is no null either, and nothing to compare with it
    if isinstance(random, Unavailable):
        return 0.0, 1.0
    first = RandomScores(random.values[:n])
    return first.mean, first.best
