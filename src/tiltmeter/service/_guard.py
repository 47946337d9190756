"""Stands before the application: who asks, how much, how deep, and how slowly."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tiltmeter.service._auth import is_authorised, is_loopback, is_own_host
from tiltmeter.service._limits import Limits
from tiltmeter.service._metrics import Metrics

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

# the page holds nothing, and asks for the token itself
_OPEN = frozenset({"/"})
_OPEN_ON_LOOPBACK = frozenset({"/healthz", "/metrics"})
# possessive, and with an end for strings that have none: linear in whatever is sent
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


class RefusedError(Exception):
    """A request that goes no further: the status, and a sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Guard:
    """ASGI middleware: token, host, type, size, encoding and nesting of a request, before anything reads it."""

    def __init__(self, app: Asgi, *, token: str | None, limits: Limits, metrics: Metrics) -> None:
        self._app = app
        self._token = token
        self._limits = limits
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for the application, or hand it a request whose body has arrived."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 500

        async def noting(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-content-type-options", b"nosniff")]
            await send(message)

        try:
            self._admit(scope)
            if scope["method"] in ("POST", "PUT", "PATCH"):
                receive = _again(await self._body(scope, receive), receive)
            await self._app(scope, receive, noting)
        except RefusedError as refused:
            await _answer(noting, refused)
        finally:
            self._metrics.answered(scope["path"], status=status, seconds=time.monotonic() - began)

    def _admit(self, scope: Scope) -> None:
        headers, path = scope["headers"], scope["path"]
        if self._token is None:
            if not is_own_host(headers):
                raise RefusedError(421, "Without a token this service answers to the names of loopback only.")
            return
        client = scope.get("client")
        is_near = client is not None and is_loopback(client[0])
        if path in _OPEN or (path in _OPEN_ON_LOOPBACK and is_near):
            return
        if not is_authorised(headers, token=self._token):
            raise RefusedError(401, "Show the token: Authorization: Bearer TOKEN.")

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        headers, most = dict(scope["headers"]), self._limits.body_bytes
        if headers.get(b"content-type", b"").split(b";")[0].strip().lower() != b"application/json":
            # a page from elsewhere can send other types without asking first
            raise RefusedError(415, "Send JSON, with Content-Type: application/json.")
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > most:
            raise RefusedError(413, f"The body has {int(declared)} bytes, and {most} are allowed; send less at once.")
        try:
            async with asyncio.timeout(self._limits.body_s):
                body = await _whole(receive, most=most)
        except TimeoutError:
            raise RefusedError(408, f"The body did not arrive within {self._limits.body_s:g} seconds.") from None
        try:
            body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RefusedError(400, f"The body is not UTF-8 (at byte {error.start}).") from None
        if (deep := nesting(body)) > self._limits.depth:
            raise RefusedError(400, f"The JSON is nested {deep} deep, and {self._limits.depth} are allowed.")
        return body


def nesting(body: bytes) -> int:
    """Return how deep the brackets of a JSON text are nested, those in strings left out.

    Examples
    --------
    >>> nesting(b'{"a": [1, "[[["]}')
    2
    """
    deep = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", body)):
        deep += 1 if bracket in b"[{" else -1
        deepest = max(deepest, deep)
    return deepest


async def _whole(receive: Receive, *, most: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "The client left before the body had arrived.")
        body += message.get("body", b"")
        if len(body) > most:
            raise RefusedError(413, f"The body has more than the {most} bytes that are allowed; send less at once.")
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Hand the body on, and after it whatever else arrives, such as the news that the client left."""
    is_given = False

    async def replay() -> MutableMapping[str, Any]:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _answer(send: Send, refused: RefusedError) -> None:
    content = json.dumps({"detail": refused.detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if refused.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if refused.status in (408, 413, 415):
        # what is left of the body is not read
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
