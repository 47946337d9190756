"""What every erasing method of the table promises, and what it does with rows that are odd."""

import inspect

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import tiltmeter.erasure
from tests.erasers import ERASERS, gap, rows
from tiltmeter.core.errors import ArrayError, NoDirectionError
from tiltmeter.erasure import AffineEraser, AffineMethod, ErasureMethod
from tiltmeter.evaluation import auroc
from tiltmeter.numerics import Moments
from tiltmeter.probes import Logistic, MeanDifference

TRAIN = rows(400, 10)
FRESH = rows(2000, 10, seed=1, direction=TRAIN.direction)

every = pytest.mark.parametrize("method", ERASERS, ids=str)
equalising = pytest.mark.parametrize("method", [m for m in ERASERS if m.equalises], ids=str)
affine = pytest.mark.parametrize("method", [m for m in ERASERS if not m.needs_z], ids=str)
told = pytest.mark.parametrize("method", [m for m in ERASERS if m.needs_z], ids=str)
few_rows = pytest.mark.parametrize("method", [m for m in ERASERS if m.works_with_few_rows], ids=str)
numeric = pytest.mark.parametrize("method", [m for m in ERASERS if m.takes_numbers], ids=str)
by_moments = pytest.mark.parametrize("method", [m for m in ERASERS if m.fits_moments], ids=str)


def erased(method, X=TRAIN.X, z=TRAIN.z):
    return method.erase(method.make().fit(X, z), X, z)


def test_the_table_lists_every_method_in_closed_form():
    public = (getattr(tiltmeter.erasure, name) for name in tiltmeter.erasure.__all__)
    concrete = {thing for thing in public if inspect.isclass(thing) and issubclass(thing, ErasureMethod)}
    assert {method.method for method in ERASERS} == {one for one in concrete if not inspect.isabstract(one)}


@every
def test_a_method_is_final_and_documents_every_hyperparameter(method):
    assert not [sub for sub in method.method.__subclasses__() if sub.__module__.startswith("tiltmeter")]
    for name in inspect.signature(method.method).parameters:
        assert name in method.method.__doc__, name
    assert issubclass(method.method, AffineMethod) == (not method.needs_z)


@equalising
def test_class_means_are_equal_on_the_rows_it_was_fitted_on(method):
    assert gap(TRAIN.X, TRAIN.z) > 0.5
    assert gap(erased(method), TRAIN.z, like=TRAIN.X) < 1e-12


@every
def test_a_planted_concept_is_read_before_and_not_after_on_fresh_rows(method):
    before = MeanDifference().fit(TRAIN.X, TRAIN.z)
    assert auroc(FRESH.z, before.decision_function(FRESH.X)) > 0.85
    fitted = method.make().fit(TRAIN.X, TRAIN.z)
    after = Logistic(penalty_scale="within").fit(method.erase(fitted, FRESH.X, FRESH.z), FRESH.z)
    again = rows(2000, 10, seed=2, direction=TRAIN.direction)
    reread = method.erase(fitted, again.X, again.z)
    assert auroc(again.z, after.decision_function(reread)) < 0.65


@every
def test_labels_that_are_shuffled_let_almost_everything_stay(method):
    null = np.random.default_rng(0).permutation(TRAIN.z)
    fitted = method.make().fit(TRAIN.X, null)
    probe = MeanDifference().fit(FRESH.X, FRESH.z)
    kept = method.erase(fitted, FRESH.X, np.random.default_rng(1).permutation(FRESH.z))
    before, after = (auroc(FRESH.z, probe.decision_function(X)) for X in (FRESH.X, kept))
    assert after > before - 0.08


@every
def test_the_eraser_says_by_whom_and_what_is_guaranteed(method):
    eraser = method.make().fit(TRAIN.X, TRAIN.z).eraser_
    assert eraser.method == method.method.__name__
    assert ("for every convex loss" in eraser.guarantee) == (method.equalises and "Quadratic" not in eraser.method)
    assert "rows" in eraser.guarantee and eraser.guarantee.endswith(".")
    assert eraser.n_features == 10


