"""Options, weights and rows that cannot be are answered in one sentence, and rows that do not count do not matter."""

import numpy as np
import pytest
import torch

from tests.erasers import ERASERS, rows
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.erasure import (
    INLP,
    LEACE,
    RLACE,
    SAL,
    KernelSAL,
    LEACEFitter,
    MeanProjection,
    MeanTranslation,
    MedianProjection,
    OracleLEACE,
    inlp,
    leace,
    load,
    mean_projection,
    mean_translation,
    median_projection,
    oracle_leace,
    quadratic_leace,
    rlace,
    rlace_sgd,
    sal,
    save,
)
from tiltmeter.numerics import Moments

TRAIN = rows(400, 5)
MANY = np.arange(400) % 3
FUNCTIONS = (leace, mean_projection, sal, median_projection, quadratic_leace, oracle_leace, mean_translation)

every = pytest.mark.parametrize("method", ERASERS, ids=str)
each_function = pytest.mark.parametrize("find", FUNCTIONS, ids=lambda find: find.__name__)


# ------------------------------------------------------------ options


@pytest.mark.usefixtures("without_run_time_types")
@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (LEACE, {"concept": "label"}, "concept is 'label'; use one of 'auto', 'labels', 'numbers'"),
        (MeanProjection, {"concept": "classes"}, "concept is 'classes'; use one of 'auto', 'labels', 'numbers'"),
        (SAL, {"concept": None}, "concept is None; use one of 'auto', 'labels', 'numbers'"),
        (OracleLEACE, {"concept": "number"}, "concept is 'number'; use one of 'auto', 'labels', 'numbers'"),
        (LEACE, {"precision": "double"}, "precision is 'double'; use one of 'float64', 'float32'"),
        (MedianProjection, {"center": "mean"}, "center is 'mean'; use one of 'geometric', 'tukey'"),
        (KernelSAL, {"kernel": "cosine"}, "kernel is 'cosine'; use one of 'linear', 'poly', 'rbf', 'sigmoid'"),
    ],
)
def test_a_misspelt_option_is_refused_with_those_that_are_allowed(method, options, message):
    with pytest.raises(SpecError, match=message):
        method(**options).fit(TRAIN.X, MANY)
    if method in (LEACE, MeanProjection, SAL):
        with pytest.raises(SpecError, match=message):
            method(**options).fit_moments(Moments(5).update(TRAIN.X, TRAIN.z))


@pytest.mark.usefixtures("without_run_time_types")
def test_a_fitter_of_batches_refuses_a_misspelt_precision_at_once():
    with pytest.raises(SpecError, match="precision is 'float16'; use one of 'float64', 'float32'"):
        LEACEFitter(3, precision="float16")


@pytest.mark.usefixtures("without_run_time_types")
@pytest.mark.parametrize("count", [1.5, 1.0, True, "1"])
def test_a_rank_that_is_no_whole_number_is_refused(count):
    for method in (SAL(count), RLACE(count), KernelSAL(count)):
        with pytest.raises(SpecError, match=rf"rank is {count!r}; give a whole number"):
            method.fit(TRAIN.X, MANY)
    with pytest.raises(SpecError, match=rf"rank is {count!r}; give a whole number from 1 to 5, the width of the rows"):
        rlace_sgd(TRAIN.X, TRAIN.z, rank=count)
    with pytest.raises(SpecError, match=rf"n_iterations is {count!r}; give a whole number of at least 1"):
        INLP(count).fit(TRAIN.X, MANY)
    # NumPy's whole numbers are whole
    assert SAL(np.int64(2)).fit(TRAIN.X, MANY).eraser_.rank == 2


@pytest.mark.usefixtures("without_run_time_types")
@pytest.mark.parametrize("dtype", [bool, float])
def test_class_numbers_of_another_type_are_refused_by_the_functions(dtype):
    for find in (inlp, lambda X, z: rlace(X, z, rank=1), lambda X, z: rlace_sgd(X, z, rank=1)):
        with pytest.raises(ArrayError, match=rf"z has dtype {np.dtype(dtype)}; number the classes 0, 1, 2"):
            find(TRAIN.X, TRAIN.z.astype(dtype))
    # the classes know labels of any kind
    np.testing.assert_array_equal(
        INLP(2).fit(TRAIN.X, TRAIN.z.astype(dtype)).directions_, inlp(TRAIN.X, TRAIN.z, n_iterations=2).directions
    )


