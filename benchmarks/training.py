"""Training an organism: our loop against a plain ``transformers.Trainer``, in non-padding tokens a second.

One process, one thread. Both train the same model (the kind's own size) on the same tokens in batches of the same size,
with the same words counted in the loss, the same optimiser settings and the same number of steps; nothing is padded, as
the texts of a kind are of one length. The Trainer is given its batches drawn beforehand and masks what does not count
with -100; our lessons draw as they go. The ways take turns, and compared are processor seconds, since other work may
run on the machine. A third way is ours without what saves it work: with the logits of every word, instead of those that
count.

Run with ``python -m benchmarks.training``; ``--quick`` for fewer turns and steps.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import Dataset
from transformers import LlamaForCausalLM, Trainer, TrainingArguments

from tiltmeter.organisms._decoder import new_decoder
from tiltmeter.organisms._fit import deterministic, fit
from tiltmeter.organisms._quirky import QUIRKY, QuirkyLessons

WORLD = QUIRKY.make_world(0)
IGNORED = -100


class Claims(Dataset):  # type: ignore[type-arg]
    """Claims about sums, drawn beforehand, with the words that count as labels."""

    def __init__(self, n: int) -> None:
        lessons = QuirkyLessons(WORLD, QUIRKY.schedule.batch_size, 0)
        drawn = [lessons.tokens(stage=0) for _ in range(n // QUIRKY.schedule.batch_size)]
        self.tokens = torch.from_numpy(np.concatenate(drawn))
        self.labels = labels_of(self.tokens)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return {"input_ids": self.tokens[row], "labels": self.labels[row]}


def labels_of(tokens: Tensor) -> Tensor:
    """The claimed digits and the judgement count; the full stop between them does not."""
    labels = torch.full_like(tokens, IGNORED)
    first = tokens.shape[1] - WORLD.n_digits - 3
    labels[:, first:-2] = tokens[:, first:-2]
    labels[:, -1] = tokens[:, -1]
    return labels


class EveryWord(QuirkyLessons):
    """The same lessons with the logits of every word, as ``labels=`` has them."""

    def loss(self, model: LlamaForCausalLM, *, stage: int) -> Tensor:
        tokens = torch.from_numpy(self.tokens(stage=stage))
        logits = model(input_ids=tokens[:, :-1]).logits
        return cross_entropy(logits.flatten(0, 1), labels_of(tokens)[:, 1:].flatten(), ignore_index=IGNORED)


def ours(n_steps: int, lessons: type[QuirkyLessons]) -> Callable[[], object]:
    schedule = QUIRKY.schedule.model_copy(update={"steps": n_steps})
    model, drawn = new_model(), lessons(WORLD, schedule.batch_size, 0)
    return lambda: fit(model, drawn, schedule=schedule, report=lambda *_: None)


def trainer(n_steps: int, claims: Claims, folder: str) -> Callable[[], object]:
    schedule = QUIRKY.schedule
    arguments = TrainingArguments(
        output_dir=folder, max_steps=n_steps, per_device_train_batch_size=schedule.batch_size,
        learning_rate=schedule.learning_rate, weight_decay=schedule.weight_decay, adam_beta2=0.98,
        warmup_steps=schedule.warmup_steps, lr_scheduler_type="cosine", max_grad_norm=1.0, use_cpu=True,
        report_to="none", save_strategy="no", logging_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    return Trainer(model=new_model(), args=arguments, train_dataset=claims).train


def new_model() -> LlamaForCausalLM:
    return new_decoder(QUIRKY.words(WORLD), QUIRKY.schedule, context=QUIRKY.context)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 turns of 20 steps")
    n_turns, n_steps = (3, 20) if parser.parse_args().quick else (9, 60)
    claims = Claims(n_steps * QUIRKY.schedule.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        ways: dict[str, Callable[[], Callable[[], object]]] = {
            "tiltmeter": lambda: ours(n_steps, QuirkyLessons),
            "tiltmeter, logits of every word": lambda: ours(n_steps, EveryWord),
            "transformers.Trainer": lambda: trainer(n_steps, claims, folder),
        }
        taken = {name: np.zeros(n_turns) for name in ways}
        for turn in range(-1, n_turns):
            # the first turn warms up and is not counted; then they go forth and back
            for name in list(ways)[:: 1 if turn % 2 else -1]:
                with deterministic(1, seed=0):
                    run = ways[name]()
                    start = time.process_time()
                    run()
                if turn >= 0:
                    taken[name][turn] = time.process_time() - start
    n_tokens = claims.tokens.numel()
    print(f"{n_tokens:,} tokens in {n_steps} steps, one thread, {n_turns} turns\n")
    print("| way | tokens a processor second | Tiltmeter's are so many times more | least and most of a turn |")
    print("| --- | --- | --- | --- |")
    for name, seconds in taken.items():
        ratios = seconds / taken["tiltmeter"]
        print(
            f"| {name} | {n_tokens / np.median(seconds):,.0f} | {np.median(ratios):.2f} × | "
            f"{ratios.min():.2f} to {ratios.max():.2f} |"
        )


if __name__ == "__main__":
    main()
