import numpy as np
import pytest
from scipy import optimize, special, stats
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from tiltmeter.core.calibration import Calibrator
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.evaluation import calibrated_probabilities, fit_calibrator, shift_prior

METHODS = ("platt", "beta", "isotonic")


def drawn(n=600, *, seed=0, rate=0.4):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < rate).astype(np.int64)
    return y, rng.normal(size=n) + 1.5 * y


def probabilities(y, scores, at, **how):
    return calibrated_probabilities(fit_calibrator(y, scores, **how), at)


def test_platts_curve_is_that_of_scikit_learn():
    # scikit-learn fits the same curve to the decision function of a frozen classifier
    y, scores = drawn()
    linear = LogisticRegression().fit(scores[:, None], y)
    theirs = CalibratedClassifierCV(FrozenEstimator(linear), method="sigmoid").fit(scores[:, None], y)
    own = linear.decision_function(scores[:, None])
    assert probabilities(y, own, own) == pytest.approx(theirs.predict_proba(scores[:, None])[:, 1], abs=1e-4)


def test_the_isotonic_map_is_that_of_scikit_learn_and_survives_its_record():
    y, scores = drawn(300)
    at = np.linspace(-5, 6, 200)
    fitted = fit_calibrator(y, scores, method="isotonic")
    kept = Calibrator.model_validate_json(fitted.model_dump_json())
    theirs = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores, y)
    assert calibrated_probabilities(kept, at) == pytest.approx(theirs.predict(at))


def naive_beta(y, parts):
    """The paper's curve by a general optimiser under a, b ≥ 0, on Platt's targets, written out row by row."""
    n_positive, n_negative = y.sum(), (1 - y).sum()
    targets = [(n_positive + 1) / (n_positive + 2) if label else 1 / (n_negative + 2) for label in y]

    def loss(abc):
        odds = parts[:, 0] * abc[0] + parts[:, 1] * abc[1] + abc[2]
        return sum(
            np.logaddexp(0, -o) * t + np.logaddexp(0, o) * (1 - t) for o, t in zip(odds, targets, strict=True)
        ) / len(y)

    found = optimize.minimize(loss, [1.0, 1.0, 0.0], bounds=[(0, None), (0, None), (None, None)], tol=1e-12)
    return special.expit(parts @ found.x[:2] + found.x[2])


def test_beta_calibration_of_probabilities_equals_its_naive_twin():
    y, scores = drawn(200)
    said = special.expit(2 * scores - 3)
    parts = np.stack([np.log(said), -np.log(1 - said)], axis=1)
    found = probabilities(y, said, said, method="beta", scores_are="probabilities")
    assert found == pytest.approx(naive_beta(y, parts), abs=2e-3)


def test_beta_calibration_of_unbounded_scores_squashes_the_standardised_score_first():
    y, scores = drawn(200)
    u = special.expit((scores - scores.mean()) / scores.std())
    parts = np.stack([np.log(u), -np.log(1 - u)], axis=1)
    fitted = fit_calibrator(y, scores, method="beta")
    assert fitted.squashed == pytest.approx((scores.mean(), scores.std()))
    assert calibrated_probabilities(fitted, scores) == pytest.approx(naive_beta(y, parts), abs=2e-3)


