"""Activations in which measurements, evidence of tampering and the outcome are planted, each as loud as asked."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import SpecError
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import MeasuredRows

_N_MEASUREMENTS = 3
_ROWS_A_GROUP, _TRUSTED_A_GROUP = 8, 2


class TamperedActivations(NamedTuple):
    """Rows (n, d), what was measured on them, and what is true, (n,): 1 where the outcome occurred."""

    X: Float[NDArray[Any], "n d"]
    rows: MeasuredRows
    truth: Int[NDArray[Any], " n"]


def tampered_activations(
    seed: int,
    *,
    n_groups: int = 800,
    n_features: int = 24,
    n_tampered: tuple[int, ...] = (0, 1, 2, 3),
    measured: float = 2.0,
    evidence: float = 1.5,
    outcome: float = 1.5,
) -> TamperedActivations:
    """Plant what detectors of tampering may read, along directions at right angles.

    A group has one outcome, which occurs in half of them, and eight rows: two trusted, six untrusted. Each row has
    three measurements; one that was tampered with is on, another one is on where the outcome occurred.

    Parameters
    ----------
    seed
        The same seed gives the same rows.
    n_groups
        A multiple of 4: half of them are for training, a quarter for calibration, a quarter for the test.
    n_features
        Width of the rows, at least 7.
    n_tampered
        How many measurements of an untrusted row are tampered with is drawn from these, whatever the outcome. Without
        1 and 2 no untrusted row is inconsistent.
    measured, evidence, outcome
        How far a row is moved by each measurement that is on, by each that was tampered with, and by the outcome, in
        standard deviations of the noise.

    Returns
    -------
    Rows, measurements, truth.

    Raises
    ------
    SpecError
        If ``n_groups`` is no positive multiple of 4, ``n_features`` is below 7, or a number in ``n_tampered`` is not
        from 0 to 3.

    Examples
    --------
    >>> X, rows, truth = tampered_activations(0, n_groups=40)
    >>> X.shape, float(truth.mean()), rows.measurements.shape
    ((320, 24), 0.5, (320, 3))
    """
    if n_groups < 1 or n_groups % 4:
        raise SpecError(f"n_groups is {n_groups}; give a positive multiple of 4.")
    if n_features < 2 * _N_MEASUREMENTS + 1:
        raise SpecError(f"n_features is {n_features}; what is planted needs {2 * _N_MEASUREMENTS + 1}.")
    if not n_tampered or not set(n_tampered) <= set(range(_N_MEASUREMENTS + 1)):
        raise SpecError(f"n_tampered is {n_tampered}; give numbers from 0 to {_N_MEASUREMENTS}.")
    rng = stream(seed, "tampered activations")
    group = np.repeat(np.arange(n_groups), _ROWS_A_GROUP)
    n = len(group)
    truth = rng.permutation(np.arange(n_groups) % 2)[group]
    is_trusted = np.arange(n) % _ROWS_A_GROUP < _TRUSTED_A_GROUP
    number = np.where(is_trusted, 0, rng.choice(n_tampered, size=n))
    # ranks of random numbers: which ones are tampered with is drawn for each row
    tampered = (rng.random((n, _N_MEASUREMENTS)).argsort(axis=1) < number[:, None]).astype(np.int64)
    on = np.maximum(truth[:, None], tampered)
    directions = np.linalg.qr(rng.normal(size=(n_features, 2 * _N_MEASUREMENTS + 1)))[0].T
    planted = np.column_stack([measured * on, evidence * tampered, outcome * truth]) @ directions
    split = np.repeat(["train", "calibration", "test"], [n_groups // 2, n_groups // 4, n_groups // 4])
    rows = MeasuredRows(on, is_trusted, rng.permutation(split)[group], group)
    return TamperedActivations(rng.normal(size=planted.shape) + planted, rows, truth)
