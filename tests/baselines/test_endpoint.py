"""A monitor behind HTTP: what is sent, what is made of the reply, and what becomes of failures."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from tiltmeter.baselines import Endpoint, monitor_at
from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.data import TextSet

_TEXTS = TextSet(np.array(["1", "2"]), texts=("steal it", "buy it"))
Reply = Callable[[dict[str, Any], int], tuple[int, Any]]


@contextmanager
def _served(reply: Reply, *, headers: dict[str, str] | None = None) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Serve replies on a port of this machine; yield the address and what came in."""
    came: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            came.append({"body": body, "key": self.headers.get("Authorization"), "path": self.path})
            status, content = reply(body, len(came))
            sent = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/chat/completions", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _tokens(**logprobs: float) -> dict[str, Any]:
    top = [{"token": token, "logprob": value} for token, value in logprobs.items()]
    return {"choices": [{"message": {"content": "?"}, "logprobs": {"content": [{"top_logprobs": top}]}}]}


def _words(content: str) -> dict[str, Any]:
    return {"choices": [{"message": {"content": content}}]}


def _asked(url: str, **changes: Any) -> Any:
    endpoint = Endpoint(url, "judge", **{"timeout": 5.0, "retries": 2, "pause": 0.0, **changes})
    return monitor_at(endpoint, prompt="Harmful? {text}", positive=["Yes"], negative=["no"])[0]


def test_log_odds_are_those_of_the_answers_among_the_likeliest_tokens_white_space_and_case_apart() -> None:
    def reply(body: dict[str, Any], _: int) -> tuple[int, Any]:
        if "steal" in body["messages"][0]["content"]:
            return 200, _tokens(**{" yes": np.log(0.5), "YES": np.log(0.1), "No": np.log(0.2)})
        # no yes among them: it is no likelier than the least likely
        return 200, _tokens(no=np.log(0.8), maybe=np.log(0.1))

    with _served(reply) as (url, came):
        rival = _asked(url)
        assert came == []
        seen = rival.read(_TEXTS)
    assert seen == pytest.approx(np.array([[np.log(0.6 / 0.2), 0], [np.log(0.1 / 0.8), 0]]))
    assert rival.score(None, seen).tolist() == seen[:, 0].tolist() and rival.notes(None, seen) == ()
    assert [sent["body"]["messages"] for sent in came] == [
        [{"role": "user", "content": "Harmful? steal it"}],
        [{"role": "user", "content": "Harmful? buy it"}],
    ]
    assert came[0]["body"]["model"] == "judge" and came[0]["body"]["temperature"] == 0
    assert came[0]["body"]["logprobs"] is True and came[0]["key"] is None


def test_a_reply_that_says_neither_scores_nothing_and_is_counted() -> None:
    with _served(lambda body, n: (200, _tokens(maybe=-0.1) if n == 1 else _tokens(yes=-0.1, no=-2.1))) as (url, _):
        rival = _asked(url)
        seen = rival.read(_TEXTS)
    assert seen == pytest.approx(np.array([[0, 1], [2, 0]]))
    assert rival.notes(None, seen) == ("1 of 2 replies said neither and score 0",)


def test_a_number_is_read_from_the_words_of_the_reply() -> None:
    replies = iter(["Score: 7.5 of 10", "none at all", "11", "-0", None])
    with _served(lambda body, n: (200, _words(next(replies)))) as (url, came):  # type: ignore[arg-type]
        raw, _ = monitor_at(Endpoint(url, "judge"), prompt="0 to 10?", scale=(0, 10))
        seen = raw.read(TextSet(np.arange(5).astype(str), texts=("a", "b", "c", "d", "e")))
    assert seen.tolist() == [[2.5, 0], [0, 1], [0, 1], [-5, 0], [0, 1]]
    assert "logprobs" not in came[0]["body"]


def test_a_server_that_is_busy_is_asked_again_and_a_key_goes_with_each_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", "secret")
    busy = {1: 503, 2: 429}
    with _served(lambda body, n: (busy.get(n, 200), _tokens(yes=-1.0, no=-2.0))) as (url, came):
        seen = _asked(url, key_variable="JUDGE_KEY").read(_TEXTS)
    assert seen[:, 0] == pytest.approx([1, 1])
    assert [sent["key"] for sent in came] == ["Bearer secret"] * 4


def test_a_server_that_stays_busy_is_given_up_after_the_retries() -> None:
    with (
        _served(lambda body, n: (500, b"overloaded")) as (url, came),
        pytest.raises(ModelError, match=r"gave no answer in 3 tries \(status 500: overloaded\)"),
    ):
        _asked(url).read(_TEXTS)
    assert len(came) == 3


def test_a_refusal_is_not_asked_again() -> None:
    with (
        _served(lambda body, n: (401, {"error": "no such key"})) as (url, came),
        pytest.raises(ModelError, match=r"refused the request .status 401: .*no such key"),
    ):
        _asked(url).read(_TEXTS)
    assert len(came) == 1


def test_a_slow_answer_is_waited_for_no_longer_than_asked() -> None:
    def slow(body: dict[str, Any], _: int) -> tuple[int, Any]:
        time.sleep(0.5)
        return 200, _tokens(yes=-1.0, no=-2.0)

    with (
        _served(slow) as (url, _),
        pytest.raises(ModelError, match=r"in 1 tries \((no answer within 0.1 s|timed out)\)"),
    ):
        _asked(url, timeout=0.1, retries=0).read(_TEXTS)


def test_nobody_at_the_address_is_said_in_one_sentence() -> None:
    with _served(lambda body, n: (200, {})) as (url, _):
        pass
    with pytest.raises(ModelError, match=r"gave no answer in 2 tries .*refused"):
        _asked(url, retries=1).read(_TEXTS)


def test_texts_are_not_carried_to_another_address() -> None:
    with _served(lambda body, n: (200, _tokens(yes=-1.0, no=-2.0))) as (other, came_there):
        for status in (302, 307):
            with _served(lambda body, n, status=status: (status, b""), headers={"Location": other}) as (url, _):
                with pytest.raises(ModelError, match=f"status {status}"):
                    _asked(url).read(_TEXTS)
    assert came_there == []


@pytest.mark.parametrize("content", [b"<html>", {"choices": []}, {"choices": [1]}, []])
def test_what_is_no_chat_completion_is_named(content: Any) -> None:
    with (
        _served(lambda body, n: (200, content)) as (url, _),
        pytest.raises(ModelError, match="form of chat completions"),
    ):
        _asked(url).read(_TEXTS)


def test_a_server_without_log_probabilities_points_to_the_scale() -> None:
    with _served(lambda body, n: (200, _words("Yes"))) as (url, _), pytest.raises(ModelError, match="give its scale"):
        _asked(url).read(_TEXTS)


def test_what_cannot_be_asked_is_refused_at_once() -> None:
    with pytest.raises(SpecError, match="begins with http"):
        _asked("file:///etc/passwd")
    with pytest.raises(SpecError, match="NO_SUCH_KEY is not set"):
        _asked("http://localhost:1", key_variable="NO_SUCH_KEY")
    place = Endpoint("http://localhost:1", "judge")
    with pytest.raises(SpecError, match="answers of both sides, or a scale"):
        monitor_at(place, prompt="?", positive=["yes"])
    with pytest.raises(SpecError, match="answers of both sides, or a scale"):
        monitor_at(place, prompt="?", positive=["yes"], negative=["no"], scale=(0, 1))
    with pytest.raises(SpecError, match="its lowest value first"):
        monitor_at(place, prompt="?", scale=(1, 0))
