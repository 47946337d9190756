"""Every closed-form probe, fitted on moments alone, is the probe fitted on the rows."""

import numpy as np
import pytest

from tests.methods import PROBES, Planted, plant
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.evaluation import auroc
from tiltmeter.numerics import Moments
from tiltmeter.probes import LAT, LDA, FitsMoments, MeanDifference

TRAIN = plant(200, 20, shift=4.0, seed=0)
FRESH = plant(400, 20, shift=4.0, seed=1, direction=TRAIN.direction)

fitting = pytest.mark.parametrize("method", [m for m in PROBES if m.fits_moments], ids=str)
learning = pytest.mark.parametrize("method", [m for m in PROBES if m.fits_moments and m.learns], ids=str)
supervised = pytest.mark.parametrize("method", [m for m in PROBES if m.fits_moments and m.is_supervised], ids=str)
unsupervised = pytest.mark.parametrize("method", [m for m in PROBES if m.fits_moments and not m.is_supervised], ids=str)


def loud() -> Planted:
    """Give features of unequal scales and tails, so that shrinkage and covariance matter."""
    rows = plant(300, 12, shift=3.0, seed=4)
    return rows._replace(X=np.sinh(rows.X) * np.geomspace(0.1, 10, 12))


def rare() -> Planted:
    """Give 0.5 % positives, each paired with a negative; the other negatives are paired among themselves."""
    rng = np.random.default_rng(5)
    y = (np.arange(2000) % 200 == 0).astype(int)
    X = rng.normal(size=(2000, 10)) + 6.0 * y[:, None] * np.eye(10)[0]
    pairs, sides = np.repeat(np.arange(1000), 2).astype(str), np.tile([0, 1], 1000)
    return Planted(X, y, pairs, np.eye(10)[0], sides=sides, is_negated=np.zeros(2000, dtype=bool))


def of_type(dtype) -> Planted:
    return TRAIN._replace(X=(300 * TRAIN.X).astype(dtype))


SETS = {
    "planted": TRAIN,
    "fewer rows than features": plant(15, 100, shift=12.0, seed=2),
    "loud features and heavy tails": loud(),
    "rare class": rare(),
    "float16": of_type(np.float16),
    "float32": of_type(np.float32),
    "a large offset": TRAIN._replace(X=TRAIN.X + 1e6),
    "a constant feature": TRAIN._replace(X=np.where(np.arange(20) == 3, 7.0, TRAIN.X)),
    "tiny": TRAIN._replace(X=1e-3 * TRAIN.X),
}


def test_the_table_says_which_probes_fit_moments():
    fits = {method.probe for method in PROBES if method.fits_moments}
    assert fits == {method.probe for method in PROBES if issubclass(method.probe, FitsMoments)}
    # shuffling and norms are a row's own: those classes can, these hyperparameters cannot
    cannot = [method for method in PROBES if issubclass(method.probe, FitsMoments) and not method.fits_moments]
    assert [str(method) for method in cannot] == ["LAT(order=shuffled, is_centred=True)", "MeanDifference(rows=unit)"]


@pytest.mark.long
@fitting
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("batch", [2, 64, 10_000])
def test_the_fit_on_moments_is_the_fit_on_the_rows(method, name, batch):
    planted = SETS[name]
    stored, streamed = method.fit(planted), method.fit_moments(planted, batch=batch)
    np.testing.assert_allclose(streamed.direction_, stored.direction_, rtol=0, atol=1e-6)
    # relative to the scores' own size: an offset of 1e6 in every feature makes them large
    expected = stored.decision_function(planted.X)
    size = np.abs(planted.X.astype(np.float64)).max()
    assert streamed.intercept_ == pytest.approx(stored.intercept_, abs=1e-6 * size)
    np.testing.assert_allclose(streamed.decision_function(planted.X), expected, rtol=0, atol=1e-6 * size)
    assert streamed.n_features_in_ == planted.X.shape[1]
    assert streamed.direction_.dtype == np.float64


