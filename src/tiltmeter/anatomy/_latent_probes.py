"""A label read from latents and from activations, on the same rows, so that it shows what a dictionary adds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray

from tiltmeter.anatomy._dictionary import Dictionary
from tiltmeter.anatomy._dictionary_metrics import random_dictionary
from tiltmeter.core.dictionaries import LatentProbes
from tiltmeter.core.errors import ArrayError
from tiltmeter.core.records import Measured
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import Resampling, auroc, auroc_columns, auroc_difference, ranking_estimates, resampling
from tiltmeter.probes import logistic

# strengths in units of the spread within the classes, from the strongest penalty on
_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_FOLDS = 5


class LabelledRows(NamedTuple):
    """Rows (n, d), labels 0 and 1, and groups that no fold may divide, or None."""

    X: Float[NDArray[Any], "n d"]
    y: Int[NDArray[Any], " n"]
    groups: Shaped[NDArray[Any], " n"] | None = None


def latent_probes(
    dictionary: Dictionary,
    train: LabelledRows,
    *,
    test: LabelledRows,
    name: str = "dictionary",
    n_draws: int = 1000,
    seed: int = 0,
) -> LatentProbes:
    """Fit probes on a dictionary's latents and on the activations themselves, and compare them on fresh rows.

    Parameters
    ----------
    dictionary
        What encodes the rows.
    train
        Rows to fit on; strength of the penalty and the best latent are chosen on them alone, the first on five folds of
        whole groups.
    test
        Rows to judge on.
    name
        For the record.
    n_draws
        Of the paired bootstrap.
    seed
        Of folds, random directions and draws.

    Returns
    -------
    AUROCs and paired differences, with intervals over groups where there are any.

    Raises
    ------
    ArrayError
        If a class is absent on either side, or the width is not that of the dictionary.

    Notes
    -----
    A probe on latents that is no better than one on activations needs no dictionary; one latent that is better than the
    best of as many random directions has been chosen from as many. The logistic probe is that of
    :class:`tiltmeter.probes.Logistic` with ``penalty_scale="within"``.

    References
    ----------
    Kantamneni et al. (2025), "Are Sparse Autoencoders Useful? A Case Study in Sparse Probing", arXiv 2502.16681.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(400) % 2
    >>> X = (rng.normal(size=(400, 4)) + 2 * y[:, None] * np.eye(4)[0]).astype(np.float32)
    >>> pair = Dictionary(np.eye(4), np.zeros(4), np.eye(4), np.zeros(4))
    >>> found = latent_probes(pair, LabelledRows(X[:200], y[:200]), test=LabelledRows(X[200:], y[200:]), n_draws=100)
    >>> found.which_latent, found.latents.value > 0.8
    (0, True)
    """
    for rows in (train, test):
        if len(np.unique(rows.y)) < 2:
            raise ArrayError("One class only; probes on latents need both on training and on test rows.")
    by = resampling(len(test.y), groups=test.groups, n_draws=n_draws, seed=seed)
    own, fresh = dictionary.encode(train.X), dictionary.encode(test.X)
    k = max(1, round(float((own > 0).sum(axis=1).mean())))
    random = random_dictionary(train.X, dictionary.n_latents, k=k, seed=seed)
    sides = {
        "activations": (train.X, test.X),
        "latents": (own, fresh),
        "reconstruction": (dictionary.decode(own), dictionary.decode(fresh)),
        "random_latents": (random.encode(train.X), random.encode(test.X)),
    }
    fits = {what: _fitted(*pair, train=train, seed=seed) for what, pair in sides.items()}
    judged = {what: _judged(test.y, fit.scores, by) for what, fit in fits.items()}
    latent, latent_scores = _best_column(train.y, own, fresh)
    # linear scores, so that random directions may use either side of zero, as the probe on activations may
    directions = train.X @ random.encoder.T, test.X @ random.encoder.T
    _, random_scores = _best_column(train.y, *directions)
    return LatentProbes(
        name=name,
        penalties={what: fit.strength for what, fit in fits.items()},
        **judged,
        best_latent=_judged(test.y, latent_scores, by),
        which_latent=latent,
        best_random=_judged(test.y, random_scores, by),
        gain=auroc_difference(test.y, fits["latents"].scores, rival=fits["activations"].scores, by=by),
        random_gain=auroc_difference(test.y, fits["latents"].scores, rival=fits["random_latents"].scores, by=by),
        best_gain=auroc_difference(test.y, latent_scores, rival=random_scores, by=by),
    )


class _Fit(NamedTuple):
    scores: NDArray[np.float64]
    strength: float


def _fitted(X: NDArray[Any], fresh: NDArray[Any], *, train: LabelledRows, seed: int) -> _Fit:
    """Choose the strength on folds of the training rows, fit on all of them, and score the fresh rows."""
    groups = np.arange(len(X)) if train.groups is None else train.groups
    names, of_row = np.unique(groups, return_inverse=True)
    fold = (stream(seed, "latent folds").permutation(len(names)) % _FOLDS)[of_row]
    means = [np.mean([_fold(X, train.y, fold == at, strength) for at in range(_FOLDS)]) for strength in _STRENGTHS]
    strength = _STRENGTHS[int(np.argmax(means))]
    return _Fit(_scores(X, train.y, fresh, strength), strength)


def _fold(X: NDArray[Any], y: NDArray[Any], held_out: NDArray[np.bool_], strength: float) -> float:
    if min(len(np.unique(y[held_out])), len(np.unique(y[~held_out]))) < 2:
        return 0.5
    return auroc(y[held_out], _scores(X[~held_out], y[~held_out], X[held_out], strength))


def _scores(X: NDArray[Any], y: NDArray[Any], fresh: NDArray[Any], strength: float) -> NDArray[np.float64]:
    found = logistic(X, y, C=strength, penalty_scale="within")
    return np.asarray(fresh @ found.vector + found.offset, dtype=np.float64)


def _best_column(y: NDArray[Any], own: NDArray[Any], fresh: NDArray[Any]) -> tuple[int, NDArray[np.float64]]:
    """Return the column that tells the training labels apart best, either way round, and its scores of fresh rows."""
    areas = auroc_columns(y, own)
    best = int(np.argmax(np.abs(areas - 0.5)))
    return best, np.asarray(fresh[:, best] * (1.0 if areas[best] >= 0.5 else -1.0), dtype=np.float64)


def _judged(y: NDArray[Any], scores: NDArray[np.float64], by: Resampling) -> Measured:
    return ranking_estimates(y, scores, fpr=0.1, by=by).auroc
