"""What a sceptic may take from an audit of dictionaries, by fixed rules, in words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tiltmeter.core.dictionaries import Chance, DictionaryFigures
from tiltmeter.core.records import Estimate, Measured

# MMCS nearer to its null than this says nothing: dictionaries of isotropic noise come so near
_NEAR = 0.03
# a chance so high leaves no room for a finding
_NO_ROOM = 0.9
# of the training's FVU: a test figure so much higher is the mark of too few rows
_GAP = 1.25


def dictionary_conclusions(found: Sequence[DictionaryFigures]) -> tuple[str, ...]:
    """Return sentences about dictionaries that are ordered by size; each names the figures that it stands on.

    Examples
    --------
    >>> dictionary_conclusions(())
    ()
    """
    said = [_loss(found), *_matches(found), *_nulls(found), _gap(found), _dead(found), *_unknown(found)]
    return tuple(one for one in said if one)


def _loss(found: Sequence[DictionaryFigures]) -> str:
    by_size = _by_size(found, "test_fvu")
    if len(by_size) < 2:
        return ""
    sizes = list(by_size)
    if not all(by_size[large] < by_size[small] for small, large in pairwise(sizes)):
        return ""
    return (
        f"Test FVU falls with every size, from {by_size[sizes[0]]:.3f} at {sizes[0]} to {by_size[sizes[-1]]:.3f} at "
        f"{sizes[-1]}. So it does on noise: it is no count of features."
    )


def _matches(found: Sequence[DictionaryFigures]) -> list[str]:
    by_size = _by_size(found, "larger")
    nulls = {size: _chance_at(found, size) for size in by_size}
    if not by_size:
        return []
    if min(nulls.values()) > _NO_ROOM:
        return [
            "MMCS to the next larger dictionary means nothing here: the same atoms turned at random, or random "
            f"directions, have {min(nulls.values()):.2f} or more."
        ]
    if all(value - nulls[size] <= _NEAR for size, value in by_size.items()):
        return [
            f"No size has an MMCS to the next larger one that is more than {_NEAR} above that of the same atoms turned "
            "at random and of random directions."
        ]
    peak = max(by_size, key=lambda size: by_size[size])
    noise = _by_size(found, "larger_noise").get(peak)
    said = f"MMCS to the next larger dictionary is greatest at {peak} latents: {by_size[peak]:.2f}"
    said += f", where the same atoms turned at random, or random directions, have {nulls[peak]:.2f}"
    said += f" and dictionaries of noise {noise:.2f}." if noise is not None else "."
    if noise is not None and by_size[peak] - noise <= _NEAR:
        said += " So near to those of noise the covariance of the rows may be all that they share."
    if len(by_size) < 3 or peak in (min(by_size), max(by_size)):
        said += " That is an end of the sizes that were tried, so that it is no peak."
    else:
        said += _agreement(found, peak)
    return [said]


def _chance_at(found: Sequence[DictionaryFigures], size: int) -> float:
    """Return the mean over seeds of the higher null: atoms may lie more evenly than random directions, or less."""
    # where there is an MMCS both sides have live atoms, so that turned ones have one, too
    nulls = [_higher(one.larger_turned, one.larger_chance) for one in found if one.n_latents == size]
    return float(np.mean([null for null in nulls if null is not None]))


def _higher(*nulls: Chance | None) -> float | None:
    return max((null.mean for null in nulls if null is not None), default=None)


def _agreement(found: Sequence[DictionaryFigures], peak: int) -> str:
    """Say how many of the seeds have their own peak there."""
    peaks: dict[int, tuple[float, int]] = {}
    for one in found:
        if one.seed is not None and isinstance(one.larger, Estimate):
            peaks[one.seed] = max(peaks.get(one.seed, (-1.0, 0)), (one.larger.value, one.n_latents))
    if len(peaks) < 2:
        return " It rests on one seed."
    return f" Of {len(peaks)} seeds {sum(size == peak for _, size in peaks.values())} peak there by themselves."


def _nulls(found: Sequence[DictionaryFigures]) -> list[str]:
    said = []
    for name, words in (
        ("random_fvu", "random directions with a fitted decoder"),
        ("linear_fvu", "as many principal components"),
    ):
        worse = [one.name for one in found if _is_no_better(one.test_fvu, getattr(one, name))]
        if worse:
            said.append(f"Not shown to be better than {words}, by test FVU with as many in use: {', '.join(worse)}.")
    blind = [one.name for one in found if _is_no_better(one.test_fvu, one.noise_fvu)]
    if blind:
        said.append(f"Explained as little of the rows as of Gaussian noise of their covariance: {', '.join(blind)}.")
    alone = [one.name for one in found if _is_chance(one.twin, _higher(one.twin_turned, one.twin_chance))]
    if alone:
        said.append(f"Another of the same size has other atoms, as far as MMCS can tell: {', '.join(alone)}.")
    return said


def _gap(found: Sequence[DictionaryFigures]) -> str:
    wide = [
        one
        for one in found
        if isinstance(one.train_fvu, Estimate)
        and isinstance(one.test_fvu, Estimate)
        and one.test_fvu.value > _GAP * one.train_fvu.value
        and one.test_fvu.low > one.train_fvu.high
    ]
    if not wide:
        return ""
    worst = max(wide, key=lambda one: one.test_fvu.value / one.train_fvu.value)  # type: ignore[union-attr]
    return (
        f"Too few rows: FVU is higher on test rows than on training rows, most of all at {worst.name} "
        f"({_value(worst.test_fvu)} against {_value(worst.train_fvu)})."
    )


def _dead(found: Sequence[DictionaryFigures]) -> str:
    dead = [f"{one.name} ({one.n_latents - one.live} of {one.n_latents})" for one in found if one.live < one.n_latents]
    return f"Latents that are never above zero on the test rows: {', '.join(dead)}." if dead else ""


def _unknown(found: Sequence[DictionaryFigures]) -> list[str]:
    said = []
    if others := [one.name for one in found if one.trained_on == "other rows"]:
        said.append(f"Trained on other rows, some of which may be among those judged on: {', '.join(others)}.")
    if unknown := [one.name for one in found if one.trained_on == "unknown rows"]:
        said.append(f"On which rows these were trained is not known: {', '.join(unknown)}.")
    return said


def _by_size(found: Sequence[DictionaryFigures], name: str) -> dict[int, float]:
    """Return the mean over seeds of a figure, by size, where every seed has one."""
    sizes = dict.fromkeys(one.n_latents for one in found)
    values = {size: [getattr(one, name) for one in found if one.n_latents == size] for size in sizes}
    return {
        size: float(np.mean([one.value for one in known]))
        for size, known in values.items()
        if all(isinstance(one, Estimate) for one in known)
    }


def _is_no_better(one: Measured, rival: Measured) -> bool:
    return isinstance(one, Estimate) and isinstance(rival, Estimate) and one.high >= rival.low


def _is_chance(one: Measured, chance: float | None) -> bool:
    return isinstance(one, Estimate) and chance is not None and one.value <= chance + _NEAR


def _value(found: Measured) -> str:
    return f"{found.value:.3f}" if isinstance(found, Estimate) else "–"
