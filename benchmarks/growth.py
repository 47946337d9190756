"""How time and memory grow with the number of texts: 1,000, 10,000 and 100,000 short ones on a tiny model.

Two jobs: every site into a store on disk, and every site into moments, by label. Each run is a process of its own,
which makes the model and the texts and then makes the one call that is timed; its memory is the most that was resident
until the end, everything counted: the interpreter, the libraries (the most of it), the texts, which are all in memory.
Time per text is shown twice: as it is, and without the fixed start, which is what the same call takes for 16 texts (the
model's fingerprint, the first forward, the first files). Sizes take turns; what is shown are medians.

Run with ``python -m benchmarks.growth``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from benchmarks.peers.worker import memory_mb
from tiltmeter.activations import collect, collect_moments
from tiltmeter.data import TextSet
from tiltmeter.models import SubjectModel, bind

Into = Literal["store", "moments"]
SIZES = (1_000, 10_000, 100_000)
START = 16
N_WORDS = 500


class Taken(NamedTuple):
    clock: float
    processor: float
    peak: float


def make_subject() -> SubjectModel:
    vocabulary = {"<unk>": 0, "<pad>": 1} | {f"w{i}": i + 2 for i in range(N_WORDS)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
    )
    return bind(LlamaForCausalLM(config).eval(), tokenizer, name="random")


def make_texts(n: int) -> TextSet:
    """Texts of 3 to 15 words; those of a smaller set are the first of a larger one."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 16, SIZES[-1])[:n]
    words = np.array([f"w{i}" for i in range(N_WORDS)])
    texts = tuple(" ".join(words[rng.integers(0, N_WORDS, length)]) for length in lengths)
    return TextSet(np.array([str(i) for i in range(n)]), texts=texts, y=np.arange(n) % 2)


def run_one(into: Into, n: int) -> Taken:
    """In a process of its own: one collection."""
    subject, texts = make_subject(), make_texts(n)
    with tempfile.TemporaryDirectory() as folder:
        start, used = time.perf_counter(), time.process_time()
        if into == "store":
            collect(subject, texts, store=Path(folder) / "store")
        else:
            collect_moments(subject, texts)
        clock, processor = time.perf_counter() - start, time.process_time() - used
    return Taken(clock, processor, memory_mb("VmHWM"))


def measure(into: Into, *, repeats: int) -> dict[int, Taken]:
    """Medians by size, each run in a process of its own, with one thread: a tiny model has no work for two."""
    runs: dict[int, list[Taken]] = {n: [] for n in (START, *SIZES)}
    for _ in range(repeats):
        for n, taken in runs.items():
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.growth", "--one", into, str(n)],
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            taken.append(Taken(**json.loads(done.stdout)))
    return {n: Taken(*map(statistics.median, zip(*taken, strict=True))) for n, taken in runs.items()}


def show(into: Into, taken: dict[int, Taken]) -> None:
    start, first = taken[START], taken[SIZES[0]]
    print(
        f"## Into {into}\n\n"
        f"fixed start: {start.clock:.2f} s, {start.processor:.2f} s of processor time, {start.peak:.0f} MB\n\n"
        "| texts | seconds | µs a text | to the first | without the start | to the first "
        "| processor µs a text without the start | to the first | at most, MB | to the first |\n" + "| --- " * 10 + "|"
    )

    def a_text(n: int, field: str, *, less_start: bool) -> float:
        whole = getattr(taken[n], field)
        return 1e6 * ((whole - getattr(start, field)) / (n - START) if less_start else whole / n)

    for n in SIZES:
        cells = [f"{n:,}", f"{taken[n].clock:.2f}"]
        for field, less_start in (("clock", False), ("clock", True), ("processor", True)):
            here = a_text(n, field, less_start=less_start)
            cells += [f"{here:.1f}", f"{here / a_text(SIZES[0], field, less_start=less_start):.2f} ×"]
        cells += [f"{taken[n].peak:.0f}", f"{taken[n].peak / first.peak:.2f} ×"]
        print(f"| {' | '.join(cells)} |")
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--one", nargs=2, metavar=("INTO", "N"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        into, n = options.one
        print(json.dumps(run_one(into, int(n))._asdict()))
        return
    for into in get_args(Into):
        show(into, measure(into, repeats=options.repeats))


if __name__ == "__main__":
    main()
