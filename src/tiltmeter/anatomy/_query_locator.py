"""Where in the weights a set of words stands: directions with a high cosine to it, and how high chance comes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.anatomy._model_svd import WeightSvd
from tiltmeter.anatomy._token_lens import TokenLens
from tiltmeter.core.errors import SpecError
from tiltmeter.core.seeds import stream
from tiltmeter.core.weights import MatrixName, Side


class Located(NamedTuple):
    """A direction near a query, by its ``number`` on its side.

    ``p``: the share of random queries whose nearest direction of all is as near.
    """

    matrix: MatrixName
    layer: int
    part: int
    side: Side
    number: int
    cosine: float
    p: float


def locate(
    words: Sequence[str],
    lens: TokenLens,
    *,
    svds: Iterable[WeightSvd],
    n_directions: int = 8,
    n_found: int = 10,
    n_random: int = 1000,
    seed: int = 0,
) -> tuple[Located, ...]:
    """Find the singular directions nearest to the mean of the rows of some words.

    Parameters
    ----------
    words
        As the lens writes them (``" she"`` and ``"she"`` may be two tokens); those without a token of their own are
        refused.
    lens
        From :func:`token_lens`.
    svds
        Matrices to look through, from :func:`weight_svds`.
    n_directions
        The first of each side of each matrix.
    n_found
        How many are returned, nearest first, whichever way they point.
    n_random, seed
        Random queries: as many listed tokens each.

    Raises
    ------
    SpecError
        If a word is no token of the lens or stands there twice, or there is nothing to look through.

    Notes
    -----
    ``p`` pays for looking at all directions: it compares with the nearest direction of each random query. Rows of
    words of one kind add up, and those of random words do not; the mean is scaled to norm 1 for both.

    Examples
    --------
    >>> lens = TokenLens(np.eye(4)[[0, 1, 2, 3]], np.arange(4), ("a", "b", "c", "d"), "rows")
    >>> from tiltmeter.anatomy import SideVectors
    >>> side = SideVectors(np.array([[0.0, 0.6, 0.8, 0.0]]), np.eye(4))
    >>> svd = WeightSvd("mlp_out", 0, 0, np.ones(1), np.zeros(1, dtype=int), {"writes": side})
    >>> (found,) = locate(["c"], lens, svds=[svd], n_random=99)
    >>> found.side, found.number, round(found.cosine, 2)
    ('writes', 0, 0.8)
    """
    numbers = {text: i for i, text in reversed(list(enumerate(lens.texts)))}
    if strange := [word for word in words if word not in numbers]:
        spaced = f" {strange[0].strip()}"
        advice = f"{spaced!r} is, with its space" if spaced in numbers else "give words that are one token each"
        raise SpecError(f"{strange[0]!r} is not one of the {len(lens.texts)} listed tokens; {advice}.")
    if len(set(words)) < len(words):
        raise SpecError("words names a token twice; give each once.")
    if not words:
        raise SpecError("words is empty; give at least one token.")
    places: list[tuple[MatrixName, int, int, Side, int]] = []
    vectors: list[NDArray[Any]] = []
    for one in svds:
        for side, found in one.sides.items():
            first = found.vectors[:n_directions]
            places += [(one.matrix, one.layer, one.part, side, index) for index in range(len(first))]
            vectors.append(first)
    if not places:
        raise SpecError("svds is empty; give the matrices of weight_svds.")
    directions = np.concatenate(vectors)
    cosines = directions @ _mean(lens.rows, np.array([numbers[word] for word in words])[None])[0]
    rng = stream(seed, "random queries")
    drawn = np.stack([rng.choice(len(lens.texts), len(words), replace=False) for _ in range(n_random)])
    nearest = np.abs(directions @ _mean(lens.rows, drawn).T).max(axis=0)
    order = np.argsort(-np.abs(cosines), kind="stable")[:n_found]
    nearby = []
    for i in order:
        matrix, layer, part, side, number = places[i]
        p = float((1 + (nearest >= abs(cosines[i])).sum()) / (1 + n_random))
        nearby.append(Located(matrix, layer, part, side, number, float(cosines[i]), p))
    return tuple(nearby)


def _mean(rows: NDArray[Any], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean of chosen rows at norm 1, one for each choice; 0 where they cancel."""
    means = rows[chosen].mean(axis=1)
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(np.divide(means, norms, out=np.zeros_like(means), where=norms > 0))
