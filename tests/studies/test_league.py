"""The league on a task that takes a second: what is written, what is kept, what a kill leaves, what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tests.studies.tiny_league import SPEC, TINY
from tiltmeter.core.errors import FileError, FormatError, SpecError
from tiltmeter.core.league import League, TaskResult
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.evaluation import TaskScores, auroc, simultaneous_ranks
from tiltmeter.studies import TASKS, LeagueSettings, open_texts, pick_tasks, run_league
from tiltmeter.studies._league_findings import _stands

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished league of two tasks, the first of which was killed after its first task and gone on with."""
    out = tmp_path_factory.mktemp("league") / "out"
    program = "from tests.studies.tiny_league import main; main()"
    run = subprocess.Popen(
        [sys.executable, "-c", program, str(out)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}"},
    )
    assert run.stdout is not None
    for line in run.stdout:
        if "2 of 2" in line and "fitting" in line:
            os.kill(run.pid, signal.SIGKILL)
            break
    assert run.wait(timeout=60) == -signal.SIGKILL
    run.stdout.close()
    assert sorted(path.name for path in (out / "tasks").iterdir()) == ["one.json"]
    assert not (out / "league.json").exists()
    before = (out / "tasks" / "one.json").stat().st_mtime_ns
    said: list[str] = []
    run_league(SPEC, out, announce=said.append)
    assert (out / "tasks" / "one.json").stat().st_mtime_ns == before
    assert "1 of 2, one: is there already" in said
    assert not any(step.startswith("1 of 2, one: fitting") for step in said)
    return out


@pytest.fixture(scope="module")
def league(folder: Path) -> League:
    return League.model_validate_json((folder / "league.json").read_text(encoding="utf-8"))


@pytest.mark.long
def test_a_killed_league_goes_on_where_it_was(folder, league):
    # what happened is asserted on the way
    assert [one.task for one in league.tasks] == ["one", "two"]
    assert (folder / "league.html").is_file()
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        "league.html",
        "league.json",
        "one.json",
        "two.json",
    ]


@pytest.mark.slow
def test_a_resumed_league_equals_one_that_ran_through(folder, league, tmp_path):
    whole = run_league(SPEC, tmp_path / "whole")
    for one, other in zip(league.tasks, whole.tasks, strict=True):
        clock = {"seconds": 0.0, "cpu_seconds": 0.0}
        assert one.model_copy(update=clock) == other.model_copy(update=clock)
    assert league.standings == whole.standings and league.fingerprint == whole.fingerprint


def test_the_figures_of_a_method_are_those_of_its_probe(league):
    result = league.tasks[0]
    entry = next(one for one in result.readers if one.method == "lda")
    assert isinstance(entry.home, Estimate) and isinstance(entry.mean, Estimate) and isinstance(entry.worst, Estimate)
    elsewhere = [entry.auroc[one.name] for one in result.sets if one.role == "elsewhere"]
    values = [one.value for one in elsewhere if isinstance(one, Estimate)]
    assert entry.mean.value == pytest.approx(np.mean(values))
    assert entry.worst.value == min(values)
    assert entry.worst.low <= min(one.low for one in elsewhere if isinstance(one, Estimate))
    assert entry.auroc[entry.worst_set] == elsewhere[int(np.argmin(values))]
    assert entry.home == entry.auroc[result.train]
    # a control counts in no mean
    assert {one.role for one in result.sets} == {"home", "elsewhere", "control"}


def test_a_method_without_pairs_or_tokens_says_why(league):
    gap = next(one for one in league.tasks[1].readers if one.method == "lat")
    assert gap.site is None and isinstance(gap.home, Unavailable)
    assert "needs pairs" in gap.home.reason
    assert not any(one.method == "max_head" for result in league.tasks for one in result.readers)


def test_the_layer_and_the_chosen_probe_are_the_best_on_training_folds(league):
    result = league.tasks[0]
    folds = {one.method: one.folds.value for one in result.readers if isinstance(one.folds, Estimate)}
    assert folds[result.chosen] == pytest.approx(max(folds.values()), abs=1e-9)
    assert [one.method for one in result.readers if one.is_chosen] == [result.chosen]


def test_text_rivals_are_those_of_the_very_rows(league):
    # a reader of the proposed answer alone: every answer is true as often as false
    length = next(one for one in league.tasks[0].rivals if one.name == "length" and one.test == "model, easy")
    assert isinstance(length.auroc, Estimate) and 0.3 < length.auroc.value < 0.7
    texts = open_texts("organism:pupil/model_easy", distribution="x")
    test = texts.select(np.asarray(texts.split) == "test")
    assert league.tasks[0].sets[0].about.rows["test"] == len(test)
    assert auroc(np.asarray(test.y), np.asarray(test.y, dtype=float)) == 1.0


