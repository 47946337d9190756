"""A study from spec to run directory, on a tiny random model whose texts give the label away."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import SpecError
from tiltmeter.core.evidence import Evidence, Verdict, best_sites
from tiltmeter.core.files import sha256
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.core.run import Run
from tiltmeter.evaluation import auroc, rejudge
from tiltmeter.monitor import Monitor, read_card
from tiltmeter.studies import (
    Study,
    StudySpec,
    compare_runs,
    open_evidence,
    open_model,
    open_texts,
    parse_spec,
    read_scored_rows,
    run_study,
)


def _spec(model: Path, texts: dict[str, Path], **changes: Any) -> StudySpec:
    return parse_spec(
        {
            "name": "small",
            "model": {"path": str(model)},
            "texts": {name: str(path) for name, path in texts.items()},
            "train": {"distribution": "home", "folds": 3},
            "evidence": {"bootstrap": 200, "random_directions": 20, "shuffles": 19},
            **changes,
        }
    )


@pytest.fixture(scope="module")
def study(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    for name, words in (("home", ("w38", "w39")), ("away", ("w39", "w38"))):
        lines = []
        for i in range(60):
            for label in (1, 0):
                noise = " ".join(f"w{j}" for j in rng.integers(30, size=4))
                row = {"text": f"{noise} {words[1 - label]} .", "label": label, "group": f"g{i}", "pair": f"p{i}"}
                lines.append(json.dumps({**row, "cue": int(rng.random() < 0.5)}))
        (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    spec = _spec(
        tiny_model,
        {"home": folder / "home.jsonl", "away": folder / "away.jsonl"},
        evidence={"bootstrap": 200, "random_directions": 20, "shuffles": 19, "nuisances": ["cue"]},
    )
    return run_study(spec, folder / "run")


@pytest.mark.long
def test_the_run_directory_holds_what_it_promises(study: Study) -> None:
    evidence = Evidence.model_validate_json((study.folder / "evidence.json").read_text(encoding="utf-8"))
    run = Run.model_validate_json((study.folder / "run.json").read_text(encoding="utf-8"))
    assert evidence == study.evidence
    assert run.status == "complete"
    assert run.versions["tiltmeter"]
    assert (study.folder / "report.html").read_text(encoding="utf-8").count("<h1") == 1
    for site in evidence.sites[1:]:
        for method in evidence.methods:
            direction = Direction.load(study.folder / "probes" / site, stem=method)
            assert str(direction.site) == site
            assert isinstance(direction.evidence, Unavailable)


def test_the_embedding_of_a_last_token_that_all_texts_share_yields_no_direction_and_says_so(study: Study) -> None:
    cells = [cell for cell in study.evidence.transfer if cell.site == "0.resid_pre"]
    assert cells
    for cell in cells:
        assert isinstance(cell.auroc, Unavailable)
        assert "found no direction" in cell.auroc.reason


def test_a_label_that_stands_in_the_text_is_read_and_the_verdict_says_that_text_alone_does_it(study: Study) -> None:
    evidence = study.evidence
    home = next(
        c.auroc
        for c in evidence.transfer
        if (c.site, c.method, c.train, c.test) == (evidence.site, evidence.method, "home", "home")
    )
    assert isinstance(home, Estimate)
    assert home.value > 0.95
    assert isinstance(evidence.verdict, Verdict)
    assert evidence.verdict.outcome == "refuted"
    assert any(s.rule == "text alone" and s.stance == "against" for s in evidence.verdict.statements)


def test_a_test_set_with_the_words_exchanged_is_read_the_wrong_way_round(study: Study) -> None:
    evidence = study.evidence
    assert isinstance(evidence.verdict, Verdict)
    assert any(s.rule == "transfer" and "opposite" in s.text for s in evidence.verdict.statements)


def test_every_site_method_and_pair_of_distributions_is_judged(study: Study) -> None:
    evidence = study.evidence
    assert len(evidence.transfer) == len(evidence.sites) * len(evidence.methods) * 2 * 2
    assert len(evidence.candidates) == len(evidence.sites) * len(evidence.methods)
    assert len(evidence.random_directions) == len(evidence.sites) * 2
    assert {b.train for b in evidence.baselines} == {"home", "away"}
    assert (
        {s.method for s in evidence.shortcuts} == set(evidence.methods) == {"mean_difference", "lat", "lda", "logistic"}
    )


def test_groups_stay_on_one_side_in_all_distributions(study: Study) -> None:
    home, away = study.evidence.distributions
    assert sum(home.groups.values()) == sum(away.groups.values()) == 60
    assert home.groups == away.groups


def test_the_gap_to_training_on_a_set_itself_is_measured_for_every_method_and_text_baseline(study: Study) -> None:
    evidence = study.evidence
    best = best_sites(evidence.candidates, chosen=(evidence.method, evidence.site))
    assert set(best) == set(evidence.methods)
    assert {gap.method: gap.site for gap in evidence.gaps if gap.site} == best
    assert {gap.method for gap in evidence.gaps if gap.site is None} == {b.name for b in evidence.baselines}
    assert {gap.test for gap in evidence.gaps} == {"away"}
    values = {(b.name, b.train): b.auroc for b in evidence.baselines if b.test == "away"}
    for gap in evidence.gaps:
        home, away = values.get((gap.method, "home")), values.get((gap.method, "away"))
        if isinstance(home, Estimate) and isinstance(away, Estimate) and isinstance(gap.recovered, Estimate):
            assert gap.recovered.value == pytest.approx((home.value - 0.5) / (away.value - 0.5))
    # the words are exchanged there: what was learned at home is the wrong way round
    words = next(gap.recovered for gap in evidence.gaps if gap.method == "bag of words")
    assert isinstance(words, Estimate) and words.high < 0


def test_too_few_negatives_leave_no_threshold_and_say_how_many_are_needed(study: Study) -> None:
    assert isinstance(study.evidence.threshold, Unavailable)
    assert "299 are needed" in study.evidence.threshold.reason


def test_the_monitor_scores_as_the_study_did_and_carries_its_evidence(study: Study, tmp_path: Path) -> None:
    monitor = Monitor.load(study.folder / "monitors" / "best")
    assert monitor.direction.evidence == study.evidence
    texts = open_texts(str(study.folder.parent / "home.jsonl"), distribution="home")
    spec = parse_spec(json.loads((study.folder / "run.json").read_text(encoding="utf-8"))["resolved"])
    scored = monitor.score(open_model(spec.model), texts)
    assert scored.alarms is None
    assert np.mean((scored.scores > 0) == (texts.y == 1)) > 0.9


def test_the_scores_of_the_chosen_probe_are_kept_row_by_row(study: Study) -> None:
    rows, evidence = read_scored_rows(study.folder), study.evidence
    for distribution in evidence.distributions:
        for split in ("calibration", "test"):
            at = (rows.distribution == distribution.name) & (rows.split == split)
            assert at.sum() == distribution.rows[split]
            assert rows.label[at].sum() == distribution.positives[split]
            assert len(np.unique(rows.unit[at])) == distribution.groups[split]
    home = rows.select((rows.distribution == "home") & (rows.split == "test"))
    (cell,) = [
        c
        for c in evidence.transfer
        if (c.site, c.method, c.train, c.test) == (evidence.site, evidence.method, "home", "home")
    ]
    assert isinstance(cell.auroc, Estimate)
    assert auroc(home.label, home.score) == cell.auroc.value
    texts = open_texts(str(study.folder.parent / "home.jsonl"), distribution="home")
    words = dict(zip(texts.ids.tolist(), texts.texts or (), strict=True))
    assert home.text_hash[0] == sha256(words[str(home.id[0])].encode())[:16]


def test_the_monitor_comes_with_its_card_and_all_hold_one_verdict(study: Study) -> None:
    folder = study.folder / "monitors" / "best"
    assert read_card(folder).evidence.verdict == study.evidence.verdict == open_evidence(str(folder)).verdict
    assert open_evidence(str(study.folder)) == study.evidence
    assert rejudge(study.evidence).is_changed is False
    # where a model stands on this machine is in no file of the monitor but as the spec has it
    assert read_card(folder).model_fingerprint["name"] == read_card(folder).model


@pytest.mark.long
def test_the_same_spec_and_seed_give_the_same_evidence(study: Study, tmp_path: Path) -> None:
    resolved = json.loads((study.folder / "run.json").read_text(encoding="utf-8"))["resolved"]
    again = run_study(parse_spec(resolved), tmp_path / "again")
    assert again.evidence == study.evidence
    common = compare_runs([study.folder, tmp_path / "again"], n_draws=100)
    assert all(found.p == 1.0 for found in common.differences if found.p is not None)


@pytest.mark.long
def test_a_distribution_that_is_only_judged_is_never_fitted_on(
    tiny_model: Path, write_rows: Callable[..., Path], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    apart = [{**row, "group": f"x{row['group']}", "pair": f"x{row['pair']}"} for row in rows[:40]]
    mixed = apart + [dict(row) for row in rows[:20]]
    for i, row in enumerate(mixed):
        row["text"] = f"w{i % 30} {row['text']}"
    texts = {"home": write_rows(rows, name="home.jsonl"), "other": write_rows(mixed, name="other.jsonl")}
    spec = _spec(tiny_model, texts, train={"distribution": "home", "folds": 3, "judge_only": ["other"]})
    evidence = run_study(spec, tmp_path / "run").evidence
    assert {cell.train for cell in evidence.transfer} == {"home"}
    assert {cell.test for cell in evidence.transfer} == {"home", "other"}
    other = next(d for d in evidence.distributions if d.name == "other")
    assert (other.rows["train"], other.rows["calibration"]) == (0, 0)
    # the 20 groups of its own, and those of the ten shared ones that lie in the test split of home
    assert 40 <= other.rows["test"] < 60


@pytest.mark.long
def test_the_rows_of_one_file_are_divided_by_a_column(
    tiny_model: Path, write_rows: Callable[..., Path], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    for i, row in enumerate(rows):
        row["meta"] = {"digits": 1 + i // (len(rows) // 2)}
    texts = dict.fromkeys(("easy", "hard"), write_rows(rows))
    divided = {"easy": "digits <= 1", "hard": "digits > 1"}
    train = {"distribution": "easy", "folds": 2}
    easy, hard = run_study(_spec(tiny_model, texts, rows=divided, train=train), tmp_path / "run").evidence.distributions
    assert sum(easy.rows.values()) == sum(hard.rows.values()) == len(rows) // 2
    assert easy.source.endswith(", digits <= 1") and hard.source.endswith(", digits > 1")
    with pytest.raises(SpecError, match="easy has no column 'digit' for 'digit <= 1'; did you mean 'digits'"):
        run_study(_spec(tiny_model, texts, rows={"easy": "digit <= 1"}, train=train), tmp_path / "other")


@pytest.mark.long
def test_without_pairs_lat_is_left_out(
    tiny_model: Path, write_rows: Callable[..., Path], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    for row in rows:
        del row["pair"]
    evidence = run_study(_spec(tiny_model, {"home": write_rows(rows)}), tmp_path / "run").evidence
    assert evidence.methods == ("mean_difference", "lda", "logistic")
    assert evidence.left_out == ("lat",)
    assert "Not tried, since home has no pairs: lat." in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


@pytest.mark.long
def test_truncated_texts_are_counted_and_noted(
    tiny_model: Path, write_rows: Callable[..., Path], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    rows[0]["text"] = " ".join(["w1"] * 40)
    spec = _spec(tiny_model, {"home": write_rows(rows)}, read={"long_texts": "truncate_left"})
    evidence = run_study(spec, tmp_path / "run").evidence
    assert evidence.distributions[0].truncated == 1
    assert isinstance(evidence.verdict, Verdict)
    assert any(s.rule == "truncation" for s in evidence.verdict.statements)


def test_a_study_that_fails_leaves_nothing(
    tiny_model: Path, write_rows: Callable[..., Path], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    spec = _spec(tiny_model, {"home": write_rows(rows)}, read={"sites": ["7.resid_post"]})
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SpecError, match="7"):
        run_study(spec, tmp_path / "run")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.long
def test_texts_without_groups_can_be_split_by_the_rare_words_that_they_share(
    tiny_model: Path, write_rows: Callable[..., Path], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    for i, row in enumerate(rows):
        del row["group"], row["pair"]
        row["text"] = f"w{i // 2 % 30} name{i // 2} {row['text']}"
    spec = _spec(
        tiny_model,
        {"home": write_rows(rows)},
        train={"distribution": "home", "folds": 3, "ungrouped": "shared_words"},
    )
    (home,) = run_study(spec, tmp_path / "run").evidence.distributions
    assert home.grouped_by == "shared words"
    assert sum(home.groups.values()) <= 40


@pytest.mark.long
def test_units_are_joined_over_sets_by_groups_and_by_pairs_and_never_by_row_numbers(
    tiny_model: Path, write_rows: Callable[..., Path], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    # the same pairs without their groups; and rows of other texts that happen to have the same numbers
    by_pair = [{"text": f"not {row['text']}", "label": row["label"], "pair": row["pair"]} for row in rows]
    alone = [{"text": f"the city {row['text']}", "label": row["label"]} for row in rows]
    texts = {
        "home": write_rows(rows, name="home.jsonl"),
        "by pair": write_rows(by_pair, name="pair.jsonl"),
        "alone": write_rows(alone, name="alone.jsonl"),
    }
    spec = _spec(tiny_model, texts, train={"distribution": "home", "folds": 3, "judge_only": ["by pair", "alone"]})
    home, paired, single = run_study(spec, tmp_path / "run").evidence.distributions
    assert paired.rows["test"] == home.rows["test"]
    assert single.rows["test"] == 80


@pytest.mark.long
def test_copies_in_the_calibration_split_leave_no_threshold_and_copies_in_the_test_split_no_verdict(
    tiny_model: Path, write_rows: Callable[..., Path], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    copies = [{"text": row["text"], "label": row["label"]} for row in rows for _ in range(8)]
    spec = _spec(tiny_model, {"home": write_rows(copies)}, threshold={"fpr": 0.3})
    evidence = run_study(spec, tmp_path / "run").evidence
    assert isinstance(evidence.threshold, Unavailable)
    assert "copies of training texts" in evidence.threshold.reason
    assert isinstance(evidence.verdict, Verdict)
    assert evidence.verdict.outcome == "undecided"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"text": "w30 w38 .", "label": 1}, {"text": "w31 w39 .", "label": 0}], "in pairs of both labels"),
        (
            [{"text": "w30 w38 .", "label": 1, "pair": "p"}, {"text": "w31 w31 w39 .", "label": 0, "pair": "p"}],
            "in none of its held-out pairs",
        ),
    ],
)
def test_texts_that_cannot_be_swapped_are_refused_and_nothing_is_left(
    tiny_model: Path, tmp_path: Path, rows: list[dict[str, object]], message: str
) -> None:
    lines = []
    for i in range(40):
        for row in rows:
            own = {"group": f"g{i}", **({"pair": f"p{i}"} if "pair" in row else {})}
            lines.append(json.dumps({**row, **own, "text": f"w{i % 30} {row['text']}"}))
    (tmp_path / "home.jsonl").write_text("\n".join(lines), encoding="utf-8")
    evidence = {"bootstrap": 100, "shuffles": 19, "answers": {"positive": ["w1"], "negative": ["w2"]}}
    spec = _spec(tiny_model, {"home": tmp_path / "home.jsonl"}, evidence=evidence)
    with pytest.raises(SpecError, match=message):
        run_study(spec, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_answer_that_cannot_be_asked_for_is_refused_before_any_work(tiny_model: Path, tmp_path: Path) -> None:
    rows = [
        {"text": f"w{i % 30} {word} .", "label": label, "pair": f"p{i}", "group": f"g{i}"}
        for i in range(40)
        for word, label in (("w30", 1), ("w31", 0))
    ]
    (tmp_path / "home.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    evidence = {"bootstrap": 100, "shuffles": 19, "answers": {"positive": ["w1 w2"], "negative": ["w2"]}}
    spec, steps = _spec(tiny_model, {"home": tmp_path / "home.jsonl"}, evidence=evidence), list[str]()
    with pytest.raises(SpecError, match="w1 w2"):
        run_study(spec, tmp_path / "run", announce=steps.append)
    assert not any("collecting" in step for step in steps) and not (tmp_path / "run").exists()


def test_to_choose_by_cause_needs_answers(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"needs evidence\.answers"):
        _spec(tiny_model, {"home": tmp_path / "home.jsonl"}, probes={"choose_by": "cause"})
