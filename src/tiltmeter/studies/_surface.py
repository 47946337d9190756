"""What the surface of a study's texts gives away: words, pairs that differ in the label alone, relatives."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import DataWarning
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.core.surface import Kinship, LabelWord, PairOrder
from tiltmeter.data import TextSet, group_by_shared_words, label_words, plain_texts
from tiltmeter.evaluation import HeldOut, mean_estimate, ranking_estimates, resampling
from tiltmeter.numerics import clopper_pearson
from tiltmeter.studies._material import Material
from tiltmeter.studies._spec import StudySpec

_WORDS = 10


class Surface(NamedTuple):
    """What stands in the evidence under the same names."""

    label_words: tuple[LabelWord, ...]
    pair_orders: tuple[PairOrder, ...]
    kinships: tuple[Kinship, ...]


def surface(
    spec: StudySpec, material: Material, tests: dict[str, HeldOut], scores: dict[str, dict[str, NDArray[Any]]]
) -> Surface:
    """Look at words, pairs and relatives; ``scores`` are by reader, the probe and its rivals, and test set."""
    return Surface(
        _words_of_labels(spec, material), _pair_orders(material, tests, scores), _kinships(spec, material, tests)
    )


def _words_of_labels(spec: StudySpec, material: Material) -> tuple[LabelWord, ...]:
    """Return the words that go most with the label in the training texts of the training distribution."""
    home = spec.train.distribution
    units = material.units[home][material.splits[home] == "train"]
    found = label_words(material.rows(home, "train"), groups=units, n=_WORDS)

    def share(count: int, total: int) -> Estimate:
        low, high = clopper_pearson(count, total, level=spec.evidence.level)
        return Estimate(
            value=count / total,
            low=low,
            high=high,
            level=spec.evidence.level,
            n=total,
            method="exact binomial over units",
        )

    return tuple(
        LabelWord(
            word=word.word,
            in_positive=share(word.in_positive, found.n_positive),
            in_negative=share(word.in_negative, found.n_negative),
        )
        for word in found.words
    )


def _pair_orders(
    material: Material, tests: dict[str, HeldOut], scores: dict[str, dict[str, NDArray[Any]]]
) -> tuple[PairOrder, ...]:
    """Count the test pairs that each reader orders right; ``scores`` are by reader and test set.

    A pair is two rows of one pair, or else the whole of a group of two, with one label each.
    """
    found = []
    for name, test in tests.items():
        members = _counterfactuals(material.rows(name, "test"), test)
        if not len(members):
            continue
        by = resampling(
            len(members),
            groups=test.units[members[:, 0]],
            n_draws=len(test.by.weights),
            level=test.by.level,
            seed=test.by.seed,
        )
        for reader, by_test in scores.items():
            gap = by_test[name][members[:, 0]] - by_test[name][members[:, 1]]
            right = mean_estimate(np.where(gap == 0, 0.5, gap > 0), by=by, bounds=(0.0, 1.0))
            found.append(PairOrder(reader=reader, test=name, right=right))
    return tuple(found)


def _counterfactuals(texts: TextSet, test: HeldOut) -> NDArray[np.int64]:
    """Return the positive and the negative row of each pair, shape (p, 2)."""
    keys = texts.pairs if texts.pairs is not None else texts.groups
    if keys is None:
        return np.empty((0, 2), dtype=np.int64)
    names, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
    is_pair = (names != "") & (counts == 2) & (np.bincount(which, weights=test.y) == 1)
    rows = np.flatnonzero(is_pair[which])
    # by pair, the positive row first
    return rows[np.lexsort((-test.y[rows], which[rows]))].reshape(-1, 2)


class _Relatives(NamedTuple):
    """Of each row, whether it has relatives in the training split, and their mean label."""

    is_related: NDArray[np.bool_]
    label: NDArray[np.float64]


def _kinships(spec: StudySpec, material: Material, tests: dict[str, HeldOut]) -> tuple[Kinship, ...]:
    """Ask of test texts without groups whether training texts that share rare words with them give their label away."""
    home = spec.train.distribution
    if material.grouped_by[home] != "row" or home not in tests:
        return ()
    train, test = material.rows(home, "train"), tests[home]
    found = _relatives(train, material.rows(home, "test"))
    rows = found.is_related
    figure: Measured = Unavailable(reason="too few texts share rare words with training texts")
    if rows.sum() >= 2:
        by = resampling(int(rows.sum()), groups=None, level=spec.evidence.level, seed=spec.seed)
        figure = ranking_estimates(test.y[rows], found.label[rows], fpr=spec.threshold.fpr, by=by).auroc
    return (Kinship(test=home, n_rows=len(rows), n_related=int(rows.sum()), auroc=figure),)


def _relatives(train: TextSet, test: TextSet) -> _Relatives:
    strings = (*plain_texts(train), *plain_texts(test))
    together = TextSet(np.arange(len(strings)).astype(np.str_), texts=strings, distribution="all texts")
    with warnings.catch_warnings():
        # where no word joins rows there are no relatives, which is what is asked
        warnings.simplefilter("ignore", DataWarning)
        groups = group_by_shared_words(together).groups
    _, which = np.unique(groups, return_inverse=True)
    size = int(which.max()) + 1
    n_train = np.bincount(which[: len(train)], minlength=size)
    positives = np.bincount(which[: len(train)], weights=np.asarray(train.y), minlength=size)
    own = which[len(train) :]
    is_related = n_train[own] > 0
    return _Relatives(is_related, positives[own] / np.maximum(n_train[own], 1))
