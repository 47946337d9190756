"""Probes on latents beside probes on activations: planted cases of which the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from tiltmeter.anatomy import Dictionary, LabelledRows, latent_probes
from tiltmeter.core.errors import ArrayError


def rows_of(seed, *, d=8, n=600, shift=1.5):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, d)) + shift * y[:, None] * np.eye(d)[0]
    return LabelledRows(X.astype(np.float32), y, np.repeat(np.arange(n // 2), 2))


def axes(d=8, without=()):
    """A dictionary whose latents are both halves of each axis, but for those left out."""
    kept = [i for i in range(d) if i not in without]
    both = np.concatenate([np.eye(d)[kept], -np.eye(d)[kept]]).astype(np.float32)
    return Dictionary(both, np.zeros(len(both), np.float32), both, np.zeros(d, np.float32))


def test_a_dictionary_that_keeps_everything_neither_gains_nor_loses():
    found = latent_probes(axes(), rows_of(0), test=rows_of(1), n_draws=300)
    assert found.gain.low < 0.01 and found.gain.high > -0.05 and abs(found.gain.value) < 0.03
    assert found.activations.value > 0.8
    assert found.which_latent in (0, 8)
    assert found.best_gain.value > 0


def test_a_dictionary_without_the_axis_of_the_label_loses_it():
    found = latent_probes(axes(without=(0,)), rows_of(0), test=rows_of(1), n_draws=300)
    assert found.gain.high < -0.2
    assert found.reconstruction.value < 0.6 and found.latents.low < 0.6 < found.activations.low


def test_a_label_that_is_nowhere_is_read_by_nobody():
    found = latent_probes(axes(), rows_of(0, shift=0.0), test=rows_of(1, shift=0.0), n_draws=300)
    for one in (found.activations, found.latents, found.best_latent, found.random_latents, found.best_random):
        assert one.low < 0.5 < one.high or abs(one.value - 0.5) < 0.06
    assert found.gain.low < 0 < found.gain.high


def test_labels_of_one_class_are_refused():
    rows = rows_of(0)
    with pytest.raises(ArrayError, match="One class only"):
        latent_probes(axes(), rows._replace(y=np.zeros_like(rows.y)), test=rows)
