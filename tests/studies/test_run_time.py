"""What a study says of run time: unlike texts, pushes that hide, scores row by row, and plans from them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tiltmeter.cli import main
from tiltmeter.core.errors import FileError, FormatError, SpecError, TooFewNegativesError
from tiltmeter.core.evidence import Evidence, Leakage, Leaked
from tiltmeter.core.files import write_json
from tiltmeter.core.plan import Terms
from tiltmeter.core.records import Estimate, Threshold
from tiltmeter.evaluation import MahalanobisDetector
from tiltmeter.monitor import Monitor
from tiltmeter.studies import Study, open_model, open_texts, parse_spec, plan_run, read_scored_rows, run_study

TERMS = Terms(per_day=1000, base_rate=0.001, reviews=350, review_cost=2.0)


@pytest.fixture(scope="module")
def study(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("run_time")
    rng = np.random.default_rng(0)
    for name, words in (("home", (0, 15)), ("away", (15, 30))):
        lines = []
        for i in range(100):
            for label, told in ((1, "w38"), (0, "w39")):
                noise = " ".join(f"w{j}" for j in rng.integers(*words, size=5))
                lines.append(json.dumps({"text": f"{noise} {told} .", "label": label, "group": f"{name}{i}"}))
        (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    spec = parse_spec(
        {
            "name": "small",
            "model": {"path": str(tiny_model)},
            "texts": {name: str(folder / f"{name}.jsonl") for name in ("home", "away")},
            "train": {"distribution": "home", "folds": 2, "judge_only": ["away"], "fractions": [0.4, 0.3, 0.3]},
            "threshold": {"fpr": 0.15},
            "read": {"pooling": "mean", "sites": ["1.resid_post"]},
            "probes": {"methods": ["lda"]},
            "evidence": {"bootstrap": 100, "random_directions": 5, "shuffles": 19},
        }
    )
    return run_study(spec, folder / "run")


@pytest.mark.long
def test_other_words_are_flagged_and_the_same_are_not(study: Study) -> None:
    check = study.evidence.likeness
    assert check is not None and isinstance(check.threshold, Threshold)
    assert isinstance(study.evidence.threshold, Threshold)
    # certified on the very rows that set the alarm's threshold
    assert check.threshold.model_copy(update={"value": 0.0}) == study.evidence.threshold.model_copy(
        update={"value": 0.0}
    )
    assert (check.site, check.n_train, check.classes) == ("1.resid_post", 80, ("home, label 0", "home, label 1"))
    flagged = {one.test: one for one in check.flagged}
    assert isinstance(flagged["away"].unit, Estimate) and flagged["away"].unit.low > 0.15
    assert isinstance(flagged["home"].unit, Estimate) and flagged["home"].unit.low < 0.15
    rules = [(s.rule, s.test) for s in study.evidence.verdict.statements if s.rule == "likeness"]  # type: ignore[union-attr]
    assert rules == [("likeness", "away")]
    assert "Flagged as unlike the calibration texts" in (study.folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.long
def test_with_a_benign_set_both_are_known_and_its_negatives_set_the_limit(study: Study, tmp_path: Path) -> None:
    resolved = json.loads((study.folder / "run.json").read_text(encoding="utf-8"))["resolved"]
    train = {**resolved["train"], "judge_only": [], "benign": ["away"]}
    found = run_study(parse_spec({**resolved, "train": train}), tmp_path / "run").evidence.likeness
    assert found is not None and isinstance(found.threshold, Threshold)
    assert found.classes == ("away, label 0", "away, label 1", "home, label 0", "home, label 1")
    assert found.threshold.population == "texts without the concept like those of away"


def test_the_monitor_flags_what_the_study_flagged(study: Study, tiny_model: Path) -> None:
    monitor = Monitor.load(study.folder / "monitors" / "best")
    texts = open_texts(str(study.folder.parent / "away.jsonl"), distribution="away")
    spec = parse_spec(json.loads((study.folder / "run.json").read_text(encoding="utf-8"))["resolved"])
    scored = monitor.score(open_model(spec.model), texts)
    assert scored.unlike is not None
    flagged = next(one for one in study.evidence.likeness.flagged if one.test == "away")  # type: ignore[union-attr]
    y = np.asarray(texts.y)
    assert flagged.negative.value == pytest.approx(scored.unlike[y == 0].mean())  # type: ignore[union-attr]
    assert flagged.positive.value == pytest.approx(scored.unlike[y == 1].mean())  # type: ignore[union-attr]


def test_the_scores_kept_are_those_of_the_evidence(study: Study) -> None:
    assert isinstance(study.evidence.threshold, Threshold)
    table = pq.read_table(study.folder / "scores.parquet").to_pydict()
    assert all(
        (far is None) == (split == "calibration") for far, split in zip(table["distance"], table["split"], strict=True)
    )
    tests = read_scored_rows(study.folder).labelled("test")
    for point in study.evidence.operating_points:
        part = tests[point.test]
        alarm = part.scores > study.evidence.threshold.value
        assert isinstance(point.tpr, Estimate) and isinstance(point.fpr, Estimate)
        assert point.tpr.value == pytest.approx(alarm[part.y == 1].mean())
        assert point.fpr.value == pytest.approx(alarm[part.y == 0].mean())
    calibration = read_scored_rows(study.folder).labelled("calibration")["home"]
    negatives = np.sort(calibration.scores[calibration.y == 0])
    assert study.evidence.threshold.value == negatives[-1 - study.evidence.threshold.allowed]


def test_pushes_are_margins_over_the_median_distance(study: Study) -> None:
    assert isinstance(study.evidence.threshold, Threshold)
    part = read_scored_rows(study.folder).labelled("test")["home"]
    margins = np.sort(part.scores[(part.y == 1) & (part.scores > study.evidence.threshold.value)]
                      - study.evidence.threshold.value)  # fmt: skip
    found = next(one for one in study.evidence.hiding if one.test == "home")
    assert (
        found.n_alarms == len(margins) and isinstance(found.push, Estimate) and isinstance(found.in_distances, Estimate)
    )
    assert found.push.value == pytest.approx(margins[(len(margins) - 1) // 2])
    assert found.in_distances.value == pytest.approx(found.push.value / found.distance)


def test_a_run_is_planned_with_its_alternatives(study: Study) -> None:
    plan = plan_run(study.folder, TERMS, confidence=0.9)
    assert [day.test for day in plan.days] == ["home", "away"]
    assert (plan.threshold.unit, plan.threshold.n) == ("group", 30)
    # in all of them but the widest, which covers everything, and the narrowest, for which there are too few negatives
    kinds = [(one.reviews, one.day.kind if hasattr(one.day, "kind") else "day") for one in plan.alternatives]
    assert kinds == [(87.5, "day"), (175.0, "day"), (700.0, "day"), (1400.0, "unavailable")]
    with pytest.raises(TooFewNegativesError, match="there are 30"):
        plan_run(study.folder, TERMS.model_copy(update={"reviews": 20.0}))


def test_what_cannot_be_planned_from_is_refused(study: Study, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is not a run directory"):
        plan_run(tmp_path, TERMS)
    write_json(tmp_path / "evidence.json", study.evidence.model_dump(mode="json"))
    with pytest.raises(FileError, match=r"scores\.parquet does not exist"):
        plan_run(tmp_path, TERMS)
    (tmp_path / "scores.parquet").write_bytes(b"no table")
    with pytest.raises(FormatError, match="damaged or no table of scores"):
        plan_run(tmp_path, TERMS)
    copied = Leakage(
        n_exact=9, n_near=0, near_threshold=0.8, examples=(),
        by_set=(Leaked(test="calibration", n_exact=9, n_near=0, n_rows=60),),
    )  # fmt: skip
    leaked = study.evidence.model_copy(update={"leakage": copied})
    write_json(tmp_path / "evidence.json", leaked.model_dump(mode="json"))
    with pytest.raises(SpecError, match="60 calibration texts hold 9 copies of training texts"):
        plan_run(tmp_path, TERMS)
    write_json(tmp_path / "evidence.json", {"train": "home"})
    with pytest.raises(FormatError, match="is not a record that this release reads"):
        plan_run(tmp_path, TERMS)


def test_old_evidence_without_these_records_loads(study: Study) -> None:
    content = study.evidence.model_dump(mode="json")
    del content["likeness"], content["hiding"]
    old = Evidence.model_validate(content)
    assert old.likeness is None and old.hiding == ()


def test_the_detector_beside_a_monitor_is_that_of_the_train_rows(study: Study) -> None:
    detector = MahalanobisDetector.load(study.folder / "monitors" / "best")
    assert study.evidence.likeness is not None
    assert detector.threshold == study.evidence.likeness.threshold
    assert detector.inside.shrinkage == study.evidence.likeness.shrinkage


def test_the_command_prints_a_plan_in_words_and_in_json(
    study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*more: str, code: int = 0) -> str:
        base = ["tiltmeter", "plan", str(study.folder), "--base-rate", "0.001", "--per-day", "1000"]
        monkeypatch.setattr(sys, "argv", [*base, *more])
        with pytest.raises(SystemExit) as stopped:
            main()
            sys.exit(0)
        assert stopped.value.code == code
        printed = capsys.readouterr()
        return printed.out if code == 0 else printed.err

    words = run("--reviews", "350", "--cost-review", "2")
    assert "Review what scores above" in words and "with another" in words
    assert "Not 1400 reviews: 1400 reviews a day cover all of 1000" in words.replace("\n", " ")
    plan = json.loads(run("--reviews", "350", "--cost-review", "2", "--json"))
    assert plan == plan_run(study.folder, TERMS).model_dump(mode="json")
    assert "plan with at least" in run("--reviews", "20", code=2)
    assert "do not cover the 1 positives" in run("--reviews", "0.5", code=2)
    assert "each must be a finite number" in run("--reviews", "nan", code=2)
