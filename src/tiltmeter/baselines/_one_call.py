"""Nulls and rivals of a probe in one call, for whoever has activations and texts and no study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tiltmeter.baselines._activation_null import activation_nulls
from tiltmeter.baselines._control_task import control_task
from tiltmeter.baselines._induced import INDUCED_RULES
from tiltmeter.baselines._judge import JudgedTexts, judge_rivals
from tiltmeter.baselines._refits import ActivationSplits, Fit, shuffled_labels, shuffled_partners, shuffled_records
from tiltmeter.baselines._rival import TEXT_RIVALS, Rival
from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import DataError
from tiltmeter.core.evidence import Advantage, Baseline, RandomDirections, Shuffled
from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.core.rivals import ActivationNull, BestRival, ControlTask, NullKind
from tiltmeter.data import TextSet
from tiltmeter.evaluation import auroc, random_records, ranking_estimates, resampling
from tiltmeter.probes import Probe

USUAL_RIVALS: tuple[Rival, ...] = (*TEXT_RIVALS, INDUCED_RULES)
"""Rivals that cost next to nothing."""


class Rows(NamedTuple):
    """Labelled texts and their activations at one site, in the same order."""

    texts: TextSet
    activations: Activations


class Effort(NamedTuple):
    """How much is drawn under ``seed``, and the ``level`` of intervals.

    ``directions``: at random. ``shuffles``: refits on shuffled labels. ``partners``: refits on redrawn pairs.
    ``bootstrap``: resamples.
    """

    directions: int = 100
    shuffles: int = 50
    partners: int = 19
    bootstrap: int = 1000
    level: float = 0.95
    seed: int = 0


class NullsAndRivals(NamedTuple):
    """Everything that a probe is held against, by test set where there are several.

    ``auroc`` is the probe's own. ``shuffled_pairs`` is empty for a probe that needs no pairs, ``control_task``
    unavailable for one that does, and where no two rows share a group.
    """

    auroc: dict[str, Measured]
    baselines: tuple[Baseline, ...]
    advantages: tuple[Advantage, ...]
    best_rivals: tuple[BestRival, ...]
    random_directions: tuple[RandomDirections, ...]
    shuffled: tuple[Shuffled, ...]
    shuffled_pairs: tuple[Shuffled, ...]
    activation_nulls: tuple[ActivationNull, ...]
    control_task: ControlTask | Unavailable


def nulls_and_rivals(
    fit: Fit,
    train: Rows,
    *,
    calibration: Rows,
    tests: Mapping[str, Rows],
    rivals: Sequence[Rival] = USUAL_RIVALS,
    also: Mapping[NullKind, ActivationSplits] | None = None,
    effort: Effort | None = None,
) -> NullsAndRivals:
    """Fit a probe and hold it against every null and rival on the same test rows and the same resamples.

    Nothing is fitted, chosen or oriented on test labels. Groups are resampled where the activations have them.

    Parameters
    ----------
    fit
        The whole procedure: given the activations to fit on and those that may give the sign, it returns a fitted
        probe, such as ``lambda train, orient_on: Logistic().fit(train.X, train.y)``.
    train, calibration
        Labelled rows without a group in common.
    tests
        Labelled test rows by name, of groups that stand in neither.
    rivals
        Readers of the text or of answers; see :func:`asking`, :func:`embeddings`, :func:`perplexity`, :func:`ruled` and
        :func:`monitor_at`.
    also
        Other activations of the same texts, on which the same procedure is fitted: what enters the first block, and
        the site in a model without training (:func:`tiltmeter.models.untrained`).
    effort
        How much is drawn; None for the usual.

    Raises
    ------
    DataError
        If texts and activations differ in their ids, or labels are missing.

    Examples
    --------
    >>> from tiltmeter.probes import MeanDifference
    >>> rng, y = np.random.default_rng(0), np.arange(240) % 2
    >>> ids, words = np.arange(240).astype(str), tuple(f"w{i % 7} v{i % 5}" for i in range(240))
    >>> acts = Activations(rng.normal(size=(240, 4)) + 2 * y[:, None], ids=ids, y=y)
    >>> whole = Rows(TextSet(ids, texts=words, y=y, distribution="home"), acts)
    >>> train, calibration, test = (
    ...     Rows(whole.texts.select(part), acts.select(part)) for part in np.array_split(np.arange(240), 3)
    ... )
    >>> found = nulls_and_rivals(lambda rows, orient_on: MeanDifference().fit(rows.X, rows.y), train,
    ...                          calibration=calibration, tests={"home": test}, effort=Effort(bootstrap=200))
    >>> [(best.claim, best.difference.low > 0) for best in found.best_rivals]
    [('text alone', True)]
    """
    effort = effort or Effort()
    for rows in (train, calibration, *tests.values()):
        if not np.array_equal(rows.texts.ids, rows.activations.ids):
            raise DataError(f"The activations of {rows.texts.distribution} are not of its texts, in their order.")
        if rows.activations.y is None or rows.texts.y is None:
            raise DataError(f"{rows.texts.distribution} has no labels; give them in the texts and the activations.")
    data = ActivationSplits(
        train.activations, calibration.activations, {name: rows.activations for name, rows in tests.items()}
    )
    probe = fit(data.train, data.calibration)
    judged = {name: _judged(rows, probe, effort) for name, rows in tests.items()}
    told = judge_rivals(rivals, judged, train=train.texts, calibration=calibration.texts)
    of_both = {name: test for name, test in judged.items() if len(np.unique(test.y)) == 2}
    values = {name: auroc(test.y, probe.decision_function(data.tests[name].X)) for name, test in of_both.items()}
    shuffles = shuffled_labels(fit, data, draws=effort.shuffles, seed=effort.seed)
    pairs, groups = data.train.pairs, data.train.groups
    partners: dict[str, tuple[float, ...]] = {}
    if probe.needs_pairs and pairs is not None:
        partners = shuffled_partners(fit, data, draws=effort.partners, seed=effort.seed)
    control: ControlTask | Unavailable = Unavailable(reason="a method on pairs sees too few rows of a type apart")
    if not probe.needs_pairs:
        types = groups if groups is not None else data.train.ids
        control = control_task(
            fit, data.train, types=types, n_draws=effort.bootstrap, level=effort.level, seed=effort.seed
        )
    return NullsAndRivals(
        auroc={
            name: ranking_estimates(test.y, probe.decision_function(data.tests[name].X), fpr=1.0, by=test.by).auroc
            for name, test in judged.items()
        },
        baselines=told.baselines,
        advantages=told.advantages,
        best_rivals=told.best,
        random_directions=random_records(
            data.train, data.tests, home=train.texts.distribution, count=effort.directions, seed=effort.seed
        ),
        shuffled=shuffled_records(shuffles, values),
        shuffled_pairs=shuffled_records(partners, values),
        activation_nulls=tuple(
            null
            for kind, other in (also or {}).items()
            for null in activation_nulls(kind, fit, data=other, tests=judged)
        ),
        control_task=control,
    )


def _judged(rows: Rows, probe: Probe, effort: Effort) -> JudgedTexts:
    acts = rows.activations
    by = resampling(len(acts), groups=acts.groups, n_draws=effort.bootstrap, level=effort.level, seed=effort.seed)
    y = acts.y if acts.y is not None else np.zeros(len(acts), dtype=np.int64)
    return JudgedTexts(rows.texts, y, by, probe.decision_function(acts.X))
