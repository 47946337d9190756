"""What a study says of its threshold and its probabilities, and on which rows it sets them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations
from tiltmeter.core.calibration import Probabilities
from tiltmeter.core.evidence import Evidence, Leakage, Leaked, Verdict
from tiltmeter.core.records import Estimate, Threshold, Unavailable
from tiltmeter.data import TextSet
from tiltmeter.evaluation import HeldOut, calibrated_probabilities, fit_calibrator, resampling
from tiltmeter.probes import MeanDifference
from tiltmeter.studies import Study, StudySpec, parse_spec, run_study
from tiltmeter.studies._alarms import alarms, certify
from tiltmeter.studies._calibrated import probabilities
from tiltmeter.studies._material import Material
from tiltmeter.studies._transfer import Fitted

SITE = "0.resid_post"
CLEAN = Leakage(n_exact=0, n_near=0, near_threshold=0.8, examples=())
RNG = np.random.default_rng(0)
N = 1600
LABELS = np.arange(N) % 2
ROWS = RNG.normal(size=(N, 8)) + 2 * LABELS[:, None] * np.eye(8)[0]
PARTS = np.repeat(["train", "calibration", "test"], [400, 800, 400])


def material(
    *, y: NDArray[np.int64] = LABELS, units: NDArray[np.str_] | None = None, grouped_by: str = "row"
) -> Material:
    ids = np.array([f"t{i}" for i in range(N)])
    units = ids if units is None else units
    texts = TextSet(ids, texts=tuple(f"text {i}" for i in range(N)), distribution="home", y=y)
    acts = Activations(ROWS, ids=ids, y=y, groups=units)
    return Material({"home": texts}, {"home": units}, {"home": PARTS}, {"home": grouped_by}, {"home": {SITE: acts}})


def spec(**threshold: object) -> StudySpec:
    return parse_spec(
        {
            "name": "s",
            "model": {"path": "m"},
            "texts": {"home": "x.jsonl"},
            "train": {"distribution": "home"},
            "threshold": threshold,
        }
    )


CHOSEN = Fitted("home", SITE, "mean_difference", MeanDifference().fit(ROWS[:400], LABELS[:400]))


def judged(y: NDArray[np.int64] = LABELS) -> dict[str, HeldOut]:
    by = resampling(400, groups=None, n_draws=100)
    return {"home": HeldOut("home", y[-400:], np.array([f"t{i}" for i in range(1200, N)]), by)}


def test_a_spec_asks_for_the_guarantee_and_gets_it() -> None:
    certain = certify(spec(), material(), chosen=CHOSEN, leakage=CLEAN)
    mean = certify(spec(guarantee="average"), material(), chosen=CHOSEN, leakage=CLEAN)
    assert isinstance(certain, Threshold) and isinstance(mean, Threshold)
    assert (certain.guarantee, certain.confidence) == ("confidence", 0.95)
    assert (mean.guarantee, mean.confidence) == ("average", None)
    scores = CHOSEN.probe.decision_function(ROWS[400:1200][LABELS[400:1200] == 0])
    # 400 negatives: one of them may lie above the one, three above the other
    assert (certain.value, mean.value) == (np.sort(scores)[-1], np.sort(scores)[-4])


def test_units_that_fitted_the_probe_leave_no_threshold_and_no_probabilities() -> None:
    units = np.array([f"t{i}" for i in range(N)])
    units[400] = "t0"
    stale = material(units=units)
    for guarantee in ("confidence", "average"):
        found = certify(spec(guarantee=guarantee), stale, chosen=CHOSEN, leakage=CLEAN)
        assert isinstance(found, Unavailable)
        assert "1 of 400 calibration rows (the first is 't0') also fitted the probe" in found.reason
    none = probabilities(stale, judged(), chosen=CHOSEN, leakage=CLEAN)
    assert isinstance(none, Unavailable) and "1 of 800 calibration rows" in none.reason


def test_alarms_a_day_are_counted_in_the_units_of_the_threshold() -> None:
    assert alarms(spec(), material(), judged(), chosen=CHOSEN, leakage=CLEAN).daily_alarms == ()
    by_row = alarms(spec(per_day=2000), material(), judged(), chosen=CHOSEN, leakage=CLEAN)
    (daily,) = by_row.daily_alarms
    rate = by_row.operating_points[0].fpr
    assert isinstance(daily.false_alarms, Estimate) and isinstance(rate, Estimate)
    assert (daily.measured_on, daily.unit, daily.most_false) == ("home", "row", 20.0)
    assert daily.false_alarms.high == pytest.approx(2000 * rate.high)
    # pairs of negatives: an alarm of either is the group's
    groups = np.array([f"g{i // 4}" for i in range(N)])
    test = {"home": judged()["home"]._replace(units=groups[-400:])}
    grouped = alarms(
        spec(per_day=100, fpr=0.05), material(units=groups, grouped_by="group"), test, chosen=CHOSEN, leakage=CLEAN
    )
    unit_rate = grouped.operating_points[0].unit_fpr
    assert isinstance(unit_rate, Estimate) and isinstance(grouped.daily_alarms[0].false_alarms, Estimate)
    assert (grouped.daily_alarms[0].unit, grouped.daily_alarms[0].false_alarms.value) == (
        "group",
        pytest.approx(100 * unit_rate.value),
    )
    assert isinstance(grouped.threshold, Threshold) and isinstance(grouped.threshold.row_rate, Estimate)


def test_probabilities_are_fitted_on_calibration_rows_and_never_see_a_test_label() -> None:
    found = probabilities(material(), judged(), chosen=CHOSEN, leakage=CLEAN)
    flipped = np.concatenate([LABELS[:1200], 1 - LABELS[1200:]])
    other = probabilities(material(y=flipped), judged(flipped), chosen=CHOSEN, leakage=CLEAN)
    assert isinstance(found, Probabilities) and isinstance(other, Probabilities)
    assert found.calibrators == other.calibrators
    scores = CHOSEN.probe.decision_function(ROWS)
    for fitted, kind in zip(found.calibrators, ("platt", "beta", "isotonic"), strict=True):
        assert fitted.method == kind and fitted.n == 800
        assert fitted == fit_calibrator(LABELS[400:1200], scores[400:1200], method=kind)
    shipped = found.sets[0]
    p = calibrated_probabilities(found.calibrators[0], scores[1200:])
    assert sum(one.n for one in shipped.bins) == 400
    assert sum(one.n * one.predicted for one in shipped.bins) == pytest.approx(p.sum())
    # labels turned round: what said 0.9 is now 0.1
    assert isinstance(shipped.ece_mass, Estimate) and shipped.ece_mass.low < 0.02
    assert isinstance(other.sets[0].ece_mass, Estimate) and other.sets[0].ece_mass.low > 0.2


def test_copies_of_training_texts_leave_no_probabilities_either() -> None:
    copies = CLEAN.model_copy(update={"by_set": (Leaked(test="calibration", n_exact=50, n_near=0, n_rows=800),)})
    found = probabilities(material(), judged(), chosen=CHOSEN, leakage=copies)
    assert isinstance(found, Unavailable) and "800 calibration texts hold 50 copies" in found.reason


@pytest.fixture(scope="module")
def study(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("points")
    rng = np.random.default_rng(0)
    lines = []
    for i in range(200):
        for label in (1, 0):
            noise = " ".join(f"w{j}" for j in rng.integers(30, size=4))
            lines.append({"text": f"{noise} {'w38' if label else 'w39'} .", "label": label, "group": f"g{i}"})
    (folder / "home.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    asked = {
        "name": "points",
        "model": {"path": str(tiny_model)},
        "texts": {"home": str(folder / "home.jsonl")},
        "train": {"distribution": "home", "folds": 2},
        "read": {"sites": ["-1.resid_post"]},
        "probes": {"methods": ["lda"]},
        "threshold": {"fpr": 0.1, "guarantee": "average", "per_day": 12000},
        "evidence": {"bootstrap": 100, "random_directions": 10, "shuffles": 19},
    }
    return run_study(parse_spec(asked), folder / "run")


@pytest.mark.long
def test_record_verdict_and_report_say_which_guarantee_holds_and_how_many_alarms_a_day(study: Study) -> None:
    evidence = Evidence.model_validate_json((study.folder / "evidence.json").read_text(encoding="utf-8"))
    assert isinstance(evidence.threshold, Threshold) and evidence.threshold.guarantee == "average"
    assert isinstance(evidence.verdict, Verdict)
    said = next(s for s in evidence.verdict.statements if s.rule == "threshold")
    assert said.stance == "note" and "on average over calibration sets only" in said.text
    page = (study.folder / "report.html").read_text(encoding="utf-8")
    assert "Guarantee on average only" in page and "No guarantee is given for single rows" in page
    assert "At 12,000 groups a day, all taken for negatives: at most 1,200 false alarms a day" in page
    assert isinstance(evidence.probabilities, Probabilities)
    assert evidence.probabilities.calibrators[0].n == evidence.distributions[0].rows["calibration"]
    assert "Reliability on home" in page


def test_the_steps_of_a_study_name_the_calibration(study: Study) -> None:
    assert '"calibrating probabilities"' in (study.folder / "run.json").read_text(encoding="utf-8")
