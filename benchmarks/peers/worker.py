"""One way of doing a job, as a process of its own: it loads what it needs, says so, and runs when it is told to.

The parent writes a JSON line for each run and reads one back. Nothing here needs more than NumPy, since a peer's
environment does not hold Tiltmeter; the scripts beside this file import it by its plain name.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_STATUS = Path("/proc/self/status")


class Job(NamedTuple):
    """What every way is asked for: the last token's residual stream after some blocks, for all texts.

    ``stop`` asks a peer to run the model no further than needed, in the way that it documents.
    """

    model: str
    texts: list[str]
    layers: list[int]
    n_layers: int
    batch: int
    stop: bool


Run = Callable[[], NDArray[Any]]


def serve(prepare: Callable[[Any], Run], *, job: Callable[..., Any] = Job) -> None:
    """Load, answer ``ready``, then time one run for each line that comes in; ends when the parent closes the pipe.

    ``prepare`` loads what the job names and returns the run that is timed; when collecting, from strings to an array of
    shape (layers, n, d). ``job`` makes what it is given from the record that the parent wrote.
    """
    # libraries print what they like; the answers go out on a copy of standard output, and their prints to the log
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    run = prepare(job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
    # so that the peak is that of the work, not of loading; without it the peak counts loading too
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    loaded = memory_mb("VmRSS")
    _answer(answers, {"ready": True})
    for line in sys.stdin:
        save = json.loads(line)["save"]
        start, used = time.perf_counter(), time.process_time()
        result = run()
        taken = {"seconds": time.perf_counter() - start, "processor": time.process_time() - used}
        memory = {"loaded_mb": loaded, "peak_mb": memory_mb("VmHWM")}
        if save is not None:
            np.save(save, result)
        _answer(answers, taken | memory)


def _answer(answers: object, message: dict[str, object]) -> None:
    print(json.dumps(message), file=answers, flush=True)


def memory_mb(name: str) -> float:
    """Resident memory in MB, now (``VmRSS``) or at its peak (``VmHWM``); NaN where the system does not say."""
    if not _STATUS.exists():
        return float("nan")
    lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii").splitlines() if ":" in line)
    return int(lines[name].split()[0]) / 1024
