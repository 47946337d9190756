"""Rows on which a method is told nothing, or sees nothing but mean and covariance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError
from tiltmeter.evaluation import shuffle_labels
from tiltmeter.numerics import pair_rows
from tiltmeter.probes._feeding import labels_of
from tiltmeter.probes._probe import Classifier, LinearProbe


def shuffled_supervision(probe: LinearProbe, data: Activations, *, rng: np.random.Generator) -> Activations:
    """Return the same rows with labels shuffled where the probe is supervised, else with other partners.

    Labels keep their structure in pairs and groups. A row keeps its side: each of side 0 gets some other one of side 1.
    """
    if isinstance(probe, Classifier):
        return replace(data, y=shuffle_labels(labels_of(data), pairs=data.pairs, groups=data.groups, rng=rng))
    if data.pairs is None:
        raise ArrayError("The activations have no pairs; give them there, two rows each.")
    members = pair_rows(data.pairs, n=len(data), sides=data.sides)
    pairs = data.pairs.copy()
    pairs[members[:, 1]] = rng.permutation(pairs[members[:, 1]])
    return replace(data, pairs=pairs)


def gaussian_like(data: Activations, *, rng: np.random.Generator) -> Activations:
    """Return normal rows with the mean and covariance of these, the two rows of a pair drawn together.

    Labels, pairs and sides stay as they are, so that the labels say nothing of the new rows, and the pairing what the
    covariance of the halves says.
    """
    rows = data.X.astype(np.float64)
    if data.pairs is None:
        return replace(data, X=_normal_like(rows, rng))
    members = pair_rows(data.pairs, n=len(data), sides=data.sides)
    p, d = len(members), rows.shape[1]
    drawn = _normal_like(rows[members].reshape(p, 2 * d), rng).reshape(p, 2, d)
    new = np.empty_like(rows)
    new[members] = drawn
    return replace(data, X=new)


def _normal_like(rows: Float[NDArray[Any], "n d"], rng: np.random.Generator) -> Float[NDArray[Any], "n d"]:
    n, d = rows.shape
    center = rows.mean(axis=0)
    centred = rows - center
    if n <= d:
        # mixtures of the centred rows: no d × d covariance
        return np.asarray(rng.normal(size=(n, n)) @ centred / np.sqrt(n) + center)
    values, vectors = np.linalg.eigh(centred.T @ centred / n)
    return np.asarray(rng.normal(size=(n, d)) * np.sqrt(values.clip(0)) @ vectors.T + center)
