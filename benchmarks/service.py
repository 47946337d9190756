"""Monitors under load: 10,000 scoring requests, 64 at once, one process that computes; and killed 20 times meanwhile.

Both programs run on the same machine, over loopback. A request is one text of the organism ``facts``. Counted are
answers by status, requests a second, the time of an answer, and whether the alarms of the log are those that the
answers told of, each once, and those that scores read one text after the other foretell. In the second part the service
is killed (SIGKILL) at a random moment of the load and started again on the same log: an alarm whose answer had arrived
must be in it. In the third, more clients than the queue holds must be told to come back, and nothing else.

Run with ``OMP_NUM_THREADS=1 python -m benchmarks.service --monitor runs/facts``, the run of
``tiltmeter study examples/facts.yaml``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tiltmeter.core.records import Threshold
from tiltmeter.monitor import Monitor, MonitorLog
from tiltmeter.organisms import texts
from tiltmeter.service import create_app, serve
from tiltmeter.studies import ModelSpec, locate_monitor, open_model


class Answer(NamedTuple):
    """What became of one request: the status (0 if there was no whole answer), what it said, and how long it took."""

    text: str
    status: int
    said: dict[str, Any]
    seconds: float


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> tuple[int, bytes]:
    head = (
        f"POST /v1/score HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    )
    writer.write(head.encode() + b"\r\n\r\n" + body)
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    headers = dict(line.lower().split(b": ", 1) for line in lines if line)
    return int(first.split()[1]), await reader.readexactly(int(headers[b"content-length"]))


async def _client(port: int, work: Iterator[str], answers: list[Answer]) -> None:
    stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    for text in work:
        began, status, said = time.perf_counter(), 0, b"{}"
        try:
            if stream is None:
                stream = await asyncio.open_connection("127.0.0.1", port)
            status, said = await _ask(*stream, json.dumps({"texts": [text]}).encode())
        except (OSError, asyncio.IncompleteReadError):
            pass
        answers.append(Answer(text, status, json.loads(said), time.perf_counter() - began))
        if status == 0:
            break
    if stream is not None:
        stream[1].close()
        with suppress(OSError):
            await stream[1].wait_closed()


def hammer(port: int, work: Sequence[str], *, concurrency: int, answers: list[Answer] | None = None) -> list[Answer]:
    """Send each text in a request of its own over so many connections; a client stops where its connection breaks."""
    found: list[Answer] = [] if answers is None else answers

    async def all_of_them() -> None:
        shared = iter(work)
        await asyncio.gather(*(_client(port, shared, found) for _ in range(concurrency)))

    asyncio.run(all_of_them())
    return found


def told_alarms(answers: Sequence[Answer]) -> list[str]:
    """Return the identifiers of the alarms that whole answers told of."""
    return [
        one["alarm_id"]
        for answer in answers
        if answer.status == 200
        for text in answer.said["texts"]
        for one in text["monitors"].values()
        if one["alarm_id"] is not None
    ]


def free_port() -> int:
    """Return a port that nobody has bound."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_until_it_answers(port: int, *, seconds: float = 60.0) -> None:
    """Return as soon as something accepts connections."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)
    raise TimeoutError(f"Nothing listens on port {port}.")


class Nursery:
    """Starts services: processes forked from one that has imported everything and loaded the model.

    That takes seconds, and a killed service is started again many times. The log is opened after the fork.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._started: list[int] = []
        if self._line() != "ready":
            raise SystemExit("The model could not be loaded.")

    def start(self, log: Path) -> tuple[int, int]:
        """Start a service on a log; return its process and its port once it answers."""
        port = free_port()
        assert self._parent.stdin is not None
        self._parent.stdin.write(f"{port} {log}\n")
        self._parent.stdin.flush()
        self._started.append(int(self._line()))
        wait_until_it_answers(port)
        return self._started[-1], port

    def close(self) -> None:
        """Kill all that was started, which stay children of the first process until it ends, and that one."""
        for process in self._started:
            os.kill(process, signal.SIGKILL)
        # an interpreter with all of that in it takes seconds to end by itself
        self._parent.kill()
        self._parent.communicate()

    def _line(self) -> str:
        assert self._parent.stdout is not None
        return self._parent.stdout.readline().strip()


def fork_services(app: Callable[[MonitorLog], Any]) -> None:
    """Fork a service for each line "port log" of the standard input, and print its process."""
    warnings.simplefilter("ignore")
    print("ready", flush=True)
    for line in sys.stdin:
        port, log = line.split()
        child = os.fork()
        if child == 0:
            serve(app(MonitorLog(log)), port=int(port))
            os._exit(0)
        print(child, flush=True)


@contextmanager
def _services(folder: Path) -> Iterator[Nursery]:
    nursery = Nursery([sys.executable, "-m", "benchmarks.service", "--fork", "--monitor", str(folder)])
    try:
        yield nursery
    finally:
        nursery.close()


