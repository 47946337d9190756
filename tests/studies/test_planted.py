"""A study of an organism records what was planted, and how each probe ranks it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from tiltmeter import activations, organisms
from tiltmeter.core.direction import Direction
from tiltmeter.core.evidence import Evidence
from tiltmeter.core.records import Estimate
from tiltmeter.evaluation import auroc
from tiltmeter.organisms._quirky import QUIRKY
from tiltmeter.organisms._train import train_world
from tiltmeter.studies import Study, open_model, parse_spec, run_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """Study a quirky organism of one step, which judges nothing rightly: what is planted does not hang on that."""
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        patch.setenv("TILTMETER_CACHE", str(cache))
        world = organisms.make_quirky_world(0, sizes=(16, 16, 16))
        schedule = QUIRKY.schedule.model_copy(
            update={"steps": 1, "stage_steps": (1,), "d_model": 16, "d_mlp": 32, "n_layers": 1, "n_heads": 2}
        )
        train_world(world, cache / "organisms" / "quirky-seed0", kind="quirky", schedule=schedule)
        sets = {name: f"organism:quirky/{name}" for name in ("alice_easy", "bob_easy")}
        spec = parse_spec(
            {
                "name": "quirky",
                "model": {"path": "organism:quirky"},
                "texts": sets,
                "train": {"distribution": "alice_easy", "folds": 2},
                "read": {"sites": ["0.resid_post"]},
                "probes": {"methods": ["lda", "mean_difference"]},
                "evidence": {"bootstrap": 100, "random_directions": 10, "shuffles": 19},
            }
        )
        yield run_study(spec, cache / "run")


def test_the_planted_sentences_and_columns_stand_in_the_record(study: Study) -> None:
    stored = Evidence.model_validate_json((study.folder / "evidence.json").read_text(encoding="utf-8"))
    assert stored.planted is not None and stored.planted == study.evidence.planted
    assert stored.planted.organism == "quirky-seed0"
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
    world = organisms.read_organism(study.folder.parent / "organisms" / "quirky-seed0")
    texts = organisms.quirky_texts(world.world, "bob_easy")
    rows = texts.select(texts.split == "test")
    spec = parse_spec(resolved)
    subject = open_model(spec.model.model_copy(update={"path": str(world.folder)}))
    acts = activations.collect(subject, rows, sites=["0.resid_post"], pooling="last")["0.resid_post"]
    said = np.array(rows.meta["bob_label"])
    for method in study.evidence.methods:
        direction = Direction.load(study.folder / "probes" / "0.resid_post", stem=method)
        scores = direction.score(acts.X)
        found = {one.column: one for one in study.evidence.followed if (one.method, one.test) == (method, "bob_easy")}
        for one in found.values():
            assert isinstance(one.auroc, Estimate) and isinstance(one.lead, Estimate)
            assert one.auroc.value == pytest.approx(auroc(said, scores))
            assert one.lead.value == pytest.approx(auroc(said, scores) - auroc(rows.y, scores))
