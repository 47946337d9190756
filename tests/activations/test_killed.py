"""Killed with SIGKILL and resumed, a store equals an uninterrupted one byte for byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL, which Windows lacks")
def test_killed_at_40_random_moments_and_at_every_write_it_equals_an_uninterrupted_run(tmp_path):
    path = os.pathsep.join([str(TESTS), str(TESTS / "activations")])
    done = subprocess.run(
        [sys.executable, str(TESTS / "activations" / "killed.py"), str(tmp_path), "40"],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads(done.stdout)
    assert len(report["timed"]) == 40
    assert all(is_equal for _, is_equal in report["timed"])
    # with none, some or nearly all of the files there
    left = [n for n, _ in report["timed"]]
    assert sum(1 < n < report["n_files"] for n in left) > 10
    # making, flushing and renaming of the plan, of each shard, and of the manifest for each of them
    assert len(report["at_write"]) > 3 * 2 * (report["n_files_short"] - 2)
    assert all(report["at_write"])
