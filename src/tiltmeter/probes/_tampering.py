"""Probes that are to tell real outcomes from measurements that were tampered with, and are not told which is which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from sklearn.base import clone

from tiltmeter.core.errors import ArrayError
from tiltmeter.evaluation import MeasuredRows
from tiltmeter.probes._logistic import Logistic
from tiltmeter.probes._probe import SupervisedProbe, one_of

Bools = NDArray[np.bool_]
TamperingMethod = Literal["measurements", "trusted", "exclusion", "dirtiness", "evidence"]


class TamperingLabels(NamedTuple):
    """Which rows a method learns from, shape (n,), and what is present in each, (n,); only the chosen ones count."""

    chosen: Bools
    present: Bools


_RULES: dict[str, Callable[[MeasuredRows], TamperingLabels]] = {
    "measurements": lambda rows: TamperingLabels(np.ones_like(rows.is_trusted), rows.all_on),
    "trusted": lambda rows: TamperingLabels(rows.is_trusted, rows.all_on),
    "exclusion": lambda rows: TamperingLabels(rows.is_trusted | ~rows.all_on, rows.all_on),
    "dirtiness": lambda rows: TamperingLabels(rows.all_on, rows.is_trusted),
    "evidence": lambda rows: TamperingLabels(rows.is_trusted | ~rows.is_consistent, rows.is_consistent),
}


def tampering_labels(rows: MeasuredRows, *, method: TamperingMethod) -> TamperingLabels:
    """Say which rows a method learns from, and which label, on measurements and trust alone.

    Parameters
    ----------
    rows
        What was measured; rows of all splits are labelled alike.
    method
        ``measurements``
            All rows; are all measurements on? The floor: it learns to foretell tampering along with the outcome.
        ``trusted``
            Trusted rows; are all measurements on?
        ``exclusion``
            All rows but the untrusted ones of which all measurements are on; are all measurements on? It learns from
            inconsistent untrusted rows that tampering gives no positives. Where there are none, untrusted rows add
            nothing but negatives without tampering, and it is left with what trusted rows say.
        ``dirtiness``
            Rows of which all measurements are on; is the row trusted?
        ``evidence``
            Trusted rows and inconsistent untrusted ones; are the measurements consistent? An inconsistent row shows
            that somebody tampered with a part of them.

    Returns
    -------
    Present is what real outcomes are hoped to look like.

    Raises
    ------
    SpecError
        If there is no such method.

    References
    ----------
    Roger et al. (2023), "Benchmarks for Detecting Measurement Tampering", arXiv 2308.15605.

    Examples
    --------
    >>> on, is_trusted = np.array([[1, 1], [1, 1], [1, 0], [0, 0]]), np.array([True, False, False, False])
    >>> rows = MeasuredRows(on, is_trusted, np.full(4, "train"))
    >>> tampering_labels(rows, method="evidence").chosen.tolist()
    [True, False, True, False]
    >>> tampering_labels(rows, method="exclusion").chosen.tolist()
    [True, False, True, True]
    """
    one_of("method", method, tuple(_RULES))
    return _RULES[method](rows)


def tampering_probe(
    X: Float[NDArray[Any], "n d"],
    rows: MeasuredRows,
    *,
    method: TamperingMethod,
    probe: SupervisedProbe | None = None,
) -> SupervisedProbe:
    """Fit a probe that scores how real an outcome is, on measurements and trust alone.

    No method sees what is true. Only train rows are used.

    Parameters
    ----------
    X
        Activations of all rows.
    rows
        What was measured on them.
    method
        Rows and labels, as :func:`tampering_labels` has them.
    probe
        Unfitted, of which a copy is fitted; None for ``Logistic(penalty_scale="within")``.

    Returns
    -------
    The fitted probe; its score is higher where the outcome is held to be real.

    Raises
    ------
    ArrayError
        If X has another number of rows, or the rows of the method are of one class only.
    SpecError
        If there is no such method.

    See Also
    --------
    ground_truth_probe : the ceiling.
    tiltmeter.erasure.pace : probing after the measurements were erased.
    tiltmeter.evaluation.tampering_table : the AUROC of all methods.
    tampered_activations : rows to try them on.

    Examples
    --------
    >>> from tiltmeter.evaluation import tampering_table
    >>> from tiltmeter.probes import tampered_activations
    >>> X, rows, truth = tampered_activations(0)
    >>> scores = {
    ...     name: tampering_probe(X, rows, method=name).decision_function(X) for name in ("trusted", "evidence")
    ... }
    >>> for one in tampering_table(rows, truth, scores=scores):
    ...     print(f"{one.method}: {one.auroc.value:.2f}")
    trusted: 0.67
    evidence: 0.87
    """
    chosen, present = tampering_labels(rows, method=method)
    return _fit_part(X, rows.is_train & chosen, present.astype(np.int64), method=method, probe=probe)


def ground_truth_probe(
    X: Float[NDArray[Any], "n d"],
    rows: MeasuredRows,
    *,
    truth: Int[NDArray[Any], " n"],
    probe: SupervisedProbe | None = None,
) -> SupervisedProbe:
    """Fit a probe to what is true of the untrusted train rows of which all measurements are on: the ceiling.

    Parameters
    ----------
    X, rows
        As for :func:`tampering_probe`.
    truth
        1 where the outcome occurred; only the entries of the rows named are looked at.
    probe
        As for :func:`tampering_probe`.

    Returns
    -------
    The fitted probe.

    Raises
    ------
    ArrayError
        If a length is not the number of rows, or there are not both real and fake positives to fit on.

    Examples
    --------
    >>> from tiltmeter.probes import tampered_activations
    >>> X, rows, truth = tampered_activations(0)
    >>> ground_truth_probe(X, rows, truth=truth).direction_.shape
    (24,)
    """
    if len(truth) != len(rows.split):
        raise ArrayError(f"truth has {len(truth)} entries for {len(rows.split)} rows; give one a row.")
    chosen = rows.is_train & ~rows.is_trusted & rows.all_on
    return _fit_part(X, chosen, truth.astype(np.int64), method="ground truth", probe=probe)


def _fit_part(
    X: Float[NDArray[Any], "n d"],
    chosen: Bools,
    labels: Int[NDArray[Any], " n"],
    *,
    method: str,
    probe: SupervisedProbe | None,
) -> SupervisedProbe:
    """Fit a copy of a probe on the chosen rows."""
    if len(X) != len(chosen):
        raise ArrayError(f"X has {len(X)} rows, and {len(chosen)} were measured; give as many.")
    n_positive, n = int(labels[chosen].sum()), int(chosen.sum())
    if not 0 < n_positive < n:
        raise ArrayError(
            f"The train rows for {method} hold {n_positive} positives and {n - n_positive} negatives; both are needed."
        )
    copy: SupervisedProbe = clone(Logistic(penalty_scale="within") if probe is None else probe)
    return copy.fit(X[chosen], labels[chosen])
