"""What INLP and RLACE promise alike, and scikit-learn's checks on these and on kernel SAL."""

import inspect
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.utils.estimator_checks import check_estimator

from tests.erasers import gap, rows
from tiltmeter.core.errors import ArrayError
from tiltmeter.erasure import INLP, RLACE, AffineEraser, KernelSAL
from tiltmeter.evaluation import auroc
from tiltmeter.probes import Logistic, MeanDifference

FITTERS = [INLP(10, stop_margin=0.03), RLACE()]
TRAIN = rows(400, 10)
FRESH = rows(2000, 10, seed=1, direction=TRAIN.direction)

each = pytest.mark.parametrize("method", FITTERS, ids=lambda method: type(method).__name__)

# What fails, and why it must. An entry that no longer fails breaks the build.
EXPECTED_FAILURES = {
    "check_fit_score_takes_y": "the second argument of fit is named z, since a concept is no target to predict",
}
# What scikit-learn skips by itself, and the condition that lifts it.
SKIPPED = {"check_array_api_input": "until SCIPY_ARRAY_API is set in the environment: fits take NumPy arrays"}


@pytest.mark.long
@pytest.mark.parametrize("method", [INLP(3), RLACE(), KernelSAL()], ids=lambda method: type(method).__name__)
def test_scikit_learns_estimator_checks_fail_exactly_where_listed(method):
    with warnings.catch_warnings():
        # a skipped check warns; those are compared with the list below instead
        warnings.simplefilter("ignore", SkipTestWarning)
        results = check_estimator(method, on_fail=None, on_skip=None)
    assert len(results) > 35
    failed = {
        result["check_name"]: str(result["exception"])[:300] for result in results if result["status"] == "failed"
    }
    assert set(failed) == set(EXPECTED_FAILURES), failed
    assert {result["check_name"] for result in results if result["status"] == "skipped"} == set(SKIPPED)


@pytest.mark.parametrize("method", [INLP, RLACE, KernelSAL])
def test_a_method_is_final_and_documents_every_hyperparameter(method):
    assert not method.__subclasses__()
    for name in inspect.signature(method).parameters:
        assert name in method.__doc__, name


@each
def test_the_eraser_is_an_orthogonal_projection_about_the_mean(method):
    fitted = clone(method).fit(TRAIN.X, TRAIN.z)
    eraser = fitted.eraser_
    assert isinstance(eraser, AffineEraser) and eraser.method == type(method).__name__
    np.testing.assert_array_equal(eraser.left, eraser.right.T)
    np.testing.assert_allclose(eraser.matrix() @ eraser.matrix(), eraser.matrix(), atol=1e-12)
    np.testing.assert_allclose(eraser.center, TRAIN.X.mean(axis=0))
    np.testing.assert_array_equal(fitted.transform(FRESH.X), eraser(FRESH.X))
    assert "rows" in eraser.guarantee and eraser.guarantee.endswith(".")


@each
def test_a_planted_concept_is_read_before_and_hardly_after_on_fresh_rows(method):
    before = MeanDifference().fit(TRAIN.X, TRAIN.z)
    assert auroc(FRESH.z, before.decision_function(FRESH.X)) > 0.85
    fitted = clone(method).fit(TRAIN.X, TRAIN.z)
    after = Logistic(penalty_scale="within").fit(fitted.transform(FRESH.X), FRESH.z)
    again = rows(2000, 10, seed=2, direction=TRAIN.direction)
    assert auroc(again.z, after.decision_function(fitted.transform(again.X))) < 0.65


def test_only_rlace_makes_class_means_equal_on_its_rows():
    # INLP must fail here: what it promises is no more than that some classifiers are gone
    assert gap(RLACE().fit(TRAIN.X, TRAIN.z).transform(TRAIN.X), TRAIN.z, like=TRAIN.X) < 1e-12
    assert gap(INLP(2).fit(TRAIN.X, TRAIN.z).transform(TRAIN.X), TRAIN.z, like=TRAIN.X) > 1e-3


@each
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_stays_and_the_rows_given_do_not_change(method, dtype):
    X = (300 * TRAIN.X).astype(dtype)
    kept = X.copy()
    out = clone(method).fit(X, TRAIN.z).transform(X)
    assert out.dtype == dtype and np.isfinite(out).all()
    np.testing.assert_array_equal(X, kept)


@each
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_rescaled_and_shifted_rows_give_the_same_projection(method, scale):
    plain = clone(method).fit(TRAIN.X, TRAIN.z).eraser_.matrix()
    moved = clone(method).fit(scale * (TRAIN.X + 10.0), TRAIN.z).eraser_.matrix()
    np.testing.assert_allclose(moved, plain, atol=1e-5)


@each
def test_names_of_classes_do_not_matter_and_a_rare_one_is_erased(method):
    names = np.array(["absent", "present"])[TRAIN.z]
    fitted = clone(method).fit(TRAIN.X, names)
    assert fitted.classes_.tolist() == ["absent", "present"]
    np.testing.assert_array_equal(fitted.directions_, clone(method).fit(TRAIN.X, TRAIN.z).directions_)
    rare = (np.arange(4000) < 20).astype(int)
    X = np.random.default_rng(0).normal(size=(4000, 6)) + 3 * rare[:, None] * np.eye(6)[0]
    assert abs(clone(method).fit(X, rare).directions_[:, 0]).max() > 0.8


@each
def test_fewer_rows_than_features_copies_and_constants_work(method):
    few = rows(30, 100, seed=2)
    assert np.isfinite(clone(method).fit(few.X, few.z).transform(few.X)).all()
    X = np.hstack([TRAIN.X, TRAIN.X[:, :4], np.full((400, 1), 1e6)])
    out = clone(method).fit(X, TRAIN.z).transform(X)
    np.testing.assert_allclose(out[:, 10:14], out[:, :4], atol=1e-6)
    np.testing.assert_allclose(out[:, 14], 1e6)


@each
def test_what_cannot_be_fitted_is_refused_in_a_sentence(method):
    with pytest.raises(ArrayError, match="one class only"):
        clone(method).fit(TRAIN.X, np.ones(400, dtype=int))
    with pytest.raises(ArrayError, match=r"z has shape \(399,\) for 400 rows"):
        clone(method).fit(TRAIN.X, TRAIN.z[1:])
    with pytest.raises(ArrayError, match="needs classes; use LEACE or SAL"):
        clone(method).fit(TRAIN.X, np.random.default_rng(0).normal(size=400))
    with pytest.raises(ValueError, match=r"requires y to be passed.*: give z"):
        clone(method).fit(TRAIN.X)
    z = TRAIN.z.astype(float)
    z[3] = np.nan
    with pytest.raises(ArrayError, match="z contains NaN"):
        clone(method).fit(TRAIN.X, z)
    X = TRAIN.X.copy()
    X[7, 3] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        clone(method).fit(X, TRAIN.z)
    with pytest.raises(NotFittedError):
        clone(method).transform(TRAIN.X)
