"""The process: bound safely, patient with nobody, and ended in order."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from tiltmeter.core.errors import SpecError
from tiltmeter.service._auth import check_binding
from tiltmeter.service._limits import Limits


def serve(
    app: FastAPI,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    limits: Limits | None = None,
    on_bound: Callable[[str], None] | None = None,
) -> None:
    """Serve an application until SIGTERM or SIGINT: then no request is taken, and those that were are answered.

    Parameters
    ----------
    app
        What :func:`create_app` made.
    host, port
        Where; port 0 for any that is free.
    token
        The one that the application was made with.
    limits
        Those that the application was made with.
    on_bound
        Called with the address once it is bound.

    Raises
    ------
    SpecError
        If there is no token and the host can be reached from elsewhere, or the address cannot be bound.

    Examples
    --------
    >>> serve(None, host="0.0.0.0")
    Traceback (most recent call last):
    tiltmeter.core.errors.SpecError: Without a token the service binds loopback only, and 0.0.0.0 can be reached from \
elsewhere; give a token, or bind 127.0.0.1.
    """
    check_binding(host, token=token)
    bounds = limits or Limits()
    bound = bind(host, port)
    if on_bound is not None:
        shown = f"[{host}]" if ":" in host else host
        on_bound(f"http://{shown}:{bound.getsockname()[1]}")
    server_of(app, limits=bounds).run(sockets=[bound])


def server_of(app: FastAPI, *, limits: Limits) -> uvicorn.Server:
    """Return the server of an application, with its limits; it runs on a socket that is bound."""
    config = uvicorn.Config(
        app,
        http=_patient(limits),
        ws="none",
        loop="asyncio",
        lifespan="on",
        # whoever claims to come from elsewhere is not believed
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=5,
        # what waits is given up after answer_s anyway, and an answer takes write_s at most
        timeout_graceful_shutdown=int(limits.answer_s + limits.write_s) + 1,
    )
    return uvicorn.Server(config)


def bind(host: str, port: int) -> socket.socket:
    """Bind an address, also one that a service held until a moment ago; SpecError if it cannot be."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SpecError(f"The address {host}:{port} cannot be bound ({error}).") from error
    try:
        # a service that was killed a moment ago must be able to return
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise SpecError(f"The address {host}:{port} cannot be bound ({error}); name another port.") from error
    return bound


def _patient(limits: Limits) -> type[H11Protocol]:
    """Return uvicorn's protocol with limits of its own: it would wait for the head of a request for ever."""

    class Patient(H11Protocol):
        _head: asyncio.TimerHandle | None = None
        _write: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                transport.abort()
                return
            self._watch_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch_head()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch_head()

        def connection_lost(self, exc: Exception | None) -> None:
            for timer in (self._head, self._write):
                if timer is not None:
                    timer.cancel()
            super().connection_lost(exc)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._write = self.loop.call_later(limits.write_s, self.transport.abort)

        def resume_writing(self) -> None:
            if self._write is not None:
                self._write.cancel()
            super().resume_writing()

        def timeout_keep_alive_handler(self) -> None:
            super().timeout_keep_alive_handler()
            # closing waits for what was written to be taken, however long
            self._write = self.loop.call_later(limits.write_s, self.transport.abort)

        def _watch_head(self) -> None:
            """Run the clock while a head is awaited that has begun to come, or that nothing came before."""
            is_idle = self.cycle is None or self.cycle.response_complete
            # between two requests the keep-alive time runs instead
            is_awaited = is_idle and self.timeout_keep_alive_task is None and self.conn.their_state is h11.IDLE
            if is_awaited and self._head is None and not self.transport.is_closing():
                self._head = self.loop.call_later(limits.head_s, self.transport.abort)
            elif not is_awaited and self._head is not None:
                self._head.cancel()
                self._head = None

    return Patient
