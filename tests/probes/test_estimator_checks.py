"""scikit-learn's own checks of its estimator contract, and the tools that rely on it."""

import warnings

import numpy as np
import pytest
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import SkipTestWarning, UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing  # the one function that picks rows of lists, frames and arrays alike
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import _num_samples

from tests.methods import PROBES, Planted, plant
from tiltmeter.probes import (
    BSS,
    CCS,
    CRC,
    LAT,
    LDA,
    TTPD,
    ContrastLogistic,
    KMeansDifferences,
    Logistic,
    MeanDifference,
    RandomDirection,
    SupervisedProbe,
)

# What fails, and why it must. An entry that no longer fails breaks the build.
EXPECTED_FAILURES: dict[str, dict[str, str]] = {
    "MeanDifference(rows=unit)": {
        "check_fit2d_1feature": "one positive feature brought to unit norm is 1 in every row: no difference is left",
    },
    "TTPD()": {
        "check_sample_weight_equivalence_on_dense_data": "one class is a single row there, which has one polarity only",
    },
}

# What scikit-learn skips by itself, and the condition that lifts it.
SKIPPED = {"check_array_api_input": "until SCIPY_ARRAY_API is set in the environment: probes take NumPy arrays"}


class FedWithoutLabels(RandomDirection):
    """RandomDirection, given the checks' rows without the checks' labels, which it would rightly refuse."""

    def fit(self, X, y=None):
        return super().fit(X)


def paired_copy(X):
    """Pair row i with row n − 1 − i. A single row stays alone, and sparse rows stay: the probe must refuse these."""
    n = _num_samples(X)
    if n < 2 or issparse(X):
        return X, {"pairs": np.arange(n)}
    order = np.stack([np.arange(n), np.arange(n)[::-1]], axis=1).ravel()
    return _safe_indexing(X, order), {"pairs": np.repeat(np.arange(n), 2)}


def with_sides(X):
    rows, seen = paired_copy(X)
    return rows, {**seen, "sides": np.arange(_num_samples(rows)) % 2}


class FedWithPairs(LAT):
    """LAT, given a paired copy of the checks' rows."""

    def fit(self, X, y=None):
        rows, seen = paired_copy(X)
        return super().fit(rows, **seen)


class FedClusters(KMeansDifferences):
    """KMeansDifferences, given a paired copy of the checks' rows."""

    def fit(self, X, y=None):
        rows, seen = paired_copy(X)
        return super().fit(rows, **seen)


class FedHalvesToCCS(CCS):
    """CCS, given a paired copy of the checks' rows, whose first members are side 0."""

    def fit(self, X, y=None):
        rows, seen = with_sides(X)
        return super().fit(rows, **seen)


class FedHalvesToCRC(CRC):
    """CRC, given a paired copy of the checks' rows, whose first members are side 0."""

    def fit(self, X, y=None):
        rows, seen = with_sides(X)
        return super().fit(rows, **seen)


class FedHalvesToBSS(BSS):
    """BSS, given a paired copy of the checks' rows, whose first members are side 0."""

    def fit(self, X, y=None):
        rows, seen = with_sides(X)
        return super().fit(rows, **seen)


class FedWithContrasts(ContrastLogistic):
    """ContrastLogistic, given pairs of a row of each class; the rows of the rarer class take turns.

    Without two classes there is nothing to pair, and the probe must refuse by itself.
    """

    def fit(self, X, y=None):
        if y is None or issparse(X) or _num_samples(X) != _num_samples(y):
            return super().fit(X, y, pairs=np.arange(_num_samples(X)))
        labels = np.asarray(y)
        single = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
        classes = np.unique(single) if single.ndim == 1 else []
        if len(classes) != 2:
            return super().fit(X, y, pairs=np.arange(_num_samples(X)))
        rows = X if hasattr(X, "iloc") else np.asarray(X)
        of_class = [np.flatnonzero(single == name) for name in classes]
        p = max(len(members) for members in of_class)
        order = np.stack([np.resize(members, p) for members in of_class], axis=1).ravel()
        return super().fit(_safe_indexing(rows, order), labels[order], pairs=np.repeat(np.arange(p), 2))


