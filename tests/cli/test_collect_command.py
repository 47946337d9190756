"""``collect`` and ``store``: a store from the command line, looked at, checked and exported there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiltmeter.activations import ActivationStore
from tiltmeter.cli import main

Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command line and returns what it printed: the answer, or the refusal."""

    def call(*arguments: object, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["tiltmeter", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
            sys.exit(0)
        assert stopped.value.code == code
        printed = capsys.readouterr()
        if code:
            assert "Traceback" not in printed.err
        return printed.err if code else printed.out

    return call


@pytest.fixture
def store(run: Run, tiny_model: Path, write_rows: Callable[..., Path], rows: list[dict[str, Any]], tmp_path: Path):
    texts = write_rows([{**row, "id": f"r{i}"} for i, row in enumerate(rows)])
    printed = run("collect", tiny_model, texts, "--store", tmp_path / "acts", "--sites", "0.resid_post,-1.mlp_out")
    assert "80 texts at 2 sites" in printed
    return tmp_path / "acts"


def test_a_store_is_collected_described_and_found_sound(run: Run, store: Path) -> None:
    told = run("store", "info", store)
    assert "0.resid_post" in told and "1.mlp_out" in told and "80" in told and "float32" in told
    found = json.loads(run("store", "info", store, "--json"))
    assert found["texts"] == {"0.resid_post": 80, "1.mlp_out": 80}
    assert found["sites"] == {"0.resid_post": 16, "1.mlp_out": 16}
    assert "is sound: 1 shards" in run("store", "verify", store)


def test_damage_is_named_with_exit_code_2_and_mended_by_collecting_again(
    run: Run, store: Path, tiny_model: Path, tmp_path: Path
) -> None:
    shard = store / "000" / "shard-00000.safetensors"
    sound = shard.read_bytes()
    shard.write_bytes(sound[:-7] + b"damaged")
    told = run("store", "verify", store, code=2)
    assert str(shard) in told and "Remove the damaged files and run the same tiltmeter collect again" in told
    shard.unlink()
    run("collect", tiny_model, tmp_path / "texts.jsonl", "--store", store, "--sites", "0.resid_post,-1.mlp_out")
    assert shard.read_bytes() == sound


def test_a_store_is_exported(run: Run, store: Path, tmp_path: Path) -> None:
    printed = run("store", "export", store, "--out", tmp_path / "out", "--sites", "1.mlp_out")
    assert printed.strip() == str(tmp_path / "out")
    X = np.load(tmp_path / "out" / "1.mlp_out.npy")
    np.testing.assert_array_equal(X, ActivationStore.open(store).read("1.mlp_out").X)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--skip-first", "1"], r"encoding.skip_first is 0, asked for 1"),
        (["--pooling", "mean"], "pooling is 'last', asked for 'mean'"),
        (["--dtype", "bfloat16"], "model.dtype is 'float32', asked for 'bfloat16'"),
        (["--sites", "7.resid_post"], "the model has 2 blocks"),
        (["--message", "0"], "needs chats"),
        (["--between", "nowhere", "city"], "'nowhere', after which it is read, is not in it"),
        (["--span", "all", "--message", "0"], "Give one of --span, --message and --between"),
        (["--workers", "9"], "--workers is for workers of Ray; add --engine ray"),
    ],
)
def test_what_cannot_be_collected_is_one_sentence(
    run: Run, store: Path, tiny_model: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    told = run("collect", tiny_model, tmp_path / "texts.jsonl", "--store", store, *options, code=2)
    *progress, last = told.splitlines()
    assert words in last and all(line.startswith("collect: ") for line in progress)
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["info", "nowhere"], "is no activation store"), (["verify", "nowhere"], "is no activation store")],
)
def test_a_store_that_is_not_there_is_one_sentence(run: Run, arguments: list[str], words: str) -> None:
    assert words in run("store", *arguments, code=2)


def test_mixed_chat_and_plain_rows_are_refused(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    rows = [{"text": "the city"}, {"messages": [{"role": "user", "content": "the city"}]}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = run("collect", tiny_model, path, "--store", tmp_path / "acts", code=2)
    assert "mixes text (line 1) and messages (line 2)" in told
    assert not (tmp_path / "acts").exists()


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs signals as POSIX has them")
def test_ctrl_c_says_how_to_go_on(tiny_model: Path, tmp_path: Path, run: Run) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"text": f"w{i % 40} of w{i % 7} ."}) + "\n" for i in range(3000)))
    # a shell's background jobs, and all that they start, ignore the signal: it is heard again here
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heard}; from tiltmeter.cli import main; main()"
    command = [sys.executable, "-c", code, "collect", str(tiny_model), str(path)]
    command += ["--store", str(tmp_path / "acts"), "--token-budget", "4"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = next(line for line in process.stderr if not line.startswith("collect: "))
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert first.startswith("reading texts: ")
    assert process.returncode == 130
    assert "tiltmeter: stopped." in rest and "The same call goes on from there." in rest
    assert "shards" in run("store", "verify", tmp_path / "acts")


@pytest.mark.filterwarnings("default")
def test_a_warning_is_one_line_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from tiny_models import massive_subject, random_texts

    subject = massive_subject()
    subject.model.save_pretrained(tmp_path / "model")
    subject.tokenizer.save_pretrained(tmp_path / "model")
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": text}) + "\n" for text in random_texts(60).texts or ()))
    command = ["collect", str(tmp_path / "model"), str(texts), "--store", str(tmp_path / "acts")]
    monkeypatch.setattr(sys, "argv", ["tiltmeter", *command])
    with pytest.raises(SystemExit, match="0"):
        main()
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert line.startswith("tiltmeter: warning: Site 1.resid_post (most of 2 such sites) has 100% of its variance in 1")
