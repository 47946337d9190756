"""One seed of a contest: a student is taught, and every contestant labels every suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from tiltmeter.baselines import InducedRules, RuleList
from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.core.experts import ContestantKind
from tiltmeter.data import TextSet, plain_texts
from tiltmeter.experts._contestants import ByRules, Mixed, Predictor
from tiltmeter.experts._interactions import Interactions, interactions
from tiltmeter.experts._program import ListedRules, Program, description_bits
from tiltmeter.experts._sentiment import SentimentRules
from tiltmeter.experts._student import Student, StudentSpec, train_student

# of a number that was learned
_BITS = 32


class Task(NamedTuple):
    """What is contested.

    ``demonstrations`` with the outputs of the teacher for them, ``taught``; ``suites`` by name, labelled with what is
    true, the home suite first; what the teacher says of their texts, ``told`` (None where the true labels teach);
    rules by hand and rules that a language model wrote, None where there are none.
    """

    demonstrations: TextSet
    taught: Float[NDArray[np.float64], " n"]
    suites: Mapping[str, TextSet]
    told: Mapping[str, Float[NDArray[np.float64], " n"]] | None
    hand: SentimentRules | None
    written: RuleList | None = None


class Marks(NamedTuple):
    """Of each text of a suite, whether a contestant says what is true, and whether it says what the teacher says."""

    right: Bool[NDArray[np.bool_], " n"]
    as_taught: Bool[NDArray[np.bool_], " n"] | None


class Sat(NamedTuple):
    """A contestant of one seed: its marks by suite, and what is known of how it is made."""

    kind: ContestantKind
    marks: dict[str, Marks]
    seen: Interactions | None
    n_rules: int | None
    bits: int
    n_demonstrations: int
    cpu_seconds: float


class Trial(NamedTuple):
    """One seed: the contestants by name, the marks of smaller students by size, and those of the teacher."""

    contestants: dict[str, Sat]
    curve: dict[int, dict[str, Marks]]
    teacher: dict[str, Marks]


def hold_trial(
    task: Task,
    *,
    sizes: tuple[int, ...],
    student: StudentSpec | None = None,
    seed: int,
    announce: Callable[[str], None] = lambda _: None,
) -> Trial:
    """Teach students of all sizes, and let every contestant label every suite.

    Parameters
    ----------
    task
        Demonstrations, suites and rules.
    sizes
        Numbers of demonstrations, ascending; the student that contests has the last.
    student
        Size and course of the student; None for the usual one.
    seed
        Of its weights and batches.
    announce
        Called with each step as it begins.

    Returns
    -------
    The marks of each contestant: ``hand rules``, ``written rules`` and ``mixed`` (hand rules, and the student where
    they say nothing) where there are rules, and always ``induced rules``, a small tree over words that was fitted to
    the largest set of demonstrations, and ``student``.

    Raises
    ------
    SpecError
        If the sizes are not ascending, or are more than there are demonstrations.
    DataError
        If a suite has no labels, or the demonstrations have one label only.

    Examples
    --------
    >>> from tiltmeter.experts import grammar_task, make_grammar
    >>> task = grammar_task(make_grammar(0), n_demonstrations=50, n_test=20, depth=2, seed=0)
    >>> trial = hold_trial(task, sizes=(50,), student=StudentSpec(d_model=8, steps=5), seed=0)
    >>> list(trial.contestants), bool(trial.contestants["hand rules"].marks["depth 2"].right.all())
    (['hand rules', 'induced rules', 'student', 'mixed'], True)
    """
    n_there = len(task.demonstrations)
    if not sizes or list(sizes) != sorted(set(sizes)) or sizes[0] < 1:
        raise SpecError(f"The sizes are {sizes}; give ascending whole numbers from 1.")
    if sizes[-1] > n_there:
        raise SpecError(f"A student of {sizes[-1]} demonstrations was asked for, and there are {n_there}.")
    if unlabelled := [name for name, suite in task.suites.items() if suite.y is None]:
        raise DataError(f"The suite {unlabelled[0]!r} has no labels; every test text needs its true one.")
    texts = plain_texts(task.demonstrations)
    curve, learner = {}, None
    for size in sizes:

        def watch(done: int, of: int, size: int = size) -> None:
            if done % 500 == 0:
                announce(f"a student of {size} demonstrations, step {done} of {of}")

        announce(f"a student of {size} demonstrations")
        learner = train_student(texts[:size], task.taught[:size], spec=student, seed=seed, on_step=watch)
        curve[size] = _marks(learner, task)
    announce("rules")
    return Trial(
        _contestants(task, learner, curve[sizes[-1]], size=sizes[-1]) if learner is not None else {},
        curve,
        {name: Marks((told >= 0.5) == (task.suites[name].y == 1), None) for name, told in (task.told or {}).items()},
    )


def _contestants(task: Task, student: Student, marks: dict[str, Marks], *, size: int) -> dict[str, Sat]:
    """Let the rules label the suites, and put the student beside them."""
    labels = (task.taught[:size] >= 0.5).astype(np.int64)
    if len(np.unique(labels)) < 2:
        raise DataError(f"The teacher gives all {size} demonstrations one label; a contest needs both.")
    usual = int(labels.mean() >= 0.5)
    found = {}
    if task.hand is not None:
        found["hand rules"] = _ruled(task, task.hand, kind="hand rules", otherwise=usual, n_demonstrations=0)
    if task.written is not None:
        found["written rules"] = _listed(task, task.written, kind="written rules", n_demonstrations=0)
    induced = InducedRules().fit(np.array(plain_texts(task.demonstrations)[:size], dtype=object), labels).rules_
    found["induced rules"] = _listed(task, induced, kind="induced rules", n_demonstrations=size)
    bits = _BITS * student.n_parameters
    found["student"] = Sat("student", marks, None, None, bits, size, student.cpu_seconds)
    if task.hand is not None:
        both = _marks(Mixed(task.hand, student), task)
        ruled = found["hand rules"]
        found["mixed"] = ruled._replace(
            kind="mixed", marks=both, bits=bits + ruled.bits, n_demonstrations=size, cpu_seconds=student.cpu_seconds
        )
    return found


def _listed(task: Task, rules: RuleList, *, kind: ContestantKind, n_demonstrations: int) -> Sat:
    otherwise = int(rules.default > 0)
    return _ruled(task, ListedRules(rules), kind=kind, otherwise=otherwise, n_demonstrations=n_demonstrations)


def _ruled(task: Task, program: Program, *, kind: ContestantKind, otherwise: int, n_demonstrations: int) -> Sat:
    home = next(iter(task.suites.values()))
    return Sat(
        kind,
        _marks(ByRules(program, otherwise=otherwise), task),
        interactions(program, plain_texts(home)),
        program.n_rules,
        description_bits(program),
        n_demonstrations,
        0.0,
    )


def _marks(predictor: Predictor, task: Task) -> dict[str, Marks]:
    found = {}
    for name, suite in task.suites.items():
        labels: Int[NDArray[np.int64], " n"] = predictor.predict(plain_texts(suite))
        taught = None if task.told is None else labels == (task.told[name] >= 0.5)
        found[name] = Marks(labels == suite.y, taught)
    return found
