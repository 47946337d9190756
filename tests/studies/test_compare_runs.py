"""Runs are compared on the texts that they share, refused where they share none, and held to bounds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.made_runs import TESTS, make_folder, scored_rows
from tiltmeter.core.comparison import Bound, Bounds
from tiltmeter.core.errors import FileError, FormatError, SpecError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.evaluation import auroc
from tiltmeter.studies import bounds_of, check_bounds, compare_runs, read_scored_rows, regressions


@pytest.fixture(scope="module")
def strong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "strong"
    make_folder(folder, scored_rows(strength=3.0))
    return folder


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "weak"
    make_folder(folder, scored_rows(strength=1.0, noise=1))
    return folder


def test_a_better_probe_is_found_better_on_the_texts_that_both_have(strong: Path, weak: Path) -> None:
    found = compare_runs([weak, strong], n_draws=300)
    assert found.first == str(weak) and [run.run for run in found.runs] == [str(weak), str(strong)]
    for common in found.common:
        assert common.paired and (common.n_rows, common.n_units) == (120, 60)
    ranked = {one.test: one for one in found.differences if one.figure == "auroc"}
    assert set(ranked) == set(TESTS)
    for one in ranked.values():
        assert isinstance(one.difference, Estimate) and one.difference.low > 0
        assert one.p is not None and one.p_holm is not None and one.p <= one.p_holm < 0.05
    assert regressions(found) == ()
    worse = regressions(compare_runs([strong, weak], n_draws=300))
    assert {(one.test, one.figure) for one in worse} >= {(test, "auroc") for test in TESTS}


def test_a_run_that_is_as_good_but_for_chance_is_no_regression(strong: Path, tmp_path: Path) -> None:
    make_folder(tmp_path / "again", scored_rows(strength=3.0, noise=2))
    assert regressions(compare_runs([strong, tmp_path / "again"], n_draws=300)) == ()


def test_a_certified_threshold_that_is_gone_is_a_regression(strong: Path, tmp_path: Path) -> None:
    make_folder(tmp_path / "bare", scored_rows(strength=3.0, noise=3), threshold=None)
    worse = regressions(compare_runs([strong, tmp_path / "bare"], n_draws=300))
    assert {one.figure for one in worse} == {"caught", "false alarms"}


def test_only_texts_with_the_same_words_and_label_are_paired_in_whatever_order_they_stand(
    strong: Path, tmp_path: Path
) -> None:
    rows = scored_rows(strength=3.0, noise=4)
    rows["text_hash"][:10] = ["0" * 16] * 10
    rows["label"][10] = 1 - rows["label"][10]
    for values in rows.values():
        del values[20:30]
        values.reverse()
    make_folder(tmp_path / "other", rows)
    common, untouched = compare_runs([strong, tmp_path / "other"], n_draws=300).common
    assert (common.test, common.n_rows, common.n_changed) == (TESTS[0], 99, 11)
    assert (common.n_first, common.n_run) == (120, 110)
    assert (untouched.n_rows, untouched.n_changed) == (120, 0)


def test_what_either_run_split_as_one_is_resampled_as_one(strong: Path, tmp_path: Path) -> None:
    rows = scored_rows(strength=3.0, noise=5)
    # joins the units of the first run two by two, by other names
    rows["unit"] = [f"u{(int(str(unit)) + 1) // 2}" for unit in rows["unit"]]
    make_folder(tmp_path / "coarse", rows)
    found = compare_runs([strong, tmp_path / "coarse"], n_draws=300)
    assert [common.n_units for common in found.common] == [31, 31]


def test_sets_of_one_name_without_a_common_text_get_unpaired_intervals_that_say_so(
    strong: Path, tmp_path: Path
) -> None:
    make_folder(tmp_path / "fresh", scored_rows(strength=3.0, seed=9, prefix="new"))
    found = compare_runs([strong, tmp_path / "fresh"], n_draws=300)
    assert [(common.paired, common.n_rows, common.n_units) for common in found.common] == [(False, 0, 0)] * 2
    for one in found.differences:
        if one.figure == "caught at equal alarms":  # 60 negatives hold no point at 1 %
            assert isinstance(one.difference, Unavailable)
        else:
            assert isinstance(one.difference, Estimate) and one.difference.method.startswith("unpaired")
            assert one.p is not None


def test_runs_without_a_common_set_are_refused_with_what_each_has(strong: Path, tmp_path: Path) -> None:
    make_folder(tmp_path / "far", scored_rows(strength=3.0, tests=("elsewhere",)))
    with pytest.raises(SpecError, match="share no test set: the one was judged on facts, facts negated, the other on"):
        compare_runs([strong, tmp_path / "far"])
    with pytest.raises(SpecError, match="stands twice"):
        compare_runs([strong, strong / ".." / "strong"])
    with pytest.raises(SpecError, match="50 draws are too few"):
        compare_runs([strong, tmp_path / "far"], n_draws=50)


def test_several_runs_are_corrected_for_all_that_was_looked_at(strong: Path, weak: Path, tmp_path: Path) -> None:
    make_folder(tmp_path / "third", scored_rows(strength=2.5, noise=6))
    alone = compare_runs([strong, tmp_path / "third"], n_draws=300)
    both = compare_runs([strong, tmp_path / "third", weak], n_draws=300)
    mine = [one for one in both.differences if one.run == str(tmp_path / "third")]
    assert [one.p for one in mine] == [one.p for one in alone.differences]
    pairs = [(a.p_holm, b.p_holm) for a, b in zip(alone.differences, mine, strict=True) if a.p_holm is not None]
    assert len(pairs) == 6
    assert all(after >= before for before, after in pairs) and any(after > before for before, after in pairs)


def test_damaged_missing_or_foreign_scores_are_refused(strong: Path, tmp_path: Path) -> None:
    make_folder(tmp_path / "run", scored_rows(strength=3.0, noise=7))
    path = tmp_path / "run" / "scores.parquet"
    content = path.read_bytes()
    table = pq.read_table(path)

    def refused(match: str) -> None:
        with pytest.raises(FormatError, match=match):
            compare_runs([strong, tmp_path / "run"])

    path.write_bytes(content[:-50])
    refused("damaged or no table of scores")
    pq.write_table(table.drop_columns(["unit"]), path)
    refused("damaged or no table of scores")
    for name, value in (("label", 2), ("score", np.nan), ("label", None)):
        column = table[name].to_pylist()
        column[0] = value
        index = table.column_names.index(name)
        pq.write_table(table.set_column(index, name, pa.array(column, type=table.schema.field(name).type)), path)
        refused("not 0 or 1, or a score that is not finite")
    pq.write_table(table.set_column(5, "score", pa.array(-table["score"].to_numpy())), path)
    refused("does not give the AUROC on facts that evidence.json holds")
    path.unlink()
    with pytest.raises(FileError, match=r"scores\.parquet does not exist"):
        compare_runs([strong, tmp_path / "run"])
    with pytest.raises(FileError, match="not a run directory"):
        compare_runs([strong, tmp_path])


def test_the_scores_of_a_run_are_read_as_they_were_written(strong: Path) -> None:
    rows, found = scored_rows(strength=3.0), read_scored_rows(strong)
    assert found.score.tolist() == rows["score"] and found.id.tolist() == rows["id"]
    facts = found.select(found.distribution == "facts")
    assert len(facts.id) == 120 and auroc(facts.label, facts.score) > 0.9


def test_a_run_keeps_its_own_bounds_and_a_worse_one_breaks_them(strong: Path, weak: Path) -> None:
    bounds = bounds_of(strong)
    assert Bounds.model_validate(json.loads(bounds.model_dump_json())) == bounds
    assert {(b.test, b.figure) for b in bounds.bounds} == {
        (test, figure) for test in TESTS for figure in ("auroc", "caught", "false alarms")
    }
    assert all(one.is_kept and one.same_texts for one in check_bounds(strong, bounds))
    broken = [one.bound.figure for one in check_bounds(weak, bounds) if not one.is_kept]
    assert "auroc" in broken and "caught" in broken


def test_false_alarms_are_bounded_from_above_by_the_interval_and_at_least_the_certified_rate(strong: Path) -> None:
    limits = [bound for bound in bounds_of(strong).bounds if bound.figure == "false alarms"]
    assert all(limit.at_least is None and limit.at_most is not None and limit.at_most >= 0.01 for limit in limits)
    high = Bounds(run="", bounds=(Bound(test="facts", figure="false alarms", at_most=0.0),))
    (found,) = check_bounds(strong, high)
    assert isinstance(found.found, Estimate) and found.is_kept == (found.found.value <= 0)


def test_a_figure_that_is_gone_breaks_its_bound_and_a_set_that_is_gone_is_an_error(
    strong: Path, tmp_path: Path
) -> None:
    make_folder(tmp_path / "bare", scored_rows(strength=3.0), threshold=None)
    with pytest.raises(SpecError, match="The bounds name caught on facts"):
        check_bounds(tmp_path / "bare", bounds_of(strong))
    make_folder(tmp_path / "one", scored_rows(strength=3.0, tests=("facts",)))
    with pytest.raises(SpecError, match=r"facts negated, but .* has that of facts only"):
        check_bounds(tmp_path / "one", bounds_of(strong))
    path = strong.parent / "gone"
    make_folder(path, scored_rows(strength=3.0))
    evidence = json.loads((path / "evidence.json").read_text(encoding="utf-8"))
    for point in evidence["operating_points"]:
        point["tpr"] = {"kind": "unavailable", "reason": "no threshold was certified"}
    (path / "evidence.json").write_text(json.dumps(evidence), encoding="utf-8")
    gone = [one for one in check_bounds(path, bounds_of(strong)) if not one.is_kept]
    assert [one.bound.figure for one in gone] == ["caught", "caught"]
    assert all(isinstance(one.found, Unavailable) for one in gone)


def test_other_texts_than_those_of_the_bounds_are_marked(strong: Path) -> None:
    bounds = bounds_of(strong)
    moved = bounds.model_copy(update={"bounds": tuple(b.model_copy(update={"texts": "0"}) for b in bounds.bounds)})
    assert all(one.is_kept and not one.same_texts for one in check_bounds(strong, moved))


def test_sets_that_a_run_was_not_judged_on_any_more_are_named(tmp_path: Path) -> None:
    for name, tests in (("whole", TESTS), ("part", TESTS[:1])):
        make_folder(tmp_path / name, scored_rows(strength=3.0, tests=tests))
    gone = compare_runs([tmp_path / "whole", tmp_path / "part"]).gone
    assert tuple(one.test for one in gone) == TESTS[1:]
    assert {one.run for one in gone} == {str(tmp_path / "part")}
    assert compare_runs([tmp_path / "part", tmp_path / "whole"]).gone == ()
