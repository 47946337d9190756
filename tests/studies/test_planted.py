"""A study of an organism records what was planted, and how each probe ranks it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tiltmeter import activations, organisms
from tiltmeter.core.direction import Direction
from tiltmeter.core.evidence import Evidence, Verdict
from tiltmeter.core.records import Estimate
from tiltmeter.evaluation import auroc
from tiltmeter.studies import Study, open_model, parse_spec, run_study
from tiltmeter.studies._planted import own_sets


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Study the organism that comes along, where Alice is asked about easy sums, and Bob."""
    spec = parse_spec(
        {
            "name": "quirky",
            "model": {"path": "organism:quirky"},
            "texts": {name: f"organism:quirky/{name}" for name in ("alice_easy", "bob_easy")},
            "train": {"distribution": "alice_easy", "folds": 2},
            "read": {"sites": ["2.resid_post"]},
            "probes": {"methods": ["lda", "mean_difference"]},
            "evidence": {"bootstrap": 100, "random_directions": 10, "shuffles": 19},
        }
    )
    return run_study(spec, tmp_path_factory.mktemp("study") / "run")


@pytest.mark.long
def test_the_planted_sentences_and_columns_stand_in_the_record(study: Study) -> None:
    stored = Evidence.model_validate_json((study.folder / "evidence.json").read_text(encoding="utf-8"))
    assert stored.planted is not None and stored.planted == study.evidence.planted
    assert stored.planted.organism == "quirky"
    assert stored.planted.sentences[0].startswith("A claim is about the sum of two numbers")
    assert set(stored.planted.columns) == {"answer", "bob_label"}
    page = (study.folder / "report.html").read_text(encoding="utf-8")
    assert all(sentence in page for sentence in stored.planted.sentences)


def test_every_probe_is_held_against_every_planted_column_on_every_test_set(study: Study) -> None:
    keys = {(one.column, one.method, one.test): one.agreement for one in study.evidence.followed}
    assert len(keys) == len(study.evidence.followed) == 2 * 2 * 2
    # Alice says what is true; Bob says the opposite of what is true for one of them only, which is one half
    assert {
        agreement for (column, _, test), agreement in keys.items() if (column, test) == ("answer", "alice_easy")
    } == {1}
    others = {agreement for (column, _, test), agreement in keys.items() if (column, test) != ("answer", "alice_easy")}
    assert others == {0.5}


def test_the_figures_are_those_of_the_stored_probe_on_the_test_rows(study: Study) -> None:
    resolved = json.loads((study.folder / "run.json").read_text(encoding="utf-8"))["resolved"]
    texts = organisms.texts("quirky", "bob_easy")
    rows = texts.select(texts.split == "test")
    subject = open_model(parse_spec(resolved).model)
    acts = activations.collect(subject, rows, sites=["2.resid_post"], pooling="last")["2.resid_post"]
    said = np.array(rows.meta["bob_label"])
    for method in study.evidence.methods:
        direction = Direction.load(study.folder / "probes" / "2.resid_post", stem=method)
        scores = direction.score(acts.X)
        found = {one.column: one for one in study.evidence.followed if (one.method, one.test) == (method, "bob_easy")}
        for one in found.values():
            assert isinstance(one.auroc, Estimate) and isinstance(one.lead, Estimate)
            assert one.auroc.value == pytest.approx(auroc(said, scores))
            assert one.lead.value == pytest.approx(auroc(said, scores) - auroc(rows.y, scores))


def test_where_bob_is_asked_a_probe_of_alice_follows_what_bob_says(study: Study) -> None:
    found = {(one.method, one.test, one.column): one for one in study.evidence.followed}
    for method in study.evidence.methods:
        one = found[method, "bob_easy", "bob_label"]
        assert isinstance(one.auroc, Estimate) and isinstance(one.lead, Estimate)
        assert one.auroc.low > 0.95 and one.lead.low > 0.3
    assert isinstance(study.evidence.verdict, Verdict)
    against = [
        one for one in study.evidence.verdict.statements if one.rule == "planted truth" and one.test == "bob_easy"
    ]
    assert any("rather than what is true" in one.text for one in against)


def test_columns_of_other_texts_are_not_taken_for_planted_ones_and_nothing_is_planted_without_own_texts() -> None:
    base = {"name": "x", "model": {"path": "organism:quirky@1"}, "train": {"distribution": "a"}}
    own = parse_spec({**base, "texts": {"a": "organism:quirky@1/alice", "b": "organism:quirky/bob", "c": "file.jsonl"}})
    assert own_sets(own) == ("a",)
    assert own_sets(parse_spec({**base, "texts": {"a": "organism:pupil/model_easy"}})) == ()
    assert own_sets(parse_spec({**base, "model": {"path": "gpt2"}, "texts": {"a": "organism:quirky/bob"}})) == ()
