"""A sparse dictionary: what it encodes rows to, what it gives back, and how it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as from_safetensors
from safetensors.numpy import save

from tiltmeter.core.dictionaries import DictionaryKind
from tiltmeter.core.errors import ArrayError, FileError, FormatError
from tiltmeter.core.files import new_folder, read_sealed, write_sealed
from tiltmeter.core.site import Site

_FORMAT_VERSION = 1
# numbers in a block of latents, so that a pass over many rows needs little memory
_BLOCK = 8_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Dictionary:
    """A frozen sparse autoencoder: z = σ(E x + b), x̂ = Dᵀ z + c, in the units of the activations.

    σ is ReLU; or ReLU of the k largest; or the identity above a threshold of each latent's own and 0 elsewhere.

    Parameters
    ----------
    encoder, encoder_bias
        E, shape (f, d), a row a latent, and b (f,). A centre that was taken from rows before encoding is part of b.
    decoder, decoder_bias
        D, shape (f, d), a row a latent, of any norm, and c (d,).
    kind
        Which σ.
    k
        For ``"topk"``, else None.
    threshold
        Shape (f,), for ``"jumprelu"``, else None.
    site
        Where its rows were read, or None.
    provenance
        JSON-able facts: recipe, seed, hashes, where it comes from.

    Raises
    ------
    ArrayError
        If shapes disagree, something is not finite, or ``k`` or ``threshold`` does not go with the kind.

    Examples
    --------
    >>> pair = Dictionary(np.eye(2), np.zeros(2), np.eye(2), np.zeros(2))
    >>> pair.encode(np.array([[2.0, -1.0]])).tolist(), pair.reconstruct(np.array([[2.0, -1.0]])).tolist()
    ([[2.0, 0.0]], [[2.0, 0.0]])
    """

    encoder: NDArray[np.floating[Any]]
    encoder_bias: NDArray[np.floating[Any]]
    decoder: NDArray[np.floating[Any]]
    decoder_bias: NDArray[np.floating[Any]]
    kind: DictionaryKind = "relu"
    k: int | None = None
    threshold: NDArray[np.floating[Any]] | None = None
    site: Site | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        f, d = self.encoder.shape if self.encoder.ndim == 2 else (0, 0)
        shapes = {"encoder_bias": (f,), "decoder": (f, d), "decoder_bias": (d,)}
        if not f or any(getattr(self, name).shape != shape for name, shape in shapes.items()):
            came = ", ".join(f"{name} {getattr(self, name).shape}" for name in ("encoder", *shapes))
            raise ArrayError(f"A dictionary needs encoder and decoder (f, d) and biases (f,) and (d,); got {came}.")
        if (self.k is not None) != (self.kind == "topk") or (self.k is not None and not 1 <= self.k <= f):
            raise ArrayError(f'k is {self.k}; "topk" needs one from 1 to {f}, and "{self.kind}" is what was asked.')
        if (self.threshold is not None) != (self.kind == "jumprelu"):
            raise ArrayError('A threshold goes with the kind "jumprelu", and that kind needs one.')
        if self.threshold is not None and self.threshold.shape != (f,):
            raise ArrayError(f"threshold has shape {self.threshold.shape}; it needs one entry a latent, ({f},).")
        if not all(np.isfinite(array).all() for array in self.arrays().values()):
            raise ArrayError("A dictionary holds a number that is not finite; train it again at a lower rate.")

    @property
    def n_latents(self) -> int:
        """How many latents there are, f."""
        return len(self.encoder)

    @property
    def atoms(self) -> Float[NDArray[Any], "f d"]:
        """Decoder rows divided by their norms; rows of norm 0 stay 0."""
        norms = np.linalg.norm(self.decoder.astype(np.float64), axis=1, keepdims=True)
        return np.asarray(np.divide(self.decoder, norms, out=np.zeros(self.decoder.shape), where=norms > 0))

    def arrays(self) -> dict[str, NDArray[np.floating[Any]]]:
        """Return what is kept as tensors, by name."""
        names = ("encoder", "encoder_bias", "decoder", "decoder_bias")
        found = {name: getattr(self, name) for name in names}
        return found if self.threshold is None else found | {"threshold": self.threshold}

    def encode(self, X: Float[NDArray[Any], "n d"]) -> Float[NDArray[Any], "n f"]:
        """Return the latents of some rows, shape (n, d) to (n, f); ArrayError if the width differs."""
        if X.ndim != 2 or X.shape[1] != self.encoder.shape[1]:
            raise ArrayError(f"X has shape {X.shape}; the dictionary reads rows of width {self.encoder.shape[1]}.")
        pre = X @ self.encoder.T + self.encoder_bias
        if self.threshold is not None:
            return np.where((pre > self.threshold) & (pre > 0), pre, 0.0)
        if self.k is not None and self.k < self.n_latents:
            kept = np.argpartition(pre, -self.k, axis=1)[:, -self.k :]
            codes = np.zeros_like(pre)
            np.put_along_axis(codes, kept, np.take_along_axis(pre, kept, axis=1), axis=1)
            pre = codes
        return np.asarray(np.maximum(pre, 0.0, out=pre))

    def decode(self, codes: Float[NDArray[Any], "n f"]) -> Float[NDArray[Any], "n d"]:
        """Return rows from latents, shape (n, f) to (n, d)."""
        return np.asarray(codes @ self.decoder + self.decoder_bias)

    def reconstruct(self, X: Float[NDArray[Any], "n d"]) -> Float[NDArray[Any], "n d"]:
        """Return what the dictionary gives back of some rows, a block of them at a time."""
        return np.concatenate([self.decode(codes) for _, codes in self.blocks(X)]) if len(X) else np.zeros_like(X)

    def blocks(
        self, X: Float[NDArray[Any], "n d"]
    ) -> Iterator[tuple[Float[NDArray[Any], "b d"], Float[NDArray[Any], "b f"]]]:
        """Yield rows and their latents, block by block."""
        size = max(1, _BLOCK // self.n_latents)
        for start in range(0, len(X), size):
            rows = X[start : start + size]
            yield rows, self.encode(rows)

    def live(self, X: Float[NDArray[Any], "n d"]) -> Bool[NDArray[Any], " f"]:
        """Say of each latent whether it is above zero on any of some rows."""
        found = np.zeros(self.n_latents, dtype=bool)
        for _, codes in self.blocks(X):
            found |= (codes > 0).any(axis=0)
        return found

    def save(self, folder: str | Path) -> None:
        """Write ``dictionary.safetensors`` and ``dictionary.json`` into a new folder; whole or not at all."""
        content = save({name: np.ascontiguousarray(array) for name, array in self.arrays().items()})
        head = {
            "kind": self.kind,
            "k": self.k,
            "site": str(self.site) if self.site is not None else None,
            "provenance": self.provenance,
        }
        with new_folder(Path(folder)) as path:
            write_sealed(path, head, content=content, stem="dictionary", version=_FORMAT_VERSION)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what :meth:`save` wrote; FormatError if it is of another version, damaged or changed."""
        path = Path(folder)
        if not path.is_dir():
            raise FileError(f"{path} is no folder; give the folder of a dictionary.")
        head, content = read_sealed(path, stem="dictionary", what="a dictionary", version=_FORMAT_VERSION)
        try:
            return cls(
                **from_safetensors(content),
                kind=head["kind"],
                k=head["k"],
                site=Site.parse(head["site"]) if head["site"] else None,
                provenance=head["provenance"],
            )
        except (KeyError, TypeError, ValueError, SafetensorError) as error:
            raise FormatError(f"{path} lacks a part of a dictionary or holds a wrong one ({error}).") from error
