"""A direction in activation space, and everything that must travel with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as from_safetensors
from safetensors.numpy import save

from tiltmeter.core.errors import ArrayError, FormatError
from tiltmeter.core.evidence import Evidence
from tiltmeter.core.files import read_sealed, write_sealed
from tiltmeter.core.records import Unavailable
from tiltmeter.core.site import Site

FORMAT_VERSION = 1
Sign = Literal[1, -1, "unknown"]


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """A unit vector with an offset, a sign, and its evidence.

    The score of a row x is ``sign * (x · vector + offset)``; a score above 0 means that the concept is present.

    Parameters
    ----------
    vector
        Shape (d,), Euclidean norm 1, in the coordinates of the activations.
    offset
        In units of the activations, as is the score.
    site
        Where it was found, or None for arrays of other origin.
    sign
        1 or -1 where labels fixed it, else ``"unknown"``: then nothing may be scored.
    method
        Name of the finder.
    provenance
        JSON-able facts: hyperparameters, seeds, data hashes, model fingerprint.
    evidence
        What speaks for and against it, or ``Unavailable("not assessed")``.

    Raises
    ------
    ArrayError
        If the vector is not finite, not one-dimensional, or its norm is not 1 to 1e-3, or the sign is another value.

    Examples
    --------
    >>> d = Direction(np.array([0.6, 0.8]), method="hand", sign=1)
    >>> d.score(np.array([[5.0, 0.0]])).tolist()
    [3.0]
    """

    vector: NDArray[np.floating[Any]]
    offset: float = 0.0
    site: Site | None = None
    sign: Sign = "unknown"
    method: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)
    evidence: Evidence | Unavailable = field(default_factory=lambda: Unavailable(reason="not assessed"))

    def __post_init__(self) -> None:
        if self.vector.ndim != 1 or not np.isfinite(self.vector).all() or not np.isfinite(self.offset):
            raise ArrayError(f"A direction needs one finite vector and offset; got shape {self.vector.shape}.")
        if self.sign not in (1, -1, "unknown"):
            raise ArrayError(f'A direction\'s sign is {self.sign!r}; it must be 1, -1 or "unknown".')
        # half-precision vectors carry rounding of about 1e-3 in their norm
        if abs(float(np.linalg.norm(self.vector.astype(np.float64))) - 1.0) > 1e-3:
            raise ArrayError("A direction's vector must have norm 1; divide it by its norm and scale the offset alike.")

    def score(self, X: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Score rows, shape (n, d) to (n,); ArrayError if the sign is unknown or the width differs."""
        if self.sign == "unknown":
            name = self.method or "an unnamed method"
            raise ArrayError(f"The direction by {name} has no sign; orient the probe on calibration labels.")
        if X.ndim != 2 or X.shape[1] != len(self.vector):
            raise ArrayError(f"X has shape {X.shape}; the direction reads rows of width {len(self.vector)}.")
        # in float64: a large offset would swallow the differences between single-precision scores
        return np.asarray(self.sign * ((X @ self.vector).astype(np.float64) + self.offset))

    def save(self, folder: str | Path, *, stem: str = "direction") -> None:
        """Write ``stem.safetensors`` and, last, ``stem.json`` with the hash of the other into ``folder``."""
        head = {
            "offset": float(self.offset),
            "site": str(self.site) if self.site is not None else None,
            "layer_convention": "0-based block index; resid_post of the last block is before the final norm",
            "sign": self.sign,
            "method": self.method,
            "provenance": self.provenance,
            "evidence": self.evidence.model_dump(mode="json"),
        }
        content = save({"vector": np.ascontiguousarray(self.vector)})
        write_sealed(Path(folder), head, content=content, stem=stem, version=FORMAT_VERSION)

    @classmethod
    def load(cls, folder: str | Path, *, stem: str = "direction") -> Self:
        """Read what :meth:`save` wrote; FormatError if it is of another version, damaged or tampered with."""
        folder = Path(folder)
        path = folder / f"{stem}.json"
        head, content = read_sealed(folder, stem=stem, what="a direction", version=FORMAT_VERSION)
        try:
            evidence = head["evidence"]
            known = Unavailable if evidence.get("kind") == "unavailable" else Evidence
            return cls(
                from_safetensors(content)["vector"],
                offset=head["offset"],
                site=Site.parse(head["site"]) if head["site"] else None,
                sign=head["sign"],
                method=head["method"],
                provenance=head["provenance"],
                evidence=known.model_validate(evidence),
            )
        except (KeyError, TypeError, AttributeError, ValueError, SafetensorError) as error:
            raise FormatError(f"{path} lacks a part of a direction or holds a wrong one ({error}).") from error
