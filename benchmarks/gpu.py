"""On a GPU: collecting activations against the bare forward and the loop by hand, and what a batch there may hold.

One process, one model (Llama layout, random weights), the same texts, every block's last token. The bare forward, the
limit, runs Tiltmeter's own batches with tokens made beforehand and keeps nothing; the loop by hand is
``output_hidden_states`` of 64 texts in file order. Ways take turns, and the clock is read when the device has finished.
Before anything is timed, single precision on the device is compared with the processor. Then what a forward costs
however small, in tokens, and batches of other sizes; steered generation against bare; and the two sweeps of probes that
take a device, against the processor.

Run with ``python -m benchmarks.gpu`` where there is a CUDA device.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GenerationConfig

from benchmarks import ccs as ccs_rows
from benchmarks.collect import make_texts, write_model
from benchmarks.logistic_sweep import STRENGTHS, make_folds, make_rows
from tiltmeter.activations import collect, plan_batches
from tiltmeter.data import TextSet
from tiltmeter.interventions import Steer
from tiltmeter.models import SubjectModel, edited, encode, load
from tiltmeter.probes import ccs_sweep, logistic_sweep

N_LAYERS, D_MODEL, BATCH = 12, 768, 64
BUDGETS = (4096, 16384, 65536, 262144)
LAYERS = tuple(f"{layer}.resid_post" for layer in range(N_LAYERS))


def timed(job: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    start = time.perf_counter()
    job()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def take_turns(ways: Mapping[str, Callable[[], object]], *, repeats: int) -> dict[str, float]:
    """Median seconds of each way, after each has run once."""
    for way in ways.values():
        way()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats):
        for name in list(ways)[:: 1 if repeat % 2 == 0 else -1]:
            taken[name].append(timed(ways[name]))
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def rows(subject: SubjectModel, texts: TextSet, **options: int) -> NDArray[np.float32]:
    collected = collect(subject, texts, sites=list(LAYERS), pooling="last", **options)
    return np.stack([collected[site].X for site in LAYERS])


def bare(subject: SubjectModel, texts: TextSet, *, token_budget: int) -> Callable[[], None]:
    """The model on Tiltmeter's batches, tokens on the device beforehand."""
    encoded, batches = encode(subject, texts), []
    for batch in plan_batches(encoded.lengths, token_budget=token_budget):
        mask = np.arange(encoded.lengths[batch].max()) < encoded.lengths[batch][:, None]
        tokens = np.zeros(mask.shape, np.int64)
        tokens[mask] = np.concatenate([encoded.row(i)[0] for i in batch])
        batches.append((torch.from_numpy(tokens).cuda(), torch.from_numpy(mask).long().cuda()))

    @torch.inference_mode()
    def run() -> None:
        for tokens, mask in batches:
            subject.model.model(input_ids=tokens, attention_mask=mask, use_cache=False)

    return run


def by_hand(subject: SubjectModel, texts: TextSet) -> NDArray[np.float32]:
    """All hidden states of texts in file order, of which the last token is kept."""
    kept, words = [], list(texts.texts or ())
    subject.tokenizer.padding_side = "right"
    for start in range(0, len(words), BATCH):
        found = subject.tokenizer(words[start : start + BATCH], return_tensors="pt", padding=True)
        ids, mask = found["input_ids"].cuda(), found["attention_mask"].cuda()
        with torch.no_grad():
            states = subject.model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        last = mask.sum(1) - 1
        kept.append(torch.stack([one[torch.arange(len(last)), last] for one in states[1:-1]]).cpu())
    return torch.cat(kept, dim=1).float().numpy()


def collecting(folder: Path, *, n: int, repeats: int) -> None:
    words, lengths = make_texts(n)
    texts = TextSet(np.arange(n).astype(str), texts=tuple(words))
    few = texts.select(np.arange(64))
    expected = rows(load(folder), few)
    print(
        "| precision | way | seconds | tokens/s | to Tiltmeter's | at most on the device, GB |\n" + "| --- " * 6 + "|"
    )
    for dtype in ("float32", "bfloat16"):
        subject = load(folder, device="cuda", dtype=dtype)
        if dtype == "float32":
            scale = np.abs(expected).max(axis=(1, 2))
            difference = float((np.abs(rows(subject, few) - expected).max(axis=(1, 2)) / scale).max())
        ways: dict[str, Callable[[], object]] = {
            "tiltmeter": lambda subject=subject: rows(subject, texts),
            "bare forward (the limit)": bare(subject, texts, token_budget=65536),
            "by hand": lambda subject=subject: by_hand(subject, texts),
        } | {
            f"tiltmeter, {budget} tokens a batch": lambda subject=subject, budget=budget: rows(
                subject, texts, token_budget=budget
            )
            for budget in BUDGETS
        }
        taken = take_turns(ways, repeats=repeats)
        for name, seconds in taken.items():
            torch.cuda.reset_peak_memory_stats()
            ways[name]()
            print(
                f"| {dtype} | {name} | {seconds:.3f} | {lengths.sum() / seconds:,.0f} "
                f"| {seconds / taken['tiltmeter']:.2f} × | {torch.cuda.max_memory_allocated() / 1e9:.2f} |",
                flush=True,
            )
        fixed(subject, dtype)
        generating(subject, dtype, repeats=repeats)
    print(f"\nlargest difference from the processor, single precision: {difference:.1e} of the largest of a block")