class FedWithPolarity(TTPD):
    """TTPD, told that every other distinct row of a label is negated, whatever the order and number of its copies."""

    def fit(self, X, y=None, *, sample_weight=None):
        try:
            rows, labels = np.asarray(X, dtype=float), np.asarray(y).ravel()
            is_in = np.ones(len(rows), bool) if sample_weight is None else np.asarray(sample_weight) > 0
            is_negated = np.zeros(len(rows), dtype=bool)
            for label in np.unique(labels):
                chosen = np.flatnonzero((labels == label) & is_in)
                is_negated[chosen] = np.unique(rows[chosen], axis=0, return_inverse=True)[1].ravel() % 2 == 1
        except (TypeError, ValueError, IndexError, np.exceptions.ComplexWarning):  # the probe must refuse these itself
            is_negated = np.zeros(_num_samples(X) if hasattr(X, "__len__") or issparse(X) else 0, dtype=bool)
        return super().fit(X, y, is_negated=is_negated, sample_weight=sample_weight)


FED = {
    RandomDirection: FedWithoutLabels,
    LAT: FedWithPairs,
    KMeansDifferences: FedClusters,
    CCS: FedHalvesToCCS,
    CRC: FedHalvesToCRC,
    BSS: FedHalvesToBSS,
    ContrastLogistic: FedWithContrasts,
    TTPD: FedWithPolarity,
}


def as_checked(method):
    return FED.get(method.probe, method.probe)(**method.hyperparameters)


def test_every_unsupervised_probe_of_the_table_is_wrapped():
    unsupervised = [as_checked(method) for method in PROBES if not method.is_supervised]
    assert len(unsupervised) >= 2
    assert all(type(probe).__name__.startswith("Fed") for probe in unsupervised)


@pytest.mark.long
@pytest.mark.usefixtures("without_run_time_types")
@pytest.mark.parametrize("method", PROBES, ids=str)
def test_scikit_learns_estimator_checks_fail_exactly_where_listed(method):
    expected = EXPECTED_FAILURES.get(str(method), {})
    assert len(expected) <= 2
    with warnings.catch_warnings():
        # a skipped check warns; those are compared with the list below instead
        warnings.simplefilter("ignore", SkipTestWarning)
        results = check_estimator(as_checked(method), on_fail=None, on_skip=None)
    assert len(results) > 35
    failed = {
        result["check_name"]: str(result["exception"])[:300] for result in results if result["status"] == "failed"
    }
    assert set(failed) == set(expected), failed
    assert {result["check_name"] for result in results if result["status"] == "skipped"} == set(SKIPPED)


# ------------------------------------------------------------ the tools

ROWS: Planted = plant(100, 12, shift=4.0, seed=0)


@pytest.mark.parametrize("probe", [MeanDifference(), LDA(), Logistic()], ids=str)
def test_a_supervised_probe_works_in_a_pipeline_and_under_cross_validation(probe):
    pipeline = make_pipeline(StandardScaler(), probe)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    areas = cross_val_score(pipeline, ROWS.X, ROWS.y, groups=ROWS.pairs, cv=folds, scoring="roc_auc")
    assert areas.min() > 0.9


@pytest.mark.parametrize(
    ("probe", "grid", "best"),
    [
        # the loud feature makes shrinkage and strong penalties harmful, so that the search has something to find
        (LDA(), {"shrinkage": [0.01, 1.0]}, {"shrinkage": 0.01}),
        (Logistic(), {"C": [1e-8, 1.0]}, {"C": 1.0}),
    ],
    ids=["LDA", "Logistic"],
)
def test_grid_search_finds_the_better_hyperparameter(probe, grid, best):
    X = ROWS.X.copy()
    X[:, 0] *= 30.0
    search = GridSearchCV(probe, grid, scoring="roc_auc", cv=3).fit(X, ROWS.y)
    assert search.best_params_ == best
    assert search.best_estimator_.direction_.shape == (12,)


