"""Whoever may not ask is told so, what is too much is refused, and slow clients keep nobody waiting."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.service.served import OWN, listening, made_monitor, serving
from tiltmeter.core.errors import SpecError
from tiltmeter.models import SubjectModel
from tiltmeter.monitor import MonitorLog
from tiltmeter.service import Limits, check_binding, create_app, serve
from tiltmeter.service._auth import is_authorised, is_own_host
from tiltmeter.service._guard import nesting
from tiltmeter.service._serve import bind

pytestmark = pytest.mark.filterwarnings("ignore::tiltmeter.core.errors.DataWarning")

_TOKEN = "a-token-of-some-length"
_GUARDED = [
    ("GET", "/v1/alarms"),
    ("GET", "/v1/monitors"),
    ("GET", "/v1/monitors/m"),
    ("GET", "/openapi.json"),
    ("GET", "/nothing"),
    ("POST", "/v1/score"),
    ("POST", "/v1/generate"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


def test_without_the_token_nothing_but_the_page_is_answered(subject: SubjectModel, path: Path) -> None:
    wrong = ["", "Bearer", "Bearer ", f"Bearer {_TOKEN}x", f"Bearer {_TOKEN[:-1]}", f"Basic {_TOKEN}", _TOKEN]
    with serving(subject, {"m": made_monitor(subject)}, path, token=_TOKEN) as client:
        for method, where in _GUARDED:
            for shown in [None, *wrong]:
                headers = {} if shown is None else {"authorization": shown}
                answer = client.request(method, where, headers=headers)
                assert answer.status_code == 401, (method, where, shown)
                assert answer.headers["www-authenticate"] == "Bearer"
        twice = [("authorization", f"Bearer {_TOKEN}"), ("authorization", "Bearer x")]
        assert client.get("/v1/alarms", headers=twice).status_code == 401
        assert client.get("/v1/alarms", headers={"authorization": f"bearer {_TOKEN}"}).status_code == 200
        assert client.get("/nothing", headers={"authorization": f"Bearer {_TOKEN}"}).status_code == 404
        for where in ("/", "/healthz", "/metrics"):
            assert client.get(where).status_code == 200
        assert client.get("/", headers={"host": "elsewhere.example"}).status_code == 200
        assert _TOKEN not in client.get("/").text


def test_health_and_figures_need_the_token_from_elsewhere(subject: SubjectModel, path: Path) -> None:
    from starlette.testclient import TestClient

    app = create_app(subject, {"m": made_monitor(subject)}, log=MonitorLog(path), token=_TOKEN)
    with TestClient(app, base_url=OWN, client=("192.0.2.7", 1)) as client:
        for where in ("/healthz", "/metrics"):
            assert client.get(where).status_code == 401
            assert client.get(where, headers={"x-forwarded-for": "127.0.0.1"}).status_code == 401
            assert client.get(where, headers={"authorization": f"Bearer {_TOKEN}"}).status_code == 200


def test_a_token_is_compared_whole_whatever_bytes_it_has() -> None:
    assert is_authorised([(b"authorization", f"Bearer {_TOKEN}".encode())], token=_TOKEN)
    for shown in (b"Bearer \xff\xfe", b"Bearer " + b"x" * 100_000, b"\x00", b"Bearer  " + _TOKEN.encode()):
        assert not is_authorised([(b"authorization", shown)], token=_TOKEN)


def test_the_comparison_takes_constant_time_by_construction(monkeypatch: pytest.MonkeyPatch) -> None:
    import hmac

    lengths = []
    whole = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: lengths.append((len(a), len(b))) or whole(a, b))
    for shown in (b"", b"Bearer x", f"Bearer {_TOKEN}".encode()):
        is_authorised([(b"authorization", shown)], token=_TOKEN)
    assert lengths == [(32, 32)] * 3


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("127.0.0.1", True), ("127.0.0.1:8000", True), ("localhost:1", True), ("[::1]:80", True), ("127.8.8.8", True),
        ("evil.example", False), ("127.0.0.1.evil.example", False), ("localhost.evil.example:80", False), ("", False),
        ("0.0.0.0", False), ("[::]", False), ("10.0.0.1", False),
    ],
)  # fmt: skip
def test_without_a_token_only_names_of_loopback_are_answered_to(host: str, is_own: bool) -> None:
    assert is_own_host([(b"host", host.encode())]) == is_own
    assert not is_own_host([]) and not is_own_host([(b"host", b"localhost")] * 2)


def test_a_page_from_elsewhere_can_neither_name_the_service_nor_send_it_text(subject: SubjectModel, path: Path) -> None:
    with serving(subject, {"m": made_monitor(subject)}, path) as client:
        assert client.get("/v1/alarms", headers={"host": "evil.example"}).status_code == 421
        body = b'{"texts": ["w1"]}'
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            assert client.post("/v1/score", content=body, headers={"content-type": kind}).status_code == 415
        assert client.post("/v1/score", content=body).status_code == 415
        preflight = client.options("/v1/score", headers={"origin": "http://evil.example"})
        assert preflight.status_code == 405 and "access-control-allow-origin" not in preflight.headers
        kind = {"content-type": "application/json; charset=utf-8", "origin": "http://evil.example"}
        assert "access-control-allow-origin" not in client.post("/v1/score", content=body, headers=kind).headers


@pytest.mark.parametrize(
    ("host", "token", "said"),
    [
        ("0.0.0.0", None, "binds loopback only"),
        ("::", None, "binds loopback only"),
        ("example.org", None, "binds loopback only"),
        ("127.0.0.1", "short", "5 characters"),
        ("127.0.0.1", "x" * 20 + "ü", "printable ASCII"),
        ("127.0.0.1", "x" * 20 + " y", "printable ASCII"),
    ],
)
def test_unsafe_bindings_are_refused(host: str, token: str | None, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        check_binding(host, token=token)
    with pytest.raises(SpecError, match=said):
        serve(None, host=host, token=token)  # type: ignore[arg-type]


def test_an_address_that_is_taken_is_one_sentence() -> None:
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(SpecError, match="cannot be bound"):
            bind("127.0.0.1", taken.getsockname()[1])


@pytest.mark.long
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b'{"texts": ["\xff\xfe"]}', 400),
        (b'{"texts": ["w1"]}'.decode().encode("utf-16"), 400),
        (b"[" * 100_000, 400),
        (b'{"texts": ' * 17 + b"1" + b"}" * 17, 400),
        (b'{"texts": [' + b"[" * 20 + b"]" * 20 + b"]}", 400),
        (b'{"texts": ["[[[[[[[[[[[[[[[[[[[[[[[[["]}', 200),
        (b'{"texts": ["\\ud800"]}', 422),
        (b'{"texts": ["w1"], "ids": ["\\udfff"]}', 422),
        (b'{"texts": [NaN]}', 422),
        (b'{"texts": ["w1"], "tokens": ' + b"1" * 5000 + b"}", 400),
        (b'{"texts": ["w1"], "tokens": "true"}', 422),
        (b'{"texts": ["w1"], "tokens": 1}', 422),
        (b'{"texts": []}', 422),
        (b'{"texts": [""]}', 422),
        (b'{"texts": [[]]}', 422),
        (b'{"texts": "w1"}', 422),
        (b'{"texts": [1]}', 422),
        (b'{"texts": ["w1", "w2"], "ids": ["a", "a"]}', 422),
        (b'{"texts": ["w1", "w2"], "ids": ["a"]}', 422),
        (b'{"texts": ["w1"], "monitor": "../../etc/passwd"}', 422),
        (b'{"texts": [[{"role": "user", "content": "w1", "x": 1}]]}', 422),
        (b'{"texts": [[{"role": "<|system|>", "content": "w1"}]]}', 422),
        (b'{"texts": ["' + b"x" * 100_001 + b'"]}', 422),
        (b'{"texts": [' + b'"w1",' * 64 + b'"w1"]}', 422),
        (b'{"texts": ["w1\\u0000"]}', 200),
        (b'{"texts": ["w1"], "texts": ["w2"]}', 200),
        (b"null", 422),
    ],
)
def test_bodies_of_every_kind_are_answered_without_an_error_of_the_service(
    subject: SubjectModel, path: Path, body: bytes, status: int
) -> None:
    with serving(subject, {"m": made_monitor(subject)}, path) as client:
        answer = client.post("/v1/score", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == status, answer.text
        assert set(answer.json()) == ({"texts"} if status == 200 else {"detail"})
        # what was sent is not sent back
        assert "xxxx" not in answer.text and len(answer.content) < 5000


@pytest.mark.parametrize(
    ("body", "deep"),
    [
        (b"", 0), (b'"[["', 0), (b'["\\"[", [1]]', 2), (b'{"a": {"b": []}}', 3), (b'["\\\\", [[', 3), (b'"[[[', 0),
        (b"]]][", 0), (b'"\\', 0),
    ],
)  # fmt: skip
def test_nesting_counts_brackets_outside_strings(body: bytes, deep: int) -> None:
    assert nesting(body) == deep


@pytest.mark.parametrize("piece", [b'"', b'\\"', b'"\\"', b"\\", b'"a\\', b"[", b'""'])
def test_the_time_to_look_at_nesting_is_linear(piece: bytes) -> None:
    def seconds(n: int) -> float:
        body = b'"' + piece * (n // len(piece)) + b"\\"
        began = time.process_time()
        nesting(body)
        return time.process_time() - began

    # a megabyte: milliseconds, where a quadratic search would take minutes
    assert seconds(1 << 20) < 2


def test_names_of_monitors_lead_nowhere(subject: SubjectModel, path: Path) -> None:
    with serving(subject, {"m": made_monitor(subject)}, path) as client:
        for name in (
            "..", "../m", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "m/../../monitor.json", "m%00", "/m",
            "C:%5Cm", "....//m", "m.json",
        ):  # fmt: skip
            answer = client.get(f"/v1/monitors/{name}")
            assert answer.status_code == 404 and "root:" not in answer.text, name


def test_the_page_may_run_its_own_scripts_alone(subject: SubjectModel, path: Path) -> None:
    with serving(subject, {"m": made_monitor(subject)}, path) as client:
        answer = client.get("/")
    policy = dict(one.split(" ", 1) for one in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self'"
    for kind in ("script-src", "style-src"):
        assert re.fullmatch(r"'none'|('sha256-[A-Za-z0-9+/=]{44}' ?)+", policy[kind]), policy[kind]
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["cache-control"] == "no-store"
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", answer.text) and " on" + "click=" not in answer.text


_QUICK = Limits(body_bytes=10_000, head_s=0.5, body_s=0.5, write_s=0.5, connections=20)


def raw(port: int, sent: bytes, *, slowly: float = 0.0) -> tuple[bytes, float]:
    """Send bytes, a pause after each where it is slow, and return what came until the end, and after how long."""
    began, got = time.monotonic(), b""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as client:
        try:
            for piece in [sent[i : i + 1] for i in range(len(sent))] if slowly else [sent]:
                client.sendall(piece)
                time.sleep(slowly)
        except OSError:
            pass
        try:
            while more := client.recv(65536):
                got += more
        except OSError:
            pass
    return got, time.monotonic() - began


def is_served(port: int) -> bool:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.request("POST", "/v1/score", json.dumps({"texts": ["w1"]}), {"content-type": "application/json"})
    answer = client.getresponse()
    answer.read()
    client.close()
    return answer.status == 200


def head(length: int | str) -> bytes:
    return (
        "POST /v1/score HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"content-length: {length}\r\n\r\n"
    ).encode()


@pytest.mark.long
def test_slow_heads_and_bodies_are_ended_and_others_are_served_meanwhile(subject: SubjectModel, path: Path) -> None:
    with listening(subject, {"m": made_monitor(subject)}, path, limits=_QUICK) as port:
        found: dict[str, tuple[bytes, float]] = {}

        def slow(name: str, sent: bytes, slowly: float) -> None:
            found[name] = raw(port, sent, slowly=slowly)

        cases: list[tuple[str, bytes, float]] = [
            ("nothing", b"", 0),
            ("half a head", b"POST /v1/score HTTP/1.1\r\nhost: 127", 0),
            ("a dribbled head", b"GET /healthz HTTP/1.1\r\n" + b"x: y\r\n" * 10, 0.05),
            ("half a body", head(100) + b'{"texts":', 0),
            ("a dribbled body", head(100) + b" " * 40, 0.01),
        ]
        threads = [threading.Thread(target=slow, args=case) for case in cases]
        for thread in threads:
            thread.start()
        assert is_served(port)
        for thread in threads:
            thread.join()
        for name in ("nothing", "half a head", "a dribbled head"):
            assert found[name][0] == b"" and found[name][1] < 6, name
        assert found["half a body"][0].startswith(b"HTTP/1.1 408")
        # whoever still sends when the connection is closed may not get to read the answer
        assert found["a dribbled body"][0][:12] in (b"HTTP/1.1 408", b"") and found["a dribbled body"][1] < 6
        # a head that was whole, and the next one on the same connection that is not
        got, seconds = raw(port, b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\nGET /health")
        assert got.startswith(b"HTTP/1.1 200") and got.count(b"HTTP/1.1") == 1 and seconds < 8
        assert is_served(port)


def test_a_client_that_takes_nothing_is_let_go(subject: SubjectModel, path: Path) -> None:
    large = Limits(head_s=0.5, body_s=5, write_s=0.5)
    with listening(subject, {"m": made_monitor(subject)}, path, limits=large) as port:
        body = json.dumps({"texts": ["w1 w2 " * 15] * 64, "tokens": True, "layers": True}).encode()
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.settimeout(15)
            client.connect(("127.0.0.1", port))
            # answers of 200 kB and more, none of which is taken
            for _ in range(4):
                try:
                    client.sendall(head(len(body)) + body)
                except OSError:
                    break
            assert is_served(port)
            until = time.monotonic() + 15
            with pytest.raises(ConnectionError):
                while time.monotonic() < until:
                    time.sleep(0.1)
                    client.sendall(b"x")
        assert is_served(port)


@pytest.mark.long
def test_too_large_a_body_is_refused_before_it_has_come(subject: SubjectModel, path: Path) -> None:
    with listening(subject, {"m": made_monitor(subject)}, path, limits=_QUICK) as port:
        got, seconds = raw(port, head(10_001) + b" " * 100)
        assert got.startswith(b"HTTP/1.1 413") and b"10001 bytes, and 10000 are allowed" in got and seconds < 5
        chunk = b"%x\r\n" % 4000 + b" " * 4000 + b"\r\n"
        chunked = head("x").replace(b"content-length: x", b"transfer-encoding: chunked")
        got, _ = raw(port, chunked + chunk * 3)
        assert got.startswith(b"HTTP/1.1 413")
        body = b'{"texts":["\xff\xff"]}'
        got, _ = raw(port, head(len(body)) + body)
        assert got.startswith(b"HTTP/1.1 400") and b"not UTF-8" in got
        for nonsense in (b"\x16\x03\x01" * 50 + b"\r\n\r\n", head("-5"), head("5").replace(b"host", b"host\x00")):
            got, _ = raw(port, nonsense)
            assert got.startswith(b"HTTP/1.1 400"), nonsense
        got, _ = raw(port, b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: " + b"y" * 200_000)
        assert got.startswith(b"HTTP/1.1 400")
        assert is_served(port)


@pytest.mark.long
def test_more_connections_than_are_allowed_are_closed_and_room_returns(subject: SubjectModel, path: Path) -> None:
    limits = _QUICK.model_copy(update={"head_s": 1.5})
    with listening(subject, {"m": made_monitor(subject)}, path, limits=limits) as port:
        clients = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(20)]
        time.sleep(0.2)
        assert raw(port, b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")[0] == b""
        time.sleep(2)
        assert is_served(port)
        for client in clients:
            client.close()


def test_an_upgrade_to_a_socket_is_not_taken(subject: SubjectModel, path: Path) -> None:
    with listening(subject, {"m": made_monitor(subject)}, path, limits=_QUICK) as port:
        sent = b"GET /v1/alarms HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n"
        assert raw(port, sent)[0].startswith(b"HTTP/1.1 200")
