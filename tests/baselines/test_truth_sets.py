"""What the text alone gives on true and false statements, once statements that share their entities stay together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tiltmeter.baselines import TEXT_BASELINES, fit_and_score
from tiltmeter.core.errors import DataWarning
from tiltmeter.core.evidence import Verdict
from tiltmeter.data import TextSet, group_by_shared_words, group_folds, plain_texts, read_texts
from tiltmeter.evaluation import auroc
from tiltmeter.studies import parse_spec, run_study

_SHARED = Path(__file__).parents[3] / "shared"
_TRUTH = _SHARED / "data" / "truth"
_MODEL = _SHARED / "models" / "stories260K"
pytestmark = pytest.mark.skipif(not _TRUTH.is_dir(), reason="needs ../shared/data/truth, absent here")
(_TF_IDF,) = (baseline for baseline in TEXT_BASELINES if baseline.name == "TF-IDF")


def _held_out(texts: TextSet, groups: np.ndarray) -> float:
    """Return the AUROC of TF-IDF over all rows, each scored by a fit on four folds that its group is not in."""
    strings, scores, y = np.array(plain_texts(texts), dtype=object), np.empty(len(texts)), np.asarray(texts.y)
    for fold in group_folds(groups, y, n_folds=5, seed=0):
        tests = {"t": strings[fold.test].tolist()}
        scores[fold.test] = fit_and_score(_TF_IDF, train=strings[fold.train].tolist(), y=y[fold.train], tests=tests)[
            "t"
        ]
    return auroc(y, scores)


def _components(texts: TextSet) -> np.ndarray:
    return group_by_shared_words(replace(texts, groups=None)).groups


def test_cities_are_at_chance_in_components_and_far_below_in_rows() -> None:
    texts = read_texts(_TRUTH / "cities.jsonl")
    assert _held_out(texts, _components(texts)) == pytest.approx(0.48, abs=0.02)
    # a city stands once in a true and once in a false statement: who remembers one is wrong about the other
    assert _held_out(texts, texts.ids) < 0.15


def test_translations_need_components_where_groups_of_the_file_are_not_enough() -> None:
    texts = read_texts(_TRUTH / "sp_en_trans.jsonl")
    assert texts.groups is not None
    assert _held_out(texts, _components(texts)) == pytest.approx(0.51, abs=0.03)
    assert _held_out(texts, texts.groups) < 0.42


def test_which_of_two_numbers_is_larger_is_solved_by_the_text_alone() -> None:
    texts = read_texts(_TRUTH / "larger_than.jsonl")
    with pytest.warns(DataWarning, match="no shared word could join rows"):
        groups = _components(texts)
    assert _held_out(texts, groups) == pytest.approx(0.995, abs=0.005)


@pytest.mark.slow
@pytest.mark.skipif(not _MODEL.is_dir(), reason="needs ../shared/models/stories260K, absent here")
def test_a_study_of_numbers_says_by_itself_that_the_text_alone_solves_them(tmp_path: Path) -> None:
    spec = {
        "name": "numbers",
        "model": {"path": str(_MODEL)},
        "texts": {"numbers": str(_TRUTH / "larger_than.jsonl")},
        "train": {"distribution": "numbers", "folds": 2},
        "read": {"pooling": "mean", "sites": ["2.resid_post"]},
        "probes": {"methods": ["lda"]},
        "evidence": {"bootstrap": 100, "random_directions": 5, "shuffles": 19, "rivals": {"untrained": False}},
    }
    verdict = run_study(parse_spec(spec), tmp_path / "run").evidence.verdict
    assert isinstance(verdict, Verdict) and verdict.outcome == "refuted"
    (said,) = [s for s in verdict.statements if s.rule == "text alone"]
    assert "TF-IDF" in said.text and said.text.endswith("the text alone does as well.")