def test_an_unsupervised_probe_is_scored_in_a_pipeline_once_it_is_fitted():
    scaler = StandardScaler().fit(ROWS.X)
    probe = LAT().fit(scaler.transform(ROWS.X), pairs=ROWS.pairs).orient(scaler.transform(ROWS.X), ROWS.y)
    pipeline = make_pipeline(scaler, probe)
    np.testing.assert_array_equal(pipeline.decision_function(ROWS.X), probe.decision_function(scaler.transform(ROWS.X)))


def test_pairs_reach_lat_through_a_pipelines_step_parameter():
    pipeline = make_pipeline(StandardScaler(), LAT()).fit(ROWS.X, lat__pairs=ROWS.pairs)
    assert pipeline[-1].direction_.shape == (12,)


# ------------------------------------------------------------ calibration, frames, routed metadata

SUPERVISED = [method for method in PROBES if method.is_supervised]
ON_LABELS_ALONE = [method for method in SUPERVISED if issubclass(method.probe, SupervisedProbe)]


@pytest.mark.parametrize("method", ON_LABELS_ALONE, ids=str)
@pytest.mark.parametrize("kind", ["sigmoid", "isotonic"])
def test_a_supervised_probe_can_be_calibrated(method, kind):
    calibrated = CalibratedClassifierCV(method.make(), method=kind, cv=3).fit(ROWS.X, ROWS.y)
    fresh = plant(200, 12, shift=4.0, seed=1, direction=ROWS.direction)
    chance = calibrated.predict_proba(fresh.X)[:, 1]
    assert ((chance >= 0) & (chance <= 1)).all()
    assert np.mean((chance - fresh.y) ** 2) < 0.15  # a constant half gets 0.25


@pytest.mark.parametrize("method", ON_LABELS_ALONE, ids=str)
def test_a_probe_takes_the_frames_of_a_step_that_gives_frames(method):
    pandas = pytest.importorskip("pandas", reason="needs pandas, which the dev extra brings")
    frame = pandas.DataFrame(ROWS.X, columns=[f"x{i}" for i in range(12)])
    framed = make_pipeline(StandardScaler().set_output(transform="pandas"), method.make()).fit(frame, ROWS.y)
    plain = make_pipeline(StandardScaler(), method.make()).fit(ROWS.X, ROWS.y)
    assert framed[-1].feature_names_in_.tolist() == frame.columns.tolist()
    # to rounding: the columns of a frame lie in memory the other way round
    np.testing.assert_allclose(framed.decision_function(frame), plain.decision_function(ROWS.X), atol=1e-9)


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_pairs_and_groups_are_routed_to_who_asked_for_them():
    pairs = np.arange(len(ROWS.y)) // 2
    scored = cross_validate(
        make_pipeline(StandardScaler(), ContrastLogistic().set_fit_request(pairs=True)),
        ROWS.X,
        ROWS.y,
        # a pair stands in one fold only, or the probe would refuse the half of it
        cv=GroupKFold(4).set_split_request(groups=True),
        params={"pairs": pairs, "groups": pairs},
        scoring="roc_auc",
    )
    assert scored["test_score"].min() > 0.9
    search = GridSearchCV(
        ContrastLogistic().set_fit_request(pairs=True), {"C": [0.01, 1.0]}, cv=GroupKFold(4), scoring="roc_auc"
    ).fit(ROWS.X, ROWS.y, pairs=pairs, groups=pairs)
    assert search.best_score_ > 0.9


@pytest.mark.usefixtures("routing")
def test_pairs_that_nobody_asked_for_are_refused_rather_than_dropped():
    with pytest.raises(UnsetMetadataPassedError, match="pairs"):
        make_pipeline(StandardScaler(), LAT()).fit(ROWS.X, pairs=ROWS.pairs)
