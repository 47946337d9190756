"""The census: how many orthogonal directions separate true from false, beside what means nothing would give."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, NoDirectionError, SpecError
from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import auroc_columns, share
from tiltmeter.numerics import pair_rows
from tiltmeter.probes._census_nulls import gaussian_like, shuffled_supervision
from tiltmeter.probes._census_record import NOTHING_LEFT, Census, CensusNull
from tiltmeter.probes._fact_groups import FactGroups, independent_fact_groups
from tiltmeter.probes._feeding import labels_of, one_row_a_text
from tiltmeter.probes._orthogonal import orthogonal_directions
from tiltmeter.probes._probe import Classifier, LinearProbe

# each joining group is checked against all that are in: beyond this the count of labelings takes minutes
_MOST_GROUPS = 64
# sets of k random directions: enough for a 95 % quantile of the best of a set
_N_SETS = 200


class _Examples(NamedTuple):
    """What directions are judged on: rows, or differences of pairs (side 1 − side 0); y, whether true (side 1 is)."""

    X: Float[NDArray[Any], "n d"]
    y: Int[NDArray[Any], " n"]


def truth_census(
    probe: LinearProbe,
    train: Activations,
    *,
    calibration: Activations,
    test: Activations,
    n_directions: int = 10,
    n_nulls: int = 19,
    random_state: int = 0,
) -> Census:
    """Find directions one after another, each orthogonal to those before, and count how many are good on fresh rows.

    Labels find directions only where the probe is supervised; in no case do test labels choose, orient or threshold.
    Sign and threshold of each direction come from the calibration rows (midway between its class means there).

    Parameters
    ----------
    probe
        Unfitted; with it its penalty. ``CCS`` runs recursive CCS. A supervised probe is fitted again and again; so is
        any other paired one.
    train, calibration, test
        One row a text, disjoint, of one site. Where all three have pairs and sides, the differences of pairs are
        judged, and supervised probes are fitted on them; otherwise single rows. Calibration and test need labels. With
        labels, pairs and groups in train the labelings are counted too.
    n_directions
        Most directions, k.
    n_nulls
        Repetitions of the shuffled and of the Gaussian null.
    random_state
        Seed of the nulls.

    Raises
    ------
    ArrayError
        If labels, pairs or sides that are needed are absent, a pair has two rows of one label, or widths differ.
    SpecError
        If ``n_directions`` or ``n_nulls`` is out of range, or the probe is told nothing that could be shuffled.
    NoDirectionError
        If the probe finds no direction at all.

    Notes
    -----
    *Random*: 200 sets of k directions from the sphere; the threshold is the accuracy that the best of a set exceeds in
    5 % of them. *Shuffled*: the whole procedure, after labels (supervised) or
    the pairing (unsupervised) have been shuffled in train. *Gaussian*: the whole procedure on normal rows with the mean
    and covariance of train's, those of a pair drawn together. All are judged on the same real rows and
    counted by the same threshold.

    **The count is not the number of independent features.** A direction with cosine c to the one difference δ keeps
    c|δ| of it, and orthogonal ones share Σ c² ≤ 1: where classes stand many noise units apart and nothing is penalised,
    several are perfect; under a penalty the first takes all. k copies of one feature make one direction. Conversely
    a count of 1 does not say that truth is the only consistent feature: see ``fact_groups``.

    Cost: (2 ``n_nulls`` + 1) k fits.

    References
    ----------
    Roger (2023), "What discovering latent knowledge did and did not find", and the discussion under it; Burns et al.,
    arXiv 2212.03827.

    Examples
    --------
    >>> from tiltmeter.probes import Logistic
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(600) % 2
    >>> X = rng.normal(size=(600, 5)) + 4 * y[:, None] * np.eye(5)[0]
    >>> rows = Activations(X, ids=np.arange(600).astype(str), y=y)
    >>> train, calibration, test = (rows.select(np.arange(i, i + 200)) for i in (0, 200, 400))
    >>> found = truth_census(Logistic(), train, calibration=calibration, test=test, n_directions=3, n_nulls=5)
    >>> found.n_good, bool(found.accuracies[0] > 0.95)
    (1, True)
    """
    if n_nulls < 1:
        raise SpecError(f"n_nulls is {n_nulls}; at least 1 is needed.")
    if not isinstance(probe, Classifier) and not probe.needs_pairs:
        raise SpecError(
            f"{type(probe).__name__} is told nothing of the rows, so that no census can be held against it."
        )
    sets = {"train": train, "calibration": calibration, "test": test}
    for one in sets.values():
        one_row_a_text(one, like=train)
    is_paired = all(one.pairs is not None and one.sides is not None for one in sets.values())
    judged = {name: _examples(sets[name], is_paired=is_paired) for name in ("calibration", "test")}
    # differences of pairs have no pairs: a classifier that needs them, as any unsupervised probe, takes the rows
    takes_rows = not isinstance(probe, Classifier) or probe.needs_pairs or not is_paired
    data = train if takes_rows else _as_activations(_examples(train, is_paired=True))
    judge = _Judge(judged["calibration"], judged["test"])

    directions = orthogonal_directions(probe, data, n_directions=n_directions)
    lucky = judge.random_sets(len(directions), rng=stream(random_state, "random"))
    threshold = float(np.quantile(lucky.max(axis=1), 0.95))
    shuffled: list[NDArray[Any]] = []
    noise: list[NDArray[Any]] = []
    for i in range(n_nulls):
        destroyed = (
            (shuffled, shuffled_supervision(probe, data, rng=stream(random_state, "shuffled", i))),
            (noise, gaussian_like(data, rng=stream(random_state, "gaussian", i))),
        )
        for null, rows in destroyed:
            null.append(judge.accuracies(orthogonal_directions(probe, rows, n_directions=n_directions)))
    return Census(
        method=type(probe).__name__,
        directions=directions,
        accuracies=judge.accuracies(directions),
        aurocs=judge.aurocs(directions),
        threshold=threshold,
        n_good=int((judge.accuracies(directions) > threshold).sum()),
        random=CensusNull.of(list(lucky), threshold=threshold),
        shuffled=CensusNull.of(shuffled, threshold=threshold),
        gaussian=CensusNull.of(noise, threshold=threshold),
        ablated=_ablated(probe, data, train, judge=judge, is_paired=is_paired),
        fact_groups=_labelings(train),
        n_test=len(judge.test.y),
        unit="pairs" if is_paired else "rows",
        supervision="the labels are" if isinstance(probe, Classifier) else "the pairing is",
    )


class _Judge(NamedTuple):
    """Judges directions on fresh examples, with sign and threshold from the calibration examples."""

    calibration: _Examples
    test: _Examples

    def hits(self, directions: Float[NDArray[Any], "k d"]) -> Bool[NDArray[Any], "n k"]:
        """Tell for each test example whether each direction puts it on the right side."""
        scores, is_true = self.calibration.X @ directions.T, self.calibration.y == 1
        high, low = scores[is_true].mean(axis=0), scores[~is_true].mean(axis=0)
        says = (self.test.X @ directions.T - (high + low) / 2) * np.where(high < low, -1, 1) > 0
        return np.asarray(says == (self.test.y == 1)[:, None])

    def accuracies(self, directions: Float[NDArray[Any], "k d"]) -> Float[NDArray[Any], " k"]:
        return np.asarray(self.hits(directions).mean(axis=0))

    def random_sets(self, k: int, *, rng: np.random.Generator) -> Float[NDArray[Any], "r k"]:
        """Return the accuracies of sets of k directions drawn from the sphere."""
        drawn = rng.normal(size=(_N_SETS * k, self.test.X.shape[1]))
        return self.accuracies(drawn).reshape(_N_SETS, k)

    def aurocs(self, directions: Float[NDArray[Any], "k d"]) -> Float[NDArray[Any], " k"]:
        areas = auroc_columns(self.test.y, self.test.X @ directions.T)
        is_turned = auroc_columns(self.calibration.y, self.calibration.X @ directions.T) < 0.5
        return np.where(is_turned, 1 - areas, areas)


def _examples(data: Activations, *, is_paired: bool) -> _Examples:
    y, X = labels_of(data), data.X.astype(np.float64)
    if not is_paired or data.pairs is None:
        return _Examples(X, y)
    members = pair_rows(data.pairs, n=len(data), sides=data.sides)
    if (y[members].sum(axis=1) != 1).any():
        odd = data.pairs[members[int((y[members].sum(axis=1) != 1).argmax()), 0]]
        raise ArrayError(f"Pair {str(odd)!r} has two rows of one label; one half of each pair must be true.")
    of_side_1 = y[members[:, 1]]
    if len(np.unique(of_side_1)) < 2:
        raise ArrayError("The same side is true in every pair; sides must say which completion, not which is true.")
    return _Examples(X[members[:, 1]] - X[members[:, 0]], of_side_1)


def _as_activations(examples: _Examples) -> Activations:
    return Activations(examples.X, ids=np.arange(len(examples.y)).astype(str), y=examples.y)


def _ablated(probe: LinearProbe, data: Activations, train: Activations, *, judge: _Judge, is_paired: bool) -> Measured:
    """Estimate the accuracy of the first direction found where the class means no longer differ."""
    if train.y is None:
        return Unavailable(reason="train has no labels, from which a mean difference could be had")
    examples = _examples(train, is_paired=is_paired)
    difference = examples.X[examples.y == 1].mean(axis=0) - examples.X[examples.y == 0].mean(axis=0)
    length = float(np.linalg.norm(difference))
    if data.X.shape[1] < 2 or not length > 0:
        return Unavailable(reason=NOTHING_LEFT)
    unit = difference / length
    rows = data.X.astype(np.float64)
    try:
        found = orthogonal_directions(probe, replace(data, X=rows - np.outer(rows @ unit, unit)), n_directions=1)
    except NoDirectionError:  # where class means are equal every convex loss is least for a constant
        return Unavailable(reason=NOTHING_LEFT)
    # the test rows lose it as well
    found = found - np.outer(found @ unit, unit)
    return share(judge.hits(found)[:, 0])


def _labelings(train: Activations) -> FactGroups | Unavailable:
    if train.y is None or train.pairs is None or train.groups is None:
        return Unavailable(reason="train has no labels, pairs and groups of facts")
    n_groups = len(np.unique(train.groups))
    if n_groups > _MOST_GROUPS:
        return Unavailable(reason=f"{n_groups} groups of facts are too many to count; {_MOST_GROUPS} are the most")
    return independent_fact_groups(train.X, train.y, pairs=train.pairs, groups=train.groups)
