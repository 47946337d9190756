"""Which layer and method: decided on folds of the training rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import stats

from tiltmeter.core.errors import ArrayError
from tiltmeter.core.evidence import Candidate
from tiltmeter.core.records import Estimate, Measured, Unavailable


def fold_estimate(fold_aurocs: Float[NDArray[Any], " k"], *, level: float = 0.95) -> Measured:
    """Estimate the mean AUROC over validation folds with Student's interval over folds.

    Approximate: folds share training rows, so the interval is a guide for choosing, not a claim about fresh texts.

    Examples
    --------
    >>> fold_estimate(np.array([0.8, 0.9, 1.0])).value
    0.9
    """
    n = len(fold_aurocs)
    if n < 2:
        return Unavailable(reason="fewer than two validation folds")
    mean, error = float(fold_aurocs.mean()), float(fold_aurocs.std(ddof=1) / np.sqrt(n))
    reach = float(stats.t.ppf((1 + level) / 2, n - 1)) * error
    return Estimate(
        value=mean,
        low=max(0.0, mean - reach),
        high=min(1.0, mean + reach),
        level=level,
        n=n,
        method="Student's t over folds (approximate)",
    )


def choose(candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate with the highest mean validation AUROC; among equals, the one listed first.

    List candidates from the earliest site and the simplest method on, so that ties go to the simplest.

    Raises
    ------
    ArrayError
        If no candidate has a figure.

    Examples
    --------
    >>> early = Candidate(site="0.resid_post", method="lda", auroc=fold_estimate(np.array([0.7, 0.8])), fold_aurocs=())
    >>> late = Candidate(site="1.resid_post", method="lda", auroc=fold_estimate(np.array([0.9, 0.8])), fold_aurocs=())
    >>> choose([early, late]).site
    '1.resid_post'
    """
    usable = [(c.auroc.value, -i, c) for i, c in enumerate(candidates) if isinstance(c.auroc, Estimate)]
    if not usable:
        reasons = {c.auroc.reason for c in candidates if isinstance(c.auroc, Unavailable)}
        why = reasons.pop() if len(reasons) == 1 else "give more groups or fewer folds, or look at the texts"
        raise ArrayError(f"No site and method could be judged on the training folds: {why.rstrip('.')}.")
    # differences below 1e-9 are rounding, not quality
    best = max(value for value, _, _ in usable)
    return next(c for value, _, c in usable if value >= best - 1e-9)
