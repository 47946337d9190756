"""Rows of activations in which measurements, tamper evidence and the outcome are planted, each as loud as asked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import MeasuredRows

K = 3


class Planted(NamedTuple):
    """Activations (n, d), what was measured, and what is true."""

    X: np.ndarray
    rows: MeasuredRows
    truth: np.ndarray


def plant(seed, *, n_groups=800, evidence=1.5, outcome=1.5, measured=2.0, d=24, n_tampered=(0, 1, 2, 3)):
    """Plant eight rows a group, two of them trusted; all rows of a group have one outcome.

    Every measurement is 1 where the outcome occurs or it was tampered with. How many are tampered with is drawn from
    ``n_tampered``, whatever the outcome. A row is noise of unit variance, plus ``measured`` along a direction of each
    measurement that is on, ``evidence`` along one of each that was tampered with, ``outcome`` along one if it occurs.
    """
    rng = stream(seed, "planted tampering")
    group = np.repeat(np.arange(n_groups), 8)
    truth = rng.permutation(np.arange(n_groups) % 2)[group]
    is_trusted = np.arange(len(group)) % 8 < 2
    number = np.where(is_trusted, 0, rng.choice(n_tampered, size=len(group)))
    tampered = (rng.random((len(group), K)).argsort(axis=1) < number[:, None]).astype(int)
    on = np.maximum(truth[:, None], tampered)
    basis = np.linalg.qr(rng.normal(size=(d, 2 * K + 1)))[0].T
    X = (
        rng.normal(size=(len(group), d))
        + np.column_stack([measured * on, evidence * tampered, outcome * truth]) @ basis
    )
    split = rng.permutation(np.repeat(["train", "calibration", "test"], [n_groups // 2, n_groups // 4, n_groups // 4]))
    return Planted(X, MeasuredRows(on, is_trusted, split[group], group), truth)
