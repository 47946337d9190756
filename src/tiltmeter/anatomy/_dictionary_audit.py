"""Dictionaries of several sizes and seeds beside everything that knows nothing and may look as good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray

from tiltmeter.anatomy._dictionary import Dictionary
from tiltmeter.anatomy._dictionary_conclusions import dictionary_conclusions
from tiltmeter.anatomy._dictionary_matches import live_atoms, mmcs, mmcs_chance, mmcs_turned
from tiltmeter.anatomy._dictionary_metrics import (
    Lots,
    gaussian_like,
    linear_error,
    lots,
    mean_count,
    random_dictionary,
    row_figures,
    unexplained,
)
from tiltmeter.anatomy._sparse_autoencoder import rows_hash
from tiltmeter.core.dictionaries import Chance, DictionaryAudit, DictionaryFigures
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Estimate, Measured, Unavailable

# training rows that are judged on and that rivals are fitted on, and rows of noise
_MOST_ROWS = 20_000
_MOST_LATENTS = 8192


class DictionaryRows(NamedTuple):
    """Rows that were trained on, others to judge on, planted directions, and groups of either (None: each row)."""

    train: Float[NDArray[Any], "n d"]
    test: Float[NDArray[Any], "m d"]
    groups: Shaped[NDArray[Any], " m"] | None = None
    truth: Float[NDArray[Any], "g d"] | None = None
    train_groups: Shaped[NDArray[Any], " n"] | None = None


class _Read(NamedTuple):
    """A dictionary under its name, the atoms that are live on the test rows, and the seed that it was trained with."""

    name: str
    dictionary: Dictionary
    atoms: Float[NDArray[Any], "f d"]
    seed: int | None


def audit_dictionaries(
    dictionaries: Mapping[str, Dictionary],
    rows: DictionaryRows,
    *,
    trained_on_noise: Mapping[str, Dictionary] | None = None,
    n_draws: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> DictionaryAudit:
    """Judge dictionaries on the same rows, each figure beside what knows nothing.

    Parameters
    ----------
    dictionaries
        By name; any sizes, seeds and kinds, trained here or elsewhere, all of the rows' width.
    rows
        What is judged on.
    trained_on_noise
        Dictionaries that were trained alike on :func:`gaussian_like` rows, each under the name of its twin, for the
        MMCS of those; of dictionaries trained elsewhere there are none.
    n_draws
        Of the bootstrap of FVU and L0 over rows, or groups where there are any.
    level
        Of the intervals.
    seed
        Of all draws.

    Returns
    -------
    Figures of every dictionary, smallest first, and conclusions in words.

    Raises
    ------
    SpecError
        If there is no dictionary.
    ArrayError
        If a dictionary reads rows of another width, there are fewer than two rows on a side, one is not finite, those
        of training are all equal, or groups are not as many as rows.

    Notes
    -----
    A latent is live if it is above zero on a test row. MMCS is between live atoms. Of several dictionaries of the next
    larger size the mean is taken. Of more than 20,000 training rows as many are looked at, evenly spaced. Intervals are
    over rows and atoms, not over trainings: for that, train several seeds and look at ``twin`` and at the figures of
    each.

    References
    ----------
    Sharkey, Braun and Millidge (2022), "Taking features out of superposition with sparse autoencoders"; Heap et al.
    (2025), arXiv 2501.17727, on dictionaries of random models; Paulo and Belrose (2025), arXiv 2501.16615, on seeds.

    Examples
    --------
    >>> from tiltmeter.anatomy import toy_world, train_dictionary
    >>> from tiltmeter.core.dictionaries import DictionaryRecipe
    >>> rows = toy_world("noise", 400, d=8).X
    >>> short = DictionaryRecipe(steps=50, batch_size=32)
    >>> both = {str(f): train_dictionary(rows[:300], f, recipe=short).dictionary for f in (8, 16)}
    >>> found = audit_dictionaries(both, DictionaryRows(rows[:300], rows[300:]))
    >>> [one.n_latents for one in found.dictionaries], found.dictionaries[1].larger.kind
    ([8, 16], 'unavailable')
    """
    _check(dictionaries, rows)
    d = rows.train.shape[1]
    by = lots(len(rows.test), groups=rows.groups, n_draws=n_draws, level=level, seed=seed)
    read = [_opened(name, one, rows.test) for name, one in sorted(dictionaries.items(), key=_by_size)]
    on_noise = {name: _opened(name, one, rows.test) for name, one in (trained_on_noise or {}).items()}
    judge = _Judge(rows, by, noise=gaussian_like(rows.train, min(len(rows.test), _MOST_ROWS), seed=seed), seed=seed)
    found = tuple(judge.figures(one, read, on_noise) for one in read)
    return DictionaryAudit(
        n_train=len(rows.train),
        n_test=len(rows.test),
        n_units=by.by.n_units,
        unit=by.by.unit,
        d=d,
        level=level,
        n_draws=n_draws,
        seed=seed,
        dictionaries=found,
        conclusions=dictionary_conclusions(found),
    )


class _Judge:
    """The rows, their draws, and the noise that all dictionaries are tried on."""

    def __init__(self, rows: DictionaryRows, by: Lots, *, noise: Float[NDArray[Any], "n d"], seed: int) -> None:
        self.rows, self.by, self.noise, self.seed = rows, by, noise, seed
        # evenly spaced: rows may come sorted by text or by class
        at = np.linspace(0, len(rows.train) - 1, min(len(rows.train), _MOST_ROWS)).astype(np.int64)
        self.train, self.rows_sha256 = rows.train[at], rows_hash(rows.train)
        n_draws, level = len(by.by.weights), by.by.level
        groups = None if rows.train_groups is None else rows.train_groups[at]
        self.by_train = lots(len(at), groups=groups, n_draws=n_draws, level=level, seed=seed)
        self.by_noise = lots(len(noise), groups=None, n_draws=n_draws, level=level, seed=seed)

    def figures(self, one: _Read, all_read: Sequence[_Read], on_noise: Mapping[str, _Read]) -> DictionaryFigures:
        size = one.dictionary.n_latents
        on_test, noisy = (row_figures(one.dictionary, X) for X in (self.rows.test, self.noise))
        larger = _of_next_size(all_read, size)
        twins = [other for other in all_read if other.dictionary.n_latents == size and other.name != one.name]
        k = max(1, round(float(on_test.active.mean())))
        truth = [] if self.rows.truth is None else [self.rows.truth]
        return DictionaryFigures(
            name=one.name,
            n_latents=size,
            seed=one.seed,
            trained_on=self._trained_on(one.dictionary),
            train_fvu=self._train(one.dictionary),
            test_fvu=unexplained(on_test.error, on_test.spread, by=self.by),
            noise_fvu=unexplained(noisy.error, noisy.spread, by=self.by_noise),
            random_fvu=self._random(size, k, on_test.spread),
            linear_fvu=unexplained(linear_error(self.train, self.rows.test, k=k), on_test.spread, by=self.by),
            l0=mean_count(on_test.active, by=self.by),
            noise_l0=mean_count(noisy.active, by=self.by_noise),
            live=len(one.atoms),
            larger=self._cosines(one.atoms, [other.atoms for other in larger], "there is no larger dictionary"),
            larger_chance=self._chance(len(one.atoms), [len(other.atoms) for other in larger]),
            larger_turned=self._turned(one.atoms, [other.atoms for other in larger]),
            larger_noise=self._noise(one, larger, on_noise),
            twin=self._cosines(one.atoms, [other.atoms for other in twins], "there is no other one of this size"),
            twin_chance=self._chance(len(one.atoms), [len(other.atoms) for other in twins]),
            twin_turned=self._turned(one.atoms, [other.atoms for other in twins]),
            truth=self._truth(one.atoms, truth),
            truth_chance=self._chance(len(truth[0]), [len(one.atoms)]) if truth else None,
        )

    def _trained_on(self, one: Dictionary) -> Literal["these rows", "other rows", "unknown rows"]:
        kept = one.provenance.get("rows_sha256")
        if kept is None:
            return "unknown rows"
        return "these rows" if kept == self.rows_sha256 else "other rows"

    def _train(self, one: Dictionary) -> Measured:
        trained_on = self._trained_on(one)
        if trained_on != "these rows":
            return Unavailable(reason=f"it was trained on {trained_on}")
        found = row_figures(one, self.train)
        return unexplained(found.error, found.spread, by=self.by_train)

    def _cosines(self, atoms: NDArray[Any], others: Sequence[NDArray[Any]], without: str) -> Measured:
        if not others:
            return Unavailable(reason=without)
        return _mean([mmcs(atoms, other, level=self.by.by.level, seed=self.seed) for other in others])

    def _truth(self, atoms: NDArray[Any], truth: Sequence[NDArray[Any]]) -> Measured:
        if not truth:
            return Unavailable(reason="nothing was planted, or what was is not known")
        return mmcs(truth[0], atoms, level=self.by.by.level, seed=self.seed)

    def _noise(self, one: _Read, larger: Sequence[_Read], on_noise: Mapping[str, _Read]) -> Measured:
        if not larger:
            return Unavailable(reason="there is no larger dictionary")
        twins = [on_noise[other.name].atoms for other in larger if other.name in on_noise]
        if one.name not in on_noise or len(twins) < len(larger):
            return Unavailable(reason="there are no twins of it and of the next larger that were trained on noise")
        return self._cosines(on_noise[one.name].atoms, twins, "")

    def _chance(self, n_atoms: int, others: Sequence[int]) -> Chance | None:
        if not n_atoms or not others or not min(others):
            return None
        return mmcs_chance(n_atoms, round(float(np.mean(others))), d=self.train.shape[1], seed=self.seed)

    def _turned(self, atoms: NDArray[Any], others: Sequence[NDArray[Any]]) -> Chance | None:
        if not len(atoms) or not others or not min(map(len, others)):
            return None
        return mmcs_turned(atoms, others, seed=self.seed)

    def _random(self, size: int, k: int, spread: NDArray[np.float64]) -> Measured:
        if size > _MOST_LATENTS:
            return Unavailable(reason=f"a decoder of more than {_MOST_LATENTS} random directions is not fitted")
        made = random_dictionary(self.train, size, k=k, seed=self.seed)
        return unexplained(row_figures(made, self.rows.test).error, spread, by=self.by)


def _mean(found: Sequence[Measured]) -> Measured:
    """Average figures of several dictionaries: value and bounds, which is wider than an interval of the mean."""
    known = [one for one in found if isinstance(one, Estimate)]
    if len(known) < len(found):
        return next(one for one in found if not isinstance(one, Estimate))
    value, low, high = (float(np.mean([getattr(one, name) for one in known])) for name in ("value", "low", "high"))
    return known[0].model_copy(update={"value": value, "low": low, "high": high})


def _of_next_size(read: Sequence[_Read], size: int) -> list[_Read]:
    larger = [one.dictionary.n_latents for one in read if one.dictionary.n_latents > size]
    return [one for one in read if larger and one.dictionary.n_latents == min(larger)]


def _opened(name: str, dictionary: Dictionary, test: NDArray[Any]) -> _Read:
    seed = dictionary.provenance.get("seed")
    atoms = live_atoms(dictionary, dictionary.live(test))
    return _Read(name, dictionary, atoms, seed if isinstance(seed, int) else None)


def _by_size(item: tuple[str, Dictionary]) -> tuple[int, str]:
    return item[1].n_latents, item[0]


def _check(dictionaries: Mapping[str, Dictionary], rows: DictionaryRows) -> None:
    if not dictionaries:
        raise SpecError("There is no dictionary to audit; give one or more.")
    check_rows(rows)
    d = rows.train.shape[1]
    for name, one in dictionaries.items():
        if one.decoder.shape[1] != d:
            raise ArrayError(f"Dictionary {name} reads rows of width {one.decoder.shape[1]}; these have {d}.")


def check_rows(rows: DictionaryRows) -> None:
    """Refuse rows on which nothing can be learned or judged."""
    shapes = f"{rows.train.shape} and {rows.test.shape}"
    if min(len(rows.train), len(rows.test)) < 2 or not 0 < rows.train.shape[1] == rows.test.shape[1]:
        raise ArrayError(f"Rows to train and to judge on have shapes {shapes}; give two or more of one width.")
    for what, X in (("train", rows.train), ("judge", rows.test)):
        if wrong := int((~np.isfinite(X).all(axis=1)).sum()):
            raise ArrayError(f"{wrong:,} of the {len(X):,} rows to {what} on are not finite; leave these out.")
    if (rows.train == rows.train[0]).all():
        raise ArrayError("All rows to train on are equal; there is nothing to learn from them.")
    for groups, X in ((rows.train_groups, rows.train), (rows.groups, rows.test)):
        if groups is not None and len(groups) != len(X):
            raise ArrayError(f"There are {len(groups)} groups of {len(X)} rows; give each row the group it belongs to.")
    if rows.truth is not None and rows.truth.shape[1] != rows.train.shape[1]:
        raise ArrayError(f"Planted directions have shape {rows.truth.shape}; rows have width {rows.train.shape[1]}.")