@affine
def test_erasing_twice_is_erasing_once_and_the_map_is_symmetric_only_where_it_should_be(method):
    eraser = method.make().fit(TRAIN.X, TRAIN.z).eraser_
    assert isinstance(eraser, AffineEraser) and eraser.rank == 1
    P = eraser.matrix()
    np.testing.assert_allclose(P @ P, P, atol=1e-12)
    np.testing.assert_allclose(eraser(eraser(FRESH.X)), eraser(FRESH.X), atol=1e-10)
    assert (np.abs(P - P.T).max() < 1e-14) == method.is_orthogonal


@affine
def test_a_transformer_gives_what_its_eraser_gives(method):
    fitted = method.make().fit(TRAIN.X, TRAIN.z)
    np.testing.assert_array_equal(fitted.transform(FRESH.X), fitted.eraser_(FRESH.X))
    np.testing.assert_array_equal(method.make().fit_transform(TRAIN.X, TRAIN.z), fitted.transform(TRAIN.X))


@told
def test_an_oracle_is_no_step_of_a_pipeline(method):
    fitted = method.make().fit(TRAIN.X, TRAIN.z)
    with pytest.raises(TypeError):
        fitted.transform(TRAIN.X)
    assert not hasattr(fitted, "fit_transform")
    np.testing.assert_array_equal(fitted.transform(TRAIN.X, TRAIN.z), fitted.eraser_(TRAIN.X, TRAIN.z))
    with pytest.raises(ArrayError, match="holds 7, which the eraser was not fitted on"):
        fitted.transform(TRAIN.X, np.full(len(TRAIN.z), 7))
    with pytest.raises(ArrayError, match=r"z has shape \(399,\) for rows of shape \(400,\)"):
        fitted.transform(TRAIN.X, TRAIN.z[1:])


@every
def test_rows_of_any_leading_shape_and_both_libraries_are_erased_alike(method):
    fitted = method.make().fit(TRAIN.X, TRAIN.z)
    whole = method.erase(fitted, FRESH.X, FRESH.z)
    cube = method.erase(fitted, FRESH.X.reshape(20, 100, 10), FRESH.z.reshape(20, 100))
    np.testing.assert_allclose(cube.reshape(-1, 10), whole, atol=1e-11)
    one = method.erase(fitted, FRESH.X[3], FRESH.z[3])
    np.testing.assert_allclose(one, whole[3], atol=1e-11)
    tensor = method.erase(fitted, torch.tensor(FRESH.X), torch.tensor(FRESH.z))
    np.testing.assert_allclose(tensor.numpy(), whole, atol=1e-11)


@every
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_stays_and_the_rows_given_do_not_change(method, dtype):
    X = TRAIN.X.astype(dtype)
    kept = X.copy()
    fitted = method.make().fit(X, TRAIN.z)
    out = method.erase(fitted, X, TRAIN.z)
    assert out.dtype == dtype
    np.testing.assert_array_equal(X, kept)
    # the search for Tukey's median is discontinuous in the rows
    atol = {np.float16: 0.2 if "tukey" in str(method) else 0.05}.get(dtype, 1e-3)
    half = torch.tensor(TRAIN.X).bfloat16()
    assert method.erase(fitted, half, torch.tensor(TRAIN.z)).dtype == torch.bfloat16
    np.testing.assert_allclose(out.astype(float), erased(method), atol=atol)


