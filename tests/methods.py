"""The one table of methods that the shared tests loop over, the data they are fitted on, and how each is fed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.numerics import Moments
from tiltmeter.probes import (
    BSS,
    CCS,
    CRC,
    LAT,
    LDA,
    MLP,
    TTPD,
    ContrastLogistic,
    KMeansDifferences,
    LinearSVM,
    Logistic,
    MeanDifference,
    MedianDifference,
    Probe,
    RandomDirection,
    Ridge,
)


class Method(NamedTuple):
    """A probe as the shared tests run it.

    ``probe`` makes a fresh one. ``is_closed_form``: no iteration, so the direction does not depend on the scale of X.
    ``learns``: it finds a planted concept, which a null must not. ``fits_moments``: moments of the rows are enough.
    ``is_linear``: it has a direction. ``is_scale_free``: it iterates, but rescaling the rows turns no direction.
    ``needs_polarity``: it is told which statements are negated.
    """

    probe: type[Probe]
    hyperparameters: dict[str, Any]
    is_supervised: bool
    needs_pairs: bool
    is_closed_form: bool
    learns: bool
    fits_moments: bool
    needs_sides: bool = False
    is_linear: bool = True
    is_scale_free: bool = False
    needs_polarity: bool = False

    def make(self) -> Probe:
        return self.probe(**self.hyperparameters)

    def fit(self, planted: Planted) -> Probe:
        """Fit on what this method may see: labels, pairs, sides, or none of them; no sign is fixed."""
        return self.refit(self.make(), planted)

    def refit(self, probe: Probe, planted: Planted, **others: Any) -> Probe:
        """Fit a probe on what this method may see, and on ``others`` in place of or beside it."""
        seen: dict[str, Any] = {"pairs": planted.pairs} if self.needs_pairs else {}
        if self.needs_sides:
            seen["sides"] = planted.sides
        if self.needs_polarity:
            seen["is_negated"] = planted.is_negated
        labels = (planted.y,) if self.is_supervised else ()
        return probe.fit(planted.X, *labels, **{**seen, **others})  # type: ignore[attr-defined, no-any-return]

    def fit_weighted(self, planted: Planted, sample_weight: NDArray[Any] | None = None) -> Probe:
        """Fit a supervised method, on rows of given weights."""
        more = {"is_negated": planted.is_negated} if self.needs_polarity else {}
        return self.make().fit(planted.X, planted.y, sample_weight=sample_weight, **more)  # type: ignore[attr-defined, no-any-return]

    def fit_moments(self, planted: Planted, *, batch: int = 64) -> Probe:
        """Fit on moments of the same rows, gathered in batches that divide no pair: ``batch`` is even."""
        moments = Moments(planted.X.shape[1])
        for start in range(0, len(planted.X), batch):
            rows = slice(start, start + batch)
            moments.update(planted.X[rows], planted.y[rows], pairs=planted.pairs[rows])
        return self.make().fit_moments(moments)  # type: ignore[attr-defined, no-any-return]

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.hyperparameters.items())
        return f"{self.probe.__name__}({shown})"


PROBES: tuple[Method, ...] = (
    Method(
        MeanDifference, {}, is_supervised=True, needs_pairs=False, is_closed_form=True, learns=True, fits_moments=True
    ),
    Method(LDA, {}, is_supervised=True, needs_pairs=False, is_closed_form=True, learns=True, fits_moments=True),
    Method(Logistic, {}, is_supervised=True, needs_pairs=False, is_closed_form=False, learns=True, fits_moments=False),
    Method(
        Logistic,
        {"penalty_scale": "within"},
        is_supervised=True,
        needs_pairs=False,
        is_closed_form=False,
        learns=True,
        fits_moments=False,
    ),
    Method(LAT, {}, is_supervised=False, needs_pairs=True, is_closed_form=True, learns=True, fits_moments=True),
    Method(
        LAT,
        {"order": "shuffled", "is_centred": True},
        is_supervised=False,
        needs_pairs=True,
        is_closed_form=True,
        learns=True,
        fits_moments=False,
    ),
    Method(
        RandomDirection,
        {},
        is_supervised=False,
        needs_pairs=False,
        is_closed_form=True,
        learns=False,
        fits_moments=True,
    ),
    Method(
        MeanDifference,
        {"rows": "unit"},
        is_supervised=True,
        needs_pairs=False,
        is_closed_form=True,
        learns=True,
        fits_moments=False,
    ),
    Method(
        MeanDifference,
        {"rows": "standardised"},
        is_supervised=True,
        needs_pairs=False,
        is_closed_form=True,
        learns=True,
        fits_moments=True,
    ),
    Method(
        MedianDifference,
        {},
        is_supervised=True,
        needs_pairs=False,
        is_closed_form=False,
        learns=True,
        fits_moments=False,
        is_scale_free=True,
    ),
    Method(
        MedianDifference,
        {"center": "tukey", "n_directions": 100},
        is_supervised=True,
        needs_pairs=False,
        is_closed_form=False,
        learns=True,
        fits_moments=False,
        is_scale_free=True,
    ),
    Method(Ridge, {}, is_supervised=True, needs_pairs=False, is_closed_form=True, learns=True, fits_moments=True),
    # few rows have a say in the exact optimum at C = 1, scikit-learn's too: 20 positives then leave much noise in it
    Method(
        LinearSVM,
        {"C": 0.1},
        is_supervised=True,
        needs_pairs=False,
        is_closed_form=False,
        learns=True,
        fits_moments=False,
    ),
    Method(
        LinearSVM,
        {"C": 0.1, "penalty_scale": "within"},
        is_supervised=True,
        needs_pairs=False,
        is_closed_form=False,
        learns=True,
        fits_moments=False,
        is_scale_free=True,
    ),
    Method(
        TTPD,
        {},
        is_supervised=True,
        needs_pairs=False,
        is_closed_form=False,
        learns=True,
        fits_moments=False,
        is_scale_free=True,
        needs_polarity=True,
    ),
    Method(
        MLP,
        {"width": 8},
        is_supervised=True,
        needs_pairs=False,
        is_closed_form=False,
        learns=True,
        fits_moments=False,
        is_linear=False,
    ),
    Method(
        ContrastLogistic,
        {},
        is_supervised=True,
        needs_pairs=True,
        is_closed_form=False,
        learns=True,
        fits_moments=False,
    ),
    Method(
        ContrastLogistic,
        {"penalty_scale": "within"},
        is_supervised=True,
        needs_pairs=True,
        is_closed_form=False,
        learns=True,
        fits_moments=False,
    ),
    Method(
        KMeansDifferences,
        {},
        is_supervised=False,
        needs_pairs=True,
        is_closed_form=True,
        learns=True,
        fits_moments=False,
    ),
    Method(
        CCS,
        {},
        is_supervised=False,
        needs_pairs=True,
        is_closed_form=True,
        learns=True,
        fits_moments=False,
        needs_sides=True,
    ),
    Method(
        CCS,
        {"normalisation": "concatenated", "has_bias": False},
        is_supervised=False,
        needs_pairs=True,
        is_closed_form=True,
        learns=True,
        fits_moments=False,
        needs_sides=True,
    ),
    Method(
        CRC,
        {},
        is_supervised=False,
        needs_pairs=True,
        is_closed_form=True,
        learns=True,
        fits_moments=False,
        needs_sides=True,
    ),
    Method(
        BSS,
        {},
        is_supervised=False,
        needs_pairs=True,
        is_closed_form=True,
        learns=True,
        fits_moments=False,
        needs_sides=True,
    ),
)


class Planted(NamedTuple):
    """Rows with a concept planted along ``direction``; row 2i and row 2i + 1 are a pair, one of each label.

    ``sides``: row 2i is side 0, as the completion "no", whether it is true or not. Every
    other pair counts as negated, which has no effect on X.
    """

    X: NDArray[np.float64]
    y: NDArray[np.int64]
    pairs: NDArray[np.str_]
    direction: NDArray[np.float64]
    sides: NDArray[np.int64]
    is_negated: NDArray[np.bool_]

    def at(self, rows: NDArray[np.int64]) -> Planted:
        """Return chosen rows, in the order given."""
        return self._replace(
            X=self.X[rows],
            y=self.y[rows],
            pairs=self.pairs[rows],
            sides=self.sides[rows],
            is_negated=self.is_negated[rows],
        )

    def shuffled(self, seed: int) -> Planted:
        """Destroy the supervision: labels permuted, and each row paired at random with one of the other label."""
        rng = np.random.default_rng(seed)
        y = rng.permutation(self.y)
        pairs, sides = self.pairs.copy(), self.sides.copy()
        drawn = np.stack([rng.permutation(np.flatnonzero(y == label)) for label in (0, 1)], axis=1)
        pairs[drawn] = self.pairs[::2, None]
        sides[rng.permuted(drawn, axis=1)] = [0, 1]
        return self._replace(y=y, pairs=pairs, sides=sides)


def plant(n_pairs: int, d: int, *, shift: float, seed: int, direction: NDArray[np.float64] | None = None) -> Planted:
    """Draw pairs of rows x = content of the pair + noise of the row ± shift/2 · direction, all of unit variance.

    The order of the labels within pairs is random. ``direction`` is drawn from the sphere unless given, so that fresh
    rows of the same concept can be had.
    """
    rng = np.random.default_rng(seed)
    if direction is None:
        direction = rng.normal(size=d)
        direction /= np.linalg.norm(direction)
    content = np.repeat(rng.normal(size=(n_pairs, d)), 2, axis=0)
    first = rng.integers(2, size=n_pairs)
    y = np.stack([first, 1 - first], axis=1).ravel()
    X = content + rng.normal(size=(2 * n_pairs, d)) + (y - 0.5)[:, None] * shift * direction
    pairs = np.repeat([f"pair {i}" for i in range(n_pairs)], 2)
    negated = np.arange(2 * n_pairs) % 4 >= 2
    return Planted(X, y, pairs, direction, sides=np.tile([0, 1], n_pairs), is_negated=negated)
