"""A few coordinates that hold most of the variance are pointed out; ordinary activations are not."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from tiny_models import massive_subject, random_texts

from tiltmeter.activations import collect
from tiltmeter.activations._massive import Spread
from tiltmeter.core import Site
from tiltmeter.core.errors import DataWarning

SITE = Site(0, "resid_post")


def _spread(*batches: np.ndarray) -> Spread:
    spread = Spread()
    for batch in batches:
        spread.update(SITE, batch.astype(np.float32))
    return spread


def test_the_variances_are_those_of_all_rows_however_they_came():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 40)) + 1000
    X[:, 7] *= np.linspace(1, 40, 300)
    share, coordinates = _spread(X[:1], X[1:250], X[250:]).massive()[SITE]
    variance = X.var(axis=0)
    assert coordinates == (7,)
    assert share == pytest.approx(variance[7] / variance.sum(), rel=1e-3)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_fewest_coordinates_that_hold_more_than_half_are_named(n):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(500, 40))
    X[:, :n] *= 7 if n == 1 else 5
    share, coordinates = _spread(X).massive()[SITE]
    assert sorted(coordinates) == list(range(n))
    assert share > 0.5


@pytest.mark.parametrize(
    "X",
    [
        np.random.default_rng(2).normal(size=(500, 40)),
        np.random.default_rng(2).normal(size=(500, 40)) * np.r_[np.full(6, 10), np.ones(34)],  # six, not three
        np.random.default_rng(2).normal(size=(500, 31)) * np.r_[99, np.ones(30)],  # too few features to say
        np.random.default_rng(2).normal(size=(5, 400)) * np.r_[9, np.ones(399)],  # too few rows
        np.ones((50, 40)),
    ],
)
def test_ordinary_activations_are_not_pointed_out(X):
    assert _spread(X).massive() == {}


def test_chance_alone_hardly_ever_raises_it():
    rng = np.random.default_rng(3)
    assert sum(bool(_spread(rng.standard_t(5, size=(30, 32))).massive()) for _ in range(300)) <= 3


def test_collect_warns_once_for_all_sites(tmp_path):
    subject = massive_subject()
    texts = random_texts(60)
    for store in (None, tmp_path / "s"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            collect(subject, texts, store=store)
        told = [str(one.message) for one in caught if issubclass(one.category, DataWarning)]
        assert len(told) == 1
        assert "(most of 2 such sites)" in told[0]
        assert "1 of its coordinates (5)" in told[0]
        assert "skip_first" in told[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        collect(subject, texts, sites=["0.resid_post"])
