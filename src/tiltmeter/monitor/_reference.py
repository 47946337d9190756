"""Texts that a monitor keeps beside what was read of them, so that another model can be held against it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as from_safetensors
from safetensors.numpy import save as to_safetensors

from tiltmeter.core.errors import DataError, FormatError
from tiltmeter.core.files import read_sealed, sha256, write_sealed
from tiltmeter.core.parity import Origin, ReferenceHead, Versions
from tiltmeter.data import Span, TextSet
from tiltmeter.models import DType, Encoded, SubjectModel, share_of_weights_on_grid, weights_sha256_as

STEM = "parity"
# so few that they are replayed whenever a model is loaded, so many that half of them can lie at the threshold
N_TEXTS = 12
# in standard deviations of the scores: rounding moves a score by 1e-5, and must never change an alarm
_MARGIN = 1e-3
_PACKAGES = ("tiltmeter", "torch", "transformers", "tokenizers", "numpy")


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Reference texts, their tokens, and what was read of them.

    Parameters
    ----------
    texts
        The n texts or chats.
    tokens, read, offsets
        As in :class:`tiltmeter.models.Encoded`.
    rows
        Pooled activations at the monitor's site, shape (n, d), float32.
    scores
        Of these rows, shape (n,).
    population
        The score of every text that they were drawn from, shape (m,).
    origin
        Where they are from, and what they were read with.
    """

    texts: TextSet
    tokens: NDArray[np.int32]
    read: NDArray[np.bool_]
    offsets: NDArray[np.int64]
    rows: Float[NDArray[np.float32], "n d"]
    scores: Float[NDArray[np.float64], " n"]
    population: Float[NDArray[np.float64], " m"]
    origin: Origin

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def score_sd(self) -> float:
        """Standard deviation of the scores of the population, above 0."""
        return float(self.population.std())

    def has_tokens(self, encoded: Encoded) -> NDArray[np.bool_]:
        """Return which texts have these tokens, and are read at the same places, shape (n,)."""
        kept = [(self.tokens[a:b], self.read[a:b]) for a, b in zip(self.offsets, self.offsets[1:], strict=False)]
        pairs = zip(kept, (encoded.row(i) for i in range(len(encoded))), strict=True)
        return np.array([all(map(np.array_equal, ours, theirs)) for ours, theirs in pairs])

    def save(self, folder: Path) -> None:
        """Write ``parity.safetensors`` and, last, ``parity.json`` with the hash of the other into ``folder``."""
        content = to_safetensors({name: np.ascontiguousarray(array) for name, array in self._arrays().items()})
        texts, chats = self.texts, self.texts.messages
        record = ReferenceHead(
            sha256=sha256(content),
            distribution=texts.distribution,
            ids=tuple(texts.ids.tolist()),
            texts=texts.texts,
            messages=None if chats is None else tuple(tuple(dict(message) for message in chat) for chat in chats),
            origin=self.origin,
        )
        write_sealed(folder, record.model_dump(mode="json"), content=content, stem=STEM, version=1)

    @classmethod
    def load(cls, folder: Path, *, span: Span) -> Self:
        """Read what :meth:`save` wrote; FormatError if it is of another version, damaged or changed.

        ``span``: what is read of each text, which stands in the monitor's card.
        """
        content, packed = read_sealed(folder, stem=STEM, what="a reference", version=1)
        try:
            head, arrays = ReferenceHead.model_validate(content), from_safetensors(packed)
            texts = TextSet(
                np.array(head.ids, dtype=np.str_),
                texts=head.texts,
                messages=head.messages,  # type: ignore[arg-type]
                span=span,
                spans=arrays.get("spans"),
                distribution=head.distribution,
            )
            names = ("tokens", "offsets", "rows", "scores", "population")
            return cls(
                texts=texts, read=arrays["read"].astype(np.bool_), origin=head.origin, **{n: arrays[n] for n in names}
            )
        except (KeyError, ValidationError, SafetensorError, DataError) as error:
            raise FormatError(
                f"{folder / STEM}.json lacks a part of a reference or holds a wrong one ({error})."
            ) from error

    def _arrays(self) -> dict[str, NDArray[Any]]:
        names = ("tokens", "offsets", "rows", "scores", "population")
        arrays = {name: getattr(self, name) for name in names} | {"read": self.read.astype(np.uint8)}
        return arrays if self.texts.spans is None else arrays | {"spans": self.texts.spans}


def origin_of(subject: SubjectModel, *, drawn_from: str) -> Origin:
    """Return what is written of the model that a reference is read with."""
    dtypes: tuple[DType, ...] = get_args(DType)
    return Origin(
        drawn_from=drawn_from,
        made_with=versions_here(subject),
        weights={dtype: weights_sha256_as(subject, dtype) for dtype in dtypes},
        on_grid=share_of_weights_on_grid(subject),
    )


def versions_here(subject: SubjectModel) -> Versions:
    """Return the packages that compute activations, and the device of a model, on which their rounding depends."""
    place = subject.input_device
    if place.type == "cuda":
        device = torch.cuda.get_device_name(place)
    else:
        device = f"{place.type} ({torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads)"
    return Versions(packages={name: metadata.version(name) for name in _PACKAGES}, device=device)


def near_and_far(
    scores: Float[NDArray[Any], " m"], *, threshold: float, n: int = N_TEXTS
) -> Int[NDArray[np.int64], " k"]:
    """Choose rows for a reference: half of them the nearest to the threshold on either side, the others spread out.

    None lies so near to the threshold that rounding would change its alarm. Of fewer rows, all.
    """
    gaps = scores.astype(np.float64) - threshold
    clear = np.flatnonzero(np.abs(gaps) >= _MARGIN * scores.std())
    by_gap = clear[np.argsort(np.abs(gaps[clear]), kind="stable")]
    quarter = n // 4
    near = np.concatenate([by_gap[gaps[by_gap] > 0][:quarter], by_gap[gaps[by_gap] < 0][:quarter]])
    far = np.setdiff1d(clear, near)
    far = far[np.argsort(scores[far], kind="stable")]
    n_far = min(n - len(near), len(far))
    spread = far[np.unique(np.linspace(0, len(far) - 1, n_far).round().astype(np.int64))] if n_far else far[:0]
    return np.sort(np.concatenate([near, spread]))
