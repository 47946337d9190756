"""``attempts``: a file that readers take, figures of its words, and refusals that leave nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tiltmeter.cli import main
from tiltmeter.data import AttemptsSpec, read_texts, write_attempts

Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command line and returns what it printed: the answer, or the refusal."""

    def call(*arguments: object, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["tiltmeter", "attempts", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
            sys.exit(0)
        assert stopped.value.code == code
        printed = capsys.readouterr()
        return printed.err if code else printed.out

    return call


def test_what_was_asked_for_is_written_and_its_words_are_judged(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    chosen = ("--language", "de", "--format", "shell", "--difficulty", "buried", "--kind", "backdoor")
    printed = run(out, *chosen, "--sizes", 6, 3, 8, "--seed", 1)
    spec = AttemptsSpec(
        seed=1, sizes=(6, 3, 8), kinds=("backdoor",), formats=("shell",), languages=("de",), difficulties=("buried",)
    )
    assert read_texts(out).fingerprint() == write_attempts(spec).fingerprint()
    assert "24 train (6 groups), 12 calibration (3 groups), 32 test (8 groups)" in printed
    assert "0 copies, 0 near copies" in printed
    assert "of bag of words: 0.500 [0.199, 0.801] (exact binomial on 8 units that are all alike, n = 8)" in printed


def test_too_few_test_groups_are_said_to_be_too_few(run: Run, tmp_path: Path) -> None:
    printed = run(tmp_path / "a.jsonl", "--kind", "exfiltrate", "--format", "tool", "--sizes", 2, 1, 1)
    assert "AUROC on test texts of bag of words: 1 groups are too few to resample" in printed


def test_words_tell_where_there_are_no_pairs(run: Run, tmp_path: Path) -> None:
    printed = run(tmp_path / "a.jsonl", "--unpaired", "--format", "log", "--language", "en")
    assert float(printed.split("of bag of words: ")[1].split()[0]) > 0.9
    assert read_texts(tmp_path / "a.jsonl").pairs is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a.jsonl", "--sizes", 0, 1, 1), "sizes are 0, 1, 1"),
        (("a.jsonl", "--sizes", 300, 40, 40), "at most 343"),
        (("a.jsonl", "--seed", -1), "The seed is -1"),
        (("a.jsonl", "--language", "fr"), "'fr' is not one of 'en', 'de'"),
        (("a.csv",), "does not end in .jsonl"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    run: Run, tmp_path: Path, arguments: tuple[object, ...], said: str
) -> None:
    name, *rest = arguments
    assert said in " ".join(run(tmp_path / str(name), *rest, code=2).split())
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_not_replaced(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    out.write_text("mine")
    assert "exists already" in run(out, code=2)
    assert out.read_text() == "mine"
