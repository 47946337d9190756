"""Contests from their specs: on a grammar, on files, with an organism as the teacher, and on real tweets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tiltmeter.core.errors import FileError, SpecError
from tiltmeter.core.experts import Experts
from tiltmeter.core.files import read_record
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.experts import StudentSpec
from tiltmeter.studies import (
    AnswersSpec,
    ExpertsSpec,
    GrammarSpec,
    TeacherSpec,
    TextsSpec,
    read_experts_spec,
    run_experts,
)

QUICK = StudentSpec(d_model=8, steps=4)
_TWEETS = Path(__file__).parents[3] / "shared" / "data" / "sentiment"
_EXAMPLES = Path(__file__).parents[2] / "examples" / "experts"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with texts, a third label among them, a lexicon, rules, and what a teacher said."""
    rows = [(f"{word} day {i}", label) for i in range(30) for word, label in (("good", "yes"), ("bad", "no"))]
    rows += [(f"red day {i}", "neither") for i in range(10)]
    write(tmp_path / "texts.jsonl", [{"text": text, "label": label} for text, label in rows])
    write(tmp_path / "away.jsonl", [{"text": f"not {text}", "label": label} for text, label in rows[:20]])
    write(tmp_path / "words.jsonl", [{"text": "Good", "label": 1}, {"text": "bad", "label": 0}])
    # 0.5 counts as yes, of a third of the texts
    said = [{"text": text, "output": float(label == "yes") if i % 3 else 0.5} for i, (text, label) in enumerate(rows)]
    said += [{"text": row["text"], "output": 0} for row in read(tmp_path / "away.jsonl")]
    write(tmp_path / "said.jsonl", said)
    (tmp_path / "rules.yaml").write_text("rules: [{words: good, then: 1}]\ndefault: -1", encoding="utf-8")
    return tmp_path


