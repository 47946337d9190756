"""The course of a training: seeded, watched, and resumed after an interruption with the same end, bit for bit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor
from transformers import LlamaForCausalLM

from tiltmeter.core.errors import FormatError
from tiltmeter.core.files import write_bytes
from tiltmeter.organisms._schedule import Schedule

OnProgress = Callable[[int, int], None]
Watch = Callable[[int, LlamaForCausalLM], Any]

# a checkpoint is as quick as some ten steps
_STEPS_A_CHECKPOINT = 200


class Lessons(Protocol):
    """What a model is taught: the loss of one batch after the other, all of it drawn from ``rng``."""

    rng: np.random.Generator

    def loss(self, model: LlamaForCausalLM, *, stage: int) -> Tensor:
        """Draw a batch and return the loss that is to be brought down."""


class Spent(NamedTuple):
    """What a training took, in all its sittings, the loss of its last batch, and what was watched on the way."""

    seconds: float
    cpu_seconds: float
    loss: float
    history: tuple[Any, ...]


class Checkpoint:
    """A file in which a training is kept while it runs; it is of use to the very same training only.

    Parameters
    ----------
    path
        The file; None keeps nothing.
    identity
        What must be the same: kind, world, schedule, seed and versions, as a hash or in words.
    """

    def __init__(self, path: Path | None, *, identity: str) -> None:
        self.path = path
        self.identity = identity

    @property
    def exists(self) -> bool:
        """Whether anything is kept."""
        return self.path is not None and self.path.exists()

    def save(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Write the file whole, or leave the earlier one; ``facts`` are what JSON can hold."""
        if self.path is not None:
            held = {name: tensor.contiguous() for name, tensor in tensors.items()}
            write_bytes(self.path, to_safetensors(held, {"identity": self.identity, "facts": json.dumps(facts)}))

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return the tensors and facts of a training that was interrupted, or None.

        Raises
        ------
        FormatError
            If the file is damaged, or is of another training.
        """
        if self.path is None or not self.exists:
            return None
        try:
            with safe_open(self.path, "pt") as file:
                told = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}
            identity, facts = told["identity"], json.loads(told["facts"])
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise FormatError(f"{self.path} is a damaged checkpoint ({error}); remove it to begin anew.") from error
        if identity != self.identity:
            raise FormatError(f"{self.path} is of another training; remove it to begin anew.")
        return tensors, facts

    def remove(self) -> None:
        """Remove the file once the training is over."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def fit(
    model: LlamaForCausalLM,
    lessons: Lessons,
    *,
    schedule: Schedule,
    report: OnProgress,
    watch: Watch | None = None,
    checkpoint: Checkpoint | None = None,
) -> Spent:
    """Train a model; the number of steps is fixed, and nothing measured on the way changes the course.

    Parameters
    ----------
    model
        Untrained, in training mode.
    lessons
        Its batches.
    schedule
        The course.
    report
        Is called after each step with the number of steps done and their total.
    watch
        Is called with the steps done and the model after every ``watch_every`` steps, and at the end; what it returns,
        which JSON must be able to hold, is kept.
    checkpoint
        Where it is kept on the way; what stands there is gone on from.
    """
    kept = checkpoint or Checkpoint(None, identity="")
    optimizer = _optimizer(model, schedule)
    first, seconds, cpu, loss, history = _resumed(kept.read(), model=model, optimizer=optimizer, lessons=lessons)
    wall_start, cpu_start = time.perf_counter(), time.process_time()

    def spent() -> tuple[float, float]:
        return seconds + time.perf_counter() - wall_start, cpu + time.process_time() - cpu_start

    for step in range(first, schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        found = lessons.loss(model, stage=schedule.stage(step))
        optimizer.zero_grad()
        found.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss, done = float(found.detach()), step + 1
        if watch is not None and (done == schedule.steps or (schedule.watch_every and not done % schedule.watch_every)):
            model.eval()
            history.append(watch(done, model))
            model.train()
        if not done % _STEPS_A_CHECKPOINT and done < schedule.steps:
            facts = {
                "step": done,
                "rng": lessons.rng.bit_generator.state,
                "spent": spent(),
                "loss": loss,
                "history": history,
            }
            kept.save({**_weights(model), **_moments(optimizer)}, facts)
        report(done, schedule.steps)
    return Spent(*spent(), loss, tuple(history))


def _weights(model: LlamaForCausalLM) -> dict[str, Tensor]:
    # those that are tied are named once
    return {f"model.{name}": value.detach() for name, value in model.named_parameters()}


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"optimizer.{i}.{name}": value for i, values in state.items() for name, value in values.items()}


def _resumed(
    kept: tuple[dict[str, Tensor], dict[str, Any]] | None,
    *,
    model: LlamaForCausalLM,
    optimizer: torch.optim.Optimizer,
    lessons: Lessons,
) -> tuple[int, float, float, float, list[Any]]:
    """Put everything back as it was; return the steps done, the seconds that they took, the last loss, the history."""
    if kept is None:
        return 0, 0.0, 0.0, float("nan"), []
    tensors, facts = kept
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(tensors[f"model.{name}"])
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, part = name.split(".")
            state.setdefault(int(number), {})[part] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    lessons.rng.bit_generator.state = facts["rng"]
    return facts["step"], *facts["spent"], facts["loss"], facts["history"]


def _optimizer(model: LlamaForCausalLM, schedule: Schedule) -> torch.optim.AdamW:
    matrices: list[Any] = [p for p in model.parameters() if p.ndim > 1]
    gains: list[Any] = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": schedule.weight_decay}, {"params": gains, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=(0.9, 0.98), fused=True)


@contextmanager
def deterministic(threads: int, *, seed: int) -> Iterator[None]:
    """Seed PyTorch and fix its threads; afterwards both are as they were."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
