"""scikit-learn's own checks of its estimator contract, for methods whose eraser needs no z."""

import warnings

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from tests.erasers import ERASERS, rows
from tiltmeter.erasure import LEACE, SAL, AffineMethod, MeanProjection, MedianProjection

# What fails, and why it must. An entry that no longer fails breaks the build.
EXPECTED_FAILURES: dict[str, dict[str, str]] = {
    "LEACE()": {
        "check_fit_score_takes_y": "the second argument of fit is named z, since a concept is no target to predict",
        "check_sample_weight_equivalence_on_dense_data": "it names its argument y; renamed below, the check passes",
    },
    "RenamedLEACE(precision=float32, shrinkage=0.01)": {
        "check_sample_weight_equivalence_on_dense_data": (
            "with fewer rows than features, sums in single precision of weighted and of repeated rows round apart"
        ),
    },
}

# What scikit-learn skips by itself, and the condition that lifts it.
SKIPPED = {"check_array_api_input": "until SCIPY_ARRAY_API is set in the environment: fits take NumPy arrays"}


class RenamedMeanProjection(MeanProjection):
    """MeanProjection with the name that the checks give to z."""

    def fit(self, X, y=None, *, sample_weight=None):
        return super().fit(X, y, sample_weight=sample_weight)


class RenamedSAL(SAL):
    """SAL with the name that the checks give to z."""

    def fit(self, X, y=None, *, sample_weight=None):
        return super().fit(X, y, sample_weight=sample_weight)


class RenamedLEACE(LEACE):
    """LEACE with the name that the checks give to z."""

    def fit(self, X, y=None, *, sample_weight=None):
        return super().fit(X, y, sample_weight=sample_weight)


class RenamedMedianProjection(MedianProjection):
    """MedianProjection with the name that the checks give to z."""

    def fit(self, X, y=None, *, sample_weight=None):
        return super().fit(X, y, sample_weight=sample_weight)


RENAMED = {
    MeanProjection: RenamedMeanProjection,
    SAL: RenamedSAL,
    LEACE: RenamedLEACE,
    MedianProjection: RenamedMedianProjection,
}
AFFINE = [method for method in ERASERS if not method.needs_z]
CHECKED = [
    *((f"Renamed{method}", RENAMED[method.method](**method.hyperparameters)) for method in AFFINE),
    ("LEACE()", LEACE()),
]


def test_every_method_that_needs_no_z_later_is_a_transformer_and_is_checked():
    assert {method.method for method in ERASERS if issubclass(method.method, AffineMethod)} == set(RENAMED)


@pytest.mark.long
@pytest.mark.usefixtures("without_run_time_types")
@pytest.mark.parametrize(("name", "method"), CHECKED, ids=[name for name, _ in CHECKED])
def test_scikit_learns_estimator_checks_fail_exactly_where_listed(name, method):
    expected = EXPECTED_FAILURES.get(name, {})
    assert len(expected) <= 2
    with warnings.catch_warnings():
        # a skipped check warns; those are compared with the list below instead
        warnings.simplefilter("ignore", SkipTestWarning)
        results = check_estimator(method, on_fail=None, on_skip=None)
    assert len(results) > 35
    failed = {
        result["check_name"]: str(result["exception"])[:300] for result in results if result["status"] == "failed"
    }
    assert set(failed) == set(expected), failed
    assert {result["check_name"] for result in results if result["status"] == "skipped"} == set(SKIPPED)


# ------------------------------------------------------------ the tools

TRAIN = rows(400, 8)


def test_an_eraser_between_other_steps_leaves_a_probe_at_chance_on_its_rows():
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(TRAIN.X, TRAIN.z)
    assert plain.score(TRAIN.X, TRAIN.z) > 0.9
    # whitening after it brings nothing back: what is gone is gone in every scale
    erased = make_pipeline(StandardScaler(), LEACE(), PCA(7, whiten=True), LogisticRegression()).fit(TRAIN.X, TRAIN.z)
    assert np.abs(erased[-1].coef_).max() < 1e-4


def test_features_keep_their_names_and_frames_stay_frames():
    pandas = pytest.importorskip("pandas", reason="needs pandas, which the dev extra brings")
    frame = pandas.DataFrame(TRAIN.X, columns=[f"x{i}" for i in range(8)])
    fitted = LEACE().set_output(transform="pandas").fit(frame, TRAIN.z)
    erased = fitted.transform(frame)
    assert erased.columns.tolist() == frame.columns.tolist()
    np.testing.assert_allclose(erased.to_numpy(), LEACE().fit(TRAIN.X, TRAIN.z).transform(TRAIN.X), atol=1e-10)
