"""The evidence for a probe from arrays alone, and the verdict on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped
from numpy.typing import NDArray

from tiltmeter.core.activations import UNNAMED_SITE, Activations
from tiltmeter.core.errors import ArrayError, DataError, TooFewNegativesError
from tiltmeter.core.evidence import Distribution, Evidence, Leakage, Leaked
from tiltmeter.core.files import sha256
from tiltmeter.core.likeness import Likeness
from tiltmeter.core.records import Threshold, Unavailable
from tiltmeter.evaluation._detector import MahalanobisDetector
from tiltmeter.evaluation._estimates import ranking_estimates
from tiltmeter.evaluation._fresh import require_fresh
from tiltmeter.evaluation._held_out import HeldOut, held_out, likeness, operating_point, score_histograms, transfer_cell
from tiltmeter.evaluation._random_records import random_records
from tiltmeter.evaluation._threshold import threshold_at_fpr
from tiltmeter.evaluation._verdict import judge

HOME = "home"
_CONFIDENCE = 0.95
_POPULATION = "rows like the benign ones"


@runtime_checkable
class Scorer(Protocol):
    """Whatever scores rows, higher where the concept is present: a probe, or a classifier of scikit-learn."""

    def decision_function(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return one score a row."""


class _Case(NamedTuple):
    """What is judged on what: the sets by name, their test rows and the probe's scores of these."""

    train: Activations
    rows: dict[str, Activations]
    benign: Activations | None
    tests: dict[str, HeldOut]
    scores: dict[str, NDArray[Any]]


def assess(
    probe: Scorer,
    *,
    train: Activations,
    iid: Activations,
    ood: Mapping[str, Activations] | None = None,
    benign: Activations | None = None,
    fpr: float = 0.01,
    seed: int = 0,
) -> Evidence:
    """Measure what activations alone can say for and against a fitted probe, and judge it.

    AUROC and TPR with intervals on every test set; 100 random directions beside; a threshold that is certified at 95 %
    confidence on ``benign``, the alarms that it raises on every test set, and whether their rows are like those that it
    was certified on; copies of training rows. Groups are the units where the rows have them.

    Parameters
    ----------
    probe
        Fitted on ``train``, and not on anything else that is given here.
    train
        Labelled rows at one site. They orient the random directions, and nothing is fitted.
    iid
        Labelled rows of the same distribution, which the record calls "home". They neither fitted the probe nor chose
        its layer or method.
    ood
        Labelled rows of other distributions by name.
    benign
        Rows without the concept, labelled 0 or not at all, which stand in no other set: what the monitor will watch.
        None for no threshold.
    fpr
        False alarms that the threshold may raise, in (0, 1).
    seed
        Of resamples and random directions.

    Returns
    -------
    The record that studies write. What it lacks is said in it: no text was there to hold the probe against, nor another
    way to fit it, nor a model to intervene in. Attach it with ``dataclasses.replace(direction, evidence=evidence)``.

    Raises
    ------
    ArrayError
        If rows are tokens, or of different widths.
    DataError
        If labels are missing, benign rows have the concept, a set of others is called "home", or test sets share groups
        with the benign rows.

    See Also
    --------
    tiltmeter.baselines.nulls_and_rivals : Refits on shuffled labels, and readers of the text.
    tiltmeter.studies.run_study : All of it, from texts.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> rng, y = np.random.default_rng(0), np.arange(1600) % 2
    >>> rows = Activations(rng.normal(size=(1600, 4)) + y[:, None], ids=np.arange(1600).astype(str), y=y)
    >>> train, iid, rest = (rows.select(part) for part in np.split(np.arange(1600), [400, 800]))
    >>> probe = LogisticRegression().fit(train.X, train.y)
    >>> found = assess(probe, train=train, iid=iid, benign=rest.select(rest.y == 0))
    >>> found.verdict.outcome, found.threshold.n
    ('holds', 400)
    """
    if HOME in (ood or {}):
        raise DataError(f"A set of other rows is called {HOME!r}, as the rows of the training distribution are here.")
    rows = {HOME: iid, **(ood or {})}
    _check(train, rows, benign)
    tests = {name: held_out(name, _labels(one), units=_units(one), seed=seed) for name, one in rows.items()}
    case = _Case(train, rows, benign, tests, {name: _scored(probe, one) for name, one in rows.items()})
    threshold = _certified(probe, case, fpr=fpr)
    site, method = str(train.site or UNNAMED_SITE), type(probe).__name__
    evidence = Evidence(
        train=HOME,
        site=site,
        method=method,
        sites=(site,),
        methods=(method,),
        distributions=tuple(_described(case, name) for name in rows),
        fpr=fpr,
        level=tests[HOME].by.level,
        candidates=(),
        transfer=tuple(
            transfer_cell(
                test,
                ranking_estimates(test.y, case.scores[test.name], fpr=fpr, by=test.by),
                site=site,
                method=method,
                train=HOME,
            )
            for test in tests.values()
        ),
        random_directions=random_records(train, rows, home=HOME, seed=seed),
        shuffled=(),
        baselines=(),
        advantages=(),
        shortcuts=(),
        threshold=threshold,
        operating_points=tuple(
            operating_point(threshold, case.scores[name], test=test) for name, test in tests.items()
        ),
        histograms=score_histograms(case.scores, tests=tests),
        mistakes=(),
        leakage=_copies(case),
        likeness=_likeness(case, threshold, site=site),
        verdict=Unavailable(reason="not judged yet"),
    )
    return evidence.model_copy(update={"verdict": judge(evidence)})


