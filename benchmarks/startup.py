"""What it costs to start: ``import tiltmeter`` and ``tiltmeter --help`` against bare Python.

Each is a process of its own; they take turns, and the smallest of the repeats counts, since what else the machine does
can only add to it. Wall time and processor time are both shown: where the machine is shared, the second says more.

Run with ``python -m benchmarks.startup``.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from typing import NamedTuple

STARTS = {
    "bare Python": ["-c", "pass"],
    "import tiltmeter": ["-c", "import tiltmeter"],
    "from tiltmeter import probes": ["-c", "from tiltmeter import probes"],
    "tiltmeter --help": ["-m", "tiltmeter", "--help"],
    "tiltmeter study --help": ["-m", "tiltmeter", "study", "--help"],
    "probes.Ridge (NumPy, scikit-learn)": ["-c", "from tiltmeter.probes import Ridge"],
    "models.load (PyTorch, transformers)": ["-c", "from tiltmeter.models import load"],
}


class Cost(NamedTuple):
    """Seconds of one start."""

    wall: float
    processor: float


def start(arguments: list[str]) -> Cost:
    used, began = _used(), time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return Cost(time.perf_counter() - began, _used() - used)


def _used() -> float:
    so_far = resource.getrusage(resource.RUSAGE_CHILDREN)
    return so_far.ru_utime + so_far.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    found: dict[str, list[Cost]] = {name: [] for name in STARTS}
    for _ in range(repeats):
        for name, arguments in STARTS.items():
            found[name].append(start(arguments))
    least = {
        name: Cost(min(cost.wall for cost in costs), min(cost.processor for cost in costs))
        for name, costs in found.items()
    }
    bare = least["bare Python"]
    print("| start | seconds | to bare Python | processor seconds | to bare Python |\n| --- | --- | --- | --- | --- |")
    for name, cost in least.items():
        print(
            f"| {name} | {cost.wall:.3f} | {cost.wall / bare.wall:.1f} × | {cost.processor:.3f} | "
            f"{cost.processor / bare.processor:.1f} × |"
        )


if __name__ == "__main__":
    main()