def write(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def texts_spec(folder: Path, **more) -> ExpertsSpec:
    asked = TextsSpec(
        home=str(folder / "texts.jsonl"), elsewhere={"away": str(folder / "away.jsonl")}, label_positive="yes",
        label_negative="no", lexicon=str(folder / "words.jsonl"), written=str(folder / "rules.yaml"),
    )  # fmt: skip
    return ExpertsSpec(name="files", texts=asked, sizes=(10, 30), seeds=(0, 1), student=QUICK, **more)


@pytest.mark.long
def test_a_grammar_gives_every_seed_a_world_of_its_own(tmp_path: Path):
    spec = ExpertsSpec(name="g", grammar=GrammarSpec(n_test=20), sizes=(20, 40), seeds=(0, 1, 2), student=QUICK)
    told = []
    found = run_experts(spec, tmp_path / "out", announce=told.append)
    assert (found.unit, found.home, [point.n_demonstrations for point in found.curve]) == ("seeds", "home", [20, 40])
    assert told[0] == "seed 1 of 3: a student of 20 demonstrations" and told[-1] == "seed 3 of 3: rules"
    assert read_record(tmp_path / "out" / "experts.json", Experts) == found
    assert (tmp_path / "out" / "experts.html").is_file()
    assert len(set(found.contestants[0].suites["domain shift"].by_seed)) > 1
    again = run_experts(spec, tmp_path / "again")
    assert [one.suites for one in again.contestants] == [one.suites for one in found.contestants]


def test_files_give_a_home_with_edge_cases_and_a_domain_shift(folder: Path):
    found = run_experts(texts_spec(folder), folder / "out")
    assert [suite.name for suite in found.suites] == ["home", "typos", "away"]
    assert [one.name for one in found.contestants] == [
        "hand rules", "written rules", "induced rules", "student", "mixed",
    ]  # fmt: skip
    rules = found.contestants[0]
    assert rules.suites["home"].accuracy.value == 1
    # "not good" is labelled as "good" there, to tell that negation is read
    assert rules.suites["away"].accuracy.value == 0
    assert isinstance(rules.suites["home"].agreement, Unavailable)
    # the third label is left out: 60 texts, half of them held out
    assert found.about == "60 texts of texts.jsonl, 30 of them held out" and found.suites[0].n == 30
    assert found.unit == "texts" and rules.suites["home"].accuracy.n == 30


def test_a_file_of_outputs_teaches_and_its_errors_are_counted_apart(folder: Path):
    found = run_experts(texts_spec(folder, teacher=TeacherSpec(outputs=str(folder / "said.jsonl"))), folder / "out")
    home, away = (next(suite for suite in found.suites if suite.name == name) for name in ("home", "away"))
    rules = found.contestants[0]
    assert isinstance(home.teacher, Estimate) and home.teacher.value < 1
    assert rules.suites["home"].accuracy.value == 1
    assert rules.suites["home"].agreement.value == pytest.approx(home.teacher.value)
    # the teacher calls all of them 0, and half of them are
    assert away.teacher.value == 0.5
    assert found.teacher.endswith("said.jsonl")


@pytest.mark.long
def test_an_organism_teaches_by_its_answers(tmp_path: Path):
    spec = ExpertsSpec(
        name="organism",
        texts=TextsSpec(home="organism:facts/affirmative", for_test=0.2),
        teacher=TeacherSpec(
            model="organism:facts", answers=AnswersSpec(positive=("<true>",), negative=("<false>",))
        ),
        sizes=(40,),
        seeds=(0,),
        student=QUICK,
    )  # fmt: skip
    found = run_experts(spec, tmp_path / "out")
    assert found.suites[0].teacher.value > 0.9 and found.teacher == "organism:facts"
    assert [one.name for one in found.contestants] == ["induced rules", "student"]
    student = found.contestants[1].suites["home"]
    assert isinstance(student.agreement, Estimate) and student.agreement.value != student.accuracy.value


def test_texts_elsewhere_of_a_group_that_was_shown_are_left_out(tmp_path: Path):
    words = [(i, word) for i in range(20) for word in ("good", "bad")]
    home = [{"text": f"{word} {i}", "label": int(word == "good"), "group": f"g{i}"} for i, word in words]
    write(tmp_path / "home.jsonl", home)
    write(tmp_path / "away.jsonl", [{**row, "text": f"so {row['text']}"} for row in home])
    asked = TextsSpec(home=str(tmp_path / "home.jsonl"), elsewhere={"away": str(tmp_path / "away.jsonl")})
    spec = ExpertsSpec(name="groups", texts=asked, sizes=(10,), seeds=(0,), student=QUICK)
    found = run_experts(spec, tmp_path / "out")
    # half of the 20 groups were shown
    assert {suite.name: suite.n for suite in found.suites}["away"] == 20
    # and what intervals resample are the ten others
    assert {one.suites[name].accuracy.n for one in found.contestants for name in ("home", "away")} == {10}


def test_rules_that_a_model_wrote_contest_on_the_grammar_in_each_language(tmp_path: Path):
    grammar = GrammarSpec(n_test=20, written=str(_EXAMPLES / "grammar_rules.yaml"))
    spec = ExpertsSpec(name="g", grammar=grammar, sizes=(20,), seeds=(0, 1), student=QUICK)
    found = run_experts(spec, tmp_path / "out")
    by_name = {one.name: one for one in found.contestants}
    assert by_name["written rules"].suites["depth 5"].by_seed == (1, 1)
    assert by_name["hand rules"].suites["depth 5"].by_seed == (0.5, 0.5)
    assert by_name["written rules"].transparency.n_rules == 8


def test_a_set_elsewhere_may_have_any_name(folder: Path):
    spec = texts_spec(folder)
    asked = spec.texts.model_copy(update={"elsewhere": {"depth of feeling": str(folder / "away.jsonl")}})
    found = run_experts(spec.model_copy(update={"texts": asked}), folder / "out")
    assert (found.suites[-1].name, found.suites[-1].depth) == ("depth of feeling", None)


def test_a_folder_that_is_there_is_kept_and_a_failure_leaves_none(folder: Path):
    (folder / "mine").mkdir()
    with pytest.raises(FileError, match="exists already"):
        run_experts(texts_spec(folder), folder / "mine")
    with pytest.raises(FileError, match="do not exist"):
        run_experts(texts_spec(folder, teacher=TeacherSpec(outputs="absent.jsonl")), folder / "none")
    assert not (folder / "none").exists()


def test_too_few_texts_for_the_students_are_told(folder: Path):
    spec = texts_spec(folder).model_copy(update={"sizes": (500,)})
    found = run_experts(spec, folder / "out")
    # all there are, in place of more than there are
    assert [point.n_demonstrations for point in found.curve] == [30]


@pytest.mark.parametrize("name", ["grammar.yaml", "tweets.yaml", "facts.yaml"])
def test_the_examples_are_specs(name):
    assert len(read_experts_spec(_EXAMPLES / name).seeds) >= 5


def test_paths_are_taken_beside_the_spec(folder: Path):
    path = folder / "spec.yaml"
    path.write_text("{name: s, texts: {home: texts.jsonl}, teacher: {outputs: said.jsonl}}", encoding="utf-8")
    spec = read_experts_spec(path)
    assert spec.grammar is None
    other = folder / "grammar.yaml"
    other.write_text("{name: s, grammar: {written: rules.yaml}}", encoding="utf-8")
    assert read_experts_spec(other).grammar.written == str(folder / "rules.yaml")
    assert (spec.texts.home, spec.teacher.outputs) == (str(folder / "texts.jsonl"), str(folder / "said.jsonl"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{name: s}", "give either grammar or texts"),
        ("{name: s, grammar: {}, texts: {home: a}}", "give either grammar or texts"),
        ("{name: s, grammar: {}, teacher: {outputs: a}}", "a grammar has a teacher of its own"),
        ("{name: s, grammar: {}, seeds: [0, 0]}", "seeds are whole numbers from 0, each once"),
        ("{name: s, grammar: {}, sizes: [3, 2]}", "sizes are ascending whole numbers from 1"),
        ("{name: s, grammar: {deph: 2}}", "unknown key 'grammar.deph'; did you mean 'depth'"),
        ("{name: s, grammar: {depth: 7}}", "'grammar.depth': input should be less than or equal to 6"),
        ("{name: s, grammar: {}, name: t}", "the key 'name' stands twice"),
        ("{grammar: {}}", "the key 'name' is missing"),
        ("[name, s]", "must hold keys and values such as name, grammar, texts and teacher"),
        ("", "must hold keys and values"),
        ("{name: s, grammar: {}, student: {d_model: 10}}", "d_model is 10; give a multiple of twice n_heads, 8"),
        ("{name: s, grammar: {}, hours: {nobody: 3}}", "hours.nobody"),
        ("{name: s, grammar: {}, hours: {student: -3}}", "greater than or equal to 0"),
        (
            "{name: s, texts: {home: a, elsewhere: {typos: b}}}",
            "elsewhere names 'typos', which is a suite of the texts",
        ),
        (
            "{name: s, texts: {home: a, label_positive: yes}}",
            "give a string; of a number, or of yes and no, in quotation",
        ),
        ("{name: s, texts: {home: a, label_negative: n}}", "label_negative needs label_positive"),
        ("{name: s, texts: {home: a, label_negative: n, label_positive: n}}", "are the same; give two labels"),
        ("{name: s, texts: {home: a}, teacher: {}}", "give one of outputs, classifier and model"),
        ("{name: s, texts: {home: a}, teacher: {classifier: a}}", "a classifier needs positive"),
        ("{name: s, texts: {home: a}, teacher: {model: a}}", "a model needs answers"),
        ("{name: [", "is not valid YAML"),
    ],
)
def test_a_bad_spec_is_one_sentence(tmp_path: Path, content, said):
    path = tmp_path / "spec.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SpecError, match=said):
        read_experts_spec(path)
    with pytest.raises(FileError, match="does not exist; give the path of a contest's spec"):
        read_experts_spec(tmp_path / "absent.yaml")


@pytest.mark.long
@pytest.mark.skipif(not _TWEETS.is_dir(), reason="needs ../shared/data/sentiment, absent here")
def test_rules_with_a_lexicon_beat_chance_on_real_tweets(tmp_path: Path):
    asked = TextsSpec(
        home=str(_TWEETS / "tweets.jsonl"), label_positive="2", label_negative="0",
        lexicon=str(_TWEETS / "opinion_words.jsonl"), written=str(_EXAMPLES / "tweet_rules.yaml"),
    )  # fmt: skip
    spec = ExpertsSpec(name="tweets", texts=asked, sizes=(100,), seeds=(0,), student=QUICK)
    found = run_experts(spec, tmp_path / "out")
    by_name = {one.name: one for one in found.contestants}
    for name in ("hand rules", "written rules"):
        assert by_name[name].suites["home"].accuracy.low > 0.5
    assert by_name["hand rules"].transparency.n_rules > 6000
    assert by_name["hand rules"].transparency.clash.value > 0 and by_name["written rules"].transparency.clash.value > 0
    assert {"negation", "contrast", "typos"} <= {suite.name for suite in found.suites}
