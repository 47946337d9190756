"""``tiltmeter study`` of a contest: what it prints, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SPEC = """
name: tiny
grammar: {n_test: 20}
sizes: [20]
seeds: [0, 1, 2, 3, 4, 5, 6, 7]
student: {steps: 2, d_model: 8}
"""


@pytest.mark.long
def test_a_contest_is_printed_in_words_or_as_json(tmp_path: Path, command):
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    out, err = command("study", str(spec), "--out", str(tmp_path / "a"), progress=True)
    assert "hand rules" in out and "depth 6" in out and "[0.63, 1.00]" in out
    # each figure above its interval, so that the table stands in a narrow window
    assert max(len(line) for line in out.splitlines() if "0.63" in line) <= 80
    assert "As good as hand rules from" in out and str(tmp_path / "a" / "experts.html") in out
    assert "seed 8 of 8" in err
    out, _ = command("study", str(spec), "--out", str(tmp_path / "b"), "--json")
    assert json.loads(out) == json.loads((tmp_path / "b" / "experts.json").read_text(encoding="utf-8"))


def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path: Path, command):
    spec = tmp_path / "spec.yaml"
    spec.write_text("{name: s, sizes: [20]}", encoding="utf-8")
    _, err = command("study", str(spec), code=2)
    assert "give either grammar or texts" in err and "Traceback" not in err
    spec.write_text(SPEC, encoding="utf-8")
    _, err = command("study", str(spec), "--out", str(tmp_path), code=2)
    assert "exists already" in err
    (tmp_path / "said.jsonl").write_bytes(b"\xff")
    rows = '{"text": "a", "label": 1}\n{"text": "b", "label": 0}\n' * 9
    (tmp_path / "texts.jsonl").write_text(rows, encoding="utf-8")
    for content, said in (
        ("{name: s, texts: {home: texts.jsonl}, teacher: {outputs: said.jsonl}}", "is not UTF-8 text"),
        ("{name: s, texts: {home: texts.jsonl}, teacher: {classifier: no/such/one, positive: A}}", "cannot be loaded"),
        ("{name: s, grammar: {}, student: {d_model: 10}}", "give a multiple of twice n_heads, 8"),
    ):
        spec.write_text(content, encoding="utf-8")
        _, err = command("study", str(spec), "--out", str(tmp_path / "c"), code=2)
        assert said in err and "Traceback" not in err