def test_a_coefficient_of_beta_that_would_be_negative_is_none():
    # positives in the middle: no rising curve fits, and one of the two parts is dropped
    rng = np.random.default_rng(3)
    scores = rng.uniform(size=2000)
    y = (rng.random(2000) < np.where(scores < 0.3, 0.1, 0.7 - 0.3 * scores)).astype(np.int64)
    a, b, _ = fit_calibrator(y, scores, method="beta", scores_are="probabilities").coefficients
    assert min(a, b) == 0.0 < max(a, b)
    falling = fit_calibrator(y, 1 - y + 0.0, method="beta", scores_are="probabilities")
    assert falling.coefficients[:2] == (0.0, 0.0)
    assert calibrated_probabilities(falling, scores) == pytest.approx(np.full(2000, y.mean()), abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_on_many_rows_the_true_curve_is_found(method):
    y, scores = drawn(20_000, rate=0.5)
    at = np.linspace(-1, 2.5, 50)
    truth = special.expit(1.5 * at - 1.5**2 / 2)
    assert np.abs(probabilities(y, scores, at, method=method) - truth).max() < (0.1 if method == "isotonic" else 0.03)


@pytest.mark.parametrize("method", METHODS)
def test_the_scale_and_place_of_the_scores_do_not_matter(method):
    y, scores = drawn()
    for scale, shift in ((1e-3, 0.0), (1e3, 5e3)):
        found = probabilities(y, scale * scores + shift, scale * scores + shift, method=method)
        assert found == pytest.approx(probabilities(y, scores, scores, method=method), abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_scores_that_divide_the_classes_or_say_nothing_give_finite_maps(method):
    y = np.repeat([0, 1], 50)
    for scores in (y + 0.0, np.zeros(100), np.float32(y)):
        found = probabilities(y, scores, scores, method=method)
        assert np.isfinite(found).all() and (found >= 0).all() and (found <= 1).all()
    # Platt's targets leave doubt where the rows leave none
    if method == "platt":
        assert probabilities(y, y + 0.0, y + 0.0).max() == pytest.approx(51 / 52, abs=1e-3)
    assert probabilities(y, np.zeros(100), np.zeros(1), method=method) == pytest.approx([0.5])


def test_only_the_calibration_rows_decide_and_their_base_rate_is_kept():
    y, scores = drawn(rate=0.2)
    fitted = fit_calibrator(y, scores)
    assert (fitted.n, fitted.base_rate) == (600, y.mean())
    before = calibrated_probabilities(fitted, scores[:5])
    calibrated_probabilities(fitted, np.full(1000, 9.0))
    assert (calibrated_probabilities(fitted, scores[:5]) == before).all()


def test_one_class_other_labels_and_scores_that_are_no_probabilities_are_refused():
    with pytest.raises(ArrayError, match="0 positives among 10 rows"):
        fit_calibrator(np.zeros(10, dtype=np.int64), np.arange(10.0))
    with pytest.raises(ArrayError, match="labels must be 0 and 1"):
        fit_calibrator(np.array([1, 2]), np.arange(2.0))
    with pytest.raises(ArrayError, match="not finite"):
        fit_calibrator(np.array([0, 1]), np.array([0.0, np.nan]))
    with pytest.raises(ArrayError, match="scores reach from -1 to 2"):
        fit_calibrator(np.array([0, 1]), np.array([-1.0, 2.0]), method="beta", scores_are="probabilities")


# ------------------------------------------------------------ another base rate


def test_the_shift_is_bayes_rule():
    # P(1 | s) from densities and base rates, by hand
    s = np.linspace(-3, 4, 30)
    positive, negative = stats.norm.pdf(s, 1.5), stats.norm.pdf(s)
    posterior = {rate: rate * positive / (rate * positive + (1 - rate) * negative) for rate in (0.5, 0.3, 0.01)}
    for old in posterior:
        for new in posterior:
            assert shift_prior(posterior[old], old=old, new=new) == pytest.approx(posterior[new])
    assert shift_prior(np.array([0.0, 1.0]), old=0.3, new=0.6).tolist() == [0.0, 1.0]


def test_shifted_probabilities_are_right_where_positives_are_rare():
    y, scores = drawn(20_000, rate=0.5)
    rare, rare_scores = drawn(50_000, rate=0.02, seed=1)
    said = probabilities(y, scores, rare_scores)
    moved = shift_prior(said, old=y.mean(), new=0.02)
    assert said.mean() > 0.15
    assert moved.mean() == pytest.approx(rare.mean(), abs=0.003)


def test_base_rates_and_probabilities_that_cannot_be_are_refused():
    with pytest.raises(SpecError, match=r"old is 0\.0 and new 0\.5"):
        shift_prior(np.array([0.5]), old=0.0, new=0.5)
    with pytest.raises(ArrayError, match="must lie between 0 and 1"):
        shift_prior(np.array([1.5]), old=0.5, new=0.5)