def test_places_are_those_of_the_kept_draws(folder, league):
    results = [
        TaskResult.model_validate_json((folder / "tasks" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("one", "two")
    ]
    standing = next(one for one in league.standings if (one.measure, one.field) == ("elsewhere", "all tasks"))
    methods = ("mean_difference", "lda", "logistic")
    assert {one.method for one in standing.methods} == set(methods)  # LAT could not be fitted on one of the two
    scores = []
    for result in results:
        draws = next(one for one in result.draws if one.measure == "elsewhere")
        columns = [draws.methods.index(method) for method in methods]
        scores.append(TaskScores(np.array(draws.values)[columns], np.array(draws.draws)[:, columns], draws.finest))
    found = simultaneous_ranks(scores)
    for i, method in enumerate(methods):
        place = next(one for one in standing.methods if one.method == method)
        assert place.mean_rank.value == found.ranks[:, i].mean()
        assert place.mean_rank.low == found.low[:, i].mean() <= place.mean_rank.high == found.high[:, i].mean()
        assert place.ranks["two"] == (found.ranks[1, i], found.low[1, i], found.high[1, i])
    assert [one.mean_rank.value for one in standing.methods] == sorted(one.mean_rank.value for one in standing.methods)
    # without the one organism it is whoever is first on the other
    assert standing.first_without == {
        "pupil": methods[int(np.argmax(scores[1].values))],
        "deceiver": methods[int(np.argmax(scores[0].values))],
    }
    assert standing.n_pairs == 2 * 3 and standing.n_sure == found.n_sure


def test_what_was_erased_is_read_less_than_before_on_rows_that_nobody_saw(league):
    (eraser,) = league.tasks[0].erasers
    linear = next(read for read in eraser.readings if read.reader == "logistic")
    assert isinstance(linear.before, Estimate) and isinstance(linear.after, Estimate)
    assert linear.after.value < linear.before.value - 0.1
    # readers were judged on all test rows, and fitted on none
    assert league.tasks[0].sets[0].about.rows["test"] == 224
    assert eraser.squared_change is not None and 0 < eraser.squared_change < 1
    assert set(eraser.elsewhere) == {"model, hard", "pupil, hard"}


def test_one_seed_is_called_one_draw(league):
    assert {one.stands for one in league.findings} == {"one draw"}
    assert league.conclusions[0].startswith("One seed of each organism is one draw")


@pytest.mark.parametrize(
    ("held", "stands"),
    [
        (["yes"], "one draw"),
        (["yes", "yes"], "too few seeds"),
        (["yes", "no"], "luck of the seed"),
        (["yes", "yes", "yes"], "stands"),
        (["no", "no", "no"], "stands"),
        (["yes", "yes", "undecided"], "luck of the seed"),
        (["undecided"] * 3, "too few seeds"),
    ],
)
def test_what_stands_has_held_on_three_seeds(held, stands):
    assert _stands(held) == stands


def test_other_settings_are_computed_anew(folder, tmp_path):
    # beside the old result, which stays for who asks for it again
    path = tmp_path / "again" / "tasks" / "one.json"
    path.parent.mkdir(parents=True)
    path.write_bytes((folder / "tasks" / "one.json").read_bytes())
    old = json.loads(path.read_text(encoding="utf-8"))["fingerprint"]
    settings = LeagueSettings(n_draws=120, n_folds=2, n_random=10)
    spec = SPEC.model_copy(
        update={"tasks": (TINY[0],), "settings": settings, "readers": ("mean_difference",), "erasers": ()}
    )
    found = run_league(spec, tmp_path / "again")
    assert found.tasks[0].fingerprint != old
    assert json.loads(path.read_text(encoding="utf-8"))["fingerprint"] == found.tasks[0].fingerprint
    assert found.standings == ()  # one method has nobody to be compared with


def test_a_damaged_result_is_named(tmp_path):
    path = tmp_path / "tasks" / "one.json"
    path.parent.mkdir()
    path.write_text('{"fingerprint": "x"}', encoding="utf-8")
    with pytest.raises(FormatError, match=r"one\.json is not a result that this release reads.*remove it"):
        run_league(SPEC, tmp_path)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FileError, match="holds something else than a league"):
        run_league(SPEC, tmp_path)
    with pytest.raises(FileError, match="is a file"):
        run_league(SPEC, tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_what_is_not_there_is_refused():
    with pytest.raises(SpecError, match=r"no task 'facts' in the league; its tasks are facts-truth"):
        pick_tasks(("facts",))
    for changes in ({"seeds": (0, 0)}, {"seeds": (-1,)}, {"readers": ("pca",)}, {"tasks": ()}):
        with pytest.raises(ValidationError):
            type(SPEC).model_validate(SPEC.model_dump() | changes)


def test_every_bundled_organism_has_a_task():
    from tiltmeter.organisms._shelf import BUNDLED

    assert {task.organism for task in TASKS} == set(BUNDLED)
