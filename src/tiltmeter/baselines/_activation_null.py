"""The same procedure on other activations of the same texts: before any block, or of a model without training."""

from __future__ import annotations

from collections.abc import Mapping

from tiltmeter.baselines._judge import JudgedTexts
from tiltmeter.baselines._refits import ActivationSplits, Fit
from tiltmeter.core.activations import UNNAMED_SITE
from tiltmeter.core.errors import NoDirectionError
from tiltmeter.core.records import Unavailable
from tiltmeter.core.rivals import ActivationNull, NullKind
from tiltmeter.evaluation import auroc_difference, ranking_estimates


def activation_nulls(
    kind: NullKind, fit: Fit, *, data: ActivationSplits, tests: Mapping[str, JudgedTexts], seed: int | None = None
) -> tuple[ActivationNull, ...]:
    """Fit a procedure on other activations of the same rows, and hold the probe against it on every test set.

    Parameters
    ----------
    kind
        What the activations are.
    fit
        The procedure by which the probe was fitted.
    data
        The other activations: the rows and the names of the test sets are those of the probe.
    tests
        Test rows with the probe's scores.
    seed
        Of the random weights, for a model without training.

    Returns
    -------
    One record a test set; without figures where the procedure finds no direction, as where the last token, on which
    alone what enters the first block depends, is the same in every text.

    Examples
    --------
    >>> import numpy as np
    >>> from tiltmeter.core.activations import Activations
    >>> from tiltmeter.data import TextSet
    >>> from tiltmeter.evaluation import resampling
    >>> from tiltmeter.probes import MeanDifference
    >>> ids, y = np.arange(60).astype(str), np.arange(60) % 2
    >>> noise = Activations(np.random.default_rng(0).normal(size=(60, 3)), ids=ids, y=y)
    >>> test = JudgedTexts(TextSet(ids, texts=tuple(ids)), y, resampling(60, groups=None), scores=y * 1.0)
    >>> (null,) = activation_nulls("layer 0", lambda rows, orient_on: MeanDifference().fit(rows.X, rows.y),
    ...                            data=ActivationSplits(noise, noise, {"t": noise}), tests={"t": test})
    >>> null.difference.low > 0
    True
    """
    site = str(data.train.site or UNNAMED_SITE)
    try:
        probe = fit(data.train, data.calibration)
    except NoDirectionError as error:
        gone = Unavailable(reason=str(error))
        return tuple(
            ActivationNull(kind=kind, site=site, test=name, seed=seed, auroc=gone, difference=gone) for name in tests
        )
    found = []
    for name, test in tests.items():
        if test.scores is None:
            continue
        scores = probe.decision_function(data.tests[name].X)
        found.append(
            ActivationNull(
                kind=kind,
                site=site,
                test=name,
                seed=seed,
                auroc=ranking_estimates(test.y, scores, fpr=1.0, by=test.by).auroc,
                difference=auroc_difference(test.y, test.scores, rival=scores, by=test.by),
            )
        )
    return tuple(found)
