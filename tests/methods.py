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
    ContrastLogistic,
    KMeansDifferences,
    Logistic,
    MeanDifference,
    Probe,
    RandomDirection,
)


class Method(NamedTuple):
    """A probe as the shared tests run it.

    ``probe`` makes a fresh one. ``is_closed_form``: no iteration, so the direction does not depend on the scale of X.
    ``learns``: it finds a planted concept, which a null must not. ``fits_moments``: moments of the rows are enough.
    """

    probe: type[Probe]
    hyperparameters: dict[str, Any]
    is_supervised: bool
    needs_pairs: bool
    is_closed_form: bool
    learns: bool
    fits_moments: bool
    needs_sides: bool = False

    def make(self) -> Probe:
        return self.probe(**self.hyperparameters)

    def fit(self, planted: Planted) -> Probe:
        """Fit on what this method may see: labels, pairs, sides, or none of them; no sign is fixed."""
        return self.refit(self.make(), planted)

    def refit(self, probe: Probe, planted: Planted, **others: Any) -> Probe:
        """Fit a probe on what this method may see, and on ``others`` in place of or beside it."""
        seen = {"pairs": planted.pairs} if self.needs_pairs else {}
        if self.needs_sides:
            seen["sides"] = planted.sides
        labels = (planted.y,) if self.is_supervised else ()
        return probe.fit(planted.X, *labels, **{**seen, **others})  # type: ignore[attr-defined, no-any-return]

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

    ``sides``: row 2i is side 0, as the completion "no", whether it is true or not.
    """

    X: NDArray[np.float64]
    y: NDArray[np.int64]
    pairs: NDArray[np.str_]
    direction: NDArray[np.float64]
    sides: NDArray[np.int64]

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
    return Planted(X, y, pairs, direction, np.tile([0, 1], n_pairs))
