"""Scores turned into probabilities, and probabilities moved to another base rate."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy import special
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from tiltmeter.core.calibration import CalibrationMethod, Calibrator
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.evaluation._ranking import check_labelled_scores

# a probability of 0 or 1 has no log-odds
_LEAST = 1e-12


def fit_calibrator(
    y: Int[NDArray[Any], " n"],
    scores: Float[NDArray[Any], " n"],
    *,
    method: CalibrationMethod = "platt",
    scores_are: Literal["unbounded", "probabilities"] = "unbounded",
) -> Calibrator:
    """Fit a map from scores to probabilities on calibration rows, which must not have fitted the probe.

    Parameters
    ----------
    y
        Labels 0 and 1, both present.
    scores
        Finite.
    method
        ``platt``: a logistic curve of the score, two parameters. ``beta``: three, so that the two ends of the score may
        be over- or underconfident each in its way. ``isotonic``: any rising step function; needs some thousand rows,
        and gives probabilities of exactly 0 and 1.
    scores_are
        What ``beta`` takes logarithms of: ``probabilities`` in [0, 1] as they are; ``unbounded`` scores after
        u = σ((s − mean) / standard deviation) of the calibration scores.

    Returns
    -------
    The map, to be applied with :func:`calibrated_probabilities`. Its probabilities hold where the share of positives is
    that of the calibration rows; see :func:`shift_prior`.

    Raises
    ------
    ArrayError
        If a class is absent, a label is not 0 or 1, lengths differ, a score is not finite, or ``scores_are`` says
        probabilities and one is not.

    Notes
    -----
    ``platt`` and ``beta`` are logistic regressions without penalty, on s and on (ln u, −ln(1 − u)), of Platt's targets:
    (n₊ + 1) / (n₊ + 2) for positives, 1 / (n₋ + 2) for negatives. These keep the curve finite where a score divides the
    classes. A negative coefficient of ``beta`` is set to 0 and the other fitted again, as its authors do; unbounded
    scores are our addition: with a = b the curve is then Platt's.

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines; Zadrozny and Elkan (2002), Transforming classifier
    scores into accurate multiclass probability estimates; Kull, Silva Filho and Flach (2017), Beta calibration.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=4000)
    >>> curve = fit_calibrator(y, 2.0 * y + rng.normal(size=4000))  # the true curve is σ(2 s − 2)
    >>> [round(c, 1) for c in curve.coefficients]
    [2.0, -2.0]
    """
    check_labelled_scores(y, scores)
    n, n_positive = len(y), int(y.sum())
    if not 0 < n_positive < n:
        raise ArrayError(f"y holds {n_positive} positives among {n} rows; a map to probabilities needs both classes.")
    if scores_are == "probabilities" and (scores.min() < 0 or scores.max() > 1):
        raise ArrayError(f"scores reach from {scores.min():g} to {scores.max():g}; probabilities lie between 0 and 1.")
    s = scores.astype(np.float64)
    centre, scale = float(s.mean()), float(s.std()) or 1.0
    rate = n_positive / n
    if method == "isotonic":
        steps = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(s, y)
        knots = zip(steps.X_thresholds_.tolist(), steps.y_thresholds_.tolist(), strict=True)
        return Calibrator(method=method, n=n, base_rate=rate, knots=tuple(knots))
    if method == "platt":
        slope, offset = _logistic(((s - centre) / scale)[:, None], y)
        return Calibrator(
            method=method, n=n, base_rate=rate, coefficients=(slope / scale, offset - slope * centre / scale)
        )
    squashed = (centre, scale) if scores_are == "unbounded" else None
    parts = _log_parts(s, squashed)
    used = [0, 1]
    *weights, offset = _logistic(parts, y)
    while min(weights, default=0.0) < 0:
        used = [i for i, weight in zip(used, weights, strict=True) if weight >= 0]
        # with neither left only the base rate is known
        *weights, offset = _logistic(parts[:, used], y)
    a, b = (weights[used.index(i)] if i in used else 0.0 for i in (0, 1))
    return Calibrator(method=method, n=n, base_rate=rate, coefficients=(a, b, offset), squashed=squashed)


def calibrated_probabilities(
    calibrator: Calibrator, scores: Float[NDArray[Any], " n"]
) -> Float[NDArray[np.float64], " n"]:
    """Return the probability of the label at each score, shape (n,), in [0, 1].

    Examples
    --------
    >>> from tiltmeter.core.calibration import Calibrator
    >>> curve = Calibrator(method="platt", n=100, base_rate=0.5, coefficients=(1.0, 0.0))
    >>> calibrated_probabilities(curve, np.array([-100.0, 0.0, 100.0])).round(3).tolist()
    [0.0, 0.5, 1.0]
    """
    s = scores.astype(np.float64)
    found: NDArray[np.float64]
    if calibrator.method == "isotonic":
        x, p = np.array(calibrator.knots).T
        found = np.interp(s, x, p)
    elif calibrator.method == "platt":
        slope, offset = calibrator.coefficients
        found = special.expit(slope * s + offset)
    else:
        *weights, offset = calibrator.coefficients
        found = special.expit(_log_parts(s, calibrator.squashed) @ np.array(weights) + offset)
    return found


def shift_prior(
    probabilities: Float[NDArray[Any], " n"], *, old: float, new: float
) -> Float[NDArray[np.float64], " n"]:
    """Move probabilities from one base rate to another that is known.

    Exact where only the share of positives changes: the texts of either class stay what they were.

    Parameters
    ----------
    probabilities
        Shape (n,), in [0, 1], right where the share of positives is ``old``.
    old, new
        Shares of positives, strictly between 0 and 1.

    Raises
    ------
    SpecError
        If a share is not strictly between 0 and 1.
    ArrayError
        If a probability is not in [0, 1].

    References
    ----------
    Saerens, Latinne and Decaestecker (2002), Adjusting the outputs of a classifier to new a priori probabilities.

    Examples
    --------
    >>> shift_prior(np.array([0.5, 0.99]), old=0.5, new=0.01).round(3).tolist()
    [0.01, 0.5]
    """
    if not 0 < old < 1 or not 0 < new < 1:
        raise SpecError(f"old is {old} and new {new}; base rates must lie strictly between 0 and 1.")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ArrayError("probabilities must lie between 0 and 1.")
    p = probabilities.astype(np.float64)
    positive, negative = p * new / old, (1 - p) * (1 - new) / (1 - old)
    return np.asarray(positive / (positive + negative))


def _log_parts(s: Float[NDArray[Any], " n"], squashed: tuple[float, float] | None) -> Float[NDArray[Any], "n 2"]:
    """Return ln u and −ln(1 − u) of each score; see :class:`Calibrator`."""
    if squashed is None:
        u = np.clip(s, _LEAST, 1 - _LEAST)
        return np.stack([np.log(u), -np.log1p(-u)], axis=1)
    z = (s - squashed[0]) / squashed[1]
    return np.stack([special.log_expit(z), -special.log_expit(-z)], axis=1)


def _logistic(X: Float[NDArray[Any], "n k"], y: Int[NDArray[Any], " n"]) -> list[float]:
    """Fit logistic regression without penalty to Platt's targets; return the coefficients, then the intercept."""
    n_positive, n_negative = int(y.sum()), int((1 - y).sum())
    target = np.where(y == 1, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    if not (X.std(axis=0) > 0).any():
        return [0.0] * X.shape[1] + [float(special.logit(target.mean()))]
    # a row with target t is t of a positive and 1 − t of a negative
    fitted = LogisticRegression(C=np.inf, tol=1e-8, max_iter=10_000).fit(
        np.concatenate([X, X]), np.repeat([1, 0], len(y)), sample_weight=np.concatenate([target, 1 - target])
    )
    return [*fitted.coef_[0].tolist(), float(fitted.intercept_[0])]
