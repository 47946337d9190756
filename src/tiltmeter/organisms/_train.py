"""Training an organism from its seed, into a folder that appears when everything in it is complete."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from tiltmeter.core.errors import SpecError
from tiltmeter.core.files import new_folder, write_json
from tiltmeter.core.records import Record
from tiltmeter.organisms._card import Card, Moment
from tiltmeter.organisms._decoder import new_decoder, word_tokenizer
from tiltmeter.organisms._fit import Checkpoint, OnProgress, deterministic, fit
from tiltmeter.organisms._kind import Kind
from tiltmeter.organisms._kinds import kind_of
from tiltmeter.organisms._organism import Organism, read_organism
from tiltmeter.organisms._schedule import Schedule
from tiltmeter.organisms._shelf import cached, comes_along, load

_PARTS = (torch, transformers, tokenizers)


def train(name: str, out: str | Path | None = None, *, seed: int = 0, progress: bool | OnProgress = True) -> Organism:
    """Train an organism: the same seed on the same machine gives the same weights.

    A training that was interrupted is gone on from where it was last kept, at most 200 steps back, and ends as it would
    have ended.

    Parameters
    ----------
    name
        One of :func:`names`.
    out
        The folder to write; it appears only when everything in it is complete. None for the cache, where :func:`load`
        finds it; what is bundled is not trained again without a folder.
    seed
        Seed of the world and of the training. What is bundled has seed 0.
    progress
        True shows a bar on standard error; a function is called with the number of steps done and their total.

    Returns
    -------
    The new organism, or the one that :func:`load` has already.

    Raises
    ------
    SpecError
        If there is no such organism.
    FileError
        If ``out`` exists.
    FormatError
        If what is left of an interrupted training is damaged.

    Examples
    --------
    >>> train("facts", "my_facts").card.cpu_seconds  # doctest: +SKIP
    741.2
    """
    kind = kind_of(name)
    place = cached(name, seed=seed) if out is None else Path(out)
    if out is None and (place.exists() or comes_along(name, seed=seed)):
        return load(name, seed=seed)
    return train_world(kind.make_world(seed), place, kind=name, seed=seed, progress=progress)


def train_world(
    world: Record,
    out: str | Path,
    *,
    kind: str = "facts",
    schedule: Schedule | None = None,
    seed: int = 0,
    progress: bool | OnProgress = False,
) -> Organism:
    """Train a model on a world of one's own and write it as an organism.

    Parameters
    ----------
    world
        What is planted, of the kind's type; for facts see :func:`make_world`.
    out
        The folder to write; it appears only when everything in it is complete.
    kind
        One of :func:`names`.
    schedule
        Size of the model and course of the training; None for that of the kind.
    seed
        Seed of the initial weights and of what is drawn.
    progress
        True shows a bar on standard error; a function is called with the number of steps done and their total.

    Returns
    -------
    The new organism, its behaviour measured.

    Raises
    ------
    SpecError
        If there is no such kind, or the world is of another one.
    FileError
        If ``out`` exists.
    FormatError
        If what is left of an interrupted training is damaged, or is of another one.

    Examples
    --------
    >>> from tiltmeter.organisms import make_world
    >>> world = make_world(0, sizes=(80, 80, 80))
    >>> train_world(world, "small", schedule=Schedule(steps=800, stage_steps=(300,)))  # doctest: +SKIP
    """
    path, chosen = Path(out), kind_of(kind)
    if not isinstance(world, chosen.world):
        raise SpecError(
            f"The kind {kind} is trained on a {chosen.world.__name__}, and a {type(world).__name__} came; name its own "
            "kind."
        )
    taught = schedule or chosen.schedule
    checkpoint = Checkpoint(
        path.parent / f".{path.name}.checkpoint", identity=_identity(chosen, world, schedule=taught, seed=seed)
    )
    tokenizer = word_tokenizer(chosen.words(world), context=chosen.context)
    with new_folder(path) as folder:
        try:
            with _reporting(progress) as report:
                model, card = _grown(
                    chosen, world, tokenizer, schedule=taught, seed=seed, report=report, checkpoint=checkpoint
                )
        except KeyboardInterrupt as stopped:
            if checkpoint.exists:
                stopped.add_note("What was learned is kept; the same command goes on from there.")
            raise
        _save(model, tokenizer, folder)
        write_json(folder / "world.json", world.model_dump(mode="json"))
        write_json(folder / "card.json", card.model_dump(mode="json"))
    checkpoint.remove()
    return read_organism(path)


def _grown(
    kind: Kind[Any],
    world: Record,
    tokenizer: PreTrainedTokenizerFast,
    *,
    schedule: Schedule,
    seed: int,
    report: OnProgress,
    checkpoint: Checkpoint,
) -> tuple[LlamaForCausalLM, Card]:
    """Train a model and measure it, on the way and at the end."""

    def watch(step: int, model: LlamaForCausalLM) -> dict[str, Any]:
        return Moment(step=step, figures=kind.measure(model, tokenizer, world)).model_dump(mode="json")

    with deterministic(schedule.threads, seed=seed):
        model = new_decoder(kind.words(world), schedule, context=kind.context)
        lessons = kind.lessons(world, schedule.batch_size, seed)
        spent = fit(model, lessons, schedule=schedule, report=report, watch=watch, checkpoint=checkpoint)
    moments = tuple(Moment.model_validate(one) for one in spent.history)
    return model.eval(), Card(
        kind=kind.name,
        seed=seed,
        n_parameters=sum(p.numel() for p in model.parameters()),
        schedule=schedule,
        seconds=round(spent.seconds, 1),
        cpu_seconds=round(spent.cpu_seconds, 1),
        platform=f"{platform.system()} {platform.machine()}",
        versions=_versions(),
        figures=moments[-1].figures,
        history=moments if schedule.watch_every else (),
    )


def _identity(kind: Kind[Any], world: Record, *, schedule: Schedule, seed: int) -> str:
    told = [kind.name, world.model_dump(mode="json"), schedule.model_dump(mode="json"), seed, _versions()]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _versions() -> dict[str, str]:
    return {part.__name__: part.__version__ for part in _PARTS}


def _save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    bars = transformers_logging.is_progress_bar_enabled()
    # its own bar would be drawn over ours
    transformers_logging.disable_progress_bar()
    try:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        # safetensors makes files that only their owner may read
        (folder / "model.safetensors").chmod((folder / "config.json").stat().st_mode)
    finally:
        if bars:
            transformers_logging.enable_progress_bar()


@contextmanager
def _reporting(progress: bool | OnProgress) -> Iterator[OnProgress]:  # noqa: FBT001  (as the caller gave it)
    if not isinstance(progress, bool):
        yield progress
        return
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not progress) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
