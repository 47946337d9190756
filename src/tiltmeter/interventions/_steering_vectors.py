"""Vectors to be added to what blocks give: their polarity and scale are in them, so that they can leave the library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as from_safetensors
from safetensors.numpy import save as to_safetensors

from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import ArrayError, FormatError, ModelError, SpecError
from tiltmeter.core.files import read_sealed, write_sealed
from tiltmeter.core.site import Site
from tiltmeter.interventions._steer import Steer, site_of, unit_of
from tiltmeter.interventions._where import Where
from tiltmeter.models import SubjectModel

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class SteeringVectors:
    """One vector a block, added to its output (``resid_post``); made by :func:`steering_vectors` or read from a file.

    A positive strength brings more of the concept: sign and length stand in the numbers, as other programs expect.

    Parameters
    ----------
    vectors
        By block, 0-based: float32, shape (d,), all of one width, finite and not 0.
    model_hint
        Type of the model that they were made for, as its configuration names it; "" where nobody knows.
    layer_count
        How many vectors were made, of which some may have been left out since: no more than the model has blocks.
        None for as many as there are.
    provenance
        JSON-able facts. The GGUF format has no room for them.

    Raises
    ------
    ArrayError
        If there are no vectors, or one is not as it must be.
    SpecError
        If a block is negative, or there are more vectors than ``layer_count``.

    Examples
    --------
    >>> SteeringVectors({3: np.array([0.0, 2.0], np.float32)}, model_hint="llama").width
    2
    """

    vectors: Mapping[int, NDArray[np.float32]]
    model_hint: str = ""
    layer_count: int | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.vectors:
            raise ArrayError("There are no steering vectors; give one or more, by block.")
        if min(self.vectors) < 0:
            raise SpecError(f"Block {min(self.vectors)} counts from the end; give blocks from 0.")
        for layer, vector in self.vectors.items():
            if vector.dtype != np.float32 or vector.shape != (self.width,) or not np.isfinite(vector).all():
                raise ArrayError(
                    f"The steering vector of block {layer} is {vector.dtype} of shape {vector.shape}; all must be "
                    f"finite, float32 and of shape ({self.width},)."
                )
            if not vector.any():
                raise ArrayError(f"The steering vector of block {layer} is 0; leave it out.")
        if self.layer_count is None:
            object.__setattr__(self, "layer_count", len(self.vectors))
        elif self.layer_count < len(self.vectors):
            raise SpecError(f"There are {len(self.vectors)} steering vectors, and layer_count is {self.layer_count}.")

    @property
    def width(self) -> int:
        """Number of features of each vector."""
        return int(next(iter(self.vectors.values())).size)

    @property
    def sites(self) -> tuple[Site, ...]:
        """Where they are added, in the order of the blocks."""
        return tuple(Site(layer, "resid_post") for layer in sorted(self.vectors))

    def steers(self, strength: float = 1.0, *, where: Where = "all") -> tuple[Steer, ...]:
        """Return the interventions that add ``strength`` times the vectors, for :func:`tiltmeter.models.generate`."""
        return steers_along({site: self.vectors[site.layer] for site in self.sites}, strength, where=where)

    def check(self, subject: SubjectModel) -> None:
        """Raise ModelError if they were made for another model: another type, width, or number of blocks."""
        own = subject.fingerprint.model_type
        if self.model_hint and not _same_type(self.model_hint, own):
            raise ModelError(
                f"The steering vectors were made for a {self.model_hint} model, and {subject.name} is a {own}; give "
                "those of this model."
            )
        if self.width != subject.d_model:
            raise ModelError(
                f"The steering vectors have width {self.width}, and the residual stream of {subject.name} "
                f"{subject.d_model}; give those of this model."
            )
        needed = max(self.layer_count or 0, max(self.vectors) + 1)
        if needed > subject.n_layers:
            raise ModelError(
                f"The steering vectors were made for a model of {needed} or more blocks, and {subject.name} has "
                f"{subject.n_layers}; give those of this model."
            )

    def save(self, folder: Path, *, stem: str = "steering") -> None:
        """Write ``stem.safetensors`` and, last, ``stem.json`` with the hash of the other into ``folder``."""
        content = to_safetensors(
            {f"direction.{layer}": np.ascontiguousarray(vector) for layer, vector in sorted(self.vectors.items())}
        )
        head = {
            "kind": "steering vectors",
            "model_hint": self.model_hint,
            "layer_count": self.layer_count,
            "layer_convention": "direction.K is added to the output of block K, 0-based (resid_post)",
            "provenance": self.provenance,
        }
        write_sealed(folder, head, content=content, stem=stem, version=FORMAT_VERSION)

    @classmethod
    def load(cls, folder: Path, *, stem: str = "steering") -> Self:
        """Read what :meth:`save` wrote; FormatError if it is of another version, damaged or tampered with."""
        path = folder / f"{stem}.json"
        head, content = read_sealed(folder, stem=stem, what="a set of steering vectors", version=FORMAT_VERSION)
        try:
            if head["kind"] != "steering vectors":
                raise ValueError(f"it holds {head['kind']!r}")
            vectors = {int(name.removeprefix("direction.")): v for name, v in from_safetensors(content).items()}
            return cls(
                dict(sorted(vectors.items())),
                model_hint=head["model_hint"],
                layer_count=head["layer_count"],
                provenance=head["provenance"],
            )
        except (KeyError, TypeError, AttributeError, ValueError, SafetensorError) as error:
            raise FormatError(f"{path} is not a set of steering vectors, or lacks a part of one ({error}).") from error


def steering_vectors(
    subject: SubjectModel, directions: Direction | Sequence[Direction], *, strength: float | Sequence[float]
) -> SteeringVectors:
    """Bake sign and strength of directions into vectors that any program can add.

    Parameters
    ----------
    subject
        The model that they were found in.
    directions
        One, or one for each of several blocks; found at ``resid_post``, with a known sign.
    strength
        Of all of them, or of each; in units of the activations, as :class:`Steer` takes it.

    Raises
    ------
    SpecError
        If a direction has no site or another than ``resid_post``, two are of one block, the block is absent, or
        strengths and directions are not as many.
    ArrayError
        If a sign is unknown, the width is another, or a strength is 0 or not finite.

    See Also
    --------
    write_gguf : The file that llama.cpp reads.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> less = Direction(np.eye(8)[0], site=Site(-1, "resid_post"), sign=-1)
    >>> vectors = steering_vectors(tiny("Rome"), less, strength=5.0).vectors
    >>> {layer: vector[:1].tolist() for layer, vector in vectors.items()}
    {1: [-5.0]}
    """
    several = [directions] if isinstance(directions, Direction) else list(directions)
    strengths = [strength] * len(several) if isinstance(strength, int | float | np.number) else list(strength)
    if len(strengths) != len(several):
        raise SpecError(f"There are {len(several)} directions and {len(strengths)} strengths; give one, or one each.")
    vectors: dict[int, NDArray[np.float32]] = {}
    for direction, length in zip(several, strengths, strict=True):
        (site,) = subject.resolve_sites([site_of(direction, None)])
        if site.point != "resid_post":
            raise SpecError(
                f"The direction by {direction.method or 'an unnamed method'} is of {site}; steering vectors are added "
                "to the output of a block, resid_post."
            )
        if site.layer in vectors:
            raise SpecError(f"Two directions are of {site}; give one a block, their sum if both are meant.")
        if len(direction.vector) != subject.d_model:
            raise ArrayError(
                f"The direction has width {len(direction.vector)}, and the residual stream of {subject.name} "
                f"{subject.d_model}; it belongs to another model."
            )
        vectors[site.layer] = (unit_of(direction) * float(length)).astype(np.float32)
    return SteeringVectors(
        dict(sorted(vectors.items())),
        model_hint=subject.fingerprint.model_type,
        provenance={
            "model": subject.fingerprint.model_dump(mode="json"),
            "methods": [direction.method for direction in several],
            "strengths": [float(one) for one in strengths],
        },
    )


def steers_along(
    vectors: Mapping[Site, Float[NDArray[Any], " d"]], factor: float, *, where: Where = "all"
) -> tuple[Steer, ...]:
    """Return the interventions that add ``factor`` times vectors at their sites."""
    return tuple(
        Steer(vector, factor * float(np.linalg.norm(vector.astype(np.float64))), site=site, where=where)
        for site, vector in vectors.items()
    )


def vectors_of(
    subject: SubjectModel,
    direction: Direction | SteeringVectors | Float[NDArray[Any], " d"],
    *,
    site: str | Site | None = None,
) -> dict[Site, NDArray[np.float64]]:
    """Return what strength 1 adds at each site of a model: the unit vector of a direction, or vectors as they are.

    Raises
    ------
    SpecError
        If a site is absent, none is known, or one is given for vectors that have their own.
    ArrayError, ModelError
        If a sign is unknown, a width is another, or vectors are of another model.
    """
    if isinstance(direction, SteeringVectors):
        if site is not None:
            raise SpecError(f"site is {site}, and steering vectors have their own blocks; leave it out.")
        direction.check(subject)
        return {one: direction.vectors[one.layer].astype(np.float64) for one in direction.sites}
    (where,) = subject.resolve_sites([site_of(direction, site)])
    unit, width = unit_of(direction), subject.width(where)
    if len(unit) != width:
        raise ArrayError(
            f"The direction has width {len(unit)}, and site {where} of {subject.name} {width}; it belongs to another "
            "model or site."
        )
    return {where: unit}


def _same_type(hint: str, own: str) -> bool:
    return _plain_type(hint) == _plain_type(own)


def _plain_type(name: str) -> str:
    """Return a model type as both Hugging Face and llama.cpp might write it."""
    plain = name.lower().replace("_", "").replace("-", "").removesuffix("text")
    # llama.cpp runs these as what they are built like
    return "llama" if plain in ("mistral", "mixtral") else plain
