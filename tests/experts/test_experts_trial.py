"""A trial and what is made of many: each figure by hand, agreement apart from accuracy, and where lines cross."""

from __future__ import annotations

import numpy as np
import pytest

from tiltmeter.baselines import Rule, RuleList
from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.data import TextSet
from tiltmeter.experts import Marks, StudentSpec, Task, Trial, grammar_task, hold_trial, judge_trials, make_grammar
from tiltmeter.experts._judge import _crossing

QUICK = StudentSpec(d_model=8, steps=10)
SUITES = ["home", *(f"depth {k}" for k in range(7)), "contrast", "intensified", "irony", "typos", "domain shift"]


def planted(seed: int, *, noise: float = 0.1):
    return grammar_task(make_grammar(seed, noise=noise), n_demonstrations=60, n_test=40, depth=1, seed=seed)


@pytest.fixture(scope="module")
def trials():
    return [hold_trial(planted(seed), sizes=(20, 60), student=QUICK, seed=seed) for seed in range(8)]


@pytest.fixture(scope="module")
def found(trials):
    return judge_trials(trials, unit="seeds", about={"home": "home texts"}, contestants={}, hours={"hand rules": 1.5})


@pytest.mark.long
def test_every_contestant_labels_every_suite(trials):
    for trial in trials:
        assert list(trial.contestants) == ["hand rules", "induced rules", "student", "mixed"]
        assert all(list(sat.marks) == SUITES for sat in trial.contestants.values())
        assert list(trial.curve) == [20, 60]


def test_accuracy_is_the_mean_over_seeds_and_each_seed_stands_beside_it(trials, found):
    student = next(one for one in found.contestants if one.name == "student")
    for suite in SUITES:
        by_seed = [trial.contestants["student"].marks[suite].right.mean() for trial in trials]
        accuracy = student.suites[suite].accuracy
        assert student.suites[suite].by_seed == pytest.approx(by_seed)
        assert isinstance(accuracy, Estimate) and accuracy.n == 8
        assert accuracy.value == pytest.approx(np.mean(by_seed))
        assert accuracy.low <= accuracy.value <= accuracy.high


def test_rules_are_right_within_their_depth_and_at_chance_beyond_it(found):
    rules = found.contestants[0]
    for suite in ("depth 0", "depth 1"):
        accuracy = rules.suites[suite].accuracy
        # eight worlds without a fault are not certainty
        assert accuracy.value == 1 and accuracy.low < 0.7
    for k in range(2, 7):
        accuracy = rules.suites[f"depth {k}"].accuracy
        assert accuracy.value == 0.5
        # nor is half in each of eight worlds: at 0.95, up to 1 - 0.025^(1/8) of all worlds may show anything
        others = 1 - 0.025 ** (1 / 8)
        assert (accuracy.low, accuracy.high) == pytest.approx(((1 - others) / 2, (1 - others) / 2 + others))
        assert accuracy.method == "exact binomial over groups, all of which show 0.5"


def test_agreement_with_a_teacher_who_errs_is_not_accuracy(trials, found):
    rules = found.contestants[0].suites["depth 0"]
    teacher = next(suite for suite in found.suites if suite.name == "depth 0").teacher
    # rules that are always right agree with the teacher just as often as the teacher is right
    assert rules.agreement.value == pytest.approx(teacher.value) and 0.8 < teacher.value < 0.97
    assert rules.accuracy.value == 1
    right = [trial.teacher["depth 0"].right.mean() for trial in trials]
    assert teacher.value == pytest.approx(np.mean(right))


def test_the_mixed_program_is_the_rules_where_they_speak_and_the_student_elsewhere(trials, found):
    for trial in trials:
        rules, student, mixed = (trial.contestants[name].marks for name in ("hand rules", "student", "mixed"))
        assert np.array_equal(mixed["depth 1"].right, rules["depth 1"].right)
        assert np.array_equal(mixed["depth 5"].right, student["depth 5"].right)
    rules, mixed = (next(one for one in found.contestants if one.name == name) for name in ("hand rules", "mixed"))
    assert mixed.transparency.clash == rules.transparency.clash
    assert mixed.transparency.bits > rules.transparency.bits


def test_transparency_and_cost_are_those_of_the_kind(found):
    rules, induced, student, mixed = found.contestants
    # two lists of 12 words, half of the two lists of the other domain, and three other rules
    assert rules.transparency.n_rules == 24 + 12 + 3 == rules.cost.lines
    assert induced.transparency.n_rules is not None and induced.cost.lines is None
    assert student.transparency.n_rules is None
    assert isinstance(student.transparency.clash, Unavailable) and "no rules" in student.transparency.clash.reason
    assert (rules.cost.hours, student.cost.hours) == (1.5, None)
    assert (rules.cost.n_demonstrations, student.cost.n_demonstrations, mixed.cost.n_demonstrations) == (0, 60, 60)
    assert rules.cost.cpu_seconds == 0 < student.cost.cpu_seconds


@pytest.mark.long
def test_intervals_over_texts_average_each_text_over_seeds_first():
    task = planted(0)
    several = [hold_trial(task, sizes=(60,), student=QUICK, seed=seed) for seed in range(3)]
    judged = judge_trials(several, unit="texts", about={}, contestants={})
    student = next(one for one in judged.contestants if one.name == "student").suites["home"]
    assert student.accuracy.n == 40
    assert student.accuracy.value == pytest.approx(np.mean(student.by_seed))


