import numpy as np
import pytest

from tiltmeter.numerics import bootstrap_weights


def test_weights_are_counts_of_n_draws():
    weights = bootstrap_weights(7, 500, groups=None, rng=np.random.default_rng(0))
    assert weights.shape == (500, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert (weights == weights.astype(int)).all() and (weights >= 0).all()


def test_weights_have_the_moments_of_drawing_with_replacement():
    # multinomial: mean 1, variance 1 − 1/n, covariance −1/n
    weights = bootstrap_weights(5, 40_000, groups=None, rng=np.random.default_rng(0))
    np.testing.assert_allclose(weights.mean(axis=0), 1.0, atol=0.03)
    np.testing.assert_allclose(np.cov(weights.T), np.eye(5) - 1 / 5, atol=0.03)


def test_rows_of_a_group_share_their_weight_and_groups_are_drawn_equally():
    groups = np.array(["a", "b", "a", "c", "a", "b"])
    weights = bootstrap_weights(6, 20_000, groups=groups, rng=np.random.default_rng(0))
    for name in "abc":
        members = weights[:, groups == name]
        assert (members == members[:, :1]).all()
    firsts = weights[:, [0, 1, 3]]
    # as many groups as there are, whatever their size
    assert (firsts.sum(axis=1) == 3).all()
    np.testing.assert_allclose(firsts.mean(axis=0), 1.0, atol=0.03)


def test_groups_of_one_row_are_rows():
    by_row, by_group = (
        bootstrap_weights(6, 10, groups=groups, rng=np.random.default_rng(0)) for groups in (None, np.arange(6))
    )
    np.testing.assert_array_equal(by_row, by_group)


@pytest.mark.parametrize("kind", [int, str, object])
def test_groups_may_have_any_name(kind):
    groups = np.array([3, 3, 10, 10, 2]).astype(kind)
    weights = bootstrap_weights(5, 4, groups=groups, rng=np.random.default_rng(0))
    assert (weights[:, 0] == weights[:, 1]).all() and (weights[:, 2] == weights[:, 3]).all()
