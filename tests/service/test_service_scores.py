"""What the service answers is what the monitors say, and the log holds it before the answer ends."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from tests.service.served import Gate, made_monitor, serving
from tiltmeter import models
from tiltmeter.core.activations import Pooling
from tiltmeter.core.alarms import ScoredText
from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.data import Between, TextSet
from tiltmeter.models import SubjectModel
from tiltmeter.monitor import Monitor, MonitorLog
from tiltmeter.service import Limits, create_app
from tiltmeter.service import _engine as engine_module

pytestmark = pytest.mark.filterwarnings("ignore::tiltmeter.core.errors.DataWarning")

_TEXTS = ["w1 w2 is w3 .", "w4 .", "the city of w5 is not in w6 .", "w7 w8 w9"]


def asked(client: TestClient, texts: list[Any], *, status: int = 200, **options: Any) -> Any:
    answer = client.post("/v1/score", json={"texts": texts, **options})
    assert answer.status_code == status, answer.text
    return answer.json()["texts"] if status == 200 else answer.json()["detail"]


def alone(subject: SubjectModel, monitor: Monitor, text: str) -> float:
    return float(monitor.score(subject, TextSet(np.array(["x"]), texts=(text,))).scores[0])


def test_scores_are_those_of_each_text_read_by_itself(subject: SubjectModel, tmp_path: Path) -> None:
    monitors = {
        "last": made_monitor(subject, seed=1, sign=-1),
        "mean": made_monitor(subject, seed=2, pooling="mean", site="0.resid_post", skip_first=1),
        "silent": made_monitor(subject, seed=3, sign=-1, threshold=None),
    }
    with serving(subject, monitors, tmp_path / "log.sqlite") as client:
        found = asked(client, _TEXTS[:1] + _TEXTS[2:], ids=["a", "b", "c"])
        assert [one["id"] for one in found] == ["a", "b", "c"]
        for text, one in zip(_TEXTS[:1] + _TEXTS[2:], found, strict=True):
            assert list(one["monitors"]) == ["last", "mean", "silent"]
            for name, said in one["monitors"].items():
                assert said["score"] == pytest.approx(alone(subject, monitors[name], text), abs=1e-5)
                assert said["alarm"] == (None if name == "silent" else said["score"] > 0)
                assert (said["alarm_id"] is not None) == bool(said["alarm"])
        alarms = {one["alarm"]["id"]: one["alarm"] for one in client.get("/v1/alarms").json()["alarms"]}
    told = {
        said["alarm_id"]: (one["id"], name, said["score"])
        for one in found
        for name, said in one["monitors"].items()
        if said["alarm"]
    }
    assert (
        told
        and {key: (kept["text_id"], kept["rule"], kept["raised"][0]["score"]) for key, kept in alarms.items()} == told
    )
    for kept in alarms.values():
        assert kept["source"] == "score" and kept["token"] is None and kept["text"] is None
        assert kept["raised"][0]["sha256"] == monitors[kept["rule"]].card.digest()
    with MonitorLog(tmp_path / "log.sqlite", mode="read") as log:
        kept_texts = list(log.scores())
    assert [text.text_id for text in kept_texts] == ["a", "b", "c"]
    assert kept_texts[1].scores["silent"].alarm is None and kept_texts[1].text is None


def test_chats_and_texts_share_a_request(subject: SubjectModel, tmp_path: Path) -> None:
    monitor = made_monitor(subject, threshold=-100.0)
    chat = [{"role": "user", "content": "w1 w2"}, {"role": "assistant", "content": "w3 ."}]
    with serving(subject, {"m": monitor}, tmp_path / "log.sqlite", keep_texts=True) as client:
        found = [one["monitors"]["m"]["score"] for one in asked(client, ["w4 .", chat, "w5"])]
        kept = [one["alarm"] for one in client.get("/v1/alarms").json()["alarms"]]
    chats = TextSet(np.array(["x"]), messages=(tuple(chat),))
    expected = [alone(subject, monitor, "w4 ."), float(monitor.score(subject, chats).scores[0])]
    assert found == pytest.approx([*expected, alone(subject, monitor, "w5")], abs=1e-5)
    assert [alarm["text"] for alarm in kept] == ["w4 .", "w1 w2 w3 .", "w5"]
    assert [alarm["n_tokens"] for alarm in kept] == [2, 4, 1]


@pytest.mark.parametrize("pooling", ["last", "first", "mean", "max"])
def test_a_running_score_is_that_of_the_text_if_it_ended_there(
    subject: SubjectModel, tmp_path: Path, pooling: Pooling
) -> None:
    monitor = made_monitor(subject, pooling=pooling, skip_first=2)
    words = _TEXTS[2].split()
    with serving(subject, {"m": monitor}, tmp_path / "log.sqlite") as client:
        (found,) = asked(client, [_TEXTS[2]], tokens=True)
    tokens = found["monitors"]["m"]["tokens"]
    assert "".join(tokens["strings"]) == _TEXTS[2]
    assert tokens["running"][:2] == tokens["scores"][:2] == [None, None]
    for n in range(3, len(words) + 1):
        assert tokens["running"][n - 1] == pytest.approx(alone(subject, monitor, " ".join(words[:n])), abs=1e-5)
    assert tokens["running"][-1] == pytest.approx(found["monitors"]["m"]["score"], abs=1e-5)
    by_itself = made_monitor(subject, skip_first=2)
    assert tokens["scores"][4] == pytest.approx(alone(subject, by_itself, " ".join(words[:5])), abs=1e-5)


def test_layers_project_the_stream_after_each_block(subject: SubjectModel, tmp_path: Path) -> None:
    monitors = {"m": made_monitor(subject, seed=1, sign=-1), "head": made_monitor(subject, site="0.z.h0")}
    with serving(subject, monitors, tmp_path / "log.sqlite") as client:
        (found,) = asked(client, [_TEXTS[0]], layers=True)
    tokens = torch.tensor([subject.tokenizer(_TEXTS[0])["input_ids"]])
    with subject.capture(["0.resid_post", "1.resid_post"]) as seen, torch.no_grad():
        subject.model(tokens)
    vector = monitors["m"].direction.vector
    expected = [-float(state[0, -1].numpy() @ vector) for state in seen.values()]
    assert found["monitors"]["m"]["layers"] == pytest.approx(expected, abs=1e-5)
    assert found["monitors"]["head"]["layers"] == [None, None]


def test_requests_that_wait_are_read_together_and_answered_apart(
    subject: SubjectModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(engine_module.score_texts)
    monkeypatch.setattr(engine_module, "score_texts", gate)
    monitor = made_monitor(subject)
    with serving(subject, {"m": monitor}, tmp_path / "log.sqlite") as client, ThreadPoolExecutor(8) as pool:
        first = pool.submit(asked, client, ["w1"])
        assert gate.reached.wait(10)
        # one of them is longer than the context
        texts = [*_TEXTS, "w1 " * 40, "w9 w8"]
        waiting = [pool.submit(client.post, "/v1/score", json={"texts": [text], "ids": ["same"]}) for text in texts]
        _until(lambda: client.get("/healthz").json()["waiting"] == len(texts))
        gate.opened.set()
        answers = [one.result() for one in waiting]
        first.result()
    assert sorted(map(len, [call[2] for call in gate.calls])) == [1] * 7 + [6]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 422, 200]
    assert "Text same has 40 tokens, 32 are allowed" in answers[4].json()["detail"]
    for text, answer in zip(texts, answers, strict=True):
        if answer.status_code == 200:
            said = answer.json()["texts"][0]
            assert said["id"] == "same"
            assert said["monitors"]["m"]["score"] == pytest.approx(alone(subject, monitor, text), abs=1e-5)


def test_a_full_queue_is_429_and_nobody_else_is_lost(
    subject: SubjectModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(engine_module.score_texts)
    monkeypatch.setattr(engine_module, "score_texts", gate)
    limits = Limits(waiting=2)
    with (
        serving(subject, {"m": made_monitor(subject)}, tmp_path / "log.sqlite", limits=limits) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        waiting = [pool.submit(asked, client, ["w1"])]
        assert gate.reached.wait(10)
        waiting += [pool.submit(asked, client, [text]) for text in ("w2", "w3")]
        _until(lambda: client.get("/healthz").json()["waiting"] == 2)
        for path, body in (("/v1/score", {"texts": ["w4"]}), ("/v1/generate", {"prompt": "w4"})):
            refused = client.post(path, json=body)
            assert refused.status_code == 429 and refused.headers["retry-after"] == "1"
            assert "2 requests wait already" in refused.json()["detail"]
        gate.opened.set()
        assert [len(one.result()) for one in waiting] == [1, 1, 1]
        assert 'tiltmeter_requests_total{path="/v1/score",status="429"} 1.0' in client.get("/metrics").text
    with MonitorLog(tmp_path / "log.sqlite", mode="read") as log:
        assert len(list(log.scores())) == 3


def test_what_waits_too_long_is_given_up_and_never_computed(
    subject: SubjectModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(engine_module.score_texts)
    monkeypatch.setattr(engine_module, "score_texts", gate)
    with (
        serving(subject, {"m": made_monitor(subject)}, tmp_path / "log.sqlite", limits=Limits(answer_s=0.3)) as client,
        ThreadPoolExecutor(3) as pool,
    ):
        begun = pool.submit(client.post, "/v1/score", json={"texts": ["w1"]})
        assert gate.reached.wait(10)
        late = pool.submit(client.post, "/v1/score", json={"texts": ["w2"]})
        stream = pool.submit(client.post, "/v1/generate", json={"prompt": "w2", "max_new_tokens": 1})
        assert (begun.result().status_code, late.result().status_code) == (503, 429)
        gate.opened.set()
        assert stream.result().status_code == 429
        gate.calls.clear()
        assert len(asked(client, ["w3"])) == 1
    assert [list(call[2]) for call in gate.calls] == [["w3"]]


def test_no_answer_tells_of_an_alarm_that_could_not_be_written(
    subject: SubjectModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = made_monitor(subject, threshold=-100.0)
    with serving(subject, {"m": monitor}, tmp_path / "log.sqlite") as client:
        whole = MonitorLog._commit

        def full(self: MonitorLog, together: list[Any]) -> None:
            for one in together:
                one.error, one.is_done = sqlite3.OperationalError("database or disk is full"), True

        monkeypatch.setattr(MonitorLog, "_commit", full)
        assert "disk is full" in asked(client, ["w1"], status=503)
        monkeypatch.setattr(MonitorLog, "_commit", whole)
        assert asked(client, ["w1"])[0]["monitors"]["m"]["alarm"]
        assert len(client.get("/v1/alarms").json()["alarms"]) == 1


def test_an_error_nobody_foresaw_is_500_and_the_next_request_is_served(
    subject: SubjectModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise ZeroDivisionError("secret")

    with serving(subject, {"m": made_monitor(subject)}, tmp_path / "log.sqlite") as client:
        with monkeypatch.context() as patch:
            patch.setattr(engine_module, "score_texts", broken)
            answer = client.post("/v1/score", json={"texts": ["w1"]})
        assert answer.status_code == 500 and "secret" not in answer.text
        assert len(asked(client, ["w1"])) == 1


def test_texts_that_cannot_be_read_are_one_sentence(subject: SubjectModel, tmp_path: Path) -> None:
    with serving(subject, {"m": made_monitor(subject)}, tmp_path / "log.sqlite") as client:
        assert "row a: the text is empty" in asked(client, ["  "], ids=["a"], status=422)
        said = asked(client, ["w1 " * 40], ids=["a"], status=422)
        assert "Text a has 40 tokens" in said and subject.name not in said
        assert client.get("/v1/alarms").json() == {"alarms": []}


def test_alarms_are_paged_by_row(subject: SubjectModel, tmp_path: Path) -> None:
    with serving(subject, {"m": made_monitor(subject, threshold=-100.0)}, tmp_path / "log.sqlite") as client:
        asked(client, [f"w{i}" for i in range(7)])

        def rows(query: str) -> list[int]:
            return [one["row"] for one in client.get(f"/v1/alarms{query}").json()["alarms"]]

        assert rows("?limit=2") == [6, 7] and rows("?after=3&limit=2") == [4, 5] and rows("?after=7") == []
        assert client.get("/v1/alarms?limit=0").status_code == client.get("/v1/alarms?after=-1").status_code == 422
        assert 'tiltmeter_alarms_total{monitor="m"} 7.0' in client.get("/metrics").text


def test_monitors_are_described_by_the_name_they_were_loaded_under(subject: SubjectModel, tmp_path: Path) -> None:
    monitor = made_monitor(subject)
    with serving(subject, {"deceit": monitor}, tmp_path / "log.sqlite") as client:
        (listed,) = client.get("/v1/monitors").json()["monitors"]
        assert listed == client.get("/v1/monitors/deceit").json()
        assert listed["name"] == "deceit" and listed["verdict"] is None
        assert listed["card"] == monitor.card.model_dump(mode="json")
        assert client.get(f"/v1/monitors/{monitor.card.name}").status_code == 404


def test_monitors_of_another_model_or_of_what_no_request_tells_are_not_served(
    subject: SubjectModel, tiny_model: Path, tmp_path: Path
) -> None:
    other = models.load(str(tiny_model), dtype="bfloat16")
    with MonitorLog(tmp_path / "log.sqlite") as log:
        with pytest.raises(ModelError, match="dtype was 'float32', is 'bfloat16'"):
            create_app(other, {"m": made_monitor(subject)}, log=log)
        with pytest.raises(SpecError, match="There are no monitors"):
            create_app(subject, {}, log=log)
        with pytest.raises(SpecError, match="marked characters"):
            create_app(subject, {"m": made_monitor(subject, span="marked")}, log=log)


def test_what_waits_at_shutdown_is_answered_and_then_the_log_is_closed(
    subject: SubjectModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MonitorLog(tmp_path / "log.sqlite")
    engine = engine_module.Engine(
        subject, {"m": made_monitor(subject)}, log=log, limits=Limits(), metrics=engine_module.Metrics()
    )
    jobs = [engine_module.ScoreJob((text,), ("a",), False, False) for text in _TEXTS]
    for job in jobs:
        engine.submit(job)
    engine.start()
    engine.close()
    assert [len(job.answer.result(timeout=0).texts) for job in jobs] == [1] * 4
    with pytest.raises(engine_module.BusyError, match="is closing"):
        engine.submit(jobs[0])
    log.close()
    with serving(subject, {"m": made_monitor(subject)}, tmp_path / "log.sqlite") as client:
        asked(client, ["w1"])
        assert any(thread.name == "tiltmeter-computes" for thread in threading.enumerate())
    assert not any(thread.name == "tiltmeter-computes" for thread in threading.enumerate())
    # folded in: the last connection is closed
    assert [file.name for file in tmp_path.iterdir()] == ["log.sqlite"]


def lines_of(client: TestClient, **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/v1/generate", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_what_is_generated_is_the_models_own_and_each_token_has_the_score_of_the_text_so_far(
    subject: SubjectModel, tmp_path: Path
) -> None:
    monitors = {
        name: made_monitor(subject, pooling=name, seed=i, sign=(-1) ** i)
        for i, name in enumerate(("last", "mean", "max"))
    }
    with serving(subject, monitors, tmp_path / "log.sqlite") as client:
        lines = lines_of(client, prompt="w1 w2 is", max_new_tokens=6)
    *tokens, end = [one for one in lines if one["kind"] in ("token", "end")]
    expected = models.generate(subject, ["w1 w2 is"], max_new_tokens=6)
    assert [one["id"] for one in tokens] == [int(token) for token in expected.tokens[0] if token != 8]
    assert "".join(one["text"] for one in tokens).split() == expected.texts[0].split()
    assert end["n_prompt"] == 3 and end["n_tokens"] == len(tokens)
    said = ["w1", "w2", "is"]
    for place, one in enumerate(tokens):
        assert one["token"] == 3 + place
        said += one["text"].split()
        for name, monitor in monitors.items():
            assert one["scores"][name]["running"] == pytest.approx(alone(subject, monitor, " ".join(said)), abs=1e-4)


def test_a_running_threshold_raises_at_the_first_token_above_it_and_another_at_the_end(
    subject: SubjectModel, tmp_path: Path
) -> None:
    with serving(subject, {"m": made_monitor(subject)}, tmp_path / "free.sqlite") as client:
        tokens = [one for one in lines_of(client, prompt="w1 w2", max_new_tokens=8) if one["kind"] == "token"]
    running = [one["scores"]["m"]["running"] for one in tokens]
    before = np.maximum.accumulate([alone(subject, made_monitor(subject), text) for text in ("w1", "w1 w2")])[-1]
    assert max(running) > before, "the tiny model must rise above its prompt for this test"
    bar = float(before + max(running)) / 2
    first = next(i for i, score in enumerate(running) if score > bar)
    monitors = {
        "watch": made_monitor(subject, threshold=None, running=bar),
        "end": made_monitor(subject, threshold=running[-1] - 1e-3),
        "calm": made_monitor(subject, threshold=100.0, running=100.0),
    }
    with serving(subject, monitors, tmp_path / "log.sqlite", keep_texts=True) as client:
        lines = lines_of(client, prompt="w1 w2", max_new_tokens=8)
        kept = client.get("/v1/alarms").json()["alarms"]
    tokens = [one for one in lines if one["kind"] == "token"]
    assert [one["scores"]["watch"]["raised"] for one in tokens] == [i >= first for i in range(len(tokens))]
    assert {one["scores"]["end"]["raised"] for one in tokens} == {None}
    alarms = [one["alarm"] for one in lines if one["kind"] == "alarm"]
    assert [(one["rule"], one["token"], one["raised"][0]["at"]) for one in alarms] == [
        ("watch", 2 + first, "token"),
        ("end", None, "end"),
    ]
    assert [{**one["alarm"], "text": None} for one in kept] == alarms
    said = ["w1", "w2", *(one["text"].strip() for one in tokens)]
    assert [one["alarm"]["text"].split() for one in kept] == [said[: 3 + first], said]
    assert [one["alarm"]["n_tokens"] for one in kept] == [3 + first, len(said)]
    with MonitorLog(tmp_path / "log.sqlite", mode="read") as log:
        (text,) = log.scores()
    assert isinstance(text, ScoredText) and text.source == "generate"
    assert {name: one.alarm for name, one in text.scores.items()} == {"watch": True, "end": True, "calm": False}


def test_a_seed_decides_what_is_drawn(subject: SubjectModel, tmp_path: Path) -> None:
    with serving(subject, {"m": made_monitor(subject)}, tmp_path / "log.sqlite") as client:

        def drawn(seed: int) -> list[int]:
            found = lines_of(client, prompt="w1", max_new_tokens=8, temperature=5.0, seed=seed)
            return [one["id"] for one in found if one["kind"] == "token"]

        assert drawn(1) == drawn(1)
        assert len({tuple(drawn(seed)) for seed in range(4)}) > 1


def test_a_chat_is_answered_and_only_the_answer_is_read_where_the_span_says_so(
    subject: SubjectModel, tmp_path: Path
) -> None:
    monitors = {"own": made_monitor(subject, span="assistant"), "all": made_monitor(subject)}
    chat = [{"role": "user", "content": "w1 w2"}]
    with serving(subject, {"all": monitors["all"], "own": monitors["own"]}, tmp_path / "log.sqlite") as client:
        lines = lines_of(client, prompt=chat, max_new_tokens=3)
    assert lines[-1]["n_prompt"] == 3
    tokens = [one for one in lines if one["kind"] == "token"]
    # pooled by the last token: the two read the same ones
    assert [one["scores"]["own"]["running"] for one in tokens] == [one["scores"]["all"]["running"] for one in tokens]


def test_prompts_and_spans_that_cannot_be_are_refused_before_a_line_is_sent(
    subject: SubjectModel, tmp_path: Path
) -> None:
    with serving(subject, {"m": made_monitor(subject)}, tmp_path / "log.sqlite") as client:
        long = client.post("/v1/generate", json={"prompt": "w1", "max_new_tokens": 64})
        assert long.status_code == 422 and "longer than the 32" in long.json()["detail"]
        assert client.post("/v1/generate", json={"prompt": "w1", "temperature": -1}).status_code == 422
    between = made_monitor(subject, span=Between("w1", "w2"))
    with serving(subject, {"m": between}, tmp_path / "log.sqlite") as client:
        late = client.post("/v1/generate", json={"prompt": "w1", "max_new_tokens": 2})
        assert late.status_code == 422 and "is not known while a text grows" in late.json()["detail"]
        assert len(asked(client, ["w1 w3 w2"])) == 1


def _until(is_so: Any, *, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_an_alarm_at_the_threshold_itself_does_not_depend_on_the_other_texts(
    subject: SubjectModel, tmp_path: Path
) -> None:
    monitor = made_monitor(subject, pooling="mean")
    score = alone(subject, monitor, _TEXTS[2])
    # as where this text set the threshold: read among others, its score differs in the last digits
    at, below = (made_monitor(subject, pooling="mean", threshold=value) for value in (score, np.nextafter(score, -9e9)))
    with serving(subject, {"at": at, "below": below}, tmp_path / "log.sqlite") as client:
        for n in range(1, 20):
            mates = [" ".join(f"w{(i * n + k) % 40}" for k in range(1 + i % 7)) for i in range(n)]
            found = asked(client, [*mates, _TEXTS[2]])[-1]["monitors"]
            assert (found["at"]["score"], found["at"]["alarm"], found["below"]["alarm"]) == (score, False, True)
