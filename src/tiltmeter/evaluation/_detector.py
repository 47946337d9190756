"""Whether a row is like those that a threshold was certified on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy.typing import NDArray
from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.numpy import load as from_safetensors
from safetensors.numpy import save as to_safetensors

from tiltmeter.core.errors import ArrayError, FormatError
from tiltmeter.core.files import read_sealed, write_sealed
from tiltmeter.core.records import Threshold, Unavailable
from tiltmeter.evaluation._threshold import threshold_at_fpr
from tiltmeter.numerics import Ellipsoids, fit_ellipsoids, squared_mahalanobis

FORMAT_VERSION = 1
_Threshold: TypeAdapter[Threshold | Unavailable] = TypeAdapter(Threshold | Unavailable)


@dataclass(frozen=True, slots=True, eq=False)
class MahalanobisDetector:
    """Flags rows that lie further from the train rows than held-out rows of the same population do.

    A row is flagged where its distance is strictly above the threshold. The distance is the squared Mahalanobis
    distance to the nearest class mean; with a background, less that to the background (the relative distance).

    Parameters
    ----------
    inside
        Class means and covariance of the train rows.
    background
        Of rows of a wider population, or None.
    threshold
        What :meth:`certify` found on held-out rows; before that, the reason why there is none.

    Notes
    -----
    A flag says that the rates that were certified are not promised for the row, not that they are broken: a shift
    across the probe's direction is flagged too. And what is not flagged may be broken. The distance is one number of
    all d directions, with a spread of about √(2d): a row may move by a few standard deviations along the probe's
    direction, which breaks any threshold, and hardly move in distance. Test a stream of scores for that.

    The relative distance of two classes to a background that is these very rows depends on one direction alone, that
    of linear discriminant analysis: give a background that is wider, or leave it out.

    References
    ----------
    Lee et al. (2018), "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks".
    Ren et al. (2021), "A Simple Fix to Mahalanobis Distance for Improving Near-OOD Detection", equation 3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(1000, 4)), np.arange(1000) % 2
    >>> detector = MahalanobisDetector.fit(X[:600], y[:600]).certify(X[600:], population="made up")
    >>> detector.is_unlike(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, 0.0, 0.0, 0.0]])).tolist()
    [False, True]
    """

    inside: Ellipsoids
    background: Ellipsoids | None = None
    threshold: Threshold | Unavailable = field(default_factory=lambda: Unavailable(reason="not certified"))

    @classmethod
    def fit(
        cls,
        X: Float[NDArray[Any], "n d"],
        classes: Shaped[NDArray[Any], " n"] | None = None,
        *,
        background: Float[NDArray[Any], "m d"] | None = None,
        shrinkage: float | None = None,
    ) -> MahalanobisDetector:
        """Fit on train rows; see :func:`tiltmeter.numerics.fit_ellipsoids` for ``shrinkage``.

        Raises
        ------
        ArrayError
            If the rows do not vary, or a value is not finite.
        """
        wider = None if background is None else fit_ellipsoids(background, shrinkage=shrinkage)
        return cls(fit_ellipsoids(X, classes, shrinkage=shrinkage), wider)

    def certify(
        self,
        X: Float[NDArray[Any], "n d"],
        *,
        fpr: float = 0.01,
        confidence: float = 0.95,
        groups: Shaped[NDArray[Any], " n"] | None = None,
        population: str,
    ) -> MahalanobisDetector:
        """Return the detector with a threshold that flags at most ``fpr`` of the population's units.

        The rows must not be those that it was fitted on. See :func:`threshold_at_fpr` for what is promised.

        Raises
        ------
        TooFewNegativesError
            If nothing can be certified from so few units; the message names the number needed.
        """
        found = threshold_at_fpr(
            self.distances(X), fpr=fpr, confidence=confidence, groups=groups, population=population
        )
        return replace(self, threshold=found)

    def distances(self, X: Float[NDArray[Any], "n d"]) -> Float[NDArray[Any], " n"]:
        """Return the distance of each row, shape (n,); the relative one may be negative."""
        found = squared_mahalanobis(X, self.inside)
        return found if self.background is None else found - squared_mahalanobis(X, self.background)

    def is_unlike(self, X: Float[NDArray[Any], "n d"]) -> Bool[NDArray[Any], " n"]:
        """Flag the rows whose distance lies above the threshold; ArrayError if none was certified."""
        if isinstance(self.threshold, Unavailable):
            raise ArrayError(f"The detector has no threshold ({self.threshold.reason}); certify it on held-out rows.")
        return self.distances(X) > self.threshold.value

    def save(self, folder: Path, *, stem: str = "likeness") -> None:
        """Write ``stem.safetensors`` and, last, ``stem.json`` with the hash of the other into ``folder``."""
        parts = {"inside": self.inside} | ({} if self.background is None else {"background": self.background})
        arrays = {f"{name}.{key}": getattr(part, key) for name, part in parts.items() for key in _ARRAYS}
        content = to_safetensors({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        head = {
            "threshold": self.threshold.model_dump(mode="json"),
            **{name: {key: getattr(part, key) for key in _NUMBERS} for name, part in parts.items()},
        }
        write_sealed(folder, head, content=content, stem=stem, version=FORMAT_VERSION)

    @classmethod
    def load(cls, folder: Path, *, stem: str = "likeness") -> MahalanobisDetector:
        """Read what :meth:`save` wrote, bit for bit; FormatError if it is of another version, damaged or changed."""
        head, content = read_sealed(folder, stem=stem, what="a detector", version=FORMAT_VERSION)
        try:
            arrays = from_safetensors(content)
            inside = _read(arrays, head, "inside")
            background = _read(arrays, head, "background") if "background" in head else None
            return cls(inside, background, _Threshold.validate_python(head["threshold"]))
        except (KeyError, TypeError, ValueError, SafetensorError) as error:
            raise FormatError(
                f"{folder / stem}.json lacks a part of a detector or holds a wrong one ({error})."
            ) from error


_ARRAYS = ("means", "axes", "variances")
_NUMBERS = ("rest", "shrinkage")


def _read(arrays: dict[str, NDArray[Any]], head: dict[str, Any], name: str) -> Ellipsoids:
    means, axes, variances = (arrays[f"{name}.{key}"] for key in _ARRAYS)
    rest, shrinkage = (float(head[name][key]) for key in _NUMBERS)
    return Ellipsoids(means, axes, variances, rest, shrinkage)