def fixed(subject: SubjectModel, dtype: str) -> None:
    """What a forward costs however small: from the fastest of batches of 1 and of 512 texts of 64 tokens."""

    @torch.inference_mode()
    def once(tokens: torch.Tensor) -> None:
        subject.model.model(input_ids=tokens, use_cache=False)

    seconds = {}
    for n in (1, 512):
        tokens = torch.randint(2, 2000, (n, 64), device="cuda")
        once(tokens)
        seconds[n] = min(timed(lambda tokens=tokens: once(tokens)) for _ in range(10))
    each = (seconds[512] - seconds[1]) / (511 * 64)
    print(f"\n{dtype}: a forward of 64 tokens takes {1e3 * seconds[1]:.2f} ms, as {seconds[1] / each:,.0f} tokens do\n")


def generating(subject: SubjectModel, dtype: str, *, repeats: int) -> None:
    tokens = torch.randint(2, 2000, (8, 16), device="cuda")
    rules = GenerationConfig(max_new_tokens=64, min_new_tokens=64, do_sample=False, pad_token_id=1)
    vector = np.random.default_rng(0).normal(size=D_MODEL)
    edits = {
        "bare": [],
        "bare again": [],
        "one block steered": [Steer(vector, 2.0, site=LAYERS[N_LAYERS // 2])],
        "all blocks steered": [Steer(vector, 0.5, site=site) for site in LAYERS],
    }

    def run(steers: list[Steer]) -> None:
        with torch.inference_mode(), edited(subject, steers):
            subject.model.generate(tokens, attention_mask=torch.ones_like(tokens), generation_config=rules)

    taken = take_turns({name: lambda steers=steers: run(steers) for name, steers in edits.items()}, repeats=repeats)
    for name, seconds in taken.items():
        print(f"{dtype}, 8 x 64 new tokens, {name}: {seconds:.3f} s, {seconds / taken['bare']:.3f} x bare", flush=True)
    print()


def probes(*, repeats: int) -> None:
    X, y = make_rows(4000, D_MODEL, seed=0)
    sites, folds = {f"{k}.resid_post": X for k in range(4)}, make_folds(y)
    made = {f"{k}.resid_post": ccs_rows.make_site(500, 384, strength=1.0, seed=k)[0] for k in range(4)}
    pairs, sides = np.repeat(np.arange(500), 2), np.tile([0, 1], 500)
    sweeps: dict[str, Callable[[str], object]] = {
        "logistic_sweep, 4 sites of 4,000 x 768, 50 problems each": lambda device: logistic_sweep(
            sites, y, C=STRENGTHS, train=folds, device=device
        ),
        "ccs_sweep, 4 sites of 1,000 x 384, 10 starts each": lambda device: ccs_sweep(
            made, pairs=pairs, sides=sides, device=device
        ),
    }
    for name, sweep in sweeps.items():
        ways = {device: lambda device=device, sweep=sweep: sweep(device) for device in ("cuda", "cpu")}
        taken = take_turns(ways, repeats=repeats)
        print(
            f"{name}: {taken['cuda']:.2f} s on the device, {taken['cpu']:.2f} s on {torch.get_num_threads()} threads "
            f"of the processor, {taken['cpu'] / taken['cuda']:.1f} x",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--texts", type=int, default=4096)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("There is no CUDA device here.")
    print(f"{torch.cuda.get_device_name()}; {N_LAYERS} blocks of d = {D_MODEL}, {options.texts} texts\n", flush=True)
    with tempfile.TemporaryDirectory() as name:
        write_model(Path(name), n_layers=N_LAYERS, d_model=D_MODEL)
        collecting(Path(name), n=options.texts, repeats=options.repeats)
    probes(repeats=max(1, options.repeats // 2))


if __name__ == "__main__":
    main()
