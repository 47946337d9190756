"""A procedure run again and again where nothing is left for it to find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import DataError, NoDirectionError
from tiltmeter.core.evidence import Shuffled
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import auroc, shuffle_labels, shuffle_p_value, shuffle_pairs
from tiltmeter.probes import Probe

Fit = Callable[[Activations, Activations], Probe]
"""A whole procedure: from the rows to fit on, and the labelled rows that may give the sign, to a fitted probe."""


class ActivationSplits(NamedTuple):
    """Activations of one site: rows to fit on, rows that may give the sign, and test rows by name."""

    train: Activations
    calibration: Activations
    tests: Mapping[str, Activations]


def shuffled_labels(fit: Fit, data: ActivationSplits, *, draws: int, seed: int = 0) -> dict[str, tuple[float, ...]]:
    """Run a procedure on labels that are shuffled in every split, each within itself.

    Parameters
    ----------
    fit
        The procedure; it may raise ``NoDirectionError``, which counts as AUROC 0.5.
    data
        Labelled rows. Test sets without labels, or of one class, are left out.
    draws
        How often.
    seed
        Of the shuffles.

    Returns
    -------
    AUROCs on each test set, sorted.

    Raises
    ------
    DataError
        If the rows to fit on have no labels.

    Examples
    --------
    >>> from tiltmeter.probes import MeanDifference
    >>> rng, y = np.random.default_rng(0), np.arange(200) % 2
    >>> rows = Activations(rng.normal(size=(200, 4)) + y[:, None], ids=np.arange(200).astype(str), y=y)
    >>> part = np.array_split(np.arange(200), 3)
    >>> data = ActivationSplits(rows.select(part[0]), rows.select(part[1]), {"t": rows.select(part[2])})
    >>> def fit(train, orient_on):
    ...     return MeanDifference().fit(train.X, train.y)
    >>> found = shuffled_labels(fit, data, draws=20)["t"]
    >>> len(found), bool(0.4 < np.mean(found) < 0.6)
    (20, True)
    """
    if data.train.y is None:
        raise DataError("The rows to fit on have no labels, so that none can be shuffled; give y.")
    parts = {"train": data.train, "calibration": data.calibration}
    parts |= {f"test {name}": part for name, part in data.tests.items()}

    def spoilt() -> Iterator[ActivationSplits]:
        for draw in range(draws):
            made = {
                name: replace(part, y=_shuffled(part, stream(seed, "shuffle", draw, name)))
                for name, part in parts.items()
            }
            yield ActivationSplits(
                made["train"], made["calibration"], {name: made[f"test {name}"] for name in data.tests}
            )

    return _refits(fit, data, spoilt())


def _shuffled(rows: Activations, rng: np.random.Generator) -> NDArray[np.int64] | None:
    return None if rows.y is None else shuffle_labels(rows.y, pairs=rows.pairs, groups=rows.groups, rng=rng)


def shuffled_partners(fit: Fit, data: ActivationSplits, *, draws: int, seed: int = 0) -> dict[str, tuple[float, ...]]:
    """Run a procedure on training pairs whose partners are drawn anew, and judge it on the true labels.

    What it still finds it does not find by what distinguishes the two texts of a pair.

    Parameters
    ----------
    fit
        A procedure on pairs, as in :func:`shuffled_labels`.
    data
        Rows with labels; those to fit on with pairs. Sides are kept where the texts tell them.
    draws
        How often.
    seed
        Of the draws.

    Returns
    -------
    AUROCs on each test set, sorted.

    Raises
    ------
    DataError
        If the rows to fit on have no pairs.

    Examples
    --------
    >>> from tiltmeter.probes import LAT
    >>> rng, y = np.random.default_rng(0), np.arange(240) % 2
    >>> topic = 3 * np.repeat(rng.normal(size=(120, 1)), 2, axis=0) * np.eye(6)[0]
    >>> X = rng.normal(size=(240, 6)) + topic + 3 * y[:, None] * np.eye(6)[1]
    >>> pairs = np.repeat(np.arange(120), 2).astype(str)
    >>> rows = Activations(X, ids=np.arange(240).astype(str), y=y, pairs=pairs)
    >>> part = np.array_split(np.arange(240), 3)
    >>> data = ActivationSplits(rows.select(part[0]), rows.select(part[1]), {"t": rows.select(part[2])})
    >>> def fit(train, orient_on):
    ...     return LAT().fit(train.X, pairs=train.pairs, sides=train.sides).orient(orient_on.X, orient_on.y)
    >>> own = fit(data.train, data.calibration)
    >>> auroc(data.tests["t"].y, own.decision_function(data.tests["t"].X)) > 0.9
    True
    >>> max(shuffled_partners(fit, data, draws=19)["t"]) < 0.7
    True
    """
    train = data.train
    if train.pairs is None or not (train.pairs != "").any():
        raise DataError("The rows to fit on have no pairs, so that no partner can be drawn anew; give pairs.")
    paired = train.select(train.pairs != "")
    # sides that are the label, or its opposite, say nothing beside it: a coin decides, as where there are none
    is_told = paired.sides is not None and paired.y is not None and len(np.unique(paired.sides == paired.y)) == 2

    def spoilt() -> Iterator[ActivationSplits]:
        for draw in range(draws):
            sides = paired.sides if is_told else None
            rng = stream(seed, "partners", draw)
            found = shuffle_pairs(np.asarray(paired.pairs), sides=sides, rng=rng)
            yield data._replace(train=replace(paired, pairs=found.pairs, sides=found.sides))

    return _refits(fit, data, spoilt())


def shuffled_records(found: Mapping[str, tuple[float, ...]], values: Mapping[str, float]) -> tuple[Shuffled, ...]:
    """Set the AUROCs of refits beside that of the probe itself, by test set.

    Examples
    --------
    >>> shuffled_records({"home": (0.4, 0.5, 0.6)}, {"home": 0.9})[0].p_value
    0.25
    """
    return tuple(
        Shuffled(test=name, aurocs=drawn, p_value=shuffle_p_value(values[name], np.array(drawn)))
        for name, drawn in found.items()
    )


def _refits(fit: Fit, data: ActivationSplits, spoilt: Iterator[ActivationSplits]) -> dict[str, tuple[float, ...]]:
    judged = [name for name, part in data.tests.items() if part.y is not None and len(np.unique(part.y)) == 2]
    found: dict[str, list[float]] = {name: [] for name in judged}
    for drawn in spoilt:
        try:
            probe = fit(drawn.train, drawn.calibration)
        except NoDirectionError:  # shuffled class means may coincide; that finds nothing
            for name in judged:
                found[name].append(0.5)
            continue
        for name in judged:
            part = drawn.tests[name]
            if part.y is not None:
                found[name].append(auroc(part.y, probe.decision_function(part.X)))
    return {name: tuple(sorted(values)) for name, values in found.items()}
