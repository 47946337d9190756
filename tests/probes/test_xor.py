"""The XOR control: combinations that nobody put there are readable only where features are redundant."""

import numpy as np
import pytest

from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.probes import ContrastLogistic, Logistic, MeanDifference, random_mlp_activations, xor_probe


def readout(k, *, copies, seed, n=2000, **network):
    """Two of k features and their XOR, read from a random network of width k · copies = 32."""
    features = 2 * np.random.default_rng(seed).integers(2, size=(2 * n, k)) - 1
    X = random_mlp_activations(features, copies=copies, random_state=seed, **network)
    a = (features[:, :2] + 1) // 2
    return xor_probe(Logistic(), X[:n], attributes=a[:n], X_test=X[n:], attributes_test=a[n:], random_state=seed)


@pytest.mark.parametrize("seed", range(5))
def test_xor_is_readable_by_accident_only_where_features_are_redundant(seed):
    single = readout(32, copies=1, seed=seed)
    redundant = readout(4, copies=8, seed=seed)
    for found in (single, redundant):
        assert found.first.value > 0.95 and found.second.value > 0.95
    assert single.xor.value < 0.65
    assert redundant.xor.value > 0.95


@pytest.mark.parametrize("copies", [1, 8])
def test_without_a_layer_no_xor_is_readable_however_redundant(copies):
    found = readout(4, copies=copies, seed=0, n_layers=0)
    assert found.first.value == 1.0
    assert found.xor.low <= 0.5 <= found.xor.high


def test_an_xor_that_was_put_there_is_found():
    rng = np.random.default_rng(0)
    a = rng.integers(2, size=(800, 2))
    X = np.column_stack([a, a[:, 0] ^ a[:, 1], rng.normal(size=(800, 3))])
    found = xor_probe(MeanDifference(), X[:400], attributes=a[:400], X_test=X[400:], attributes_test=a[400:])
    assert found.xor.value == 1.0


def test_a_rare_attribute_does_not_make_the_xor_readable():
    # b is almost always 1, so that a XOR b is almost always "not a": without balance any reader of a would read it
    rng = np.random.default_rng(0)
    a = np.column_stack([rng.integers(2, size=4000), rng.random(4000) < 0.95]).astype(int)
    X = np.column_stack([a, rng.normal(size=(4000, 3))]).astype(float)
    found = xor_probe(Logistic(), X[:2000], attributes=a[:2000], X_test=X[2000:], attributes_test=a[2000:])
    assert found.n_train < 400
    assert found.xor.low < 0.55


def test_the_network_is_the_formula_written_out():
    features = np.array([[1, -1], [-1, -1], [1, 1]])
    found = random_mlp_activations(features, copies=2, n_layers=2, width=5, random_state=3)
    rng = np.random.default_rng(3)
    expected = [np.array([row[0], row[0], row[1], row[1]], dtype=float) for row in features]
    for _ in range(2):
        W, b = rng.normal(size=(4, 5)) / 2, rng.normal(size=5)
        V = rng.normal(size=(5, 4)) * np.sqrt(2 / 5)
        for i, x in enumerate(expected):
            hidden = [max(0.0, sum(x[j] / np.sqrt(np.mean(x**2)) * W[j, h] for j in range(4)) + b[h]) for h in range(5)]
            expected[i] = x + np.array([sum(hidden[h] * V[h, j] for h in range(5)) for j in range(4)])
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_fresh_rows_pass_through_the_same_network():
    features = np.array([[1, -1], [-1, -1], [1, 1]])
    whole = random_mlp_activations(features, random_state=5)
    np.testing.assert_allclose(random_mlp_activations(features[1:], random_state=5), whole[1:])


def test_what_is_no_attribute_or_feature_is_refused():
    X, a = np.zeros((8, 2)), np.tile([[0, 0], [0, 1], [1, 0], [1, 1]], (2, 1))
    with pytest.raises(ArrayError, match=r"have \[4, 0, 0, 4\] rows; all four are needed"):
        xor_probe(Logistic(), X, attributes=np.repeat([[0, 0], [1, 1]], 4, axis=0), X_test=X, attributes_test=a)
    with pytest.raises(ArrayError, match="must be 0 and 1"):
        xor_probe(Logistic(), X, attributes=2 * a, X_test=X, attributes_test=a)
    with pytest.raises(SpecError, match="ContrastLogistic needs pairs"):
        xor_probe(ContrastLogistic(), X, attributes=a, X_test=X, attributes_test=a)
    with pytest.raises(ArrayError, match="must be -1 and 1"):
        random_mlp_activations(np.array([[0, 1]]))
    with pytest.raises(SpecError, match="copies is 0"):
        random_mlp_activations(np.array([[1, 1]]), copies=0)
