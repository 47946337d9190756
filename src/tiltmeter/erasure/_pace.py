"""Probing after concept erasure: what trusted rows say once the measurements' own direction is gone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError
from tiltmeter.erasure._eraser import AffineEraser
from tiltmeter.erasure._mean_projection import mean_projection
from tiltmeter.evaluation import MeasuredRows
from tiltmeter.probes import SupervisedProbe, tampering_probe


class ErasedProbe(NamedTuple):
    """An eraser, and a probe of what it leaves."""

    eraser: AffineEraser
    probe: SupervisedProbe

    def decision_function(self, X: Float[NDArray[Any], "n d"]) -> Float[NDArray[Any], " n"]:
        """Score rows as they are, before they were erased; higher where the outcome is held to be real."""
        return np.asarray(self.probe.decision_function(self.eraser(X)))


def pace(X: Float[NDArray[Any], "n d"], rows: MeasuredRows, *, probe: SupervisedProbe | None = None) -> ErasedProbe:
    """Erase whether all measurements are on, and fit a probe on what is left of the trusted rows (PACE).

    The mean projection is fitted on all train rows, trusted and untrusted: it removes the direction along which rows
    with all measurements on differ from the others, whether they are real or fake. What then still tells the trusted
    rows apart is hoped to be the outcome.

    Parameters
    ----------
    X
        Activations of all rows.
    rows
        What was measured on them; only train rows are used.
    probe
        Unfitted, of which a copy is fitted; None for ``Logistic(penalty_scale="within")``.

    Returns
    -------
    The eraser and the fitted probe.

    Raises
    ------
    ArrayError
        If X has another number of rows, or train rows, all or the trusted ones, are of one class only.
    NoDirectionError
        If no feature goes with the measurements, or nothing is left that tells the trusted rows apart.

    Notes
    -----
    The authors train their probe on the measurements again between the two steps, and start from there. A convex
    probe forgets where it starts. Nor is there anything to learn: after a mean projection class means are equal, so
    that the best affine predictor of the aggregated measurement is constant on the rows of the fit. The step is
    therefore left out.

    References
    ----------
    Roger et al. (2023), "Benchmarks for Detecting Measurement Tampering", arXiv 2308.15605.

    Examples
    --------
    >>> from tiltmeter.evaluation import tampering_table
    >>> from tiltmeter.probes import tampered_activations
    >>> X, rows, truth = tampered_activations(0)
    >>> found = pace(X, rows)
    >>> (figure,) = tampering_table(rows, truth, scores={"PACE": found.decision_function(X)})
    >>> print(f"{figure.auroc.value:.2f}")
    0.72
    """
    if len(X) != len(rows.split):
        raise ArrayError(f"X has {len(X)} rows, and {len(rows.split)} were measured; give as many.")
    eraser = mean_projection(X[rows.is_train], rows.all_on[rows.is_train])
    return ErasedProbe(eraser, tampering_probe(eraser(X), rows, method="trusted", probe=probe))
