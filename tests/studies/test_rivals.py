"""A study with every rival and null, on a random model whose texts give the label away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import WORDS
from tiltmeter.core.errors import FileError, ModelError, SpecError
from tiltmeter.core.evidence import Evidence, Verdict
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.core.rivals import ControlTask
from tiltmeter.studies import parse_spec, read_spec, run_study


def _write(folder: Path) -> Path:
    """Write texts of which the label is a word, in groups of both labels, with a type that recurs between groups."""
    rng, lines = np.random.default_rng(0), []
    for i in range(60):
        for label in (1, 0):
            noise = " ".join(f"w{j}" for j in rng.integers(30, size=4))
            text = f"{noise} w{38 + label} {noise}"
            row = {"text": text, "label": label, "group": f"g{i}", "pair": f"p{i}", "kind": f"k{i % 7}"}
            lines.append(json.dumps(row))
    path = folder / "home.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _spec(model: Path, texts: Path, *, rivals: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "name": "rivals",
        "model": {"path": str(model)},
        "texts": {"home": str(texts)},
        "train": {"distribution": "home", "folds": 2},
        "read": {"pooling": "mean", "sites": ["1.resid_post"]},
        "probes": {"methods": ["lda"]},
        "evidence": {"bootstrap": 100, "random_directions": 10, "shuffles": 19, "rivals": rivals},
        **changes,
    }


@pytest.fixture(scope="module")
def evidence(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    folder = tmp_path_factory.mktemp("rivals")
    (folder / "rules.yaml").write_text("rules: [{words: w39, then: 1}]\ndefault: -1", encoding="utf-8")
    rivals = {
        "question": "is",
        "answers": {"positive": ["w1"], "negative": ["w2"]},
        "perplexity": True,
        "embedder": str(tiny_model),
        "rules": "rules.yaml",
        "monitor": {
            "model": str(tiny_model),
            "prompt": "is {text} not",
            "answers": {"positive": ["w3"], "negative": ["w4"]},
        },
        "types": "kind",
    }
    path = folder / "spec.yaml"
    path.write_text(json.dumps(_spec(tiny_model, _write(folder), rivals=rivals)), encoding="utf-8")
    study = run_study(read_spec(path), folder / "run")
    kept = Evidence.model_validate_json((study.folder / "evidence.json").read_text(encoding="utf-8"))
    assert kept == study.evidence
    page = (study.folder / "report.html").read_text(encoding="utf-8")
    for shown in ("prompted monitor", "untrained model", "before any block", "control tasks", "if it has the word"):
        assert shown in page
    return kept


@pytest.mark.long
def test_every_rival_is_judged_on_the_same_test_rows_under_its_kind(evidence: Evidence) -> None:
    assert {(b.name, b.kind) for b in evidence.baselines} == {
        ("length", "text"),
        ("bag of words", "text"),
        ("TF-IDF", "text"),
        ("induced rules", "rules"),
        ("rules", "rules"),
        ("sentence embeddings", "embedding"),
        ("asking the model", "asked"),
        ("asking the model, recalibrated", "asked"),
        ("perplexity", "perplexity"),
        ("prompted monitor", "monitor"),
        ("prompted monitor, recalibrated", "monitor"),
    }
    assert {(a.baseline, a.kind) for a in evidence.advantages} == {(b.name, b.kind) for b in evidence.baselines}
    assert [best.claim for best in evidence.best_rivals] == ["text alone", "other models", "asking"]
    assert [best.tried for best in evidence.best_rivals] == [5, 3, 3]
    accurate = {b.name for b in evidence.baselines if b.accuracy is not None}
    assert accurate == {name for name in (b.name for b in evidence.baselines) if "ask" in name or "monitor" in name} | {
        "rules"
    }


def test_rules_stand_in_the_record_in_their_order(evidence: Evidence) -> None:
    notes = {b.name: b.notes for b in evidence.baselines}
    assert notes["rules"] == ("if it has the word 'w39': +1.00", "else: -1.00")
    assert len(notes["induced rules"]) == 2
    (perfect,) = [b.auroc for b in evidence.baselines if b.name == "rules"]
    assert isinstance(perfect, Estimate) and perfect.value == 1.0


def test_a_word_is_read_before_any_block_and_without_training_and_the_verdict_says_so(evidence: Evidence) -> None:
    assert evidence.sites == ("1.resid_post",)
    nulls = {null.kind: null for null in evidence.activation_nulls}
    assert nulls["layer 0"].site == "0.resid_pre" and nulls["untrained"].site == "1.resid_post"
    for null in nulls.values():
        assert isinstance(null.auroc, Estimate) and null.auroc.value > 0.85
    assert isinstance(evidence.verdict, Verdict) and evidence.verdict.outcome == "refuted"
    against = {s.rule for s in evidence.verdict.statements if s.stance == "against"}
    assert {"text alone", "embedding", "untrained"} <= against
    # a random model says nothing of use when it is asked
    assert [s.stance for s in evidence.verdict.statements if s.rule == "asking"] == ["for"]


def test_control_tasks_are_over_the_column_that_was_named(evidence: Evidence) -> None:
    task = evidence.control_task
    assert isinstance(task, ControlTask) and task.types == "kind" and task.n_types == 7


@pytest.mark.long
def test_a_method_on_pairs_has_its_pairs_redrawn_and_no_control_task(tiny_model: Path, tmp_path: Path) -> None:
    spec = _spec(tiny_model, _write(tmp_path), rivals={"untrained": False}, probes={"methods": ["lat"]})
    found = run_study(parse_spec(spec), tmp_path / "run").evidence
    (null,) = found.shuffled_pairs
    assert len(null.aurocs) == 19
    assert isinstance(found.control_task, Unavailable)
    assert {null.kind for null in found.activation_nulls} == {"layer 0"}
    assert not any(b.kind == "asked" for b in found.baselines)


@pytest.mark.parametrize(
    ("rivals", "error", "message"),
    [
        ({"question": "is"}, SpecError, "rivals.question needs answers"),
        ({"rules": "no-such.yaml"}, FileError, r"no-such\.yaml do not exist"),
        ({"embedder": "./no-such-model"}, ModelError, "no-such-model does not exist"),
        ({"answers": {"positive": ["is not"], "negative": ["w1"]}}, SpecError, "must be exactly one"),
        ({"types": "verb"}, SpecError, "evidence.rivals.types names 'verb', which home has no column for"),
        ({"monitor": {"model": "m", "prompt": "?"}}, SpecError, "give answers or, of an endpoint, a scale"),
        ({"monitor": {"model": "m", "prompt": "?", "scale": [0, 1]}}, SpecError, "a scale needs an endpoint"),
        ({"perplexty": True}, SpecError, "unknown key 'evidence.rivals.perplexty'; did you mean 'perplexity'"),
    ],
)
def test_what_cannot_be_is_refused_before_any_text_is_read(
    tiny_model: Path, tmp_path: Path, rivals: dict[str, Any], error: type[Exception], message: str
) -> None:
    steps: list[str] = []
    with pytest.raises(error, match=message):
        run_study(
            parse_spec(_spec(tiny_model, _write(tmp_path), rivals=rivals)), tmp_path / "run", announce=steps.append
        )
    assert "collecting activations" not in steps and not (tmp_path / "run").exists()


def test_ready_vectors_cannot_be_asked(tmp_path: Path) -> None:
    texts = _write(tmp_path)
    words = [json.loads(line)["text"] for line in texts.read_text(encoding="utf-8").splitlines()]
    np.savez(tmp_path / "v.npz", words=np.array(words), X=np.random.default_rng(0).normal(size=(len(words), 4)))
    spec = _spec(Path(f"vectors:{tmp_path / 'v.npz'}"), texts, rivals={"perplexity": True})
    del spec["read"]
    with pytest.raises(SpecError, match="ready vectors say nothing"):
        run_study(parse_spec(spec), tmp_path / "run")


def test_the_words_of_this_file_are_known_to_the_model() -> None:
    assert {"is", "not", "w1", "w2", "w3", "w4", "w38", "w39"} <= set(WORDS)
