"""Collects into a store in a child process and kills it with SIGKILL, again and again; prints what came of it as JSON.

Run by test_killed.py as ``python killed.py FOLDER N``, so that one import of torch serves all the children.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from stores import contents
from tiny_models import random_texts, tiny_subject

from tiltmeter.activations import _fill, _planned, collect
from tiltmeter.core import files
from tiltmeter.models import encode

SITES = ("0.resid_post", "2.resid_post")


SUBJECT = tiny_subject("llama")
ENCODED = encode(SUBJECT, random_texts(100))


def run(store: Path) -> None:
    """Two calls, the second of which adds texts and a site."""
    collect(SUBJECT, ENCODED.select(np.arange(60)), sites=SITES, store=store, token_budget=200)
    collect(SUBJECT, ENCODED, sites=(*SITES, "1.mlp_out"), store=store, token_budget=200)


def short(store: Path) -> None:
    """One call of few shards."""
    collect(SUBJECT, ENCODED.select(np.arange(35)), sites=SITES, store=store, token_budget=200)


def child(work: Callable[[Path], None], store: Path, *, dies_at: int | None = None) -> int:
    pid = os.fork()
    if pid == 0:
        if dies_at is not None:
            _die_at(dies_at)
        work(store)
        os._exit(0)
    return pid


def timed(folder: Path, n: int, *, duration: float, expected: dict[str, bytes]) -> list[tuple[int, bool]]:
    """Kill n runs at random moments: how many files each left, and whether the end is as expected."""
    rng = np.random.default_rng(0)
    found: list[tuple[int, bool]] = []
    while len(found) < n:
        store = folder / f"killed{len(found)}"
        kills = 0
        for _ in range(1 + len(found) % 3):  # some are killed again while they go on
            pid = child(run, store)
            time.sleep(rng.uniform(0, duration))
            os.kill(pid, signal.SIGKILL)
            kills += os.waitpid(pid, 0)[1] == signal.SIGKILL
        left = len(contents(store)) if store.exists() else 0
        os.waitpid(child(run, store), 0)
        if kills:  # it may have been quicker than expected
            found.append((left, contents(store) == expected))
        shutil.rmtree(store)
    return found


def at_every_write(folder: Path, *, expected: dict[str, bytes]) -> list[bool]:
    """Kill before every single step of every write; whether the end is as expected."""
    found = []
    for step in range(10_000):
        store = folder / f"step{step}"
        died = os.waitpid(child(short, store, dies_at=step), 0)[1] == signal.SIGKILL
        os.waitpid(child(short, store), 0)
        found.append(contents(store) == expected)
        shutil.rmtree(store)
        if not died:
            break
    return found


def main(folder: Path, n: int) -> None:
    torch.set_num_threads(1)
    _planned._LEAST_BYTES = 3000
    _fill._EVERY = 0.0  # name each shard at once, so that there is more to go on with
    SUBJECT.fingerprint  # noqa: B018  (computed once, before there are children)
    start = time.perf_counter()
    os.waitpid(child(run, folder / "reference"), 0)
    duration = time.perf_counter() - start
    os.waitpid(child(short, folder / "short"), 0)
    expected, shorter = contents(folder / "reference"), contents(folder / "short")
    report = {
        "timed": timed(folder, n, duration=duration, expected=expected),
        "at_write": at_every_write(folder, expected=shorter),
        "n_files": len(expected),
        "n_files_short": len(shorter),
    }
    sys.stdout.write(json.dumps(report))


def _die_at(step: int) -> None:
    """Kill this process before the given step: a file being made, flushed or renamed."""
    counted = [0]

    def counting(bare):
        def call(*args, **kwargs):
            if counted[0] == step:
                os.kill(os.getpid(), signal.SIGKILL)
            counted[0] += 1
            return bare(*args, **kwargs)

        return call

    files.tempfile.mkstemp = counting(files.tempfile.mkstemp)
    os.fsync = counting(os.fsync)
    os.replace = counting(os.replace)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
