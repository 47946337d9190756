import numpy as np
import pytest
import torch

from tests.erasers import rows
from tiltmeter.core.errors import ArrayError, NoDirectionError, SpecError
from tiltmeter.erasure import LEACEFitter, leace

TRAIN = rows(3000, 12)
MANY = np.random.default_rng(0).integers(0, 3, 3000)
X = TRAIN.X + np.random.default_rng(1).normal(size=(3, 12))[MANY] + 7.0


def fitted(batches, z=MANY, n_columns=3, **options):
    fitter = LEACEFitter(12, n_columns, **options)
    for batch in batches:
        fitter.update(X[batch], z[batch])
    return fitter


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [1, 7, 300, 3000])
def test_batches_of_any_size_and_order_give_the_map_of_all_rows_at_once(seed, size):
    order = np.random.default_rng(seed).permutation(3000)
    streamed = fitted(np.array_split(order, 3000 // size)).finish()
    whole = leace(X, MANY)
    np.testing.assert_allclose(streamed.matrix(), whole.matrix(), atol=1e-11)
    np.testing.assert_allclose(streamed(X), whole(X), atol=1e-11)


def test_rows_sorted_by_class_far_from_zero_give_the_same_map():
    global_shift = 1e6
    order = np.argsort(MANY)
    fitter = LEACEFitter(12, 3)
    for batch in np.array_split(order, 10):
        fitter.update(X[batch] + global_shift, MANY[batch])
    np.testing.assert_allclose(fitter.finish().matrix(), leace(X, MANY).matrix(), atol=1e-7)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_merged_parts_give_the_map_of_the_whole(precision):
    thirds = np.array_split(np.random.default_rng(2).permutation(3000), 3)
    parts = [fitted([third], precision=precision) for third in thirds]
    merged = LEACEFitter(12, 3, precision=precision).merge(parts[0]).merge(parts[1]).merge(parts[2])
    atol = 1e-11 if precision == "float64" else 1e-6
    np.testing.assert_allclose(merged.finish().matrix(), leace(X, MANY).matrix(), atol=atol)
    # the products of another precision hold another rounding; shrinkage and tolerance are no part of what is gathered
    other = "float64" if precision == "float32" else "float32"
    with pytest.raises(ArrayError, match=rf"precision {precision} cannot be merged into one of {other}"):
        LEACEFitter(12, 3, precision=other).merge(parts[0])
    shrunk = LEACEFitter(12, 3, precision=precision, shrinkage=0.1, tol=1e-8).merge(merged).finish()
    np.testing.assert_allclose(shrunk.matrix(), leace(X, MANY, shrinkage=0.1, tol=1e-8).matrix(), atol=atol)
    # what was merged stays valid, and both go on
    parts[0].update(X[thirds[1]], MANY[thirds[1]]).merge(parts[2])
    np.testing.assert_allclose(parts[0].finish().matrix(), merged.finish().matrix(), atol=atol)


def test_more_rows_may_follow_after_an_eraser_was_asked_for():
    fitter = fitted([np.arange(1000)])
    early = fitter.finish()
    late = fitter.update(X[1000:], MANY[1000:]).finish()
    np.testing.assert_allclose(early.matrix(), leace(X[:1000], MANY[:1000]).matrix(), atol=1e-11)
    np.testing.assert_allclose(late.matrix(), leace(X, MANY).matrix(), atol=1e-11)


def test_tensors_of_tokens_and_one_hot_columns_are_the_same_rows():
    fitter = LEACEFitter(12, 3)
    fitter.update(torch.tensor(X[:1500]).reshape(10, 150, 12), torch.tensor(MANY[:1500]).reshape(10, 150))
    fitter.update(X[1500:], np.eye(3)[MANY[1500:]])
    np.testing.assert_allclose(fitter.finish().matrix(), leace(X, MANY).matrix(), atol=1e-11)


def test_numbers_and_two_classes_need_one_column():
    numbers = X[:, 0] + np.random.default_rng(3).normal(size=3000)
    found = fitted([np.arange(1500), np.arange(1500, 3000)], z=numbers, n_columns=1).finish()
    np.testing.assert_allclose(found.matrix(), leace(X, numbers).matrix(), atol=1e-11)
    found = fitted([np.arange(3000)], z=TRAIN.z, n_columns=1).finish()
    np.testing.assert_allclose(found.matrix(), leace(X, TRAIN.z).matrix(), atol=1e-11)


def test_a_dictionary_of_fitters_serves_many_sites_in_one_pass():
    sites = {"0.resid_post": X, "1.resid_post": X[:, ::-1] ** 3}
    fitters = {site: LEACEFitter(12, 3) for site in sites}
    for batch in np.array_split(np.arange(3000), 6):
        for site, fitter in fitters.items():
            fitter.update(sites[site][batch], MANY[batch])
    for site, fitter in fitters.items():
        whole = leace(np.ascontiguousarray(sites[site]), MANY)
        np.testing.assert_allclose(fitter.finish()(sites[site]), whole(sites[site]), atol=1e-8)


def test_weights_count_as_repetitions():
    times = np.random.default_rng(4).integers(0, 4, 3000)
    weighted = LEACEFitter(12, 3).update(X, MANY, sample_weight=times.astype(float)).finish()
    index = np.repeat(np.arange(3000), times)
    np.testing.assert_allclose(weighted.matrix(), leace(X[index], MANY[index]).matrix(), atol=1e-11)


@pytest.mark.parametrize(
    ("batch", "z", "message"),
    [
        (X[:5, :11], MANY[:5], "its last axis must hold the 12 features"),
        (X[:5], MANY[:4], r"z has shape \(4,\) for rows of shape \(5,\); give 3 numbers or one class a row"),
        (X[:5], MANY[:5] + 1.5, "with 3 columns the classes are 0 to 2"),
        (X[:5], np.full(5, 3), "with 3 columns the classes are 0 to 2"),
        (X[:5], np.array(list("abcab")), "number the classes from 0"),
        (X[:5].astype(int), MANY[:5], "give rows of a floating type"),
        (np.where(np.arange(60).reshape(5, 12) == 30, np.nan, X[:5]), MANY[:5], "Row 2 of X contains NaN"),
        (X[:5], np.full((5, 3), np.nan), "z contains NaN or infinity"),
    ],
)
def test_a_batch_that_is_refused_leaves_the_fitter_as_it_was(batch, z, message):
    fitter = fitted([np.arange(3000)])
    before = fitter.finish()
    with pytest.raises(ArrayError, match=message):
        fitter.update(batch, z)
    np.testing.assert_array_equal(fitter.finish().matrix(), before.matrix())


def test_a_fitter_without_rows_or_of_another_width_or_without_a_concept_is_refused():
    with pytest.raises(ArrayError, match="No row has a weight above 0"):
        LEACEFitter(3).finish()
    with pytest.raises(SpecError, match="n_features is 0; give a whole number of at least 1"):
        LEACEFitter(0)
    with pytest.raises(SpecError, match=r"n_columns is 1\.0"):
        LEACEFitter(3, 1.0)
    with pytest.raises(ArrayError, match="merge fitters of the same site and concept"):
        LEACEFitter(3).merge(LEACEFitter(4))
    with pytest.raises(NoDirectionError, match="nothing to erase"):
        fitted([np.arange(3000)], z=np.zeros(3000, dtype=int)).finish()
    with pytest.raises(ArrayError, match=r"sample_weight is -1\.0 in row 0"):
        LEACEFitter(12, 3).update(X, MANY, sample_weight=-np.ones(3000))