@equalising
@pytest.mark.parametrize("scale", [1e-3, 1e3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_of_any_scale_and_dtype_are_erased(method, scale, dtype):
    # float16 squares overflow or vanish at both ends
    X = (scale * TRAIN.X).astype(dtype)
    fitted = method.make().fit(X, TRAIN.z)
    exact = X.astype(np.float64)
    assert gap(method.erase(fitted, exact, TRAIN.z), TRAIN.z, like=exact) < 1e-9


@every
def test_rescaled_rows_give_the_rescaled_result(method):
    for scale in (1e-3, 1e3):
        np.testing.assert_allclose(
            erased(method, scale * TRAIN.X) / scale, erased(method), atol=1e-9 if method.is_closed_form else 1e-5
        )


@every
def test_a_shift_of_all_rows_is_a_shift_of_the_result(method):
    moved = erased(method, TRAIN.X + 1e4)
    np.testing.assert_allclose(moved - 1e4, erased(method), atol=1e-5)


@every
def test_a_weight_of_two_is_the_row_twice(method):
    times = np.random.default_rng(3).integers(0, 4, size=len(TRAIN.z))
    index = np.repeat(np.arange(len(times)), times)
    weighted = method.make().fit(TRAIN.X, TRAIN.z, sample_weight=times)
    repeated = method.make().fit(TRAIN.X[index], TRAIN.z[index])
    # the approximate Tukey median draws its directions in the basis of its rows
    atol = 0.5 if "tukey" in str(method) else 1e-5
    np.testing.assert_allclose(
        method.erase(weighted, FRESH.X, FRESH.z), method.erase(repeated, FRESH.X, FRESH.z), atol=atol
    )


@every
def test_fitting_twice_gives_the_same_bits(method):
    np.testing.assert_array_equal(erased(method), erased(method))


@every
def test_names_of_classes_do_not_matter(method):
    names = np.array(["absent", "present"])[TRAIN.z]
    np.testing.assert_array_equal(erased(method, z=names), erased(method))


@equalising
def test_many_classes_are_erased_and_a_rare_one_too(method):
    rng = np.random.default_rng(4)
    z = np.where(np.arange(6000) < 30, 3, rng.integers(0, 3, 6000))
    X = rng.normal(size=(6000, 10)) + 3 * rng.normal(size=(4, 10))[z]
    assert gap(erased(method, X, z), z, like=X) < 1e-11
    eraser = method.make().fit(X, z).eraser_
    if isinstance(eraser, AffineEraser):
        assert eraser.rank == 3


@numeric
def test_numbers_are_decorrelated(method):
    rng = np.random.default_rng(5)
    z = rng.normal(size=(400, 2)) @ np.array([[1.0, 0.3], [0.0, 100.0]])
    X = TRAIN.X + np.outer(z[:, 0], np.ones(10)) + np.outer(z[:, 1], np.arange(10))
    out = erased(method, X, z)
    assert np.abs(np.corrcoef(X.T, z.T)[:10, 10:]).max() > 0.3
    assert np.abs((out - out.mean(0)).T @ (z - z.mean(0)) / len(z) / X.std(0)[:, None] / z.std(0)).max() < 1e-12


# ------------------------------------------------------------ odd rows


@few_rows
def test_fewer_rows_than_features_work(method):
    if method.hyperparameters.get("precision") == "float32":
        method = method._replace(hyperparameters={**method.hyperparameters, "shrinkage": 0.1})
    few = rows(30, 100, seed=2)
    out = erased(method, few.X, few.z)
    assert np.isfinite(out).all()
    if method.equalises:
        assert gap(out, few.z, like=few.X) < 1e-10


def test_a_class_covariance_that_is_singular_needs_shrinkage():
    few = rows(30, 100, seed=2)
    method = next(m for m in ERASERS if not m.works_with_few_rows)
    with pytest.raises(ArrayError, match=r"covariance of class 0 is singular.*use shrinkage above 0"):
        method.make().fit(few.X, few.z)


@few_rows
def test_copied_and_constant_features_are_erased_and_nothing_is_written_into_constants(method):
    X = np.hstack([TRAIN.X, TRAIN.X[:, :4], np.full((400, 1), 0.1), np.full((400, 1), 1e6)])
    fitted = method.make().fit(X, TRAIN.z)
    out = method.erase(fitted, X, TRAIN.z)
    np.testing.assert_array_equal(out[:, 14:], X[:, 14:])
    np.testing.assert_allclose(out[:, 10:14], out[:, :4], atol=1e-5)
    if method.equalises:
        assert gap(out, TRAIN.z, like=X) < 1e-9


@few_rows
def test_two_rows_are_enough_for_a_map(method):
    X, z = np.array([[0.0, 1.0, 5.0], [2.0, 4.0, 5.0]]), np.array([0, 1])
    out = erased(method, X, z)
    assert np.isfinite(out).all()
    np.testing.assert_allclose(out[0], out[1], atol=1e-12)


@every
def test_a_constant_concept_is_refused(method):
    with pytest.raises(ArrayError, match=r"constant in these rows|one class only|is constant"):
        method.make().fit(TRAIN.X, np.ones(400, dtype=int))
    with pytest.raises(ArrayError, match=r"nothing to erase|no weight"):
        method.make().fit(TRAIN.X, TRAIN.z, sample_weight=TRAIN.z)


@pytest.mark.parametrize("method", [m for m in ERASERS if "Quadratic" not in str(m)], ids=str)
def test_rows_without_a_difference_are_refused_rather_than_left_in_silence(method):
    with pytest.raises(NoDirectionError, match="nothing to erase"):
        method.make().fit(np.ones_like(TRAIN.X), TRAIN.z)
    mirrored, z = np.vstack([TRAIN.X, TRAIN.X]), np.repeat([0, 1], 400)
    with pytest.raises(NoDirectionError, match="nothing to erase"):
        method.make().fit(mirrored, z)


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(method, bad):
    X = TRAIN.X.copy()
    X[7, 3] = bad
    with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
        method.make().fit(X, TRAIN.z)
    z = TRAIN.z.astype(float)
    z[3] = bad
    with pytest.raises(ArrayError, match="z contains NaN or infinity"):
        method.make().fit(TRAIN.X, z)


@every
@pytest.mark.parametrize("length", [399, 401, 0])
def test_a_concept_of_the_wrong_length_is_refused(method, length):
    with pytest.raises(ArrayError, match=rf"z has shape \({length},\) for 400 rows"):
        method.make().fit(TRAIN.X, np.arange(length) % 2)


@every
def test_no_rows_and_no_concept_are_refused(method):
    with pytest.raises(ValueError, match="0 sample"):
        method.make().fit(TRAIN.X[:0], TRAIN.z[:0])
    with pytest.raises(ValueError, match=r"requires y to be passed.*: give z"):
        method.make().fit(TRAIN.X)


@every
def test_rows_of_another_width_or_of_whole_numbers_are_refused(method):
    fitted = method.make().fit(TRAIN.X, TRAIN.z)
    with pytest.raises(ArrayError, match="fitted on rows of width 10"):
        method.erase(fitted, TRAIN.X[:, :9], TRAIN.z)
    with pytest.raises(ArrayError, match="give rows of a floating type"):
        method.erase(fitted, TRAIN.X.astype(int), TRAIN.z)


@every
def test_nothing_is_erased_before_fit_and_a_clone_is_not_fitted(method):
    extra = (TRAIN.z,) if method.needs_z else ()
    with pytest.raises(NotFittedError):
        method.make().transform(TRAIN.X, *extra)
    copy = clone(method.make().fit(TRAIN.X, TRAIN.z))
    assert copy.get_params() == method.make().get_params()
    assert not hasattr(copy, "eraser_")


# ------------------------------------------------------------ moments


@by_moments
def test_moments_give_the_map_of_the_rows_in_one_pass_for_many_sites(method):
    sites = {site: rows(400, 10, seed=site).X + 100.0 for site in range(3)}
    z = rows(400, 10).z
    moments = {site: Moments(10) for site in sites}
    for start in range(0, 400, 50):
        for site, X in sites.items():
            moments[site].update(X[start : start + 50], z[start : start + 50])
    # rows without a label say nothing of the concept
    moments[0].update(np.random.default_rng(0).normal(size=(50, 10)))
    erasers = {site: method.make().fit_moments(of_site).eraser_ for site, of_site in moments.items()}
    atol = 1e-4 if "float32" in str(method) else 1e-10
    for site, X in sites.items():
        np.testing.assert_allclose(erasers[site](X), method.make().fit(X, z).eraser_(X), atol=atol)
    with pytest.raises(ArrayError, match="no row of label 1"):
        method.make().fit_moments(Moments(2).update(np.eye(2), np.array([0, 0])))
