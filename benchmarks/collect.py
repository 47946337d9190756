"""Collecting activations against the loop that everybody writes: one run, alternating repeats, ratios of medians.

The loop asks Hugging Face for ``output_hidden_states=True``, in batches of 16 in file order, padded on the right. The
bare forward is our own batches through the model to the same depth with nothing kept: the limit.

Run with ``python -m benchmarks.collect``; ``--quick`` for a smaller model and fewer texts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tiltmeter.activations import collect, plan_batches
from tiltmeter.data import TextSet
from tiltmeter.models import Sites, SubjectModel, bind, encode

N_WORDS = 2000


def make_subject(n_layers: int, d_model: int) -> SubjectModel:
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
    )
    return bind(LlamaForCausalLM(config).eval(), tokenizer, name="random")


def make_texts(n: int) -> TextSet:
    """Lengths log-normal, median about 37 words, longest about 250."""
    rng = np.random.default_rng(0)
    lengths = np.clip(np.exp(rng.normal(np.log(37), 0.62, n)), 4, 250).astype(int)
    texts = tuple(" ".join(f"w{i}" for i in rng.integers(0, N_WORDS, length)) for length in lengths)
    return TextSet(np.arange(n).astype(str), texts=texts)


def by_hand(subject: SubjectModel, texts: TextSet, *, layers: list[int]) -> dict[int, NDArray[np.float32]]:
    """The usual loop: hidden states of every layer, last token of the layers wanted."""
    tokenizer, model = subject.tokenizer, subject.model
    tokenizer.padding_side = "right"
    out: dict[int, list[torch.Tensor]] = {layer: [] for layer in layers}
    with torch.no_grad():
        for start in range(0, len(texts), 16):
            batch = tokenizer(list(texts.texts[start : start + 16]), return_tensors="pt", padding=True)
            inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
            states = model(**inputs, output_hidden_states=True).hidden_states
            last = batch["attention_mask"].sum(1) - 1
            for layer in layers:
                out[layer].append(states[layer + 1][torch.arange(len(last)), last])
    return {layer: torch.cat(rows).numpy() for layer, rows in out.items()}


def bare(subject: SubjectModel, texts: TextSet, *, n_blocks: int) -> None:
    """Our batches through the embedding and the first blocks, tokens made beforehand, nothing kept."""
    encoded = encode(subject, texts)
    model = subject.model.model
    all_blocks = model.layers
    model.layers = all_blocks[:n_blocks]
    try:
        with torch.inference_mode():
            for batch in plan_batches(encoded.lengths, token_budget=8192):
                longest = int(encoded.lengths[batch].max())
                tokens, mask = np.zeros((len(batch), longest), np.int64), np.zeros((len(batch), longest), np.int64)
                for row, i in enumerate(batch):
                    n = len(encoded.tokens[i])
                    tokens[row, :n], mask[row, :n] = encoded.tokens[i], 1
                model(input_ids=torch.from_numpy(tokens), attention_mask=torch.from_numpy(mask), use_cache=False)
    finally:
        model.layers = all_blocks


class Taken(NamedTuple):
    """Medians of one way: seconds on the clock, and of processor time, which a busy machine disturbs less."""

    clock: float
    processor: float


def measure(ways: dict[str, Callable[[], object]], *, repeats: int) -> dict[str, Taken]:
    """Time each way, taking turns, so that a busy machine slows all of them alike. All have run once before."""
    clock: dict[str, list[float]] = {name: [] for name in ways}
    processor: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start, used = time.perf_counter(), time.process_time()
            way()
            clock[name].append(time.perf_counter() - start)
            processor[name].append(time.process_time() - used)
    return {name: Taken(statistics.median(clock[name]), statistics.median(processor[name])) for name in ways}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    n_layers, d_model, n = (4, 96, 128) if options.quick else (12, 384, 512)
    subject, texts = make_subject(n_layers, d_model), make_texts(n)
    lengths = encode(subject, texts).lengths
    padded = sum(len(batch) * lengths[batch].max() for batch in plan_batches(lengths, token_budget=8192))
    by_sixteen = sum(16 * lengths[i : i + 16].max() for i in range(0, n, 16))
    print(
        f"{n} texts, median {int(np.median(lengths))} tokens, at most {lengths.max()}; {n_layers} blocks, "
        f"d = {d_model}; {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}\n"
        f"tokens computed for each real one: by hand {by_sixteen / lengths.sum():.2f}, "
        f"tiltmeter {padded / lengths.sum():.2f}\n\n"
        "| last token of | by hand, s | tiltmeter, s | bare forward, s | faster than by hand (processor time) "
        "| of the bare forward (processor time) |\n| --- | --- | --- | --- | --- | --- |",
        flush=True,
    )
    middle = n_layers // 2
    jobs: dict[str, tuple[Sites, list[int], int]] = {
        f"block {middle}": ([f"{middle}.resid_post"], [middle], middle + 1),
        # by hand, the last block cannot be had: Hugging Face's last hidden state is after the final norm
        "all blocks": ("all", list(range(n_layers - 1)), n_layers),
    }
    for job, (sites, layers, n_blocks) in jobs.items():
        ours, theirs = collect(subject, texts, sites=sites), by_hand(subject, texts, layers=layers)
        for layer, rows in theirs.items():
            np.testing.assert_allclose(ours[f"{layer}.resid_post"].X, rows, rtol=0, atol=1e-5 * np.abs(rows).max())
        ways = {
            "hand": partial(by_hand, subject, texts, layers=layers),
            "ours": partial(collect, subject, texts, sites=sites),
            "bare": partial(bare, subject, texts, n_blocks=n_blocks),
        }
        hand, mine, limit = measure(ways, repeats=options.repeats).values()
        print(
            f"| {job} | {hand.clock:.2f} | {mine.clock:.2f} | {limit.clock:.2f} "
            f"| {hand.clock / mine.clock:.2f} × ({hand.processor / mine.processor:.2f} ×) "
            f"| {mine.clock / limit.clock:.2f} × ({mine.processor / limit.processor:.2f} ×) |",
            flush=True,
        )


if __name__ == "__main__":
    main()
