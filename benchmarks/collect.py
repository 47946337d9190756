"""Collecting activations: Tiltmeter against the loop that everybody writes, its peers, and the bare forward.

One run, one model (Llama layout, random weights, float32), the same texts. Each way is a process of its own, in its own
environment, with the same number of threads; they take turns, and what is compared is ratios of medians. Every way
tokenizes the texts itself, but for the bare forward, which is the limit: Tiltmeter's batches to the same depth, tokens
made beforehand, nothing kept. The others take batches of 16 in file order, since none of them plans its batches.

Run with ``python -m benchmarks.collect``; ``--quick`` for a smaller model and fewer texts. The peers need
``python -m benchmarks.peers.install`` once.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from benchmarks.peers.install import python_of
from benchmarks.peers.worker import Job
from tiltmeter.activations import plan_batches

HERE = Path(__file__).parent
N_WORDS = 2000
BATCH = 16
# of the largest value of a block; float32 rounds differently in batches of other shapes
TOLERANCE = 1e-5


class Way(NamedTuple):
    """A script, the peer whose environment runs it (None: Tiltmeter's own), and whether it is told to stop early."""

    label: str
    script: str
    peer: str | None = None
    stop: bool = False


OURS, BARE = Way("tiltmeter", "tiltmeter_way.py"), Way("bare forward (the limit)", "bare_way.py")
WAYS = (
    OURS,
    BARE,
    Way("by hand", "hand_way.py"),
    Way("nnsight", "nnsight_way.py", "nnsight"),
    Way("nnsight, stopped early", "nnsight_way.py", "nnsight", stop=True),
    Way("TransformerLens", "transformer_lens_way.py", "transformer-lens"),
    Way("TransformerLens, stopped early", "transformer_lens_way.py", "transformer-lens", stop=True),
)


class Taken(NamedTuple):
    """What the timed runs of one way took: medians of seconds, and memory in MB before the first and at most."""

    clock: float
    processor: float
    loaded: float
    peak: float
    spread: float


def write_model(folder: Path, *, n_layers: int, d_model: int) -> None:
    """Random Llama weights and a tokenizer of one token a word."""
    vocabulary = {"<unk>": 0, "<pad>": 1} | {f"w{i}": i + 2 for i in range(N_WORDS)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=d_model,
        intermediate_size=4 * d_model,
        num_hidden_layers=n_layers,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=512,
        pad_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_texts(n: int) -> tuple[list[str], NDArray[np.int64]]:
    """Texts and their tokens: log-normal, median about 37, longest about 250."""
    rng = np.random.default_rng(0)
    lengths = np.clip(np.exp(rng.normal(np.log(37), 0.62, n)), 4, 250).astype(np.int64)
    return [" ".join(f"w{i}" for i in rng.integers(0, N_WORDS, length)) for length in lengths], lengths


class Process:
    """A way that has loaded its model and waits."""

    def __init__(self, way: Way, pipe: subprocess.Popen[str], log: Path) -> None:
        self.way, self._pipe, self._log = way, pipe, log

    def run(self, *, save: Path | None = None) -> dict[str, float]:
        """One run; what it took, with the result written to ``save``."""
        assert self._pipe.stdin is not None
        print(json.dumps({"save": None if save is None else str(save)}), file=self._pipe.stdin, flush=True)
        return self.answer()

    def answer(self) -> dict[str, float]:
        assert self._pipe.stdout is not None
        line = self._pipe.stdout.readline()
        if not line:
            end = "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
            raise SystemExit(f"{self.way.label} ended before it answered; the end of its log is:\n{end}")
        answer: dict[str, float] = json.loads(line)
        return answer


@contextmanager
def started(way: Way, job: Job, *, folder: Path, threads: int) -> Iterator[Process]:
    """A process of one way, loaded and ready; its job and its log lie in the folder."""
    python = sys.executable if way.peer is None else python_of(way.peer)
    written, log = folder / f"{way.label}.json", folder / f"{way.label}.log"
    written.write_text(json.dumps(job._replace(stop=way.stop)._asdict()), encoding="utf-8")
    # nothing is fetched, and no two ways differ in their threads
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    environment = os.environ | offline | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    with log.open("w", encoding="utf-8") as log_file:
        pipe = subprocess.Popen(
            [python, HERE / "peers" / way.script, written],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            text=True,
            env=environment,
        )
        try:
            process = Process(way, pipe, log)
            process.answer()
            yield process
        finally:
            pipe.communicate()


def compare(results: Mapping[Way, NDArray[np.float32]]) -> dict[Way, float]:
    """The largest difference from Tiltmeter's numbers, as a share of the largest value of a block; raises if too large.

    A way may lack the last block, as the loop by hand does.
    """
    ours, differences = results[OURS], {}
    for way, theirs in results.items():
        if way in (OURS, BARE):
            continue
        assert theirs.shape[1:] == ours.shape[1:] and len(ours) - len(theirs) in (0, 1), way.label
        scale = np.abs(ours[: len(theirs)]).max(axis=(1, 2))
        differences[way] = float((np.abs(theirs - ours[: len(theirs)]).max(axis=(1, 2)) / scale).max())
        if not differences[way] <= TOLERANCE:
            raise SystemExit(
                f"{way.label} differs by {differences[way]:.1e} of the largest value; {TOLERANCE} is allowed"
            )
    return differences


def take_turns(processes: Sequence[Process], *, repeats: int) -> dict[Way, Taken]:
    """Time each way, forth and back, so that a machine that grows busier slows all of them alike."""
    answers: dict[Way, list[dict[str, float]]] = {process.way: [] for process in processes}
    for repeat in range(repeats):
        for process in processes if repeat % 2 == 0 else processes[::-1]:
            answers[process.way].append(process.run())
    return {way: summed_up(runs) for way, runs in answers.items()}


def summed_up(runs: Sequence[Mapping[str, float]]) -> Taken:
    seconds = [run["seconds"] for run in runs]
    return Taken(
        clock=statistics.median(seconds),
        processor=statistics.median(run["processor"] for run in runs),
        loaded=runs[0]["loaded_mb"],
        peak=runs[-1]["peak_mb"],
        spread=(max(seconds) - min(seconds)) / statistics.median(seconds),
    )


def measure(job: Job, *, folder: Path, options: Any) -> None:  # noqa: ANN401  (argparse's namespace)
    """Run one job in all ways that are installed, compare their numbers, and print the table."""
    present = [way for way in WAYS if way.peer is None or python_of(way.peer).exists()]
    with ExitStack() as stack:
        processes = [stack.enter_context(started(way, job, folder=folder, threads=options.threads)) for way in present]
        results = {}
        for process in processes:
            process.run(save=folder / "result.npy")
            results[process.way] = np.load(folder / "result.npy")
        differences = compare(results)
        taken = take_turns(processes, repeats=options.repeats)
    print(
        "| way | seconds | to Tiltmeter's | processor seconds | to Tiltmeter's | memory loaded, MB | at most, MB "
        "| spread of seconds | largest difference |\n" + "| --- " * 9 + "|"
    )
    for way in WAYS:
        if way not in taken:
            print(f"| {way.label} | not installed: run `python -m benchmarks.peers.install {way.peer}` |" + " |" * 7)
            continue
        one, ours = taken[way], taken[OURS]
        difference = f"{differences[way]:.0e}" if way in differences else ""
        print(
            f"| {way.label} | {one.clock:.2f} | {one.clock / ours.clock:.2f} × | {one.processor:.2f} "
            f"| {one.processor / ours.processor:.2f} × | {one.loaded:.0f} | {one.peak:.0f} | {one.spread:.0%} "
            f"| {difference} |"
        )
    limit, ours = taken[BARE], taken[OURS]
    print(f"\nof the limit: {ours.clock / limit.clock:.2f} × ({ours.processor / limit.processor:.2f} × by processor)\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    n_layers, d_model, n = (4, 96, 128) if options.quick else (12, 384, 512)
    texts, lengths = make_texts(n)
    planned = sum(len(batch) * lengths[batch].max() for batch in plan_batches(lengths, token_budget=2048))
    in_order = sum(len(lengths[i : i + BATCH]) * lengths[i : i + BATCH].max() for i in range(0, n, BATCH))
    print(
        f"{n} texts, median {int(np.median(lengths))} tokens, at most {lengths.max()}; {n_layers} blocks, "
        f"d = {d_model}; {options.threads} threads, {options.repeats} repeats, load {os.getloadavg()[0]:.1f}\n"
        f"tokens computed for each real one: in file order {in_order / lengths.sum():.2f}, "
        f"tiltmeter {planned / lengths.sum():.2f}\n"
    )
    middle = n_layers // 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder / "model", n_layers=n_layers, d_model=d_model)
        for title, layers in {f"block {middle}": [middle], "all blocks": list(range(n_layers))}.items():
            print(f"## Last token of {title}\n", flush=True)
            measure(
                Job(str(folder / "model"), texts, layers, n_layers, BATCH, stop=False), folder=folder, options=options
            )


if __name__ == "__main__":
    main()
