"""Moments gathered while the model runs are those of the rows, and probes fitted from them agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from methods import PROBES
from tiny_models import random_texts, tiny_subject

from tiltmeter.activations import ActivationStore, _moments, collect, collect_moments, stored_moments
from tiltmeter.core.errors import SpecError
from tiltmeter.numerics import Moments

SITES = ("0.resid_post", "2.resid_post")
SUBJECT = tiny_subject("llama")
TEXTS = random_texts(120)


def _same(ours: Moments, theirs: Moments) -> None:
    """Equal to what single precision and another plan of batches leave."""
    assert ours.counts == theirs.counts
    for one, other in zip(ours.class_means(), theirs.class_means(), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * np.abs(other).max())
    covariance, expected = ours.within_covariance(), theirs.within_covariance()
    np.testing.assert_allclose(covariance.matrix, expected.matrix, rtol=0, atol=1e-5 * np.abs(expected.matrix).max())
    assert covariance.shrinkage == pytest.approx(expected.shrinkage, rel=1e-4)


@pytest.mark.parametrize("method", [method for method in PROBES if method.fits_moments], ids=str)
def test_probes_fitted_from_moments_agree_with_those_fitted_on_stored_rows(method, tmp_path, small_shards):
    acts = collect(SUBJECT, TEXTS, sites=SITES, store=tmp_path / "s", token_budget=60)[SITES[1]]
    ours = method.make().fit_moments(stored_moments(ActivationStore.open(tmp_path / "s"), SITES[1]))
    X = acts.X.astype(np.float64)
    if method.is_supervised:
        theirs = method.make().fit(X, acts.y)
    else:
        theirs = method.make().fit(X, **({"pairs": acts.pairs} if method.needs_pairs else {}))
    np.testing.assert_allclose(ours.direction_, theirs.direction_, rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), rtol=0, atol=1e-5)


def test_pairs_that_were_collected_in_two_calls_are_counted(tmp_path):
    first = TEXTS.select(np.arange(0, 120, 2))
    collect(SUBJECT, first, sites=SITES, store=tmp_path / "s")
    assert stored_moments(ActivationStore.open(tmp_path / "s"), SITES[0]).counts.pairs == 0
    acts = collect(SUBJECT, TEXTS, sites=SITES, store=tmp_path / "s")[SITES[0]]
    found = stored_moments(ActivationStore.open(tmp_path / "s"), SITES[0])
    expected = Moments(24).update(acts.X, acts.y, pairs=acts.pairs, sides=acts.sides)
    _same(found, expected)
    np.testing.assert_allclose(
        found.pair_differences().second_moment, expected.pair_differences().second_moment, rtol=1e-4, atol=1e-3
    )


def test_a_pair_without_its_other_half_is_two_rows_and_no_pair():
    divided = TEXTS.select(np.arange(1, 120))
    counts = collect_moments(SUBJECT, divided, sites=SITES)[SITES[0]].counts
    assert (counts.negative, counts.positive, counts.pairs) == (59, 60, 59)


def test_texts_without_labels_or_pairs_have_moments_too():
    bare = replace(TEXTS, y=None, pairs=None, sides=None)
    found = collect_moments(SUBJECT, bare, sites=SITES)[SITES[0]]
    assert found.counts.unlabelled == 120
    X = collect(SUBJECT, bare, sites=SITES)[SITES[0]].X
    np.testing.assert_allclose(found.mean_and_covariance().mean, X.mean(axis=0), atol=1e-5)


def test_the_memory_is_said_before_and_refused_if_there_is_not_enough(capsys, monkeypatch):
    collect_moments(SUBJECT, TEXTS, sites=SITES, progress=True)
    needed = 2 * Moments.bytes_needed(24, n_labels=2, has_pairs=True)
    assert capsys.readouterr().err.startswith(f"moments of 2 sites: {needed / 1e6:,.1f} MB\n")
    monkeypatch.setattr(_moments, "available_bytes", lambda device: needed - 1)
    with pytest.raises(SpecError, match=r"Moments of 2 sites need 0\.0 GB of memory, and 0\.0 GB are free"):
        collect_moments(SUBJECT, TEXTS, sites=SITES)
