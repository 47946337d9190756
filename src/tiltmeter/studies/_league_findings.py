"""What the results of a league amount to: places of methods, sentences that held or not, and what to conclude."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.evidence import Causal
from tiltmeter.core.league import Draws, Finding, Held, Measure, Placed, ReaderEntry, Standing, TaskResult
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.evaluation import KEEPS, TaskScores, simultaneous_means, simultaneous_ranks
from tiltmeter.studies._fitting import needs_pairs
from tiltmeter.studies._league_fits import LINEAR, as_linear

# seeds from which on a sentence that held on all of them may be said to stand
_ENOUGH_SEEDS = 3
_MEASURES: tuple[Measure, ...] = ("in distribution", "elsewhere")
_THE_TRUTH = "the truth"

Field = Literal["all tasks", "tasks with pairs"]


def standings(results: Sequence[TaskResult], *, level: float) -> tuple[Standing, ...]:
    """Rank methods over all tasks, those that every task allows; and over tasks with pairs, which allow more.

    A task on another seed is another task here. Nothing stands for what leaves fewer than two methods or no task.
    """
    found = []
    for measure in _MEASURES:
        drawn = {one.name: (one.organism, draws) for one in results for draws in one.draws if draws.measure == measure}
        paired = {name: both for name, both in drawn.items() if _has_pairs(both[1])}
        fields: tuple[tuple[Field, dict[str, tuple[str, Draws]]], ...] = (
            ("all tasks", drawn),
            ("tasks with pairs", paired),
        )
        for field, chosen in fields[: 1 if len(paired) == len(drawn) else 2]:
            methods = _shared([draws for _, draws in chosen.values()])
            if len(methods) >= 2:
                found.append(_standing(field, chosen, methods, measure=measure, level=level))
    return tuple(found)


def _has_pairs(draws: Draws) -> bool:
    return any(method in LINEAR and needs_pairs(as_linear(method)) for method in draws.methods)


def _shared(drawn: Sequence[Draws]) -> tuple[str, ...]:
    if not drawn:
        return ()
    return tuple(method for method in drawn[0].methods if all(method in one.methods for one in drawn))


def _standing(
    field: Field,
    chosen: dict[str, tuple[str, Draws]],
    methods: tuple[str, ...],
    *,
    measure: Measure,
    level: float,
) -> Standing:
    scores = [_scores(draws, methods) for _, draws in chosen.values()]
    organisms = np.array([organism for organism, _ in chosen.values()])
    places, means = simultaneous_ranks(scores, level=level), simultaneous_means(scores, level=level)
    n_draws = len(scores[0].draws)
    found = []
    for i, method in enumerate(methods):
        own = places.ranks[:, i]
        left = [float(own[organisms != one].mean()) for one in np.unique(organisms)] if len(set(organisms)) > 1 else []
        found.append(
            Placed(
                method=method,
                mean_rank=Estimate(
                    value=float(own.mean()),
                    low=float(places.low[:, i].mean()),
                    high=float(places.high[:, i].mean()),
                    level=level,
                    n=len(scores),
                    method=f"max-T over all pairs of {len(methods)} methods in {len(scores)} tasks, bootstrap",
                ),
                without_one=(min(left), max(left)) if left else None,
                mean_auroc=Estimate(
                    value=float(means.values[i]),
                    low=max(0.0, float(means.low[i])),
                    high=min(1.0, float(means.high[i])),
                    level=level,
                    n=len(scores),
                    method=f"max-T over {len(methods)} methods, bootstrap",
                ),
                is_behind=bool(means.is_behind[i]),
                ranks={
                    name: (float(places.ranks[k, i]), int(places.low[k, i]), int(places.high[k, i]))
                    for k, name in enumerate(chosen)
                },
            )
        )
    return Standing(
        measure=measure,
        field=field,
        tasks=tuple(chosen),
        methods=tuple(sorted(found, key=lambda one: one.mean_rank.value)),
        first_without=_first_without(np.stack([one.values for one in scores]), organisms, methods),
        critical=places.critical,
        n_pairs=len(scores) * len(methods) * (len(methods) - 1) // 2,
        n_sure=places.n_sure,
        level=level,
        n_draws=n_draws,
    )


def _first_without(
    values: NDArray[np.float64], organisms: NDArray[np.str_], methods: tuple[str, ...]
) -> dict[str, str]:
    """Return which method has the highest mean value over tasks, shape (tasks, methods), without each organism."""
    names = dict.fromkeys(organisms.tolist())
    if len(names) < 2:
        return {}
    return {name: methods[int(np.argmax(values[organisms != name].mean(axis=0)))] for name in names}


def _scores(draws: Draws, methods: tuple[str, ...]) -> TaskScores:
    columns = [draws.methods.index(method) for method in methods]
    return TaskScores(
        np.array(draws.values, dtype=np.float64)[columns],
        np.array(draws.draws, dtype=np.float64)[:, columns],
        draws.finest,
    )


class _Held(NamedTuple):
    held: Held
    because: str


class _Sentence(NamedTuple):
    name: str
    says: str
    hold: Callable[[TaskResult, ReaderEntry], _Held | None]


def findings(results: Sequence[TaskResult]) -> tuple[Finding, ...]:
    """Ask the same sentences of the chosen probe of every task, on every seed."""
    found = []
    for task in dict.fromkeys(one.task for one in results):
        own = [one for one in results if one.task == task]
        for sentence in _SENTENCES:
            asked = {one.seed: sentence.hold(one, chosen_reader(one)) for one in own}
            there = {str(seed): held for seed, held in asked.items() if held is not None}
            if not there:
                continue
            first = next(iter(there.values()))
            found.append(
                Finding(
                    task=task,
                    name=sentence.name,
                    says=sentence.says,
                    held={seed: one.held for seed, one in there.items()},
                    because=first.because,
                    stands=_stands([one.held for one in there.values()]),
                )
            )
    return tuple(found)


def chosen_reader(result: TaskResult) -> ReaderEntry:
    """Return the probe that training folds chose."""
    return next(one for one in result.readers if one.is_chosen)


def _stands(held: list[Held]) -> Literal["one draw", "stands", "luck of the seed", "too few seeds"]:
    if len(held) == 1:
        return "one draw"
    if len(set(held)) > 1:
        return "luck of the seed"
    return "stands" if len(held) >= _ENOUGH_SEEDS and held[0] != "undecided" else "too few seeds"


def _above(measured: Measured, limit: float) -> Held:
    """Tell whether a figure lies above a limit for sure, below it for sure, or neither."""
    if isinstance(measured, Unavailable):
        return "undecided"
    return "yes" if measured.low > limit else "no" if measured.high <= limit else "undecided"


def _figure(measured: Measured) -> str:
    if isinstance(measured, Unavailable):
        return measured.reason
    return f"{measured.value:.3f} [{measured.low:.2f}, {measured.high:.2f}]"


def _named(entry: ReaderEntry) -> str:
    return f"{_words(entry.method)} at {entry.site}"


def _words(method: str) -> str:
    return method.replace("_", " ")


def _reads(_: TaskResult, entry: ReaderEntry) -> _Held:
    return _Held(_above(entry.home, 0.5), f"{_named(entry)}: {_figure(entry.home)}")


def _beats_luck(_: TaskResult, entry: ReaderEntry) -> _Held:
    return _Held(
        _above(entry.over_luck, 0.0), f"{_named(entry)}, minus the best random one: {_figure(entry.over_luck)}"
    )


def _beats_text(_: TaskResult, entry: ReaderEntry) -> _Held:
    return _Held(
        _above(entry.over_text, 0.0), f"{_named(entry)}, minus the best text rival: {_figure(entry.over_text)}"
    )


def _carries(result: TaskResult, entry: ReaderEntry) -> _Held | None:
    if all(one.role != "elsewhere" for one in result.sets):
        return None
    return _Held(_above(entry.worst, 0.5), f"{_named(entry)}, least on {entry.worst_set}: {_figure(entry.worst)}")


def _keeps(result: TaskResult, entry: ReaderEntry) -> _Held | None:
    if isinstance(entry.home, Unavailable) or all(one.role != "elsewhere" for one in result.sets):
        return None
    limit = 0.5 + KEEPS * (entry.home.value - 0.5)
    said = f"{_named(entry)}, least on {entry.worst_set}: {_figure(entry.worst)}; to be above {limit:.2f}"
    return _Held(_above(entry.worst, limit), said)


def _is_truth(result: TaskResult, entry: ReaderEntry) -> _Held | None:
    if result.followed_on is None or not entry.follows:
        return None
    held: Held = "yes" if entry.follows == _THE_TRUTH else "undecided" if "for sure" in entry.follows else "no"
    return _Held(held, f"{_named(entry)}, on {result.followed_on}: {entry.follows}")


def _causes(_: TaskResult, entry: ReaderEntry) -> _Held | None:
    if not isinstance(entry.cause, Causal):
        return None
    return _Held(
        _above(entry.cause.swap, entry.cause.least_swap),
        f"{_named(entry)}, swap {_figure(entry.cause.swap)}; to be above {entry.cause.least_swap:.2f}",
    )


_SENTENCES = (
    _Sentence("reads", "The chosen probe reads the label in distribution.", _reads),
    _Sentence("beats luck", "It is ahead of the best of the random directions there.", _beats_luck),
    _Sentence("beats text", "It is ahead of the best text rival there.", _beats_text),
    _Sentence("carries over", "It reads the label above chance on every set elsewhere.", _carries),
    _Sentence("keeps its lead", "It keeps four fifths of its lead over chance on every set elsewhere.", _keeps),
    _Sentence("follows the truth", "Where truth and another planted column part, it follows the truth.", _is_truth),
    _Sentence("causes", "Swapping along it decides the model's answer.", _causes),
)


def conclusions(results: Sequence[TaskResult], found: Sequence[Finding], places: Sequence[Standing]) -> tuple[str, ...]:
    """Say what a sceptic should take from a league, in sentences that hold counts."""
    counted = (_count(found, name, sentence) for name, sentence in _COUNTED.items())
    said = [
        *_about_seeds(len({one.seed for one in results})),
        *counted,
        *(_about_standing(one) for one in places),
        *_about_erasers(results),
    ]
    return tuple(sentence for sentence in said if sentence)


_COUNTED = {
    "reads": "The probe that training folds choose reads its label in distribution on {yes} of {n} tasks.",
    "beats luck": "It is surely ahead of the best of the random directions on {yes} of {n}: on the others a high AUROC "
    "is no merit of a method.",
    "beats text": "It is surely ahead of a reader of the words alone on {yes} of {n}.",
    "carries over": "It stays above chance on every set elsewhere on {yes} of {n} tasks; on {no} it is at or below "
    "chance on some set for sure.",
    "keeps its lead": "Of its lead over chance it keeps four fifths on every set elsewhere on {yes} of {n} tasks; on "
    "{no} it surely does not.",
    "follows the truth": "Where the truth and what is said, believed or hinted part, it follows the truth on {yes} of "
    "{n} tasks, and the other for sure on {no}.",
    "causes": "Of {n} tasks where the model is asked for an answer, its direction decides that answer, beyond random "
    "and displaced ones, on {yes}.",
}


def _about_seeds(n_seeds: int) -> list[str]:
    if n_seeds == 1:
        return [
            "One seed of each organism is one draw: intervals speak of other test texts, and nothing here speaks of "
            "other texts to learn from, nor of another training. No sentence on this page has stood on a second seed."
        ]
    return [
        f"There are {n_seeds} seeds of each organism. Only what held on three or more, each of them, is said to stand."
    ]


def _count(found: Sequence[Finding], name: str, sentence: str) -> str:
    held = [held for one in found if one.name == name for held in one.held.values()]
    if not held:
        return ""
    yes, no = held.count("yes"), held.count("no")
    return sentence.format(n=len(held), yes=yes, no=no)


def _about_standing(standing: Standing) -> str:
    by_rank = standing.methods[0]
    by_area = max(standing.methods, key=lambda one: one.mean_auroc.value)
    where = "in distribution" if standing.measure == "in distribution" else "out of distribution"
    rank, area = by_rank.mean_rank, by_area.mean_auroc
    others = {organism: method for organism, method in standing.first_without.items() if method != by_area.method}
    changes = (
        "; whichever organism is left out, it stays first"
        if not others
        else "; but " + ", ".join(f"without {organism} it is {_words(method)}" for organism, method in others.items())
    )
    return (
        f"Places, {standing.field}, {where}: {_words(by_rank.method)} is first by mean rank ({rank.value:.1f} "
        f"[{rank.low:.1f}, {rank.high:.1f}] of {len(standing.methods)}), and by mean AUROC {_words(by_area.method)} "
        f"({area.value:.2f} [{area.low:.2f}, {area.high:.2f}]){changes}. Of {standing.n_pairs} comparisons within "
        f"tasks {standing.n_sure} are sure."
    )


def _about_erasers(results: Sequence[TaskResult]) -> list[str]:
    exact = [one for result in results for one in result.erasers if one.failed is None and one.method == "leace"]
    if not exact:
        return []
    linear = sum(any(read.is_read for read in one.readings if read.reader == "logistic") for one in exact)
    curved = sum(any(read.is_read for read in one.readings if read.reader in ("mlp", "covariances")) for one in exact)
    return [
        f"After LEACE a fresh linear reader still reads the concept on {linear} of {len(exact)} tasks, and a reader "
        f"that is not linear on {curved}: equal class means are no erasure of what is not linear."
    ]