# ------------------------------------------------------------ weights


@pytest.mark.usefixtures("without_run_time_types")
@each_function
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(407), r"sample_weight has shape \(407,\) .* for 400 rows"),
        (np.ones(399), r"sample_weight has shape \(399,\) .* for 400 rows"),
        (np.ones((400, 1)), r"sample_weight has shape \(400, 1\) .* for 400 rows"),
        (
            np.where(np.arange(400) == 7, -1.0, 1.0),
            r"sample_weight is -1\.0 in row 7; give finite numbers of 0 or more",
        ),
        (np.where(np.arange(400) == 7, np.nan, 1.0), "sample_weight is nan in row 7"),
        (np.where(np.arange(400) == 7, np.inf, 1.0), "sample_weight is inf in row 7"),
        (np.zeros(400), "sample_weight is 0 in every row"),
        (np.full(400, "1"), "give one number a row"),
    ],
    ids=["long", "short", "two axes", "negative", "NaN", "infinite", "zero", "strings"],
)
def test_weights_that_cannot_be_are_refused_by_every_function(find, weights, message):
    with pytest.raises(ArrayError, match=message):
        find(TRAIN.X, TRAIN.z, sample_weight=weights)


@every
@pytest.mark.parametrize("size", [1e6, 1e12, 1e30, 1e150])
def test_a_row_of_weight_zero_does_not_matter_wherever_it_stands_and_however_large_it_is(method, size):
    alone = method.make().fit(TRAIN.X, TRAIN.z)
    expected = method.erase(alone, TRAIN.X, TRAIN.z)
    for place in (0, 200, 400):
        X, z = np.insert(TRAIN.X, place, size, axis=0), np.insert(TRAIN.z, place, 1)
        weights = np.insert(np.ones(400), place, 0.0)
        fitted = method.make().fit(X, z, sample_weight=weights)
        np.testing.assert_allclose(method.erase(fitted, TRAIN.X, TRAIN.z), expected, rtol=1e-12, atol=1e-12)


def test_a_batch_may_begin_with_a_row_of_weight_zero_or_hold_no_other():
    alone = LEACEFitter(5).update(TRAIN.X, TRAIN.z).finish()
    fitter = LEACEFitter(5).update(np.full((3, 5), 1e30), np.array([0, 1, 1]), sample_weight=np.zeros(3))
    X, z = np.insert(TRAIN.X, 0, 1e30, axis=0), np.insert(TRAIN.z, 0, 1)
    fitter.update(X, z, sample_weight=np.insert(np.ones(400), 0, 0.0))
    np.testing.assert_allclose(fitter.finish().matrix(), alone.matrix(), atol=1e-12)


@each_function
def test_a_row_of_weight_zero_must_be_finite_all_the_same(find):
    X, weights = TRAIN.X.copy(), np.ones(400)
    X[9, 2], weights[9] = np.nan, 0.0
    with pytest.raises(ArrayError, match="Row 9 of X contains NaN or infinity"):
        find(X, TRAIN.z, sample_weight=weights)


# ------------------------------------------------------------ types of rows and of the concept


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64])
def test_unsigned_numbers_are_labels_numbers_and_columns_as_signed_ones_are_and_can_be_saved(dtype, tmp_path):
    small = MANY.astype(dtype)
    for concept in ("labels", "numbers"):
        np.testing.assert_array_equal(
            leace(TRAIN.X, small, concept=concept).matrix(), leace(TRAIN.X, MANY, concept=concept).matrix()
        )
    columns = np.eye(3)[MANY]
    np.testing.assert_array_equal(leace(TRAIN.X, columns.astype(dtype)).matrix(), leace(TRAIN.X, columns).matrix())
    oracle = oracle_leace(TRAIN.X, columns)
    np.testing.assert_array_equal(oracle(TRAIN.X, columns.astype(dtype)), oracle(TRAIN.X, columns))
    fitted = MeanTranslation().fit(TRAIN.X, small)
    save(fitted.eraser_, tmp_path)
    np.testing.assert_array_equal(load(tmp_path)(TRAIN.X, small), fitted.transform(TRAIN.X, small))
    assert load(tmp_path).classes.dtype == dtype


