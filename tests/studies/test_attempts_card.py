"""Attempts from words to evidence: what words tell is found where they tell it, and a study runs on the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiltmeter.core.records import Estimate
from tiltmeter.data import AttemptsSpec
from tiltmeter.studies import build_attempts, parse_spec, run_study

_MODEL = Path(__file__).parents[3] / "shared" / "models" / "stories260K"
_SMALL = AttemptsSpec(sizes=(12, 6, 8), languages=("en",), difficulties=("blatant",))


def _aurocs(spec: AttemptsSpec, folder: Path) -> dict[str, Estimate]:
    card = build_attempts(spec, folder / "attempts.jsonl")
    assert card.leakage.n_exact == 0
    assert all(isinstance(found.auroc, Estimate) for found in card.baselines)
    return {found.name: found.auroc for found in card.baselines if isinstance(found.auroc, Estimate)}


def test_no_words_and_no_neighbours_tell_in_clean_pairs(tmp_path: Path) -> None:
    found = _aurocs(_SMALL, tmp_path)
    assert found["length"].value == found["bag of words"].value == 0.5
    assert 0.45 <= found["TF-IDF"].value <= 0.55


def test_words_tell_attempts_from_ordinary_logs_but_length_does_not(tmp_path: Path) -> None:
    found = _aurocs(_SMALL.model_copy(update={"paired": False}), tmp_path)
    assert found["bag of words"].low > 0.7
    assert found["length"].low < 0.6


@pytest.mark.long
@pytest.mark.skipif(not _MODEL.is_dir(), reason="needs ../shared/models/stories260K, absent here")
def test_a_study_of_a_real_model_runs_on_them(tmp_path: Path) -> None:
    build_attempts(_SMALL, tmp_path / "attempts.jsonl")
    spec = {
        "name": "attempts",
        "model": {"path": str(_MODEL)},
        "texts": dict.fromkeys(("log", "report"), str(tmp_path / "attempts.jsonl")),
        "rows": {name: f"format == {name}" for name in ("log", "report")},
        "train": {"distribution": "log", "folds": 2},
        "read": {"pooling": "mean", "sites": ["2.resid_post"]},
        "probes": {"methods": ["mean_difference"]},
        "evidence": {"bootstrap": 100, "random_directions": 5, "shuffles": 19},
    }
    evidence = run_study(parse_spec(spec), out=tmp_path / "run").evidence
    assert {part.name: part.rows["test"] for part in evidence.distributions} == {"log": 96, "report": 96}
    assert evidence.leakage.n_exact == 0
