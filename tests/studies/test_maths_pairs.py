"""The script that pairs the MATH set with answers: an answer tells nothing, and a couple is one group."""

from __future__ import annotations

import json
import runpy
from collections import Counter
from pathlib import Path

import pytest

from tiltmeter.data import read_texts, select_where

_SCRIPT = Path(__file__).parents[2] / "examples" / "maths_pairs.py"


def test_every_answer_is_right_once_and_wrong_once_within_a_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = [
        {
            "text": f"Problem {i}",
            "label": 1 + i % 2,
            "group": None,
            "meta": {"subject": "Algebra", "answer": str(i // 3)},
        }
        for i in range(21)
    ]
    source, out = tmp_path / "math.jsonl", tmp_path / "pairs.jsonl"
    source.write_text("\n".join(map(json.dumps, problems)), encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["maths_pairs.py", str(source), str(out)])
    runpy.run_path(str(_SCRIPT), run_name="__main__")
    texts = read_texts(out)
    assert len(texts) >= 24
    shown = [text.split("\nAnswer: ") for text in texts.texts or ()]
    rows = list(zip(shown, (texts.y == 1).tolist(), texts.groups.tolist(), texts.pairs.tolist(), strict=True))
    for (problem, answer), is_right, _, _ in rows:
        assert is_right == (answer == problems[int(problem.split()[1])]["meta"]["answer"])
    for group in set(texts.groups.tolist()):
        seen = Counter((answer, is_right) for (_, answer), is_right, where, _ in rows if where == group)
        assert len(seen) == 4 and set(seen.values()) == {1}
    # each problem is one pair, right and wrong
    assert {n for n in Counter(pair for *_, pair in rows).values()} == {2}
    assert {problems[int(text.split()[1])]["label"] for text in select_where(texts, "level == 2").texts or ()} == {2}
