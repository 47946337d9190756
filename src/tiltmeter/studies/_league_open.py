"""What a task of the league is read from: its organism, split texts, activations, and test rows resampled together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.activations import collect
from tiltmeter.core.activations import Activations
from tiltmeter.core.records import Measured, Record, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.data import independent_units, split_by_group
from tiltmeter.evaluation import HeldOut, Resampling, auroc_draws, bootstrap_estimate, taken_together
from tiltmeter.models import SubjectModel, load
from tiltmeter.numerics import bootstrap_weights
from tiltmeter.organisms import Organism
from tiltmeter.studies._league_tasks import LeagueTask, task_texts
from tiltmeter.studies._material import Material, Split, collect_material
from tiltmeter.studies._spec import ReadSpec, StudySpec, parse_spec


class LeagueSettings(Record):
    """How hard a league looks; part of the fingerprint of every result."""

    level: float = 0.95
    fpr: float = 0.01
    n_folds: int = 3
    n_draws: int = 500
    n_random: int = 100
    seed: int = 0


Scores = Mapping[str, NDArray[Any]]
"""Of test rows, by the name of their set."""

_NO_ELSEWHERE = Unavailable(reason="the task has no set elsewhere")


class Scored(NamedTuple):
    """Scores of test rows by set, the AUROC on each, and the same under b resamplings."""

    scores: Scores
    value: dict[str, float]
    draws: dict[str, NDArray[np.float64]]

    def mean(self, names: tuple[str, ...]) -> tuple[float, NDArray[np.float64]]:
        """Return the mean AUROC over some sets, and under each resampling, shape (b,)."""
        return float(np.mean([self.value[one] for one in names])), np.mean([self.draws[one] for one in names], axis=0)


class Judging(NamedTuple):
    """The test sets of a task, whose rows are resampled together: a unit weighs the same in all of them."""

    tests: dict[str, HeldOut]
    weights: NDArray[np.float64]
    places: dict[str, slice]
    n_units: int
    level: float
    seed: int

    def elsewhere(self, names: tuple[str, ...]) -> Resampling:
        """Return how figures over several sets are resampled."""
        units = len(np.unique(np.concatenate([self.tests[name].units for name in names])))
        return Resampling(self.weights, units, "groups", self.level, self.seed)

    def judged(self, scores: Scores) -> Scored:
        """Return scores with their AUROC on every set that they are of, plain and under each resampling."""
        value, draws = {}, {}
        for name, found in scores.items():
            y = self.tests[name].y
            once = np.ones((1, len(y)))
            value[name] = float(auroc_draws(y, found, weights=once)[0])
            draws[name] = auroc_draws(y, found, weights=self.weights[:, self.places[name]])
        return Scored(scores, value, draws)

    def mean(self, scored: Scored, names: tuple[str, ...]) -> Measured:
        """Estimate the mean AUROC over some sets."""
        if not names:
            return _NO_ELSEWHERE
        return bootstrap_estimate(_known(*scored.mean(names)), by=self.elsewhere(names), bounds=(0.0, 1.0))

    def lead(self, scored: Scored, rival: Scored, names: tuple[str, ...]) -> Measured:
        """Estimate the mean AUROC over some sets minus that of a rival, on the same resamples.

        Where either mean is 0 or 1, and the bootstrap knows no doubt, the two intervals are taken together, each at
        half the doubt.
        """
        if not names:
            return _NO_ELSEWHERE
        (value, draws), (other, other_draws) = scored.mean(names), rival.mean(names)
        if not {value, other} & {0.0, 1.0}:
            return bootstrap_estimate(
                _known(value - other, draws - other_draws), by=self.elsewhere(names), bounds=(-1.0, 1.0)
            )
        half = self._replace(level=(1 + self.level) / 2)
        own, its = half.mean(scored, names), half.mean(rival, names)
        return taken_together(own, its, level=self.level, seed=self.seed)


def _known(value: float, draws: NDArray[np.float64]) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return a statistic that was computed before: of the rows as they are, and under the resamples that they share."""
    return lambda weights: np.array([value]) if len(weights) == 1 else draws


class Opened(NamedTuple):
    """A task that is ready: the spec of the study that it amounts to, the model, texts, activations and test sets."""

    task: LeagueTask
    seed: int
    settings: LeagueSettings
    spec: StudySpec
    organism: Organism
    subject: SubjectModel
    material: Material
    judging: Judging

    @property
    def home(self) -> str:
        """The name of the training distribution."""
        return self.task.home.name

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """The names of the sets that count as elsewhere."""
        return tuple(one.name for one in self.task.sets if one.role == "elsewhere")

    def tokens(self, name: str, split: Split) -> dict[str, Activations]:
        """Read one split of a set token by token, at every site."""
        rows = self.material.splits[name] == split
        collected = collect(
            self.subject, self.material.texts[name].select(rows), sites=list(self.material.sites), pooling="all"
        )
        return dict(collected)


def open_task(
    task: LeagueTask, organism: Organism, *, seed: int, settings: LeagueSettings, announce: Callable[[str], None]
) -> Opened:
    """Read and split the texts of a task, and collect activations after every block.

    Raises
    ------
    TiltmeterError
        If the task names a set, a column or a word that its organism does not have.
    """
    subject = load(str(organism.folder))
    texts = task_texts(task, organism, subject=subject, seed=seed)
    model = f"organism:{task.organism}@{seed}"
    content: dict[str, Any] = {
        "name": task.name,
        "seed": settings.seed,
        "model": {"path": model},
        "texts": {one.name: f"{model}/{one.where}" for one in task.sets},
        "train": {"distribution": task.home.name, "folds": settings.n_folds},
        "read": {"sites": [f"{block}.resid_post" for block in range(subject.n_layers)], "pooling": task.pooling},
        "probes": {"methods": "all"},
        "threshold": {"fpr": settings.fpr},
        "evidence": {
            "bootstrap": settings.n_draws,
            "level": settings.level,
            "random_directions": settings.n_random,
            "answers": task.answers.model_dump() if task.answers is not None else None,
        },
    }
    spec = parse_spec(content, source=f"the task {task.name}")
    units = independent_units(texts)
    bare = Material(
        texts,
        units,
        split_by_group(texts, seed=settings.seed),
        {name: "group" if one.groups is not None else "row" for name, one in texts.items()},
    )
    read: ReadSpec = spec.read
    material = collect_material(bare, subject, read, progress=announce)
    return Opened(task, seed, settings, spec, organism, subject, material, _judging(material, task, settings))


def _judging(material: Material, task: LeagueTask, settings: LeagueSettings) -> Judging:
    names = [one.name for one in task.sets]
    units = {name: material.units[name][material.splits[name] == "test"] for name in names}
    every = np.concatenate([units[name] for name in names])
    rng = stream(settings.seed, "league", task.name)
    weights = bootstrap_weights(len(every), settings.n_draws, groups=every, rng=rng)
    tests, places, start = {}, {}, 0
    for name in names:
        labels = material.rows(name, "test").y
        place = slice(start, start + len(units[name]))
        start = place.stop
        own, n_units = units[name], len(np.unique(units[name]))
        by = Resampling(weights[:, place], n_units, "groups", settings.level, settings.seed, own)
        tests[name] = HeldOut(name, np.asarray(labels, dtype=np.int64), units[name], by)
        places[name] = place
    return Judging(tests, weights, places, len(np.unique(every)), settings.level, settings.seed)
