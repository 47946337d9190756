"""The league: every probe and every eraser on every bundled organism, task by task, resumed after a kill."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import torch
from pydantic import Field, ValidationError, field_validator

from tiltmeter.core.errors import FileError, FormatError, SpecError
from tiltmeter.core.evidence import Planted
from tiltmeter.core.files import read_json, sha256, write_json
from tiltmeter.core.league import JudgedSet, League, TaskResult
from tiltmeter.core.records import Record
from tiltmeter.organisms import Organism, load, train
from tiltmeter.report import write_league
from tiltmeter.studies._league_erasers import ERASERS, judge_erasers
from tiltmeter.studies._league_findings import conclusions, findings, standings
from tiltmeter.studies._league_fits import READERS
from tiltmeter.studies._league_open import LeagueSettings, Opened, open_task
from tiltmeter.studies._league_readers import judge_readers
from tiltmeter.studies._league_tasks import TASKS, LeagueTask
from tiltmeter.studies._material import describe

_FORMAT = 1
_PACKAGES = ("tiltmeter", "torch", "transformers", "numpy", "scipy", "scikit-learn")


class LeagueSpec(Record):
    """Which tasks, seeds and methods, and how hard to look. The defaults are the whole league on the shipped seed.

    Examples
    --------
    >>> spec = LeagueSpec()
    >>> len(spec.tasks), spec.seeds, len(spec.readers), len(spec.erasers)
    (10, (0,), 15, 10)
    """

    tasks: tuple[LeagueTask, ...] = Field(default=TASKS, min_length=1)
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    readers: tuple[str, ...] = READERS
    erasers: tuple[str, ...] = ERASERS
    settings: LeagueSettings = LeagueSettings()

    @field_validator("readers", "erasers")
    @classmethod
    def _methods_are_there(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [one for one in methods if one not in (*READERS, *ERASERS)]:
            raise ValueError(f"there is no method {unknown[0]!r} in the league")
        return methods

    @field_validator("seeds")
    @classmethod
    def _seeds_are_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if min(seeds) < 0 or len(set(seeds)) < len(seeds):
            raise ValueError("seeds are whole numbers from 0, each once")
        return seeds


def pick_tasks(names: tuple[str, ...]) -> tuple[LeagueTask, ...]:
    """Return tasks of the league by name, in its order; SpecError lists those there are if one is not.

    Examples
    --------
    >>> [task.organism for task in pick_tasks(("facts-truth",))]
    ['facts']
    """
    known = [task.name for task in TASKS]
    if absent := [name for name in names if name not in known]:
        raise SpecError(f"There is no task {absent[0]!r} in the league; its tasks are {', '.join(known)}.")
    return tuple(task for task in TASKS if task.name in names)


def run_league(spec: LeagueSpec, out: Path, *, announce: Callable[[str], None] = lambda _: None) -> League:
    """Run the league, or what is left of it, and write its record and its page.

    Each task's result is written into ``tasks/`` as it is finished, whole or not at all. What stands there already, of
    the same task, settings, weights and release, is not computed again; so a run that was stopped is gone on with by
    asking for it again.

    Parameters
    ----------
    spec
        What to run.
    out
        A folder: new, empty, or of an earlier run.
    announce
        Called with each step as it begins.

    Returns
    -------
    The record, which stands in ``league.json``; ``league.html`` shows it.

    Raises
    ------
    FileError
        If ``out`` is a file, or a folder that holds something else.
    FormatError
        If a result in it is damaged.
    TiltmeterError
        If a task asks for what its organism does not have.

    Notes
    -----
    Seeds other than 0 are trained into the cache where they are not there yet, which takes minutes each.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> spec = LeagueSpec(
    ...     tasks=pick_tasks(("pupil-truth",)), readers=("mean_difference", "lda"), erasers=(),
    ...     settings=LeagueSettings(n_draws=100, n_folds=2, n_random=10),
    ... )
    >>> found = run_league(spec, Path(folder.name))
    >>> found.tasks[0].chosen, len(found.standings)
    ('lda', 2)
    >>> folder.cleanup()
    """
    _check_folder(out)
    started = time.perf_counter()
    results = []
    todo = [(task, seed) for seed in spec.seeds for task in spec.tasks]
    for number, (task, seed) in enumerate(todo, start=1):
        name = task.name if seed == 0 else f"{task.name}@{seed}"
        path = out / "tasks" / f"{name}.json"
        organism = _organism(task.organism, seed, announce=announce)
        mark = _fingerprint(spec, task, organism, seed=seed)
        if path.is_file() and (kept := _read_task(path)).fingerprint == mark:
            announce(f"{number} of {len(todo)}, {name}: is there already")
            results.append(kept)
            continue

        def said(step: str, at: str = f"{number} of {len(todo)}, {name}") -> None:
            announce(f"{at}: {step}")

        result = _run_task(spec, task, organism, seed=seed, mark=mark, announce=said)
        write_json(path, result.model_dump(mode="json"))
        results.append(result)
    held, places = findings(results), standings(results, level=spec.settings.level)
    league = League(
        fingerprint=sha256("".join(one.fingerprint for one in results).encode()),
        seeds=spec.seeds,
        level=spec.settings.level,
        fpr=spec.settings.fpr,
        n_draws=spec.settings.n_draws,
        n_random=spec.settings.n_random,
        tasks=tuple(one.model_copy(update={"draws": ()}) for one in results),
        standings=places,
        findings=held,
        conclusions=conclusions(results, held, places),
        versions={name: metadata.version(name) for name in _PACKAGES},
        platform=platform.platform(),
        n_threads=torch.get_num_threads(),
        seconds=round(sum(one.seconds for one in results), 1),
        cpu_seconds=round(sum(one.cpu_seconds for one in results), 1),
    )
    write_json(out / "league.json", league.model_dump(mode="json"))
    write_league(out)
    announce(f"done in {time.perf_counter() - started:.0f} s")
    return league


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise FileError(f"{out} is a file; name a folder for the league.")
    if out.is_dir() and any(out.iterdir()) and not (out / "tasks").is_dir():
        raise FileError(f"{out} holds something else than a league; name a new folder, or that of an earlier run.")


def _read_task(path: Path) -> TaskResult:
    try:
        return TaskResult.model_validate(read_json(path))
    except ValidationError:
        raise FormatError(
            f"{path} is not a result that this release reads; it is damaged or of another version, so remove it, and "
            "it will be computed again."
        ) from None


def _organism(name: str, seed: int, *, announce: Callable[[str], None]) -> Organism:
    try:
        return load(name, seed=seed)
    except FileError:  # not trained yet
        announce(f"training {name} of seed {seed}")
        return train(name, seed=seed)


def _fingerprint(spec: LeagueSpec, task: LeagueTask, organism: Organism, *, seed: int) -> str:
    """Return the hash of all that decides a result, but for the machine."""
    asked = {
        "format": _FORMAT,
        "release": metadata.version("tiltmeter"),
        "task": task.model_dump(mode="json"),
        "seed": seed,
        "settings": spec.settings.model_dump(mode="json"),
        "readers": list(spec.readers),
        "erasers": list(spec.erasers),
        "world": read_json(organism.folder / "world.json"),
        "weights": sha256((organism.folder / "model.safetensors").read_bytes()),
    }
    return sha256(json.dumps(asked, sort_keys=True).encode())


def _run_task(
    spec: LeagueSpec, task: LeagueTask, organism: Organism, *, seed: int, mark: str, announce: Callable[[str], None]
) -> TaskResult:
    started, worked = time.perf_counter(), time.process_time()
    opened = open_task(task, organism, seed=seed, settings=spec.settings, announce=announce)
    read = judge_readers(opened, announce=announce, methods=spec.readers)
    erasers = judge_erasers(opened, read.site, announce=announce, methods=spec.erasers)
    return TaskResult(
        fingerprint=mark,
        task=task.name,
        organism=task.organism,
        seed=seed,
        question=task.question,
        about=task.about,
        train=opened.home,
        pooling=task.pooling,
        chosen=read.chosen,
        site=read.site,
        sites=opened.material.sites,
        n_folds=spec.settings.n_folds,
        sets=_sets(opened),
        followed_on=task.followed_on,
        planted=Planted(organism=organism.name, sentences=organism.planted, columns=task.followed),
        readers=read.readers,
        erasers=erasers,
        rivals=read.rivals,
        random_directions=read.random_directions,
        draws=read.draws,
        seconds=round(time.perf_counter() - started, 1),
        cpu_seconds=round(time.process_time() - worked, 1),
    )


def _sets(opened: Opened) -> tuple[JudgedSet, ...]:
    about = {one.name: one for one in describe(opened.material)}
    return tuple(
        JudgedSet(name=one.name, role=one.role, kind=one.kind, about=about[one.name]) for one in opened.task.sets
    )