@pytest.mark.long
def test_texts_of_a_group_are_resampled_together():
    task = planted(0)
    trial = hold_trial(task, sizes=(60,), student=QUICK, seed=0)
    groups = {"home": np.repeat(np.arange(10), 4)}
    apart, together = (
        judge_trials([trial], unit="texts", about={}, contestants={}, groups=own).contestants[0].suites
        for own in (None, groups)
    )
    assert (apart["home"].accuracy.n, together["home"].accuracy.n, together["typos"].accuracy.n) == (40, 10, 40)
    assert together["home"].accuracy.value == apart["home"].accuracy.value


def test_groups_that_all_show_one_share_are_no_certainty_either():
    right = np.array([True, False] * 20)
    trial = hold_trial(planted(0), sizes=(60,), student=QUICK, seed=0)
    half = trial.contestants["hand rules"]._replace(marks={"home": Marks(right, None)})
    twins = Trial({"hand rules": half}, {60: {"home": Marks(right, None)}}, {})
    groups = {"home": np.repeat(np.arange(20), 2)}
    found = judge_trials([twins], unit="texts", about={}, contestants={}, groups=groups).contestants[0].suites["home"]
    others = 1 - 0.025 ** (1 / 20)
    assert (found.accuracy.value, found.accuracy.n) == (0.5, 20)
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx((0.5 - others / 2, 0.5 + others / 2))


def test_few_seeds_have_figures_and_no_interval(trials):
    judged = judge_trials(trials[:3], unit="seeds", about={}, contestants={})
    home = judged.contestants[0].suites["home"]
    assert isinstance(home.accuracy, Unavailable) and "3 groups are too few" in home.accuracy.reason
    assert len(home.by_seed) == 3


@pytest.mark.parametrize(
    ("grown", "bar", "size"),
    [
        ([0.5, 0.7, 0.9], 0.8, 10**2.5),
        ([0.5, 0.7, 0.9], 0.7, 100),
        ([0.5, 0.7, 0.9], 0.4, 10),
        ([0.5, 0.7, 0.9], 0.95, None),
        ([0.5, 0.9, 0.6], 0.9, 100),
    ],
)
def test_lines_cross_where_they_cross_on_paper(grown, bar, size):
    found = _crossing(np.log([10, 100, 1000]), np.array(grown), bar=bar)
    assert found is None if size is None else np.exp(found) == pytest.approx(size)


def test_a_crossing_needs_every_seed_and_says_how_many_there_are(found, trials):
    rules = next(one for one in found.crossovers if one.rival == "hand rules")
    assert isinstance(rules.size, Unavailable) and "of 8 seeds the student stays below up to 60" in rules.size.reason
    assert len(rules.by_seed) == 8 and None in rules.by_seed
    assert [one.rival for one in found.crossovers] == ["hand rules", "induced rules", "mixed"]


def test_a_rival_that_is_beaten_from_the_first_has_a_bound_and_no_crossing(trials):
    worse = {name: Marks(np.zeros_like(marks.right), None) for name, marks in trials[0].curve[20].items()}
    beaten = [
        trial._replace(
            contestants=trial.contestants
            | {"induced rules": trial.contestants["induced rules"]._replace(marks=worse)}
        )
        for trial in trials
    ]  # fmt: skip
    judged = judge_trials(beaten, unit="seeds", about={}, contestants={})
    found = next(one for one in judged.crossovers if one.rival == "induced rules")
    assert found.by_seed == pytest.approx((20,) * 8)
    assert isinstance(found.size, Unavailable) and "in all 8 seeds the student does as well after the fewest, 20" in (
        found.size.reason
    )


LABELLED = TextSet(np.arange(12).astype(str), texts=("good day", "bad day") * 6, y=np.array([1, 0] * 6))


def test_without_a_teacher_or_hand_rules_what_is_there_contests():
    written = RuleList(rules=(Rule(words="good", then=1),), default=-1.0)
    task = Task(LABELLED, LABELLED.y.astype(float), {"home": LABELLED}, None, None, written)
    trial = hold_trial(task, sizes=(12,), student=QUICK, seed=0)
    assert list(trial.contestants) == ["written rules", "induced rules", "student"]
    judged = judge_trials([trial], unit="texts", about={}, contestants={})
    rules = judged.contestants[0]
    assert rules.suites["home"].accuracy.value == 1
    assert isinstance(rules.suites["home"].agreement, Unavailable)
    assert "the true labels teach" in judged.suites[0].teacher.reason
    # a text of which no rule speaks has the label of the list's default
    assert rules.transparency.answered.value == 0.5


def test_what_cannot_be_contested_is_refused():
    task = Task(LABELLED, LABELLED.y.astype(float), {"home": LABELLED}, None, None)
    for sizes in ((), (5, 2), (2, 2), (0,)):
        with pytest.raises(SpecError, match="give ascending whole numbers from 1"):
            hold_trial(task, sizes=sizes, student=QUICK, seed=0)
    with pytest.raises(SpecError, match="A student of 13 demonstrations was asked for, and there are 12"):
        hold_trial(task, sizes=(13,), student=QUICK, seed=0)
    with pytest.raises(DataError, match="The teacher gives all 12 demonstrations one label"):
        hold_trial(task._replace(taught=np.ones(12)), sizes=(12,), student=QUICK, seed=0)
    bare = TextSet(np.array(["a"]), texts=("x",))
    with pytest.raises(DataError, match="The suite 'bare' has no labels"):
        hold_trial(task._replace(suites={"bare": bare}), sizes=(12,), student=QUICK, seed=0)
    with pytest.raises(DataError, match="There are no trials"):
        judge_trials([], unit="seeds", about={}, contestants={})
