import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from tests.methods import plant
from tiltmeter.core.errors import ArrayError, ConvergenceWarning
from tiltmeter.evaluation import auroc
from tiltmeter.probes import LDA, MLP, LinearProbe, LinearSVM, Logistic, MeanDifference, Ridge, mlp

ROWS = plant(60, 6, shift=2.0, seed=0)


def exclusive_or(seed, n=400, d=6):
    """Draw rows whose first two features are a sign ±1 and noise of 0.4; the label is whether the signs differ."""
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1, 1], size=(n, 2))
    X = rng.normal(size=(n, d))
    X[:, :2] = 0.4 * X[:, :2] + signs
    return X, (signs[:, 0] != signs[:, 1]).astype(int)


def test_the_score_is_the_network_written_out():
    network = mlp(ROWS.X, ROWS.y, width=5)
    assert network.hidden.shape == (6, 5) and network.output.shape == (5,)
    for row, score in zip(ROWS.X[:10], network.score(ROWS.X[:10]), strict=True):
        logit = network.output_bias
        for h in range(5):
            unit = network.hidden_bias[h]
            for j in range(6):
                unit += (row[j] - network.center[j]) / network.scale[j] * network.hidden[j, h]
            logit += np.tanh(unit) * network.output[h]
        assert score == pytest.approx(logit)


def test_no_single_weight_can_be_changed_for_the_better():
    alpha = 2.0
    network = mlp(ROWS.X, ROWS.y, width=4, alpha=alpha)
    sign = 2.0 * ROWS.y - 1

    def objective(one):
        loss = sum(np.logaddexp(0.0, -s * score) for s, score in zip(sign, one.score(ROWS.X), strict=True))
        return loss + alpha / 2 * (sum(v**2 for v in one.hidden.ravel()) + sum(v**2 for v in one.output))

    here = objective(network)
    for name in ("hidden", "hidden_bias", "output"):
        values = getattr(network, name)
        for index in np.ndindex(values.shape):
            for step in (-0.01, 0.01):
                moved = values.copy()
                moved[index] += step
                assert objective(network._replace(**{name: moved})) > here - 1e-6


def test_it_is_scikit_learns_network_on_standardised_rows():
    # in the order in which rows are merged, since sums in another order lead the search elsewhere
    order = np.lexsort(ROWS.X.T[::-1])
    X, y = ROWS.X[order], ROWS.y[order]
    standard = StandardScaler().fit_transform(X)
    theirs = MLPClassifier((5,), activation="tanh", solver="lbfgs", alpha=1.0, max_iter=2000, tol=1e-6, random_state=3)
    theirs.fit(standard, y)
    ours = mlp(X, y, width=5, random_state=3)
    penalty = (np.sum(ours.hidden**2) + np.sum(ours.output**2)) / 2
    loss = (np.logaddexp(0, -(2 * y - 1) * ours.score(X)).sum() + penalty) / len(y)
    # both searches stop where a step lowers the loss by less than about 1e-9 of it, at scores that still differ by more
    assert loss == pytest.approx(theirs.loss_, rel=1e-5)
    probability = 1 / (1 + np.exp(-ours.score(X)))
    np.testing.assert_allclose(probability, theirs.predict_proba(standard)[:, 1], atol=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_it_reads_an_exclusive_or_that_no_linear_probe_can(seed):
    X, y = exclusive_or(seed)
    fresh, labels = exclusive_or(100 + seed, n=2000)
    assert auroc(labels, MLP().fit(X, y).decision_function(fresh)) > 0.97
    for rival in (MeanDifference(), LDA(), Ridge(), Logistic(), LinearSVM()):
        assert auroc(labels, rival.fit(X, y).decision_function(fresh)) == pytest.approx(0.5, abs=0.1)


def test_on_shuffled_labels_it_is_right_by_chance_on_fresh_rows_only():
    # it can learn its train rows by heart, which is why it must be compared on held-out ones
    held_out, seen = [], []
    for seed in range(8):
        X, y = exclusive_or(seed, n=200)
        fresh, labels = exclusive_or(100 + seed, n=1000)
        shuffled = np.random.default_rng(seed).permutation(y)
        probe = MLP().fit(X, shuffled)
        held_out.append(auroc(labels, probe.decision_function(fresh)))
        seen.append(auroc(shuffled, probe.decision_function(X)))
    assert np.mean(held_out) == pytest.approx(0.5, abs=0.1)
    assert np.mean(seen) > 0.8


@pytest.mark.parametrize("scale", [2.0**-10, 2.0**10])
def test_rescaling_rows_changes_no_score(scale):
    # a power of two, which is exact: the search is as it was, to the bit
    here = MLP(8).fit(ROWS.X, ROWS.y).decision_function(ROWS.X)
    there = MLP(8).fit(scale * ROWS.X, ROWS.y).decision_function(scale * ROWS.X)
    np.testing.assert_allclose(there, here, rtol=1e-9, atol=1e-9)


def test_much_penalty_leaves_no_score_but_the_base_rate():
    y = (np.arange(120) % 4 == 0).astype(int)
    scores = MLP(alpha=1e4).fit(ROWS.X, y).decision_function(ROWS.X)
    np.testing.assert_allclose(scores, np.log(0.25 / 0.75), atol=1e-2)


def test_it_names_no_direction():
    assert not issubclass(MLP, LinearProbe)
    assert not hasattr(MLP().fit(ROWS.X, ROWS.y), "direction_")


def test_the_order_of_rows_changes_no_bit():
    order = np.random.default_rng(0).permutation(len(ROWS.y))
    here, there = mlp(ROWS.X, ROWS.y, width=4), mlp(ROWS.X[order], ROWS.y[order], width=4)
    np.testing.assert_array_equal(there.score(ROWS.X), here.score(ROWS.X))


def test_another_seed_ends_elsewhere():
    one, other = (mlp(ROWS.X, ROWS.y, width=4, random_state=seed) for seed in (0, 1))
    assert (one.hidden != other.hidden).any()


def test_stopping_early_is_said_with_the_loss():
    with pytest.warns(ConvergenceWarning, match=r"MLP stopped after 2 steps at a loss of .*; raise alpha or max_steps"):
        mlp(ROWS.X, ROWS.y, max_steps=2)


@pytest.mark.parametrize(("width", "alpha", "word"), [(0, 1.0, "width"), (4, -1.0, "alpha"), (4, np.nan, "alpha")])
def test_a_network_that_cannot_be_is_refused(width, alpha, word):
    with pytest.raises(ArrayError, match=f"{word} is"):
        MLP(width, alpha=alpha).fit(ROWS.X, ROWS.y)


def test_a_dead_feature_that_varies_by_rounding_alone_decides_nothing():
    dead = 1e-30 * np.random.default_rng(0).normal(size=len(ROWS.X))
    X = np.column_stack([ROWS.X, dead])
    probe = MLP(8).fit(X, ROWS.y)
    moved = X.copy()
    moved[:, -1] += 1e-28
    np.testing.assert_allclose(probe.decision_function(moved), probe.decision_function(X), atol=1e-6)