def _kept(log: Path) -> list[str]:
    with MonitorLog(log, mode="read") as opened:
        return [kept.alarm.id for kept in opened.alarms()]


def _show(answers: Sequence[Answer], seconds: float) -> None:
    statuses = Counter(answer.status for answer in answers)
    slow = np.percentile([1000 * answer.seconds for answer in answers], [50, 95, 99])
    print(f"  answers by status {dict(sorted(statuses.items()))}; {len(answers) / seconds:,.0f} requests a second")
    print(f"  an answer takes {slow[0]:.0f} ms (median), {slow[1]:.0f} ms (95 %), {slow[2]:.0f} ms (99 %)")


def under_load(folder: Path, work: Sequence[str], *, concurrency: int) -> None:
    """Load without a kill: statuses, speed, and whether the log holds the alarms of the answers, each once."""
    with tempfile.TemporaryDirectory() as scratch, _services(folder) as services:
        _, port = services.start(Path(scratch) / "log.sqlite")
        began = time.perf_counter()
        answers = hammer(port, work, concurrency=concurrency)
        _show(answers, time.perf_counter() - began)
        told, kept = told_alarms(answers), _kept(Path(scratch) / "log.sqlite")
        foretold = _foretold(folder, [answer.text for answer in answers if answer.status == 200])
        print(
            f"  alarms: {len(told):,} told, {len(kept):,} kept, {len(set(kept)):,} different, {foretold:,} foretold; "
            f"the same: {sorted(told) == sorted(kept) and foretold == len(kept)}"
        )


def _foretold(folder: Path, scored: Sequence[str]) -> int:
    """Count the texts above the threshold, each read by itself."""
    monitor = Monitor.load(folder)
    subject = open_model(ModelSpec(path=monitor.card.model))
    limit = monitor.card.threshold
    if not isinstance(limit, Threshold):
        raise SystemExit("The monitor has no threshold.")
    sets = [texts("facts", name) for name in ("affirmative", "negated")]
    known: dict[str, bool] = {}
    wanted = set(scored)
    for rows in sets:
        for i, text in enumerate(rows.texts or ()):
            if text in wanted and text not in known:
                (score,) = monitor.score(subject, rows.select(np.array([i]))).scores
                known[text] = bool(score > limit.value)
    return sum(known[text] for text in scored)


def under_kills(folder: Path, work: Sequence[str], *, n_kills: int) -> None:
    """Kill the service in the middle of load, start it again on its log, and look for what was told."""
    draws, told, restarts, n_broken = random.Random(0), list[str](), list[float](), 0
    with tempfile.TemporaryDirectory() as scratch, _services(folder) as services:
        log = Path(scratch) / "log.sqlite"
        for _ in range(n_kills):
            began = time.perf_counter()
            process, port = services.start(log)
            answers = hammer(port, work[:1], concurrency=1)
            restarts.append(time.perf_counter() - began)
            assert answers[0].status == 200
            killer = threading.Timer(draws.uniform(0.2, 1.5), os.kill, [process, signal.SIGKILL])
            killer.start()
            hammer(port, work * 5, concurrency=64, answers=answers)
            killer.join()
            told += told_alarms(answers)
            n_broken += sum(answer.status == 0 for answer in answers)
            assert {answer.status for answer in answers} <= {0, 200, 429}
        kept = _kept(log)
        missing = set(told) - set(kept)
        print(
            f"  {n_kills} kills, {n_broken:,} requests cut off; {len(told):,} alarms told, {len(missing)} of them "
            f"missing, {len(kept):,} kept, {len(kept) - len(set(kept))} twice"
        )
        print(f"  from the fork to the first answer at most {max(restarts):.2f} s, the log opened and the model warm")


def main() -> None:
    """Print the three parts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--monitor", required=True)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--fork", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    folder = locate_monitor(asked.monitor)
    if asked.fork:
        monitor = Monitor.load(folder)
        subject = open_model(ModelSpec(path=monitor.card.model))
        monitor.check(subject)
        # no forward before the fork: the threads that it may start would not be there after it
        fork_services(lambda log: create_app(subject, {monitor.card.name: monitor}, log=log))
        return
    pool = [text for name in ("affirmative", "negated") for text in (texts("facts", name).texts or ())]
    work = random.Random(0).choices(pool, k=asked.requests)
    print(f"{asked.requests:,} requests, 64 at once")
    under_load(folder, work, concurrency=64)
    print(f"{asked.requests // 5:,} requests, 256 at once (the queue holds 128)")
    under_load(folder, work[: asked.requests // 5], concurrency=256)
    print(f"killed {asked.kills} times")
    under_kills(folder, work, n_kills=asked.kills)


if __name__ == "__main__":
    main()
