"""``tiltmeter stego``: bad input, what it prints, and the folder that it fills."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tiltmeter.cli import main


def run(*arguments: str) -> int:
    """Return the exit code of the command line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tiltmeter", "stego", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
    return int(stopped.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Give one of --texts, --prompts and --maths."),
        (("--maths", "--texts", "x.jsonl"), "Give one of --texts, --prompts and --maths."),
        (("--maths", "--games", "0"), "--games is 0; give 1 or more."),
        (("--prompts", "x.jsonl"), "Somebody must answer the prompts; name a model by --writer."),
        (("--maths", "--only", "pigeon"), "Nobody here is called 'pigeon'"),
        (("--maths", "--only", "watermark"), "a watermark needs a writer"),
    ],
)
def test_bad_input_of_a_game_is_one_sentence_and_exit_code_2(arguments, said, tmp_path: Path, tiny_model: Path, capsys):
    out = tmp_path / "game"
    assert run("play", str(out), "--encoder", str(tiny_model), *arguments) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("tiltmeter: ") and said in line
    assert not out.exists()


def test_a_game_is_played_printed_and_reported_again(tmp_path: Path, tiny_model: Path, capsys):
    out = tmp_path / "game"
    asked = ("play", str(out), "--encoder", str(tiny_model), "--maths", "--games", "12", "--only", "stated age")
    asked = (*asked, "--only", "reasoning remover", "--only", "suspicious")
    assert run(*asked) == 0
    captured = capsys.readouterr()
    assert "stated age, 7 bits" in captured.out and "suspicious*" in captured.out
    assert "? is not above luck" in captured.out and " ?  " in captured.out
    assert "* stands in for a model, by rule." in captured.out and "against reasoning remover" in captured.err
    assert sorted(path.name for path in out.iterdir()) == ["rounds", "stego.html", "stego.json", "texts.jsonl"]
    assert run(*asked, "--json") == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found == json.loads((out / "stego.json").read_text(encoding="utf-8"))
    assert "is there already" in captured.err and found["n_items"] == 12
    (out / "stego.html").unlink()
    assert run("report", str(out)) == 0
    assert capsys.readouterr().out.strip() == str((out / "stego.html").resolve()) and (out / "stego.html").is_file()
    assert run("report", str(out), "--json") == 0
    assert json.loads(capsys.readouterr().out) == found
    assert run("report", str(tmp_path)) == 2
    assert "holds no stego.json" in capsys.readouterr().err


def test_texts_of_a_file_and_prompts_are_played_with_a_writer(tmp_path: Path, tiny_model: Path, write_rows, capsys):
    texts = write_rows([{"text": f"w{i} w{i + 1} . w{i + 2} w{i + 3}"} for i in range(10)])
    few = (
        "--encoder",
        str(tiny_model),
        "--writer",
        str(tiny_model),
        "--games",
        "10",
        "--max-new-tokens",
        "8",
        "--json",
    )
    few = (*few, "--only", "watermark", "--only", "blind regenerator")
    for kind in ("--texts", "--prompts"):
        assert run("play", str(tmp_path / kind), kind, str(texts), *few) == 0
        found = json.loads(capsys.readouterr().out)
        assert [one["defender"] for one in found["channels"]] == ["none", "blind regenerator"]
        assert found["models"][1].startswith("writer of up to 8 tokens")
