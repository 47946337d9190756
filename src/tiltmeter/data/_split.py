"""Splits and folds that never divide a pair or a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.core.seeds import stream
from tiltmeter.data._assign import assign
from tiltmeter.data._components import components
from tiltmeter.data._textset import SPLITS, TextSet


class Fold(NamedTuple):
    """Rows to fit on and rows held out, as indices in ascending order."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def split_by_group(
    sets: TextSet | Mapping[str, TextSet], *, fractions: tuple[float, float, float] = (0.5, 0.25, 0.25), seed: int
) -> dict[str, NDArray[np.str_]]:
    """Divide distributions into train, calibration and test without dividing a unit.

    A unit is a connected component of groups and pairs over *all* distributions, so that a group lies in the same split
    wherever it occurs; a row with neither is a unit of its own. Where a set comes with a split, it is kept, and its
    units stay there in the other sets too. The other units are drawn: the rows of each split come within about one
    unit of its fraction, and each label of each distribution goes to all splits, in proportion, where units suffice.

    Parameters
    ----------
    sets
        Distributions by name, or one set.
    fractions
        Shares of the drawn rows for train, calibration and test: positive, adding up to 1.
    seed
        The same seed and sets give the same splits, in whatever order the sets are named.

    Returns
    -------
    ``train``, ``calibration`` or ``test`` for each row, by name; one set goes by the name of its distribution.

    Raises
    ------
    DataError
        If a split that comes with a set divides a group or pair, or if the sets to be drawn have too few units for
        both labels to lie in every split.
    SpecError
        If the fractions are not three positive numbers that add up to 1.

    Notes
    -----
    A distribution with few units may still miss a label in some split, if the others have it: it can be tested on.
    Call :func:`require_two_classes` on the part that is fitted on.

    Examples
    --------
    >>> texts = TextSet(np.array(list("abcdef")), texts=tuple("abcdef"), y=np.array([1, 0, 1, 0, 1, 0]),
    ...                 groups=np.array(["Rome", "Rome", "Oslo", "Oslo", "Lima", "Lima"]))
    >>> names = split_by_group(texts, seed=0)["texts"]
    >>> [str(name) for name in names[::2]] == [str(name) for name in names[1::2]]
    True
    >>> sorted(set(names.tolist()))
    ['calibration', 'test', 'train']
    """
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise SpecError(
            f"fractions are {fractions}; give three positive shares that add up to 1 (train, calibration, test)."
        )
    named = {sets.distribution: sets} if isinstance(sets, TextSet) else {name: sets[name] for name in sorted(sets)}
    keys = [key for name, texts in named.items() for key in _row_keys(texts, name=name)]
    units = np.array(components(keys), dtype=np.int64)
    n_units = int(units.max()) + 1 if len(units) else 0
    fixed = _predefined(named, units=units, n_units=n_units)
    counts = _count_kinds(list(named.values()), units=units, n_units=n_units)
    chosen = assign(counts, fractions=fractions, fixed=fixed, rng=stream(seed, "split"))
    _check_labels(named, units=units, chosen=chosen)
    rows = np.array(SPLITS, dtype=np.str_)[chosen[units]]
    ends = np.cumsum([len(texts) for texts in named.values()])
    return dict(zip(named, np.split(rows, ends[:-1]), strict=True))


def group_folds(groups: NDArray[np.str_], y: NDArray[np.int64], *, n_folds: int, seed: int) -> list[Fold]:
    """Divide rows into folds of about equal size that keep groups whole and hold both labels in like proportion.

    Parameters
    ----------
    groups
        Shape (n,), what must not be divided. Give each row its own where rows are independent.
    y
        Shape (n,), labels 0 and 1.
    n_folds
        At least 2, at most the number of groups that hold a label.
    seed
        The same seed gives the same folds.

    Returns
    -------
    One :class:`Fold` for each part that is held out; every row is held out once.

    Raises
    ------
    DataError
        If a label occurs in fewer than ``n_folds`` groups, or the lengths disagree.
    SpecError
        If ``n_folds`` is less than 2.

    Examples
    --------
    >>> folds = group_folds(np.array(["a", "a", "b", "b"]), np.array([1, 0, 1, 0]), n_folds=2, seed=0)
    >>> sorted(fold.test.tolist() for fold in folds)
    [[0, 1], [2, 3]]
    """
    if n_folds < 2:
        raise SpecError(f"n_folds is {n_folds}; give at least 2.")
    if groups.shape != y.shape or groups.ndim != 1:
        raise DataError(f"groups have shape {groups.shape} and y {y.shape}; give one of each a row.")
    names, units = np.unique(groups, return_inverse=True)
    counts = np.stack([np.bincount(units[y == label], minlength=len(names)) for label in (0, 1)], axis=1)
    for label in (0, 1):
        n_holders = int((counts[:, label] > 0).sum())
        if n_holders < n_folds:
            raise DataError(
                f"Label {label} occurs in {n_holders} groups, too few for {n_folds} folds; ask for fewer folds or add "
                "groups."
            )
    chosen = assign(
        counts,
        fractions=[1 / n_folds] * n_folds,
        fixed=np.full(len(names), -1, dtype=np.int64),
        rng=stream(seed, "folds"),
    )[units]
    return [Fold(np.flatnonzero(chosen != fold), np.flatnonzero(chosen == fold)) for fold in range(n_folds)]


