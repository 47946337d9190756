"""What steering costs while a model generates: HF ``generate`` with a ``Steer`` against the bare call, token by token.

One process, one random model (Llama layout, float32), the same prompts and greedy decoding to the same number of
tokens, one thread. The ways take turns, in an order that turns round each time, and what is compared is the ratio
within each turn: its median, and the interval of that by order statistics. Compared are processor seconds, since other
work may run on the machine; the fastest turns by the clock stand beside. One way is the bare call once more: how far
its ratio is from 1 is what this machine cannot tell apart.

Run with ``python -m benchmarks.steering``; ``--quick`` for fewer turns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tiltmeter.interventions import Steer
from tiltmeter.models import SubjectModel, bind, edited

N_WORDS, N_PROMPT, N_LAYERS, D_MODEL = 2000, 16, 12, 384
SITE = f"{N_LAYERS // 2}.resid_post"


def make_subject() -> SubjectModel:
    """Random weights, twelve blocks of width 384, one token a word."""
    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(N_WORDS)}, unk_token="w0"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=N_WORDS,
        hidden_size=D_MODEL,
        intermediate_size=4 * D_MODEL,
        num_hidden_layers=N_LAYERS,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=512,
    )
    return bind(LlamaForCausalLM(config).eval(), PreTrainedTokenizerFast(tokenizer_object=words), name="random")


def timed(call: Callable[[], None]) -> tuple[float, float]:
    """Seconds of the processor and of the clock."""
    start = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - start[0], time.perf_counter() - start[1]


def median_interval(ratios: NDArray[np.float64]) -> tuple[float, float]:
    """Bound a median at 95 % by order statistics."""
    ordered, n = np.sort(ratios), len(ratios)
    low = max(0, int(stats.binom.ppf(0.025, n, 0.5)) - 1)
    return float(ordered[low]), float(ordered[n - 1 - low])


def measure(subject: SubjectModel, *, batch: int, n_new: int, n_turns: int) -> dict[str, NDArray[np.float64]]:
    """Seconds of each way in each turn, of the processor and of the clock, shape (turns, 2)."""
    tokens = torch.randint(0, N_WORDS, (batch, N_PROMPT), generator=torch.Generator().manual_seed(0))
    rules = GenerationConfig(max_new_tokens=n_new, min_new_tokens=n_new, do_sample=False, pad_token_id=0)
    mask, vector = torch.ones_like(tokens), np.random.default_rng(0).normal(size=D_MODEL)
    steer = Steer(vector, 2.0, site=SITE)
    everywhere = [Steer(vector, 0.5, site=f"{layer}.resid_post") for layer in range(N_LAYERS)]

    def bare() -> None:
        with torch.inference_mode():
            subject.model.generate(tokens, attention_mask=mask, generation_config=rules)

    def steered(edits: Sequence[Steer]) -> None:
        with torch.inference_mode(), edited(subject, edits):
            subject.model.generate(tokens, attention_mask=mask, generation_config=rules)

    ways = {
        "bare": bare,
        "bare again": bare,
        "one block steered": lambda: steered([steer]),
        "all blocks steered": lambda: steered(everywhere),
    }
    names = list(ways)
    for way in ways.values():
        way()
    taken = {name: np.zeros((n_turns, 2)) for name in names}
    for turn in range(n_turns):
        # each way comes first, second, ... equally often
        shift = turn % len(names)
        for name in (*names[shift:], *names[:shift]):
            taken[name][turn] = timed(ways[name])
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="8 turns of 16 tokens")
    quick = parser.parse_args().quick
    n_turns, n_new = (8, 16) if quick else (60, 32)
    torch.set_num_threads(1)
    subject = make_subject()
    print(
        f"{N_LAYERS} blocks of d = {D_MODEL}, {n_new} new tokens, one thread, {n_turns} turns, half that of batch 8\n"
    )
    print("| batch | way | processor ms a step | to bare, median | 95 % interval | fastest by the clock, to bare |")
    print("| --- | --- | --- | --- | --- | --- |")
    for batch, n in ((1, n_turns), (8, n_turns // 2)):
        taken = measure(subject, batch=batch, n_new=n_new, n_turns=n)
        for name, seconds in taken.items():
            ratios = seconds[:, 0] / taken["bare"][:, 0]
            low, high = median_interval(ratios)
            fastest = seconds[:, 1].min() / taken["bare"][:, 1].min()
            print(
                f"| {batch} | {name} | {1e3 * np.median(seconds[:, 0]) / n_new:.2f} | {np.median(ratios):.3f} × | "
                f"{low:.3f} to {high:.3f} | {fastest:.3f} × |",
                flush=True,
            )


if __name__ == "__main__":
    main()
