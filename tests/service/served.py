"""A tiny model with a chat template, monitors of it by hand, and the service in this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from starlette.testclient import TestClient

from tiltmeter.core.activations import Pooling
from tiltmeter.core.direction import Direction
from tiltmeter.core.records import Threshold, Unavailable
from tiltmeter.core.site import Site
from tiltmeter.models import SubjectModel
from tiltmeter.monitor import Card, Monitor, MonitorLog, Reading
from tiltmeter.service import Limits, create_app
from tiltmeter.service._serve import bind, server_of

OWN = "http://127.0.0.1"


def limit(value: float) -> Threshold:
    return Threshold(
        value=value, fpr=0.01, confidence=0.95, n=299, n_rows=299, unit="row", allowed=0, population="made up"
    )


def made_monitor(
    subject: SubjectModel,
    *,
    seed: int = 0,
    site: str = "1.resid_post",
    pooling: Pooling = "last",
    threshold: float | None = 0.0,
    running: float | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Monitor:
    """Make a monitor with a random direction; ``changes`` are of its reading."""
    reading = Reading(
        site=site, pooling=pooling, span="all", long_texts="refuse", dtype="float32", chat_template_sha256=None
    ).model_copy(update=changes or {})
    card = Card(
        name="made up",
        model="tiny",
        revision=None,
        model_fingerprint=subject.fingerprint.model_dump(mode="json"),
        reading=reading,
        meaning="nothing",
        threshold=Unavailable(reason="not certified") if threshold is None else limit(threshold),
        running=None if running is None else limit(running),
        data={},
    )
    vector = np.random.default_rng(seed).normal(size=subject.width(Site.parse(site)))
    direction = Direction(
        vector / np.linalg.norm(vector), offset=0.1, site=Site.parse(site), sign=-1 if seed % 2 else 1, method="x"
    )
    return Monitor(direction, card)


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
