"""Thresholds that hold precision or recall, by the risk control of MAPIE."""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError, MissingExtraError, SpecError
from tiltmeter.core.operating import RiskThreshold
from tiltmeter.core.records import Unavailable
from tiltmeter.evaluation._estimates import share
from tiltmeter.evaluation._ranking import check_labelled_scores

# thresholds that are tried, at equal steps of the number of alarms
_TRIED = 200
# changes of precision that MAPIE takes for none
_LEVEL = 1e-6


def threshold_at_risk(
    y: Int[NDArray[Any], " n"],
    scores: Float[NDArray[Any], " n"],
    *,
    metric: Literal["precision", "recall"],
    target: float,
    confidence: float = 0.95,
    population: str,
) -> RiskThreshold | Unavailable:
    """Choose a threshold whose precision, or recall, is at least ``target`` with the asked confidence.

    What one certified false-positive rate does not give. Of precision the threshold with the highest recall is taken,
    of recall that with the highest precision. An alarm is a score strictly above it.

    Parameters
    ----------
    y
        Labels 0 and 1 of calibration rows that neither fitted the probe nor chose its layer or method.
    scores
        Their scores. Rows must be independent: give one row of each group.
    metric
        ``precision``: the share of alarms that are right; holds only where positives are as frequent as here.
        ``recall``: the share of positives that are caught.
    target, confidence
        Strictly between 0 and 1.
    population
        Where the rows come from, in words.

    Returns
    -------
    ``Unavailable`` where no threshold that was tried can be shown to reach the target.

    Raises
    ------
    MissingExtraError
        Without the extra ``risk``.
    SpecError
        If ``target`` or ``confidence`` is not strictly between 0 and 1.
    ArrayError
        If a class is absent, a label is not 0 or 1, lengths differ, or a score is not finite.

    Notes
    -----
    Thresholds are quantiles of the scores, tried one after the other until the first that cannot be shown to hold
    (fixed sequence), since corrections for as many tests as thresholds find nothing at a few hundred rows. Recall
    falls as the threshold rises, so it begins at the lowest. For precision it begins where there are thrice as many
    alarms as would have to be right without exception; with fewer nothing could ever be shown. The order hangs on the
    scores alone. Where precision does nothing but rise as the threshold falls, the score has the wrong sign, MAPIE
    would turn the order round, and nothing is claimed.

    References
    ----------
    Angelopoulos, Bates, Candès, Jordan and Lei (2021), Learn then test: calibrating predictive algorithms to achieve
    risk control, arXiv 2110.01052.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=1000)
    >>> scores = 2.0 * y + rng.normal(size=1000)
    >>> found = threshold_at_risk(y, scores, metric="recall", target=0.9, population="made up")
    >>> 0.9 < found.measured.value < 0.95, found.metric
    (True, 'recall')
    """
    try:
        from mapie.risk_control import BinaryClassificationController
    except ImportError:
        raise MissingExtraError(
            "Holding precision or recall needs the extra risk; run pip install 'tiltmeter[risk]'."
        ) from None
    if not 0 < target < 1 or not 0 < confidence < 1:
        raise SpecError(f"target is {target} and confidence {confidence}; both must lie strictly between 0 and 1.")
    check_labelled_scores(y, scores)
    n_positive = int(y.sum())
    if not 0 < n_positive < len(y):
        raise ArrayError(f"y holds {n_positive} positives among {len(y)} rows; both classes are needed.")
    # so many without exception: target ** needed is at most 1 − confidence
    needed = math.ceil(math.log(1 - confidence) / math.log(target) - 1e-9)
    counted, n = ("positives", n_positive) if metric == "recall" else ("rows", len(y) - 1)
    if n < needed:
        return Unavailable(
            reason=f"{n} {counted} cannot show a {metric} of {target:g} at {confidence:g} confidence; {needed} can"
        )
    values, ranks = np.unique(scores.astype(np.float64), return_inverse=True)
    tried = _sequence(ranks, len(values), fewest=needed if metric == "precision" else 0)
    if metric == "recall":
        tried = tried[::-1]
    # ranks as numbers inside (0, 1); above rank r is the same as at or above r + 1/2, which is what MAPIE asks
    scale = len(values) + 1
    controller = BinaryClassificationController(
        predict_function=lambda rank: np.stack([1 - rank, rank], axis=1),
        risk=metric,
        target_level=target,
        confidence_level=confidence,
        list_predict_params=(tried + 1.5) / scale,
        fwer_method="fixed_sequence",
    )
    with warnings.catch_warnings():
        # that precision is not monotonic, and that nothing was found, both of which are dealt with here
        warnings.simplefilter("ignore", UserWarning)
        controller.calibrate((ranks + 1) / scale, y)
    alarm = ranks[None, :] > tried[:, None]
    shares = (alarm & (y == 1)).sum(axis=1) / np.maximum(alarm.sum(axis=1), 1)
    steps = np.diff(shares)
    is_turned = metric == "precision" and bool((steps >= -_LEVEL).all() and (steps > _LEVEL).any())
    if controller.best_predict_param is None or is_turned:
        return Unavailable(
            reason=f"no threshold could be shown to have a {metric} of {target:g} at {confidence:g} confidence"
        )
    best = round(controller.best_predict_param * scale - 1.5)
    chosen = (ranks > best)[y == 1] if metric == "recall" else (y == 1)[ranks > best]
    return RiskThreshold(
        value=float(values[best]),
        metric=metric,
        target=target,
        confidence=confidence,
        n=len(y),
        n_positive=n_positive,
        measured=share(chosen),
        method="learn then test, fixed sequence of score quantiles (MAPIE)",
        population=population,
    )


def _sequence(ranks: NDArray[np.intp], n_values: int, *, fewest: int) -> NDArray[np.int64]:
    """Return ranks to be taken as thresholds, the highest first, each with at least thrice ``fewest`` rows above it."""
    above = len(ranks) - np.cumsum(np.bincount(ranks, minlength=n_values))
    # where thrice as many are not there, as many as there are
    start = min(max(3 * fewest, 1), int(above[0]))
    wanted = np.unique(np.linspace(start, int(above[0]), _TRIED).astype(np.int64))
    # the highest threshold with at least that many rows above it
    return np.asarray(np.unique(np.searchsorted(-above, -wanted, side="right") - 1)[::-1], dtype=np.int64)
