"""How much the tokens of a list have in common, in vectors that the list was not made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.anatomy._token_lens import outermost
from tiltmeter.baselines import embeddings
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.models import SubjectModel

# rows of scores that are sorted at a time
_CHUNK = 256


def coherence(lists: Int[NDArray[Any], "n m"], vectors: Float[NDArray[Any], "v e"]) -> Float[NDArray[Any], " n"]:
    """Return the mean pairwise cosine of the tokens of each list.

    Parameters
    ----------
    lists
        Numbers of rows of ``vectors``, two or more a list.
    vectors
        One a token, in which they are judged. They are centred here, for what all tokens share would make any list
        coherent. A token whose vector is then 0 has cosine 0 with every other.

    Raises
    ------
    SpecError
        If a list has one token only.

    Notes
    -----
    Of m unit vectors it is (‖Σ u‖² − Σ ‖u‖²) / (m (m − 1)). A figure alone says little: tokens that a model lists are
    never a random sample. Compare with lists made in the same way from directions that mean nothing.

    Examples
    --------
    >>> vectors = np.array([[1.0, 0.0], [2.0, 0.0], [-3.0, 1.0], [0.0, -1.0]])
    >>> coherence(np.array([[0, 1], [0, 2]]), vectors).round(2).tolist()
    [1.0, -0.95]
    """
    if lists.shape[1] < 2:
        raise SpecError("A list has one token, and coherence compares two or more; list more of them.")
    units = _units(vectors)
    m = lists.shape[1]
    found = np.empty(len(lists))
    for start in range(0, len(lists), _CHUNK):
        picked = units[lists[start : start + _CHUNK]]
        found[start : start + _CHUNK] = ((picked.sum(axis=1) ** 2).sum(axis=1) - (picked**2).sum(axis=(1, 2))) / (
            m * (m - 1)
        )
    return found


def end_coherence(
    scores: Float[NDArray[Any], "n v"], judges: Mapping[str, NDArray[Any]], *, n_top: int
) -> dict[str, Float[NDArray[Any], " n"]]:
    """Return, by judge, the coherence of the more coherent end of each row of scores.

    Which end of a direction is which is arbitrary, so that both are looked at; whatever it is compared with must be
    given the same choice.

    Parameters
    ----------
    scores
        One a token.
    judges
        By name, the vectors of these tokens in which lists are judged.
    n_top
        Tokens of an end.

    Examples
    --------
    >>> scores = np.array([[3.0, 2.0, -2.0, -3.0]])
    >>> vectors = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [-2.0, -1.1]])
    >>> end_coherence(scores, {"mine": vectors}, n_top=2)["mine"].round(2).tolist()
    [1.0]
    """
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in judges}
    for start in range(0, len(scores), _CHUNK):
        lists = outermost(scores[start : start + _CHUNK], n_top=n_top)
        for name, vectors in judges.items():
            found[name].append(np.maximum(*(coherence(lists[:, end], vectors) for end in (0, 1))))
    return {name: np.concatenate(parts) if parts else np.empty(0) for name, parts in found.items()}


def encoder_vectors(encoder: SubjectModel, texts: Sequence[str]) -> Float[NDArray[Any], "v e"]:
    """Return what a sentence encoder makes of each token, as a text of its own.

    Parameters
    ----------
    encoder
        A model of another training, such as all-MiniLM-L6-v2.
    texts
        As :class:`TokenLens` has them. Spaces around a token are left out: a word and the same word after a space are
        one to the encoder, and any list with both is coherent for that reason alone.

    Notes
    -----
    Encoders are made for sentences. Of a piece of a word they know little, and their vectors of such pieces follow
    spelling; of a model whose tokens are mostly pieces this judge says little.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> encoder_vectors(tiny("Rome is old"), [" Rome"]).shape
    (1, 8)
    """
    ids = np.array([str(i) for i in range(len(texts))])
    return np.asarray(embeddings(encoder).read(TextSet(ids, texts=tuple(text.strip() or text for text in texts))))


def spelling_vectors(texts: Sequence[str]) -> Float[NDArray[Any], "v e"]:
    """Return counts of the letters and of the pairs of letters of each token, with marks at its ends.

    No model and no meaning: where lists are coherent in these vectors, they may be no more than alike in spelling.

    Parameters
    ----------
    texts
        As :class:`TokenLens` has them; a leading space is a letter, and case is ignored.

    Examples
    --------
    >>> cat, cats, dog = spelling_vectors(["cat", "cats", "dog"])
    >>> bool(cat @ cats > cat @ dog)
    True
    """
    grams = [[*text.lower(), *("".join(pair) for pair in pairwise(f"^{text.lower()}$"))] for text in texts]
    columns = {gram: i for i, gram in enumerate(dict.fromkeys(gram for one in grams for gram in one))}
    counts = np.zeros((len(texts), len(columns)), dtype=np.float32)
    for row, one in enumerate(grams):
        for gram in one:
            counts[row, columns[gram]] += 1
    return counts


def _units(vectors: NDArray[Any]) -> NDArray[np.floating[Any]]:
    if not np.isfinite(vectors).all():
        raise ArrayError("A vector in which tokens are judged is not finite.")
    centred = vectors - vectors.mean(axis=0)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    # what rounding leaves of a vector that is the mean itself is no direction
    least = 1e-6 * float(norms.max(initial=0.0))
    return np.asarray(np.divide(centred, norms, out=np.zeros_like(centred), where=norms > least))
