from typing import get_args

import numpy as np
import pytest
from by_hand import along, shifted

from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.erasure import Reader, read
from tiltmeter.evaluation import auroc

READERS = get_args(Reader)
LINEAR = ("logistic", "hinge", "threshold")
NONLINEAR = ("mlp", "neighbours", "boosting", "covariances")
each = pytest.mark.parametrize("reader", READERS)


def judged(reader, X, y, **options):
    half = len(X) // 2
    scores = read(reader, X[:half], y=y[:half], X_test=X[half:], **options)
    return auroc(y[half:], scores), ((scores > 0) == y[half:]).mean()


@each
def test_every_reader_reads_a_shift_and_cuts_at_zero(reader):
    X, y = shifted(800, 5, shift=3.0, seed=0)
    area, accuracy = judged(reader, X, y)
    assert area > 0.95
    assert accuracy > 0.88


@each
def test_no_reader_reads_shuffled_labels(reader):
    X, y = shifted(800, 5, shift=3.0, seed=0)
    areas = [judged(reader, X, np.random.default_rng(50 + seed).permutation(y))[0] for seed in range(5)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("reader", NONLINEAR)
def test_what_is_not_linear_is_read_by_those_that_can(reader):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1600, 3))
    y = (X[:, 0] ** 2 > 0.5).astype(np.int64)
    assert judged(reader, X, y)[0] > 0.9


@pytest.mark.parametrize("reader", ["logistic", "hinge"])
def test_what_is_not_linear_is_not_read_by_convex_losses(reader):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1600, 3))
    y = (X[:, 0] ** 2 > 0.5).astype(np.int64)
    assert judged(reader, X, y)[0] == pytest.approx(0.5, abs=0.06)


def test_only_the_covariances_tell_them_apart_where_means_and_features_agree():
    # correlated in one class, anticorrelated in the other: every single feature is distributed alike
    rng = np.random.default_rng(0)
    y = np.arange(2000) % 2
    X = rng.normal(size=(2000, 2))
    X[:, 1] = np.where(y == 1, 0.8, -0.8) * X[:, 0] + 0.6 * X[:, 1]
    assert judged("covariances", X, y)[0] > 0.8
    assert judged("logistic", X, y)[0] == pytest.approx(0.5, abs=0.06)


@each
def test_a_rare_concept_is_read_and_cut_as_if_both_classes_were_of_one_size(reader):
    X, y = shifted(2000, 4, shift=4.0, seed=1, prevalence=0.05)
    half = 1000
    scores = read(reader, X[:half], y=y[:half], X_test=X[half:])
    called, truth = scores > 0, y[half:] == 1
    assert (called[truth].mean() + 1 - called[~truth].mean()) / 2 > 0.8


@each
def test_rows_that_all_agree_are_scored_zero(reader):
    X, y = np.ones((40, 3)), np.arange(40) % 2
    assert read(reader, X, y=y, X_test=X[:5]).tolist() == [0.0] * 5


@each
@pytest.mark.parametrize("change", [lambda X: 1e-3 * X, lambda X: 1e3 * X, lambda X: X.astype(np.float16)])
def test_every_reader_reads_other_scales_and_half_precision(reader, change):
    X, y = shifted(400, 4, shift=3.0, seed=0)
    assert judged(reader, change(X), y)[0] > 0.9


@each
def test_constant_features_duplicate_rows_and_few_rows_are_no_hindrance(reader):
    X, y = shifted(60, 6, shift=4.0, seed=0)
    X = np.column_stack([X, np.full(60, 3.0), np.repeat(X[:, :1], 80, axis=1)])
    scores = read(reader, np.vstack([X, X]), y=np.tile(y, 2), X_test=X)
    assert np.isfinite(scores).all()
    assert auroc(y, scores) > 0.9


@each
def test_one_class_and_numbers_that_are_not_finite_are_refused(reader):
    X, y = shifted(20, 3, shift=1.0, seed=0)
    with pytest.raises(ArrayError, match="one class only"):
        read(reader, X, y=np.zeros(20, dtype=np.int64), X_test=X)
    X[0, 0] = np.nan
    with pytest.raises(ArrayError, match="NaN"):
        read(reader, X, y=y, X_test=X)


def test_a_reader_that_does_not_exist_is_refused():
    X, y = shifted(20, 3, shift=1.0, seed=0)
    with pytest.raises(SpecError, match="use one of logistic"):
        read("tarot", X, y=y, X_test=X)


@each
def test_the_same_seed_reads_the_same(reader):
    X, y = shifted(200, 4, shift=1.0, seed=0)
    first, again = (read(reader, X[:100], y=y[:100], X_test=X[100:], random_state=3) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_a_channel_of_almost_no_variance_brings_the_concept_back_to_readers_that_scale():
    # rounding leaves a trace of the label at 1e-12; a scaler makes it as loud as any feature, a linear reader of the
    # rows as they are does not see it
    X, y = shifted(400, 4, shift=3.0, seed=0)
    erased = along(X, np.eye(4)[0])(X)
    erased[:, 0] = erased[:, 0].mean() + 1e-12 * y
    assert judged("mlp", erased, y)[0] > 0.9
    assert judged("logistic", erased, y)[0] == pytest.approx(0.5, abs=0.12)
