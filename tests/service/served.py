"""Monitors that raise alarms, and the service in this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from tests import made_monitors
from tiltmeter.models import SubjectModel
from tiltmeter.monitor import Monitor, MonitorLog
from tiltmeter.service import Limits, create_app
from tiltmeter.service._serve import bind, server_of

OWN = "http://127.0.0.1"


# an alarm at every text of the tiny model, and with the other sign at none
made_monitor = partial(made_monitors.made_monitor, threshold=0.0, sign=1)


@contextmanager
def serving(
    subject: SubjectModel,
    monitors: Mapping[str, Monitor],
    path: Path,
    *,
    token: str | None = None,
    limits: Limits | None = None,
    keep_texts: bool = False,
) -> Iterator[TestClient]:
    """Serve monitors in this process, without a socket."""
    app = create_app(subject, monitors, log=MonitorLog(path, keep_texts=keep_texts), token=token, limits=limits)
    with TestClient(app, base_url=OWN, raise_server_exceptions=False, client=("127.0.0.1", 50000)) as client:
        yield client


class Gate:
    """Stands before a function: calls wait until it is opened."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.opened, self.reached = threading.Event(), threading.Event()
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls.append(args)
        self.reached.set()
        assert self.opened.wait(30)
        return self.function(*args, **kwargs)


@contextmanager
def listening(
    subject: SubjectModel,
    monitors: Mapping[str, Monitor],
    path: Path,
    *,
    limits: Limits,
    keep_texts: bool = False,
    token: str | None = None,
) -> Iterator[int]:
    """Serve over a socket in a thread of this process."""
    app = create_app(subject, monitors, log=MonitorLog(path, keep_texts=keep_texts), limits=limits, token=token)
    bound = bind("127.0.0.1", 0)
    # what a client does not take must not vanish in the buffers of the system
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    server = server_of(app, limits=limits)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    until = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < until
        time.sleep(0.01)
    try:
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
        bound.close()