def independent_units(sets: Mapping[str, TextSet]) -> dict[str, NDArray[np.str_]]:
    """Name what each row must not be divided from: its connected component of groups and pairs over all sets.

    Two rows have the same unit if a group or a pair joins them, directly or by way of other rows, in whichever sets
    they stand. A row with neither is a unit of its own, whatever its identifier.

    Parameters
    ----------
    sets
        Distributions by name.

    Returns
    -------
    Shape (n,) by name: units are named by number.

    Examples
    --------
    >>> one = TextSet(np.array(["1", "2"]), texts=("a", "b"), groups=np.array(["Rome", "Oslo"]))
    >>> two = TextSet(np.array(["1", "2"]), texts=("c", "d"), groups=np.array(["Oslo", "Lima"]))
    >>> found = independent_units({"one": one, "two": two})
    >>> bool(found["one"][1] == found["two"][0]), bool(found["one"][0] == found["two"][1])
    (True, False)
    """
    keys = [key for name, texts in sets.items() for key in _row_keys(texts, name=name)]
    units = np.array(components(keys), dtype=np.int64).astype(np.str_)
    ends = np.cumsum([len(texts) for texts in sets.values()])
    return dict(zip(sets, np.split(units, ends[:-1]), strict=True))


def _row_keys(texts: TextSet, *, name: str) -> list[list[tuple[str, ...]]]:
    """Return what holds each row together with others; a row with nothing is held by itself."""
    keys: list[list[tuple[str, ...]]] = [[("row", name, str(index))] for index in range(len(texts))]
    if texts.groups is not None:
        for index, group in enumerate(texts.groups.tolist()):
            keys[index].append(("group", group))
    if texts.pairs is not None:
        for index, pair in enumerate(texts.pairs.tolist()):
            if pair:
                keys[index].append(("pair", pair))
    return keys


def _predefined(named: Mapping[str, TextSet], *, units: NDArray[np.int64], n_units: int) -> NDArray[np.int64]:
    """Return the split of each unit that a set brings with it, -1 for the others; DataError if one is divided."""
    fixed = np.full(n_units, -1, dtype=np.int64)
    seen: dict[int, str] = {}
    start = 0
    for name, texts in named.items():
        for index, split in enumerate([] if texts.split is None else texts.split.tolist()):
            unit, place = int(units[start + index]), SPLITS.index(split)
            if fixed[unit] not in (-1, place):
                raise DataError(
                    f"{_unit_name(texts, index)} is divided by the split column: {seen[unit]} is in "
                    f"{SPLITS[fixed[unit]]}, row {texts.ids[index]} of {name} in {split}; keep it in one split."
                )
            fixed[unit] = place
            seen.setdefault(unit, f"row {texts.ids[index]} of {name}")
        start += len(texts)
    return fixed


def _unit_name(texts: TextSet, index: int) -> str:
    if texts.groups is not None:
        return f"The group {str(texts.groups[index])!r}"
    # a row without group or pair is alone and cannot be divided
    return f"The pair {str(texts.pairs[index]) if texts.pairs is not None else ''!r}"


def _count_kinds(sets: Sequence[TextSet], *, units: NDArray[np.int64], n_units: int) -> NDArray[np.int64]:
    """Count the rows of each distribution × label in each unit; unlabelled rows are one kind."""
    columns = []
    start = 0
    for texts in sets:
        rows = units[start : start + len(texts)]
        parts = [rows] if texts.y is None else [rows[texts.y == label] for label in (0, 1)]
        columns += [np.bincount(part, minlength=n_units) for part in parts if len(part)]
        start += len(texts)
    return np.stack(columns, axis=1).astype(np.int64) if columns else np.zeros((n_units, 1), dtype=np.int64)


def _check_labels(named: Mapping[str, TextSet], *, units: NDArray[np.int64], chosen: NDArray[np.int64]) -> None:
    """Check that both labels lie in every split, over the sets that were drawn and do hold both."""
    labels, places, members = [], [], []
    start = 0
    for texts in named.values():
        rows = units[start : start + len(texts)]
        start += len(texts)
        if texts.y is not None and texts.split is None:
            labels.append(texts.y)
            places.append(chosen[rows])
            members.append(rows)
    if not labels:
        return
    y, place, n_units = np.concatenate(labels), np.concatenate(places), len(np.unique(np.concatenate(members)))
    for index, split in enumerate(SPLITS):
        for label in np.unique(y):
            if not (y[place == index] == label).any():
                raise DataError(
                    f"The {split} split gets no text with label {label}: the texts form {n_units} units (groups and "
                    "pairs that stay together), too few to divide; add groups, or check that the group column is not "
                    "too coarse."
                )
