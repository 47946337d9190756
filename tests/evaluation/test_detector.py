"""Rows of the same population are flagged as rarely as was certified, others are; and what cannot be seen is not."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from tiltmeter.core import Unavailable
from tiltmeter.core.errors import ArrayError, FormatError, TooFewNegativesError
from tiltmeter.evaluation import MahalanobisDetector
from tiltmeter.numerics import squared_mahalanobis

D = 30
SCALES = np.geomspace(0.1, 10, D)


def rows(n, rng, *, shift=None):
    """Draw rows of very different scales; the probe's direction is the last axis, whose standard deviation is 10."""
    X = rng.normal(size=(n, D)) * SCALES
    return X if shift is None else X + shift


def certified(rng, *, n=400, **options):
    train = rows(n, rng)
    return MahalanobisDetector.fit(train, (train[:, -1] > 0).astype(int), **options).certify(
        rows(400, rng), fpr=0.05, population="made up"
    )


def test_the_rate_holds_on_its_own_population_and_the_check_is_not_idle():
    # of 150 detectors, how many flag more than 5 % of fresh rows: at most 1 - confidence, and binomial error
    rates = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        rates.append(certified(rng, n=150).is_unlike(rows(2000, rng)).mean())
    broken = np.mean(np.array(rates) > 0.05)
    assert broken <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)
    assert np.mean(rates) > 0.02


def test_groups_count_once():
    rng = np.random.default_rng(0)
    X = np.repeat(rows(30, rng), 10, axis=0)
    detector = MahalanobisDetector.fit(rows(400, rng))
    assert detector.certify(X, fpr=0.05, population="x").threshold.n == 300
    with pytest.raises(TooFewNegativesError, match="30 negative groups"):
        detector.certify(X, fpr=0.05, groups=np.repeat(np.arange(30), 10), population="x")


def test_another_scale_place_or_correlation_is_flagged():
    rng = np.random.default_rng(0)
    detector = certified(rng)
    mixing, _ = np.linalg.qr(rng.normal(size=(D, D)))
    assert detector.is_unlike(2 * rows(500, rng)).mean() > 0.9
    assert detector.is_unlike(rows(500, rng) @ mixing).mean() > 0.9
    assert detector.is_unlike(rows(500, rng, shift=SCALES)).mean() > 0.5


def test_a_shift_along_an_irrelevant_direction_is_flagged_though_no_score_changes():
    rng = np.random.default_rng(0)
    detector, shift = certified(rng), np.zeros(D)
    shift[0] = SCALES[-1] / 2  # half a standard deviation of the probe's direction
    X = rows(500, rng)
    np.testing.assert_array_equal((X + shift)[:, -1], X[:, -1])
    assert detector.is_unlike(X + shift).all()


def test_a_shift_that_takes_false_alarms_from_1_to_37_percent_may_be_flagged_in_one_text_of_eight():
    rng = np.random.default_rng(0)
    train = rows(4000, rng)
    # one class, so that nothing else is known of the probe's direction
    detector = MahalanobisDetector.fit(train).certify(rows(1000, rng), fpr=0.05, population="x")
    threshold, shift = stats.norm.isf(0.01) * SCALES[-1], np.zeros(D)
    shift[-1] = 2 * SCALES[-1]
    moved = rows(4000, rng, shift=shift)
    assert (moved[:, -1] > threshold).mean() == pytest.approx(stats.norm.sf(stats.norm.isf(0.01) - 2), abs=0.03)
    # by theory: a non-central chi-square law, non-centrality 4
    flagged = stats.ncx2.sf(stats.chi2.isf(0.05, D), D, 4)
    assert flagged < 0.14
    assert detector.is_unlike(moved).mean() < flagged + 0.02
    # and what lies closer to the mean than any row is never flagged
    assert not detector.is_unlike(np.zeros((1, D))).any()


def test_the_relative_distance_of_two_classes_to_their_own_rows_depends_on_one_direction_alone():
    rng = np.random.default_rng(0)
    train, y = rows(500, rng), np.arange(500) % 2
    train[:, -1] += 30 * y
    relative = MahalanobisDetector.fit(train, y, background=train, shrinkage=0.0)
    centred = train - np.stack([train[y == k].mean(0) for k in (0, 1)])[y]
    lda = np.linalg.solve(centred.T @ centred / 500, train[y == 1].mean(0) - train[y == 0].mean(0))
    X = rng.normal(size=(50, D)) * 3 * SCALES
    across = rng.normal(size=(50, D)) * 100
    across -= np.outer(across @ lda, lda) / (lda @ lda)
    np.testing.assert_allclose(relative.distances(X + across), relative.distances(X), rtol=1e-4, atol=1e-4)
    assert np.ptp(MahalanobisDetector.fit(train, y).distances(X + across)) > 100


def test_the_relative_distance_is_the_difference_of_two():
    rng = np.random.default_rng(0)
    train, wide = rows(300, rng), 3 * rows(300, rng)
    found = MahalanobisDetector.fit(train, background=wide)
    expected = squared_mahalanobis(wide, found.inside) - squared_mahalanobis(wide, found.background)
    np.testing.assert_array_equal(found.distances(wide), expected)
    certified = found.certify(rows(400, rng), fpr=0.05, population="x")
    assert certified.is_unlike(rows(2000, rng)).mean() < 0.06
    assert certified.is_unlike(2 * rows(500, rng)).mean() > 0.9


def test_with_fewer_rows_than_features_other_rows_are_still_told():
    rng = np.random.default_rng(0)
    train = rng.normal(size=(60, 200))
    detector = MahalanobisDetector.fit(train).certify(rng.normal(size=(300, 200)), fpr=0.05, population="x")
    assert detector.inside.shrinkage > 0.3
    assert detector.is_unlike(rng.normal(size=(1000, 200))).mean() < 0.08
    assert detector.is_unlike(1.5 * rng.normal(size=(300, 200))).mean() > 0.9


def test_without_a_threshold_nothing_is_flagged():
    detector = MahalanobisDetector.fit(rows(100, np.random.default_rng(0)))
    assert detector.threshold == Unavailable(reason="not certified")
    with pytest.raises(ArrayError, match="has no threshold"):
        detector.is_unlike(np.zeros((1, D)))


@pytest.mark.parametrize("has_background", [False, True])
def test_a_detector_survives_saving_bit_for_bit(tmp_path, has_background):
    rng = np.random.default_rng(0)
    detector = certified(rng, background=rows(50, rng) if has_background else None)
    detector.save(tmp_path)
    loaded, X = MahalanobisDetector.load(tmp_path), rows(100, rng)
    np.testing.assert_array_equal(loaded.distances(X), detector.distances(X))
    assert loaded.threshold == detector.threshold
    assert (loaded.background is not None) == has_background


def test_a_changed_or_foreign_detector_is_refused(tmp_path):
    certified(np.random.default_rng(0)).save(tmp_path)
    path = tmp_path / "likeness.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["threshold"]["value"] = 1e9
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(FormatError, match="does not match the hash"):
        MahalanobisDetector.load(tmp_path)
    path.write_text(json.dumps({**content, "format_version": 2}), encoding="utf-8")
    with pytest.raises(FormatError, match="not a detector of format version 1"):
        MahalanobisDetector.load(tmp_path)
