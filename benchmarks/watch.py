"""What watching costs: generation with monitors against bare generation, in one run.

    python -m benchmarks.watch

A Llama of 12 blocks, d = 384, with random weights; batch 8, 128 new tokens. All ways alternate, in an order that
turns, and each is compared with the bare run of its own turn; the ratio's median over turns is given, with the
interval of a bootstrap over turns. ``output_hidden_states=True`` is what one would do without hooks: keep all
activations, and score them afterwards.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tiltmeter.core import Direction, Site
from tiltmeter.core.records import Threshold
from tiltmeter.models import SubjectModel, bind
from tiltmeter.monitor import Card, Monitor, Reading, watch

BLOCKS, WIDTH, BATCH, PROMPT, NEW, VOCABULARY = 12, 384, 8, 32, 128, 8000


def made(subject: SubjectModel, site: str, *, running: float) -> Monitor:
    vector = np.random.default_rng(0).normal(size=WIDTH)
    threshold = Threshold(
        value=running, fpr=0.01, confidence=0.95, n=299, n_rows=299, unit="row", allowed=0, population="none"
    )
    card = Card(
        name=site,
        model=subject.name,
        revision=None,
        model_fingerprint=subject.fingerprint.model_dump(mode="json"),
        reading=Reading(
            site=site, pooling="last", span="all", long_texts="refuse", dtype="float32", chat_template_sha256=None
        ),
        meaning="nothing",
        threshold=threshold,
        running=threshold,
        data={},
    )
    return Monitor(Direction(vector / np.linalg.norm(vector), site=Site.parse(site), sign=1, method="x"), card)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    options = parser.parse_args()
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=BLOCKS,
        num_attention_heads=6,
        eos_token_id=None,
        pad_token_id=0,
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, unk_token="a")))
    subject = bind(LlamaForCausalLM(config).eval(), tokenizer, name="random")
    prompts = torch.randint(VOCABULARY, (BATCH, PROMPT))

    def generate(**more: object) -> object:
        return subject.model.generate(
            prompts, attention_mask=torch.ones_like(prompts), max_new_tokens=NEW, do_sample=False, **more
        )

    one = [made(subject, "6.resid_post", running=1e9)]
    ten = [made(subject, f"{layer}.resid_post", running=1e9) for layer in range(1, 11)]
    vectors = torch.randn(WIDTH, 1)

    def kept() -> None:
        out = generate(output_hidden_states=True, return_dict_in_generate=True)
        for states in out.hidden_states:  # type: ignore[attr-defined]
            states[7] @ vectors

    def watched(monitors: list[Monitor]) -> Callable[[], object]:
        def run() -> None:
            with watch(subject, monitors):
                generate()

        return run

    ways: dict[str, Callable[[], object]] = {
        "bare": generate,
        "bare again": generate,
        "one monitor": watched(one),
        "ten monitors, ten layers": watched(ten),
        "output_hidden_states=True": kept,
    }
    for run in ways.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for turn in range(options.turns):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = clock()
            ways[name]()
            times[name].append(clock() - start)
    bare = np.array(times["bare"])
    rng = np.random.default_rng(0)
    print(f"{BLOCKS} blocks, d = {WIDTH}, batch {BATCH}, {PROMPT} + {NEW} tokens; threads: {torch.get_num_threads()}")
    for name, taken in times.items():
        ratios = np.array(taken) / bare
        draws = np.median(ratios[rng.integers(len(ratios), size=(2000, len(ratios)))], axis=1)
        low, high = np.quantile(draws, [0.025, 0.975])
        print(
            f"{name:28s} {np.median(taken):6.3f} s   {np.median(ratios) - 1:+.2%} [{low - 1:+.2%}, {high - 1:+.2%}]",
            flush=True,
        )


if __name__ == "__main__":
    main()
