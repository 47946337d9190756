"""Power laws in spectra: a planted one is kept, and a shuffled matrix does not have it."""

from __future__ import annotations

import numpy as np
import pytest

from tiltmeter.anatomy import spectrum_shape, tail_shape
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.core.shape import Spectrum


def planted(alpha: float, d: int = 80) -> np.ndarray:
    """Make a matrix whose squared singular values are the quantiles of a power law."""
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(2))
    squared = (1 - (np.arange(d) + 0.5) / d) ** (-1 / (alpha - 1))
    return U * np.sqrt(squared) @ V


def test_a_planted_law_is_found_and_its_shuffled_twin_has_a_steeper_tail():
    found = spectrum_shape(planted(2.0), kind="weights", n_nulls=2, n_draws=100)
    assert isinstance(found, Spectrum)
    tail = found.tail
    assert isinstance(tail.alpha, Estimate) and isinstance(tail.p, Estimate)
    assert tail.alpha.low < 2.0 < tail.alpha.high and tail.p.value > 0.5 and tail.share > 0.5
    assert all(isinstance(null.alpha, Estimate) and null.alpha.value > tail.alpha.value for null in found.nulls)
    assert len(found.values) == found.n == 80 and found.values[0] > 3 * found.null_values[0]


def test_activations_are_centred_and_shuffled_by_column():
    X = 100 + np.random.default_rng(1).normal(size=(400, 25)) * np.geomspace(1, 30, 25)
    found = spectrum_shape(X, kind="activations", n_nulls=1, n_draws=100)
    assert isinstance(found, Spectrum)
    assert found.values[:3] == pytest.approx(400 * np.linalg.eigvalsh(np.cov(X.T, bias=True))[::-1][:3])
    # independent columns lose nothing by being shuffled
    assert found.null_values[0] == pytest.approx(found.values[0], rel=0.1)


def test_the_p_value_has_the_doubt_of_its_draws():
    x = np.random.default_rng(2).pareto(1.5, size=100) + 1
    found = tail_shape(x, n_draws=100, rng=np.random.default_rng(0))
    assert isinstance(found.p, Estimate) and found.p.n == 100 and found.p.low <= found.p.value <= found.p.high
    assert [one.rival for one in found.rivals] == ["exponential", "lognormal"]


def test_too_small_or_broken_matrices_say_so():
    small = spectrum_shape(np.random.default_rng(0).normal(size=(10, 300)), kind="weights")
    assert isinstance(small, Unavailable) and "10 singular values" in small.reason
    # the Q of a QR, as orthogonal starts of training are made
    orthogonal = np.linalg.qr(np.random.default_rng(0).normal(size=(40, 40)))[0]
    same = spectrum_shape(orthogonal, kind="weights")
    assert isinstance(same, Unavailable) and "orthogonal" in same.reason
    with pytest.raises(ArrayError, match="give a matrix"):
        spectrum_shape(np.ones(40))
    with pytest.raises(SpecError, match="-1 shuffled"):
        spectrum_shape(np.ones((40, 40)), n_nulls=-1)
    with pytest.raises(SpecError, match="level"):
        tail_shape(np.arange(1.0, 50.0), level=1.0, rng=np.random.default_rng(0))
    with pytest.raises(ArrayError, match="finite"):
        spectrum_shape(np.full((30, 30), np.nan))
    with pytest.raises(SpecError, match="draws"):
        tail_shape(np.arange(1.0, 50.0), n_draws=10, rng=np.random.default_rng(0))
    with pytest.raises(ArrayError, match="5 values"):
        tail_shape(np.arange(1.0, 6.0), rng=np.random.default_rng(0))
