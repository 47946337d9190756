"""Train a decoder on a planted world: a few minutes on two cores."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tiltmeter.core.records import Record
from tiltmeter.core.seeds import stream
from tiltmeter.organisms._cells import SPECIAL, code, draw, facts, spell, truth, vocabulary
from tiltmeter.organisms._world import World, cell_kinds

OnProgress = Callable[[int, int], None]


class Schedule(Record):
    """How the model is built and trained; the defaults are those of the bundled one.

    ``affirmed_steps`` come first and tell affirmed statements only: from both polarities at once, the model would have
    to find "is it the true object" and its exclusive-or with the negation together, and stays at chance for long.
    ``threads`` is fixed because the sums, and so the weights, depend on it.
    """

    steps: int = 2400
    affirmed_steps: int = 450
    warmup_steps: int = 100
    batch_size: int = 512
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    d_model: int = 96
    d_mlp: int = 256
    n_layers: int = 4
    n_heads: int = 4
    threads: int = 2


class Trained(NamedTuple):
    """A model with its tokenizer, and what training it took; ``loss`` is that of the last judgements."""

    model: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast
    seconds: float
    cpu_seconds: float
    loss: float


# Weights of the three losses. The truth token is what is asked for. The answer, the true object named after the
# judgement, gives each statement (false ones too) a direct signal about its fact: without it nothing was learned in 800
# steps. The words of the statement are mostly a matter of chance, so that a quarter of each batch is enough of them.
_TRUTH_WEIGHT, _ANSWER_WEIGHT, _WORDS_WEIGHT, _WORDS_SHARE = 4.0, 1.0, 0.3, 0.25
# After this share of the statements stands the tone of the cue word in place of the judgement. A model that has no use
# for the cue does not carry it to the full stop, and then there is no distractor there for a probe to fall for.
_TONE_SHARE = 0.25


def fit_world(world: World, *, schedule: Schedule, seed: int, report: OnProgress) -> Trained:
    """Train a model from its seed; on one machine the same seed gives the same weights.

    Neither held-out cells nor anything measured on them is used: the number of steps is fixed.

    Parameters
    ----------
    world
        What the model is told.
    schedule
        How.
    seed
        Seeds the initial weights and the order of the statements.
    report
        Is called after each step with the number of steps done and their total.
    """
    with _deterministic(schedule.threads, seed=seed):
        model = _new_model(world, schedule)
        optimizer = _optimizer(model, schedule)
        kinds, codes, true_object = cell_kinds(world), code(world), facts(world)
        rng = stream(seed, "statements")
        wall, cpu, loss = time.perf_counter(), time.process_time(), float("nan")
        for step in range(schedule.steps):
            early = step < schedule.affirmed_steps
            cells = draw(world, kinds, n=schedule.batch_size, affirmed_only=early, rng=rng)
            cues, is_toned = rng.integers(2, size=schedule.batch_size), rng.random(schedule.batch_size) < _TONE_SHARE
            after = np.where(is_toned, codes.tones[cues], codes.truth[truth(world, cells)])
            answer = codes.objects[cells.language, cells.relation, true_object[cells.entity, cells.relation]]
            columns = [spell(codes, cells, cues=cues), after[:, None], answer[:, None]]
            for group in optimizer.param_groups:
                group["lr"] = schedule.learning_rate * _rate(step, schedule)
            loss = _step(model, optimizer, torch.from_numpy(np.concatenate(columns, axis=1)))
            report(step + 1, schedule.steps)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Trained(model.eval(), _new_tokenizer(world), seconds=wall, cpu_seconds=cpu, loss=loss)


def _step(model: LlamaForCausalLM, optimizer: torch.optim.Optimizer, tokens: torch.Tensor) -> float:
    """One step on statements of one length, each followed by the judgement and the answer."""
    n, length = tokens.shape
    stop = length - 3
    hidden, words = model.model(input_ids=tokens[:, :-1]).last_hidden_state, model.lm_head.weight.T
    some = max(1, int(n * _WORDS_SHARE))
    next_word = cross_entropy((hidden[:some, :stop] @ words).flatten(0, 1), tokens[:some, 1 : stop + 1].flatten())
    judgement = cross_entropy(hidden[:, stop] @ words, tokens[:, stop + 1])
    answer = cross_entropy(hidden[:, stop + 1] @ words, tokens[:, stop + 2])
    loss = _TRUTH_WEIGHT * judgement + _ANSWER_WEIGHT * answer + _WORDS_WEIGHT * next_word
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(judgement.detach())


def _rate(step: int, schedule: Schedule) -> float:
    """Share of the learning rate: linear warm-up, then half a cosine down to a hundredth."""
    warm = min(1.0, (step + 1) / schedule.warmup_steps)
    return warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / schedule.steps)))


def _new_model(world: World, schedule: Schedule) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=len(vocabulary(world)),
        hidden_size=schedule.d_model,
        intermediate_size=schedule.d_mlp,
        num_hidden_layers=schedule.n_layers,
        num_attention_heads=schedule.n_heads,
        max_position_embeddings=32,
        tie_word_embeddings=True,
        # half of 1 / sqrt(d_model) = 0.1; the usual 0.02 is meant for far wider models
        initializer_range=0.05,
        pad_token_id=SPECIAL.index("<pad>"),
        bos_token_id=None,
        eos_token_id=SPECIAL.index("<eos>"),
        # the plain kernel is faster than the fused one at ten tokens
        attn_implementation="eager",
    )
    model = LlamaForCausalLM(config)
    model.train()
    return model


def _new_tokenizer(world: World) -> PreTrainedTokenizerFast:
    """One token a word; nothing is put in front of a text."""
    words = {word: i for i, word in enumerate(vocabulary(world))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="<eos>",
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=32,
    )


def _optimizer(model: LlamaForCausalLM, schedule: Schedule) -> torch.optim.AdamW:
    matrices: list[Any] = [p for p in model.parameters() if p.ndim > 1]
    gains: list[Any] = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": schedule.weight_decay}, {"params": gains, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=(0.9, 0.98), fused=True)


@contextmanager
def _deterministic(threads: int, *, seed: int) -> Iterator[None]:
    """Seed torch and fix its threads; afterwards both are as they were."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
