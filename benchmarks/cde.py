"""CDE from recorded states against the same objective written as full forwards at every step.

A random Llama of 12 blocks and width 384 with a vocabulary of 2,000; 1,000 pairs of 12 tokens that differ in one word.
At five depths both take the same steps from the same start on the same batches of 8 pairs. The plain way does what the
publication's code does: a forward of both prompts that records the block's output and what the model says, a forward
of both with the swap in a hook, and a backward; weights are frozen, and only the last position's logits are computed.

Ours records all pairs once, for all depths together; that is counted in the last column, for searches of 10,000 pairs.
The ratios are of processor time, as other work on the machine does not count in it; those of wall time stand beside.

Run with ``python -m benchmarks.cde``: two minutes on one core; ``--steps`` for more.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tiltmeter.core.seeds import stream
from tiltmeter.interventions import CDESettings, EncodedPairs, PromptPairs, clean_runs, encode_pairs
from tiltmeter.interventions._cde_search import Batches
from tiltmeter.interventions._swap_loss import gram_schmidt, of_model, swap_losses
from tiltmeter.models import SubjectModel, bind, frozen_weights

N_LAYERS, WIDTH, VOCABULARY = 12, 384, 2000
N_PAIRS, N_TOKENS = 1000, 12
# METHODS' five depths: 0, L/4 - 1, L/2 - 1, 3L/4 - 1, L - 1
DEPTHS = (0, 2, 5, 8, 11)
SEARCH_STEPS = 1250
WARM_UP = 1


def make_subject() -> SubjectModel:
    words = {f"w{i}": i for i in range(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=1024,
        num_hidden_layers=N_LAYERS,
        num_attention_heads=6,
        max_position_embeddings=64,
        # far from the default, under which the first words hardly matter to what follows the last
        initializer_range=0.06,
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="w0")
    return bind(LlamaForCausalLM(config).eval(), fast, name="random")


def make_pairs(subject: SubjectModel) -> EncodedPairs:
    rng = np.random.default_rng(0)
    texts: list[tuple[str, str]] = []
    for _ in range(N_PAIRS):
        words = [f"w{i}" for i in rng.integers(10, VOCABULARY, size=N_TOKENS)]
        place = int(rng.integers(1, N_TOKENS - 1))
        texts.append(tuple(" ".join([*words[:place], one, *words[place + 1 :]]) for one in ("w1", "w2")))
    ids = np.array([f"p{i}" for i in range(N_PAIRS)])
    pairs = PromptPairs(
        ids,
        positive=tuple(one for one, _ in texts),
        negative=tuple(other for _, other in texts),
        positive_answers=(("w3",),) * N_PAIRS,
        negative_answers=(("w4",),) * N_PAIRS,
        tags=ids,
        groups=ids,
    )
    return encode_pairs(subject, pairs)


def plain_losses(subject: SubjectModel, tokens: Tensor, *, layer: int, basis: Tensor) -> Tensor:
    """The objective by two full forwards: tokens (b, 2, t)."""
    block, seen = subject.model.model.layers[layer], {}

    def record(module, args, output):  # noqa: ANN001, ANN202, ARG001
        seen["states"] = output

    def swap(module, args, output):  # noqa: ANN001, ANN202, ARG001
        # the batch holds the other prompts: they keep their own but for the component of the first ones
        return output + ((seen["states"] - output) @ basis.mT) @ basis

    def says(rows: Tensor, hook: Callable[..., object]) -> Tensor:
        handle = block.register_forward_hook(hook)
        try:
            logits = subject.model(input_ids=rows.flatten(0, 1), use_cache=False, logits_to_keep=1).logits[:, -1]
        finally:
            handle.remove()
        return logits.log_softmax(-1)

    with torch.no_grad():
        clean = says(tokens, record)
    found = says(tokens.flip(1), swap)
    each = ((clean.exp() - found.exp()) * (clean - found)).sum(-1)
    return each.reshape(-1, 2).mean(-1)


class Timed:
    """A search whose steps are timed."""

    def __init__(self, losses: Callable[[np.ndarray, Tensor], Tensor]) -> None:
        self.losses = losses
        settings = CDESettings()
        self.batches = Batches(N_PAIRS, settings.batch_size, rng=stream(0, "cde", "batches"))
        start = stream(0, "cde", "start").normal(size=(1, WIDTH))
        self.free = gram_schmidt(torch.from_numpy(start).float()).requires_grad_()
        self.adam = torch.optim.Adam([self.free], lr=settings.learning_rate / math.sqrt(WIDTH))
        self.path: list[float] = []
        self.wall: list[float] = []
        self.processor: list[float] = []

    def step(self) -> None:
        wall, processor = time.perf_counter(), time.process_time()
        self.adam.zero_grad()
        loss = self.losses(self.batches.draw(), gram_schmidt(self.free)).mean()
        loss.backward()
        self.adam.step()
        with torch.no_grad():
            self.free.copy_(gram_schmidt(self.free))
        self.wall.append(time.perf_counter() - wall)
        self.processor.append(time.process_time() - processor)
        self.path.append(float(loss.detach()))

    def seconds(self) -> tuple[float, float]:
        """Return the median step's processor and wall time."""
        return float(np.median(self.processor[WARM_UP:])), float(np.median(self.wall[WARM_UP:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=25)
    n_steps = parser.parse_args().steps
    torch.set_num_threads(1)
    subject = make_subject()
    encoded = make_pairs(subject)
    all_tokens = torch.from_numpy(encoded.tokens)
    start = time.process_time()
    clean = clean_runs(subject, encoded, layers=DEPTHS)
    recording = time.process_time() - start
    print(f"Recording {N_PAIRS} pairs at {len(DEPTHS)} depths: {recording:.1f} s of processor time.\n")
    print("| block | plain, s a step | ours, s a step | ratio | of wall time | largest relative difference of losses |")
    print("| --- | --- | --- | --- | --- | --- |")
    total_plain = total_ours = total_plain_wall = total_ours_wall = 0.0
    with frozen_weights(subject):
        for layer in DEPTHS:
            problem = of_model(subject, encoded, layer=layer, clean=clean)
            ours = Timed(lambda rows, basis, problem=problem: swap_losses(problem, rows, basis=basis))
            plain = Timed(
                lambda rows, basis, layer=layer: plain_losses(
                    subject, all_tokens[torch.from_numpy(rows)], layer=layer, basis=basis
                )
            )
            # in turn, so that what else the machine does meets both
            for _ in range(n_steps):
                plain.step()
                ours.step()
            (plain_s, plain_wall), (ours_s, ours_wall) = plain.seconds(), ours.seconds()
            difference = np.max(np.abs(np.array(ours.path) - plain.path) / np.array(plain.path))
            print(
                f"| {layer} | {plain_s:.3f} | {ours_s:.3f} | {plain_s / ours_s:.2f} | {plain_wall / ours_wall:.2f} "
                f"| {difference:.1e} |",
                flush=True,
            )
            total_plain, total_ours = total_plain + plain_s, total_ours + ours_s
            total_plain_wall, total_ours_wall = total_plain_wall + plain_wall, total_ours_wall + ours_wall
    print(
        f"| all | {total_plain:.3f} | {total_ours:.3f} | {total_plain / total_ours:.2f} "
        f"| {total_plain_wall / total_ours_wall:.2f} | |"
    )
    whole = SEARCH_STEPS * total_plain / (recording + SEARCH_STEPS * total_ours)
    print(f"\nOne search of {SEARCH_STEPS} steps at each depth, the recording counted: {whole:.2f}.")


if __name__ == "__main__":
    main()