def _check(train: Activations, rows: Mapping[str, Activations], benign: Activations | None) -> None:
    for name, one in {"train": train, **rows, **({"benign": benign} if benign is not None else {})}.items():
        if one.offsets is not None:
            raise ArrayError(f"The rows of {name} are tokens; pool them first.")
        if one.X.shape[1] != train.X.shape[1]:
            raise ArrayError(f"{name} has {one.X.shape[1]} features and train {train.X.shape[1]}.")
        if one.y is None and name != "benign":
            raise DataError(f"{name} has no labels; give them as y.")
    if not len(train) or not len(rows[HOME]):
        raise DataError("train and iid need rows.")
    if benign is None:
        return
    if benign.y is not None and benign.y.any():
        raise DataError(f"{int(benign.y.sum())} benign rows are labelled 1; give rows without the concept.")
    for name, one in rows.items():
        if shared := np.intersect1d(_units(one), _units(benign)).tolist():
            raise DataError(
                f"{name} and benign share {len(shared)} units (the first is {shared[0]!r}); alarms would be counted on "
                "what set the threshold. Split by groups."
            )


def _labels(rows: Activations) -> NDArray[np.int64]:
    return np.zeros(len(rows), dtype=np.int64) if rows.y is None else rows.y


def _units(rows: Activations) -> Shaped[NDArray[Any], " n"]:
    return rows.ids if rows.groups is None else rows.groups


def _scored(probe: Scorer, rows: Activations) -> NDArray[Any]:
    return np.asarray(probe.decision_function(rows.X))


def _certified(probe: Scorer, case: _Case, *, fpr: float) -> Threshold | Unavailable:
    benign = case.benign
    if benign is None:
        return Unavailable(reason="no benign rows were given")
    try:
        require_fresh(_units(benign), fitted=_units(case.train))
        return threshold_at_fpr(
            _scored(probe, benign), fpr=fpr, confidence=_CONFIDENCE, groups=benign.groups, population=_POPULATION
        )
    except (TooFewNegativesError, DataError) as error:
        return Unavailable(reason=str(error))


def _likeness(case: _Case, threshold: Threshold | Unavailable, *, site: str) -> Likeness | None:
    """Fit on train rows by label, certify on the benign ones; None where rows do not vary."""
    labels = np.array([f"label {label}" for label in _labels(case.train)])
    try:
        detector = MahalanobisDetector.fit(case.train.X, labels)
    except ArrayError:
        return None
    if case.benign is not None and isinstance(threshold, Threshold):
        detector = detector.certify(
            case.benign.X,
            fpr=threshold.fpr,
            confidence=_CONFIDENCE,
            groups=case.benign.groups,
            population=threshold.population,
        )
    else:
        detector = replace(detector, threshold=threshold)
    distances = {name: detector.distances(rows.X) for name, rows in case.rows.items()}
    return likeness(detector, distances, classes=labels, tests=case.tests, site=site)


def _copies(case: _Case) -> Leakage:
    """Count rows that are training rows, or of a unit that is: no text is here to be compared."""
    known = {row.tobytes() for row in np.ascontiguousarray(case.train.X)}
    seen = np.unique(_units(case.train))
    sets = {**case.rows, **({"calibration": case.benign} if case.benign is not None else {})}
    by_set = []
    for name, rows in sets.items():
        copied = np.array([row.tobytes() in known for row in np.ascontiguousarray(rows.X)], dtype=np.bool_)
        n_exact = int((copied | np.isin(_units(rows), seen)).sum())
        by_set.append(Leaked(test=name, n_exact=n_exact, n_near=0, n_rows=len(rows)))
    n_exact = sum(one.n_exact for one in by_set)
    return Leakage(n_exact=n_exact, n_near=0, near_threshold=1.0, examples=(), by_set=tuple(by_set))


def _described(case: _Case, name: str) -> Distribution:
    parts = {"test": case.rows[name]}
    if name == HOME:
        parts = {"train": case.train, **({"calibration": case.benign} if case.benign is not None else {}), **parts}
    return Distribution(
        name=name,
        source="activations",
        fingerprint=sha256(b"".join(np.ascontiguousarray(rows.X).tobytes() for rows in parts.values())),
        rows={part: len(rows) for part, rows in parts.items()},
        groups={part: len(np.unique(_units(rows))) for part, rows in parts.items()},
        positives={part: int(_labels(rows).sum()) for part, rows in parts.items()},
        grouped_by="row" if case.rows[name].groups is None else "group",
        truncated=0,
    )