@fitting
def test_the_fit_on_merged_moments_is_the_fit_on_all_rows(method):
    parts = [
        Moments(20).update(TRAIN.X[i:j], TRAIN.y[i:j], pairs=TRAIN.pairs[i:j])
        for i, j in ((0, 6), (6, 300), (300, 400))
    ]
    merged = parts[2].merge(parts[0]).merge(parts[1])
    np.testing.assert_allclose(
        method.make().fit_moments(merged).direction_, method.fit(TRAIN).direction_, rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("shrinkage", [0.0, 0.3, 1.0])
def test_lda_takes_its_shrinkage_to_moments(shrinkage):
    moments = Moments(20).update(TRAIN.X, TRAIN.y)
    here, there = LDA(shrinkage).fit_moments(moments), LDA(shrinkage).fit(TRAIN.X, TRAIN.y)
    np.testing.assert_allclose(here.direction_, there.direction_, atol=1e-10)


@learning
def test_a_planted_concept_is_found_through_moments(method):
    probe = method.fit_moments(TRAIN)
    if not method.is_supervised:
        probe.orient(TRAIN.X, TRAIN.y)
    assert probe.direction_ @ TRAIN.direction > 0.9
    assert auroc(FRESH.y, probe.decision_function(FRESH.X)) > 0.95
    assert probe.as_direction().sign == 1


@learning
def test_moments_of_shuffled_supervision_hold_no_direction_beyond_chance(method):
    areas = []
    for seed in range(10):
        weak = plant(200, 20, shift=1.0, seed=100 + seed)
        fresh = plant(400, 20, shift=1.0, seed=200 + seed, direction=weak.direction)
        null = weak.shuffled(seed)
        probe = method.fit_moments(null, batch=400)
        if not method.is_supervised:
            probe.orient(null.X, null.y)
        areas.append(auroc(fresh.y, probe.decision_function(fresh.X)))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.1)
    assert min(areas) < 0.5 < max(areas)


@supervised
def test_a_supervised_probe_predicts_0_and_1_after_moments(method):
    probe = method.fit_moments(TRAIN)
    np.testing.assert_array_equal(probe.classes_, [0, 1])
    np.testing.assert_array_equal(probe.predict(FRESH.X), method.fit(TRAIN).predict(FRESH.X))


@unsupervised
def test_the_sign_is_unknown_after_moments_until_oriented(method):
    probe = method.fit_moments(TRAIN).orient(TRAIN.X, TRAIN.y)
    moments = Moments(20).update(TRAIN.X, pairs=TRAIN.pairs)
    assert probe.fit_moments(moments).as_direction().sign == "unknown"
    oriented, stored = (fit(TRAIN).orient(FRESH.X, FRESH.y) for fit in (method.fit_moments, method.fit))
    np.testing.assert_allclose(oriented.direction_, stored.direction_, atol=1e-10)
    assert oriented.intercept_ == pytest.approx(stored.intercept_, abs=1e-9)


@unsupervised
def test_labels_in_the_moments_do_not_reach_an_unsupervised_probe(method):
    with_labels = Moments(20).update(TRAIN.X, TRAIN.y, pairs=TRAIN.pairs)
    without = Moments(20).update(TRAIN.X, pairs=TRAIN.pairs)
    np.testing.assert_array_equal(
        method.make().fit_moments(with_labels).direction_, method.make().fit_moments(without).direction_
    )


@fitting
def test_fitting_moments_changes_no_moment(method):
    moments = Moments(20).update(TRAIN.X, TRAIN.y, pairs=TRAIN.pairs)
    before = moments.to_arrays()
    method.make().fit_moments(moments)
    after = moments.to_arrays()
    assert all((before[name] == after[name]).all() for name in before)


def test_names_of_an_earlier_fit_are_forgotten():
    pandas = pytest.importorskip("pandas", reason="needs pandas to be installed: it names the features")
    frame = pandas.DataFrame(TRAIN.X, columns=[f"f{i}" for i in range(20)])
    probe = MeanDifference().fit(frame, TRAIN.y)
    assert probe.feature_names_in_[0] == "f0"
    probe.fit_moments(Moments(3).update(TRAIN.X[:, :3], TRAIN.y))
    assert not hasattr(probe, "feature_names_in_")
    assert probe.decision_function(TRAIN.X[:, :3]).shape == (400,)


# ------------------------------------------------------------ what cannot be


@learning
def test_moments_without_what_a_method_needs_are_refused(method):
    message = "hold no row of label 0; both labels" if method.is_supervised else "hold no pairs"
    with pytest.raises(ArrayError, match=message):
        method.make().fit_moments(Moments(20).update(TRAIN.X))


@learning
def test_moments_that_hold_no_difference_are_refused(method):
    # 0.1 thrice is not 0.3: rounding must not be taken for a direction
    with pytest.raises(ArrayError, match="found no direction"):
        method.fit_moments(TRAIN._replace(X=np.full_like(TRAIN.X, 0.1)))


def test_shuffled_lat_says_that_moments_hold_no_pair():
    moments = Moments(20).update(TRAIN.X, pairs=TRAIN.pairs)
    with pytest.raises(SpecError, match='order="shuffled" swaps each pair, which moments no longer hold'):
        LAT(order="shuffled").fit_moments(moments)
    with pytest.raises(SpecError, match="would subtract the mean difference"):
        LAT(is_centred=True).fit_moments(moments)


def test_a_singular_covariance_needs_shrinkage_in_moments_too():
    few = plant(5, 30, shift=4.0, seed=3)
    moments = Moments(30).update(few.X, few.y)
    with pytest.raises(ArrayError, match="covariance is singular; use shrinkage above 0"):
        LDA(0.0).fit_moments(moments)
    assert np.isfinite(LDA().fit_moments(moments).direction_).all()
