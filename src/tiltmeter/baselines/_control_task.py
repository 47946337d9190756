"""Control tasks: labels that can be known on held-out rows only by remembering what kind of row each is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Shaped
from numpy.typing import NDArray

from tiltmeter.baselines._refits import Fit
from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, NoDirectionError
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.core.rivals import ControlTask
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import (
    Resampling,
    auroc_draws,
    bootstrap_estimate,
    ranking_estimates,
    resampling,
    taken_together,
)

# where fewer types than this share hold both labels, the real label is itself one that each type has
_LEAST_MIXED = 0.5
_N_CONTROLS = 10


def control_task(
    fit: Fit,
    rows: Activations,
    *,
    types: Shaped[NDArray[np.str_], " n"],
    of: str = "group",
    n_draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> ControlTask | Unavailable:
    """Compare a procedure with itself on labels that each type of row has at random.

    Half of the rows of each type are fitted on and the other half judged, for the real label and for each of ten
    controls alike. Types of a single row are left out. In a control as many types are positive as the share of positive
    rows says.

    Parameters
    ----------
    fit
        A supervised procedure; it is given the same rows for the sign.
    rows
        Labelled rows, one a text, none of which is a test row.
    types
        The type of each row: its group, its subject, a word of it.
    of
        What the types are, for the record.
    n_draws, level
        Resamples of the types for the intervals, and their level.
    seed
        Of halves, control labels and resamples.

    Returns
    -------
    The figures; ``Unavailable`` where no type has two rows, most types hold one label only, or nothing is found.

    Raises
    ------
    ArrayError
        If labels are missing or lengths differ.

    See Also
    --------
    tiltmeter.probes.selectivity : The same in accuracies, on a train and a test set that share their types.

    Notes
    -----
    Selectivity is the AUROC for the real label minus the mean AUROC for the controls. Near 0 or below: the procedure
    has room to learn each type by heart, so that a good figure on *types it has seen* is no evidence that the concept
    is there. Where splits keep types apart, as they do groups, test rows are of types that nobody could remember, and
    the test AUROC stands whatever the selectivity. Cost: 11 fits.

    References
    ----------
    Hewitt and Liang (2019), "Designing and interpreting probes with control tasks".

    Examples
    --------
    >>> from tiltmeter.probes import MeanDifference
    >>> rng, y = np.random.default_rng(0), np.tile([0, 1], 100)
    >>> X = rng.normal(size=(200, 5)) + 3 * y[:, None] * np.eye(5)[0]
    >>> rows = Activations(X, ids=np.arange(200).astype(str), y=y)
    >>> def fit(train, orient_on):
    ...     return MeanDifference().fit(train.X, train.y)
    >>> found = control_task(fit, rows, types=np.repeat(np.arange(50), 4).astype(str))
    >>> found.selectivity.low > 0.3
    True
    """
    if rows.y is None or types.shape != (len(rows),):
        raise ArrayError(f"There are {len(types)} types for {len(rows)} rows, which need labels too; give one each.")
    kinds, codes, counts = np.unique(types, return_inverse=True, return_counts=True)
    several = np.flatnonzero(counts >= 2)
    if len(several) < 2:
        return Unavailable(reason=f"{len(several)} of {len(kinds)} types have two rows or more; a control needs two")
    share = np.bincount(codes, weights=rows.y)[several] / counts[several]
    if ((share > 0) & (share < 1)).mean() < _LEAST_MIXED:
        return Unavailable(reason="most types hold one label only, so that the label is a control task itself")
    inside, outside = _halves(codes, several, stream(seed, "halves"))
    fitted_on, judged = rows.select(inside), rows.select(outside)
    tasks = [rows.y]
    n_positive = int(np.clip(round(float(rows.y[inside].mean()) * len(kinds)), 1, len(kinds) - 1))
    for i in range(_N_CONTROLS):
        of_types = stream(seed, "control task", i).permutation(np.arange(len(kinds)) < n_positive)
        tasks.append(of_types[codes].astype(np.int64))
    if any(len(np.unique(y[half])) < 2 for y in tasks for half in (inside, outside)):
        return Unavailable(reason="a task has one label only in a half of the rows; there are too few types")
    try:
        scores = [fit(own, own).decision_function(judged.X) for own in (replace(fitted_on, y=y[inside]) for y in tasks)]
    except NoDirectionError as error:
        return Unavailable(reason=str(error))
    by = resampling(len(judged), groups=types[outside], n_draws=n_draws, level=level, seed=seed)

    def areas(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """AUROC of each task under each weighting, shape (11, b)."""
        return np.array([auroc_draws(y[outside], own, weights=weights) for y, own in zip(tasks, scores, strict=True)])

    def real_and_control(by: Resampling) -> tuple[Measured, Measured]:
        mean = bootstrap_estimate(lambda weights: areas(weights)[1:].mean(axis=0), by=by, bounds=(0.0, 1.0))
        return ranking_estimates(tasks[0][outside], scores[0], fpr=1.0, by=by).auroc, mean

    auroc, control = real_and_control(by)
    doubled = real_and_control(by._replace(level=(1 + level) / 2))
    return ControlTask(
        types=of,
        auroc=auroc,
        control=control,
        controls=tuple(areas(np.ones((1, len(judged))))[1:, 0].tolist()),
        selectivity=_selectivity(areas, *doubled, by=by),
        n_types=len(several),
        n_rows=len(judged),
    )


def _selectivity(
    areas: Callable[[NDArray[np.float64]], NDArray[np.float64]], auroc: Measured, control: Measured, *, by: Resampling
) -> Measured:
    """Estimate the difference on the same resamples, or, at a boundary that they do not leave, from both intervals."""
    if isinstance(auroc, Estimate) and isinstance(control, Estimate) and {auroc.value, control.value} & {0.0, 1.0}:
        return taken_together(auroc, control, level=by.level, seed=by.seed)

    def lead(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        found = areas(weights)
        return np.asarray(found[0] - found[1:].mean(axis=0))

    return bootstrap_estimate(lead, by=by, bounds=(-1.0, 1.0))


def _halves(
    codes: NDArray[np.int64], several: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide the rows of each type at random into a half to fit on and a half, the smaller of odd ones, to judge."""
    inside, outside = [], []
    order = rng.permutation(len(codes))
    by_type = order[np.argsort(codes[order], kind="stable")]
    starts = np.searchsorted(codes[by_type], several)
    ends = np.searchsorted(codes[by_type], several, side="right")
    for start, end in zip(starts, ends, strict=True):
        middle = start + (end - start + 1) // 2
        inside.append(by_type[start:middle])
        outside.append(by_type[middle:end])
    return np.sort(np.concatenate(inside)), np.sort(np.concatenate(outside))