@every
def test_labels_that_are_missing_are_refused_and_objects_that_are_none_are_labels(method):
    whole = np.array([False, True], dtype=object)[TRAIN.z]
    np.testing.assert_array_equal(
        method.erase(method.make().fit(TRAIN.X, whole), TRAIN.X, whole),
        method.erase(method.make().fit(TRAIN.X, TRAIN.z), TRAIN.X, TRAIN.z),
    )
    for nothing in (None, float("nan")):
        gaps = whole.copy()
        gaps[5] = nothing
        with pytest.raises(ArrayError, match="z contains missing values"):
            method.make().fit(TRAIN.X, gaps)
    with pytest.raises(ArrayError, match="z contains missing values"):
        method.make().fit(TRAIN.X, [float("nan"), *np.array(["a", "b"])[TRAIN.z[1:]].tolist()])


def test_what_pandas_calls_missing_is_missing():
    pandas = pytest.importorskip("pandas", reason="needs pandas, which the dev extra brings")
    for gaps in (
        pandas.Series([0, 1, pandas.NA, 1] * 100, dtype="Int64"),
        pandas.Series(["a", "b", None, "a"] * 100),
        pandas.Series(["a", "b", None, "a"] * 100).astype("category"),
    ):
        with pytest.raises(ArrayError, match=r"z contains (missing values|NaN)"):
            MeanProjection().fit(TRAIN.X, gaps)


@every
def test_a_tensor_that_requires_a_gradient_is_fitted_on_as_its_values_are(method):
    tensor = torch.tensor(TRAIN.X, requires_grad=True)
    fitted = method.make().fit(tensor, torch.tensor(TRAIN.z), sample_weight=torch.ones(400))
    plain = method.make().fit(TRAIN.X, TRAIN.z, sample_weight=np.ones(400))
    extra = (torch.tensor(TRAIN.z),) if method.needs_z else ()
    np.testing.assert_array_equal(fitted.transform(tensor, *extra), method.erase(plain, TRAIN.X, TRAIN.z))


@every
def test_an_eraser_that_is_given_a_list_or_a_frame_says_what_it_takes(method):
    eraser = method.make().fit(TRAIN.X, TRAIN.z).eraser_
    extra = (TRAIN.z,) if method.needs_z else ()
    with pytest.raises(ArrayError, match="X is a list; an eraser takes an array or a tensor"):
        eraser(TRAIN.X.tolist(), *extra)
    pandas = pytest.importorskip("pandas", reason="needs pandas, which the dev extra brings")
    with pytest.raises(ArrayError, match=r"X is a DataFrame; .* X\.to_numpy\(\)"):
        eraser(pandas.DataFrame(TRAIN.X), *extra)


@pytest.mark.usefixtures("without_run_time_types")
@each_function
def test_a_function_that_is_given_no_array_of_rows_says_what_it_takes(find):
    with pytest.raises(ArrayError, match="X is a Tensor; give a NumPy array of rows"):
        find(torch.tensor(TRAIN.X), TRAIN.z)


@pytest.mark.parametrize("method", [INLP(2), RLACE(), KernelSAL()], ids=str)
def test_methods_outside_the_table_take_tensors_and_refuse_missing_labels_too(method):
    fitted = method.fit(torch.tensor(TRAIN.X, requires_grad=True), torch.tensor(TRAIN.z))
    found = fitted.transform(torch.tensor(TRAIN.X, requires_grad=True))
    np.testing.assert_array_equal(found, method.fit(TRAIN.X, TRAIN.z).transform(TRAIN.X))
    gaps = np.array([False, True], dtype=object)[TRAIN.z]
    gaps[5] = None
    with pytest.raises(ArrayError, match="z contains missing values"):
        method.fit(TRAIN.X, gaps)
