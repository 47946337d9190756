"""A contest of rules against a student, from its spec to a folder with the record and its page."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.baselines import answer_log_odds, read_rules
from tiltmeter.core.errors import SpecError
from tiltmeter.core.experts import Experts
from tiltmeter.core.files import new_folder, write_json
from tiltmeter.data import TextSet, read_texts, require_two_classes, split_by_group
from tiltmeter.experts import (
    ENGLISH,
    MOST_NEGATIONS,
    SentimentRules,
    Task,
    Trial,
    Unit,
    classifier_outputs,
    edge_suites,
    grammar_task,
    hold_trial,
    judge_trials,
    make_grammar,
    read_outputs,
    rules_for,
)
from tiltmeter.report import write_experts
from tiltmeter.studies._experts_spec import ExpertsSpec, GrammarSpec, TeacherSpec, TextsSpec
from tiltmeter.studies._sources import open_model, open_texts
from tiltmeter.studies._spec import ModelSpec

_PACKAGES = ("tiltmeter", "torch", "transformers", "numpy", "scikit-learn")
# of the split of real texts, of typos, and of the order in which demonstrations are taken
_SPLIT_SEED = 0
_CONTESTANTS = {
    "hand rules": "lexicon, negation, intensifier and contrast, written by hand",
    "written rules": "an ordered list that a language model wrote; its file should say what it had seen",
    "induced rules": "a decision tree of at most eight leaves over words, of the demonstrations, as ordered rules",
    "student": "a tiny transformer that starts from nothing and learns from the demonstrations",
    "mixed": "the hand rules, and the student where they say nothing",
}
_GRAMMAR_SUITES = {
    "home": "as the demonstrations: clauses of any depth, contrast, intensifiers, irony in 5 %",
    **{f"depth {k}": f"one clause with {k} negations" for k in range(MOST_NEGATIONS + 1)},
    "contrast": "two clauses, of which the second decides",
    "intensified": "two clauses that say opposite things, of which the intensified one decides",
    "irony": "as home, all with the mark of irony, which turns the whole",
    "typos": "home, two neighbouring letters swapped in three of ten words",
    "domain shift": "as home, with words of another domain, half of which stand in the lexicon",
}
_TEXT_SUITES = {
    "home": "held-out texts",
    "negation": "held-out texts with a negator",
    "contrast": "held-out texts with a contrast word",
    "irony": "held-out texts with something that marks irony, or amusement",
    "typos": "held-out texts, two neighbouring letters swapped in three of ten words",
}


class _Contest(NamedTuple):
    """What stays the same over seeds: how to make the task of one, and what is said of it."""

    task: Callable[[int], Task]
    sizes: tuple[int, ...]
    unit: Unit
    about: str
    teacher: str
    suites: dict[str, str]
    groups: dict[str, NDArray[Any]]


def run_experts(spec: ExpertsSpec, out: Path, *, announce: Callable[[str], None] = lambda _: None) -> Experts:
    """Hold a contest over all its seeds, and write its record and its page.

    Parameters
    ----------
    spec
        What is contested.
    out
        The folder to write; it must not exist, and appears only when everything in it is complete.
    announce
        Called with each step as it begins.

    Returns
    -------
    The record, which stands in ``experts.json``; ``experts.html`` shows it.

    Raises
    ------
    FileError
        If ``out`` exists, or a file of the spec does not.
    SpecError
        If there are fewer demonstrations than a student is to have.
    TiltmeterError
        If texts, rules or the teacher cannot be read.

    Notes
    -----
    Of a grammar, a seed makes the language, the texts, the teacher's errors and the student, and intervals resample
    seeds. Of real texts all seeds share one split, and a seed makes the student only; intervals resample test texts
    (their groups, where they have some), each with its mean over seeds.

    Examples
    --------
    >>> import tempfile
    >>> from tiltmeter.experts import StudentSpec
    >>> spec = ExpertsSpec(
    ...     name="tiny", grammar=GrammarSpec(n_test=20), sizes=(30,), seeds=(0, 1), student=StudentSpec(steps=2)
    ... )
    >>> found = run_experts(spec, Path(tempfile.mkdtemp()) / "out")
    >>> [contestant.name for contestant in found.contestants]
    ['hand rules', 'induced rules', 'student', 'mixed']
    """
    began = time.process_time()
    with new_folder(out) as folder:
        contest = _planted(spec, spec.grammar) if spec.grammar is not None else _of_texts(spec, announce)
        trials: list[Trial] = []
        for number, seed in enumerate(spec.seeds, start=1):

            def said(step: str, at: str = f"seed {number} of {len(spec.seeds)}") -> None:
                announce(f"{at}: {step}")

            trials.append(
                hold_trial(contest.task(seed), sizes=contest.sizes, student=spec.student, seed=seed, announce=said)
            )
        found = judge_trials(
            trials,
            unit=contest.unit,
            about=contest.suites,
            contestants=_CONTESTANTS,
            hours=spec.hours,
            groups=contest.groups,
        )
        record = Experts(
            name=spec.name,
            about=contest.about,
            teacher=contest.teacher,
            home=found.suites[0].name,
            seeds=spec.seeds,
            unit=contest.unit,
            level=0.95,
            **found._asdict(),
            versions={name: metadata.version(name) for name in _PACKAGES},
            platform=platform.platform(),
            cpu_seconds=round(time.process_time() - began, 1),
        )
        write_json(folder / "experts.json", record.model_dump(mode="json"))
        write_experts(folder)
    return record


def _planted(spec: ExpertsSpec, grammar: GrammarSpec) -> _Contest:
    written = None if grammar.written is None else read_rules(grammar.written)

    def task(seed: int) -> Task:
        language = make_grammar(seed, noise=grammar.noise, deeper=grammar.deeper, deepest=grammar.deepest)
        made = grammar_task(
            language, n_demonstrations=spec.sizes[-1], n_test=grammar.n_test, depth=grammar.depth, seed=seed
        )
        return made if written is None else made._replace(written=rules_for(language, written))

    return _Contest(
        task,
        spec.sizes,
        "seeds",
        f"a planted grammar: polarity times the parity of negations; the hand rules count {grammar.depth}",
        f"the truth, with {grammar.noise:.0%} of the labels wrong",
        _GRAMMAR_SUITES,
        {},
    )


def _of_texts(spec: ExpertsSpec, announce: Callable[[str], None]) -> _Contest:
    asked = spec.texts
    if asked is None:  # the spec holds one of the two
        raise SpecError("The contest has neither a grammar nor texts.")
    announce("texts and teacher")
    home = _labelled(asked.home, asked, name="home")
    split = split_by_group(
        home, fractions=(1 - asked.for_test, asked.for_test / 2, asked.for_test / 2), seed=_SPLIT_SEED
    )
    is_train = split["home"] == "train"
    shown, test = home.select(is_train), home.select(~is_train)
    shown = shown.select(np.random.default_rng(_SPLIT_SEED).permutation(len(shown)))
    hand = None if asked.lexicon is None else _english(asked.lexicon)
    suites = {"home": test, **edge_suites(test, hand or ENGLISH, seed=_SPLIT_SEED)}
    for name, where in asked.elsewhere.items():
        suites[name] = _without_groups_of(shown, _labelled(where, asked, name=name))
    # all texts there are stand in for more than there are
    sizes = tuple(sorted({min(size, len(shown)) for size in spec.sizes}))
    task = Task(
        demonstrations=shown,
        taught=require_two_classes(shown).astype(np.float64) if spec.teacher is None else _said(spec.teacher, shown),
        suites=suites,
        told=None if spec.teacher is None else {name: _said(spec.teacher, suite) for name, suite in suites.items()},
        hand=hand,
        written=None if asked.written is None else read_rules(asked.written),
    )
    return _Contest(
        lambda _seed: task,
        sizes,
        "texts",
        f"{len(home)} texts of {Path(asked.home).name}, {len(test)} of them held out",
        _named(spec.teacher),
        {**_TEXT_SUITES, **{name: f"{len(suites[name])} texts of another domain" for name in asked.elsewhere}},
        {name: suite.groups for name, suite in suites.items() if suite.groups is not None},
    )


def _labelled(where: str, asked: TextsSpec, *, name: str) -> TextSet:
    """Read texts, of which those with a third label are left out."""
    if asked.label_positive is None or where.startswith("organism:"):
        return open_texts(where, distribution=name)
    texts = read_texts(where, distribution=name, label_positive=asked.label_positive)
    if asked.label_negative is None:
        return texts
    negative = read_texts(where, distribution=name, label_positive=asked.label_negative)
    return texts.select((require_two_classes(texts) + require_two_classes(negative)) == 1)


def _without_groups_of(shown: TextSet, texts: TextSet) -> TextSet:
    """Leave out texts whose group stands among the demonstrations."""
    if shown.groups is None or texts.groups is None:
        return texts
    is_fresh = ~np.isin(texts.groups, shown.groups)
    if not is_fresh.any():
        raise SpecError(f"Every group of {texts.distribution} stands among the demonstrations; name other texts.")
    return texts.select(is_fresh)


def _english(lexicon: str) -> SentimentRules:
    words = read_texts(lexicon, distribution="the lexicon")
    signs = 2.0 * require_two_classes(words) - 1
    known = {word.casefold(): float(sign) for word, sign in zip(words.texts or (), signs, strict=True)}
    return ENGLISH.model_copy(update={"lexicon": known})


def _said(teacher: TeacherSpec, texts: TextSet) -> NDArray[np.float64]:
    """Return the teacher's outputs for texts, whose labels it does not see."""
    unlabelled = replace(texts, y=None)
    if teacher.outputs is not None:
        return read_outputs(teacher.outputs, unlabelled)
    if teacher.classifier is not None:
        return classifier_outputs(teacher.classifier, unlabelled, positive=teacher.positive or "")
    subject = open_model(ModelSpec(path=teacher.model or ""))
    answers = teacher.answers
    odds = answer_log_odds(
        subject,
        unlabelled,
        positive=answers.positive if answers else (),
        negative=answers.negative if answers else (),
        long_texts="truncate_left",
    )
    return 1 / (1 + np.exp(-odds))


def _named(teacher: TeacherSpec | None) -> str:
    if teacher is None:
        return "the true labels"
    return str(teacher.outputs or teacher.classifier or teacher.model)
