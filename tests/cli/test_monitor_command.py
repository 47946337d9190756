"""``tiltmeter monitor``: what is unsafe or was changed is refused in a sentence, and the log is written out."""

from __future__ import annotations

import builtins
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.monitor.test_log import a_text, an_alarm
from tests.service.served import made_monitor
from tiltmeter import models
from tiltmeter.monitor import MonitorLog

_TOKEN = "a-token-of-some-length"


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    made_monitor(models.load(str(tiny_model)), name="made up").save(tmp_path / "m")
    return tmp_path / "m"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Stand in for the server, and keep what it was to serve."""
    from tiltmeter import service

    told: dict[str, Any] = {}
    monkeypatch.setattr(service, "serve", lambda app, **options: told.update(app=app, **options))
    monkeypatch.delenv("TILTMETER_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    return told


@pytest.mark.long
def test_monitors_are_served_by_name_on_loopback_by_default(
    command: Command, folder: Path, tiny_model: Path, served: dict[str, Any]
) -> None:
    from starlette.testclient import TestClient

    command("monitor", "serve", str(folder), f"other={folder}", "--model", str(tiny_model), "--log", "log.sqlite")
    assert (served["host"], served["port"], served["token"]) == ("127.0.0.1", 8000, None)
    with TestClient(served["app"], base_url="http://127.0.0.1") as client:
        assert client.get("/healthz").json()["monitors"] == ["made up", "other"]
        assert client.post("/v1/score", json={"texts": ["w1"]}).status_code == 200


def test_what_speaks_against_a_monitor_is_said_where_it_is_served(
    command: Command, tmp_path: Path, tiny_model: Path, served: dict[str, Any]
) -> None:
    made_monitor(models.load(str(tiny_model)), threshold=None).save(tmp_path / "mute")
    _, said = command("monitor", "serve", f"quiet={tmp_path / 'mute'}", "--model", str(tiny_model))
    assert "no alarms from quiet, for it has no threshold: not certified" in said
    assert set(served) >= {"app", "host"}


def test_a_monitor_that_was_changed_is_not_served(
    command: Command, folder: Path, tiny_model: Path, served: dict[str, Any]
) -> None:
    for name in ("monitor.json", "direction.json", "direction.safetensors"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:-4] + bytes([whole[-4] ^ 1]) + whole[-3:])
        _, said = command("monitor", "serve", str(folder), "--model", str(tiny_model), code=2)
        assert (said.startswith("tiltmeter: ") and "changed" in said) or "not valid JSON" in said, name
        (folder / name).write_bytes(whole)
    card = json.loads((folder / "monitor.json").read_text())
    card["threshold"] = {**card["threshold"], "value": 1e9}
    (folder / "monitor.json").write_text(json.dumps(card))
    _, said = command("monitor", "serve", str(folder), "--model", str(tiny_model), code=2)
    assert "does not match the hash that it holds" in said
    assert served == {} and not Path("alarms.sqlite").exists()


def test_without_a_token_other_addresses_are_refused_before_anything_is_loaded(
    command: Command, folder: Path, tiny_model: Path, served: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, said = command("monitor", "serve", "nowhere", "--host", "0.0.0.0", code=2)
    assert "Without a token the service binds loopback only" in said
    monkeypatch.setenv("SECRET", _TOKEN)
    arguments = ["monitor", "serve", str(folder), "--model", str(tiny_model), "--host", "0.0.0.0"]
    command(*arguments, "--token-env", "SECRET")
    assert served["token"] == _TOKEN
    Path("token").write_text("from-a-file-of-its-own\n")
    command(*arguments, "--token-file", "token")
    assert served["token"] == "from-a-file-of-its-own"
    monkeypatch.setenv("TILTMETER_TOKEN", _TOKEN[::-1])
    command(*arguments)
    assert served["token"] == _TOKEN[::-1]


def test_tokens_that_are_none_are_one_sentence(command: Command, folder: Path, served: dict[str, Any]) -> None:
    serve = ["monitor", "serve", str(folder)]
    assert "NONE holds no token" in command(*serve, "--token-env", "NONE", code=2)[1]
    assert "does not exist" in command(*serve, "--token-file", "none", code=2)[1]
    assert "give one of" in command(*serve, "--token-file", "x", "--token-env", "X", code=2)[1]
    Path("token").write_text("short")
    assert "5 characters" in command(*serve, "--token-file", "token", code=2)[1]
    assert "Two monitors are called made up" in command(*serve, str(folder), code=2)[1]
    assert served == {}


def test_without_the_extra_the_message_names_it(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "fastapi" else find(name))
    for name in [name for name in sys.modules if name.startswith("tiltmeter.service")]:
        monkeypatch.delitem(sys.modules, name)
    imported = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "fastapi":
            raise ModuleNotFoundError(name)
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    import tiltmeter

    monkeypatch.delattr(tiltmeter, "service", raising=False)
    _, said = command("monitor", "serve", "anything", code=2)
    assert "needs the extra serve (fastapi is absent); run pip install 'tiltmeter[serve]'" in said


def test_a_log_is_written_out_while_it_is_written_to(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with MonitorLog(path) as log:
        log.write(alarms=[an_alarm("a"), an_alarm("b")], texts=[a_text("x")])
        printed, _ = command("monitor", "export", str(path))
        assert [json.loads(line)["id"] for line in printed.splitlines()] == ["a", "b"]
        printed, _ = command("monitor", "export", str(path), "--what", "scores", "--out", str(tmp_path / "x.jsonl"))
        assert printed == f"{tmp_path / 'x.jsonl'}: 1 scores\n"
    assert json.loads((tmp_path / "x.jsonl").read_text())["text_id"] == "x"
    assert "does not exist" in command("monitor", "export", str(tmp_path / "none"), code=2)[1]
