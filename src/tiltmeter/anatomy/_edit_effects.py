"""What a spectral edit moves: its own tokens, the others, and all of the model's predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.anatomy._model_svd import WeightSvd
from tiltmeter.anatomy._spectral_edit import SpectralEdit, spectral_edit
from tiltmeter.anatomy._token_lens import TokenLens, outermost
from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Measured
from tiltmeter.core.seeds import stream
from tiltmeter.data import TextSet
from tiltmeter.evaluation import Resampling, bootstrap_estimate, mean_estimate, resampling
from tiltmeter.models import SubjectModel, edited, encode, text_logits


class EffectSettings(NamedTuple):
    """How an edit is tried: its ``strength``, tokens of an end, random edits beside it, and the seed of these."""

    strength: float = 1.0
    n_top: int = 10
    n_random: int = 8
    level: float = 0.95
    seed: int = 0


class Moved(NamedTuple):
    """What an edit moves, each a mean over texts of a mean over positions, with its interval.

    ``listed``: absolute change of the logits of the direction's own tokens, after the mean change of all tokens is
    taken away; ``others``: of all other listed tokens. ``ratio``: the first over the second. ``kl``: from the bare
    model's predictions to the edited one's, in nats a position.
    """

    listed: Measured
    others: Measured
    ratio: Measured
    kl: Measured


class EditEffects(NamedTuple):
    """A spectral edit beside edits of the same matrix by random directions that it can write.

    ``random``: the same figures for the mean over the random edits, each judged by its *own* tokens: what any direction
    would do to the tokens that are read off it.
    """

    edit: Moved
    random: Moved


def edit_effects(
    subject: SubjectModel,
    found: WeightSvd,
    *,
    index: int,
    texts: TextSet,
    lens: TokenLens,
    settings: EffectSettings | None = None,
) -> EditEffects:
    """Take one singular direction out of a matrix and measure which logits move, beside random directions.

    Parameters
    ----------
    subject
        A decoder.
    found
        A matrix that writes.
    index
        Which of its directions.
    texts
        On which it is tried; intervals are over them, or over their groups where these are given.
    lens
        Which tokens a direction lists.
    settings
        How much is tried.

    Raises
    ------
    SpecError
        As :func:`spectral_edit`.

    Notes
    -----
    An edit early in the model also acts through all later blocks, which turn what it writes into something else; then
    its own tokens need not be those that move.

    Examples
    --------
    >>> from tiltmeter.anatomy import token_lens, weight_svds
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("wa wb wc wd we wf wg")
    >>> texts = TextSet(np.array(["a", "b"]), texts=("wa wb", "wc"))
    >>> found = list(weight_svds(subject, "ov"))[-1]
    >>> settings = EffectSettings(n_top=2, n_random=2)
    >>> effects = edit_effects(subject, found, index=0, texts=texts, lens=token_lens(subject), settings=settings)
    >>> effects.edit.kl.kind
    'unavailable'
    """
    settings = settings or EffectSettings()
    own = found.sides["writes"].vectors if "writes" in found.sides else np.empty((0, 0))
    if not 0 <= index < len(own):
        raise SpecError(f"index is {index}; the matrix {found.matrix} writes {len(own)} directions, counted from 0.")
    drawn = stream(settings.seed, "random edits").normal(size=(settings.n_random, len(own))) @ own
    directions = np.concatenate([own[index][None], drawn / np.linalg.norm(drawn, axis=1, keepdims=True)])
    lists = outermost(directions @ lens.rows.T, n_top=settings.n_top).reshape(len(directions), -1)
    edits = [spectral_edit(subject, found, direction=direction, strength=settings.strength) for direction in directions]
    sums = np.array([_on_text(subject, tokens, edits, lists=lists, lens=lens) for tokens in _tokens(subject, texts)])
    by = resampling(len(texts), groups=texts.groups, level=settings.level, seed=settings.seed)
    return EditEffects(_moved(sums[:, 0], by), _moved(sums[:, 1:].mean(axis=1), by))


def _tokens(subject: SubjectModel, texts: TextSet) -> Iterator[Tensor]:
    encoded = encode(subject, texts)
    for start, stop in pairwise(encoded.offsets.tolist()):
        yield torch.from_numpy(encoded.tokens[start:stop].astype(np.int64))[None]


def _on_text(
    subject: SubjectModel, tokens: Tensor, edits: Sequence[SpectralEdit], *, lists: NDArray[np.int64], lens: TokenLens
) -> NDArray[np.float64]:
    """Return what each edit moves on one text, shape (edits, 3): its tokens, the others, the divergence."""
    bare = text_logits(subject, tokens)[0].double().cpu()
    rows = []
    for edit, own in zip(edits, lists, strict=True):
        with edited(subject, [edit]):
            changed = text_logits(subject, tokens)[0].double().cpu()
        before, after = bare.log_softmax(1), changed.log_softmax(1)
        kl = float((before.exp() * (before - after)).sum(1).mean())
        change = (changed - bare).numpy()[:, lens.tokens]
        moved = np.abs(change - change.mean(axis=1, keepdims=True)).mean(axis=0)
        is_own = np.isin(np.arange(len(lens.tokens)), own)
        rows.append([moved[is_own].mean(), moved[~is_own].mean(), max(kl, 0.0)])
    return np.array(rows)


def _moved(sums: NDArray[Any], by: Resampling) -> Moved:
    listed, others, kl = sums.T
    above = (0.0, np.inf)

    def ratio(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        below = weights @ others
        return np.asarray(np.divide(weights @ listed, below, out=np.full(len(below), np.nan), where=below > 0))

    return Moved(
        mean_estimate(listed, by=by, bounds=above),
        mean_estimate(others, by=by, bounds=above),
        bootstrap_estimate(ratio, by=by, bounds=above),
        mean_estimate(kl, by=by, bounds=above),
    )
