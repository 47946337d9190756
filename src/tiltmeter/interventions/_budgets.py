"""Strengths that mean the same at every site and for every method."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import brentq

from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import ArrayError, DataError, SpecError
from tiltmeter.core.records import Measured
from tiltmeter.core.site import Site
from tiltmeter.evaluation import bootstrap_estimate, resampling
from tiltmeter.interventions._fluency import batches, divergence, log_probs, predicted
from tiltmeter.interventions._steering_vectors import SteeringVectors, steers_along, vectors_of
from tiltmeter.interventions._texts import Texts, encoded_texts
from tiltmeter.models import Encoded, SubjectModel, edited

# The search begins at this share of the mean norm, where a direction rarely does anything, and doubles. Vectors that
# are 16 times as long as what they are added to leave nothing of it: more strength changes nothing any more.
_WEAKEST, _STRONGEST = 2.0**-8, 2.0**4
# of the strength; the divergence grows with its square
_STRENGTH_TOL = 1e-4


def activation_norm(subject: SubjectModel, texts: Texts, *, site: str | Site) -> Measured:
    """Return the mean Euclidean norm of the activations at a site, with its interval over texts.

    Parameters
    ----------
    subject
        The model.
    texts
        Texts such as the model will be steered on; eight or more, or as many groups.
    site
        Where.

    Returns
    -------
    The mean over the tokens that are read, but for the first position of each text; Unavailable where texts, or groups,
    are too few to resample.

    Raises
    ------
    SpecError
        If the site is absent.
    DataError
        If no text has a token to read beyond its first.

    Notes
    -----
    Models park attention on the first position of a sequence, where norms may be a hundred times those elsewhere: one
    token would decide the mean.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> activation_norm(subject, ["Rome is old", "is Rome old"] * 4, site="0.resid_post").n
    8
    """
    encoded = encoded_texts(subject, texts, what="texts")
    (where,) = subject.resolve_sites([site])
    sums, counts = _norms(subject, encoded, sites=(where,))
    # a text without a token to read says nothing, and must not count as one that was seen
    seen = np.flatnonzero(counts)
    of, total, groups = counts[seen], sums[where][seen], encoded.texts.groups
    by = resampling(len(seen), groups=None if groups is None else groups[seen])
    return bootstrap_estimate(lambda weights: (weights @ total) / (weights @ of), by=by, bounds=(0.0, np.inf))


def norm_budget(subject: SubjectModel, texts: Texts, *, site: str | Site, share: float) -> float:
    """Return the strength that is a share of the mean activation norm at a site.

    Parameters
    ----------
    subject, texts, site
        As for :func:`activation_norm`; one text will do.
    share
        Of the mean norm; negative for the other way.

    Returns
    -------
    In units of the activations, as :class:`Steer` takes it.

    Raises
    ------
    SpecError
        If the site is absent, or the share is not finite.
    DataError
        If no text has a token to read beyond its first.

    See Also
    --------
    kl_budget : By what the model does, and not by how far it is pushed.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> some = norm_budget(subject, ["Rome is old"], site="0.resid_post", share=0.5)
    >>> norm_budget(subject, ["Rome is old"], site="0.resid_post", share=-1.0) == -2 * some
    True
    """
    if not np.isfinite(share):
        raise SpecError(f"share is {share}; it must be a finite number.")
    (where,) = subject.resolve_sites([site])
    return share * mean_norms(subject, encoded_texts(subject, texts, what="texts"), sites=(where,))[where]


def kl_budget(
    subject: SubjectModel,
    texts: Texts,
    *,
    direction: Direction | SteeringVectors | Float[NDArray[Any], " d"],
    kl: float,
    site: str | Site | None = None,
    sign: Literal[1, -1] = 1,
) -> float:
    """Return the strength at which steering moves the next-token distributions on neutral texts by a budget.

    Parameters
    ----------
    subject
        A causal decoder with its unembedding.
    texts
        Neutral texts, on which steering should cost little.
    direction
        A direction whose sign is known, an array (d,), or steering vectors, of which the strength is a factor.
    kl
        The budget: mean KL(bare ‖ steered), nats a token, above 0.
    site
        Where; None for the direction's own.
    sign
        1 for more of the concept, -1 for less: the two may need unlike strengths.

    Returns
    -------
    Positive for more and negative for less; in units of the activations, as :class:`Steer` takes it.

    Raises
    ------
    SpecError
        If the budget is not above 0, is not reached by vectors 16 times as long as the activations, or a site is
        absent.
    DataError
        If a text has no token that is predicted.
    ArrayError
        If the sign of the direction is unknown, its width is another, or the steered model gives NaN.
    ModelError
        If tokens see later ones, the model has no unembedding, or vectors are of another model.

    See Also
    --------
    fluency : The divergence at a strength, with its interval.

    Notes
    -----
    From 1/256 of the mean activation norm the strength is doubled until the budget is exceeded; the last interval is
    then narrowed to 1e-4 of the strength by Brent's method on the root of the divergence, which grows about in
    proportion to the strength. Where the divergence is not monotone it is the first crossing up to a doubling. Cost:
    some 15 forwards of the texts, whose log-probabilities (tokens × vocabulary) are kept meanwhile.

    Examples
    --------
    >>> from tiltmeter.interventions import Steer, fluency
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> texts, along = ["Rome is old", "is Rome old"] * 4, np.arange(8.0)
    >>> strength = kl_budget(subject, texts, direction=along, site="0.resid_post", kl=1e-5)
    >>> found = fluency(subject, texts, edits=[Steer(along, strength, site="0.resid_post")])
    >>> round(1e5 * found.kl.value, 2)
    1.0
    """
    if not 0 < kl < np.inf:
        raise SpecError(f"kl is {kl}; give a budget above 0, in nats a token.")
    if sign not in (1, -1):
        raise SpecError(f"sign is {sign!r}; give 1 for more of the concept, or -1 for less.")
    encoded = encoded_texts(subject, texts, what="texts")
    vectors = vectors_of(subject, direction, site=site)
    unit = 1 / share_of(vectors, mean_norms(subject, encoded, sites=tuple(vectors)))
    n_tokens = predicted(encoded).sum()
    bare = [(padded, log_probs(subject, padded)) for _, padded in batches(encoded)]

    @functools.cache
    def excess(strength: float) -> float:
        total = 0.0
        for padded, known in bare:
            with edited(subject, steers_along(vectors, sign * strength)):
                total += float(divergence(known, log_probs(subject, padded), padded).sum())
        if not np.isfinite(total):
            raise ArrayError(f"The model gives NaN or infinity when steered by {sign * strength:g}; lower the budget.")
        # rounding leaves a divergence of nothing a little below 0
        return float(np.sqrt(max(0.0, total / n_tokens)) - np.sqrt(kl))

    low, high, reached = 0.0, _WEAKEST * unit, -np.sqrt(kl)
    while (found := excess(high)) < 0:
        reached = max(reached, found)
        if high >= _STRONGEST * unit:
            raise SpecError(
                f"A KL of {kl:g} nats is not reached: steering by up to {_STRONGEST:g} mean activation norms gives "
                f"{(reached + np.sqrt(kl)) ** 2:.3g} at most; lower the budget, or use another site."
            )
        low, high = high, 2 * high
    # the absolute tolerance is there for a budget that is met far below the first strength tried
    return sign * float(brentq(excess, low, high, rtol=_STRENGTH_TOL, xtol=1e-3 * _STRENGTH_TOL * high))


def mean_norms(subject: SubjectModel, encoded: Encoded, *, sites: tuple[Site, ...]) -> dict[Site, float]:
    """Return the mean norm at some sites, as :func:`activation_norm`, without an interval and for one text too."""
    sums, counts = _norms(subject, encoded, sites=sites)
    return {site: float(sums[site].sum() / counts.sum()) for site in sites}


def share_of(vectors: Mapping[Site, NDArray[np.float64]], norms: Mapping[Site, float]) -> float:
    """Return the length of vectors in mean activation norms, the mean over their sites."""
    return float(np.mean([np.linalg.norm(vector) / norms[site] for site, vector in vectors.items()]))


def _norms(
    subject: SubjectModel, encoded: Encoded, *, sites: tuple[Site, ...]
) -> tuple[dict[Site, NDArray[np.float64]], NDArray[np.float64]]:
    """Return the sum of norms by text, shape (n,) a site, and how many tokens they are."""
    sums, counts = {site: np.zeros(len(encoded)) for site in sites}, np.zeros(len(encoded))
    for batch, padded in batches(encoded):
        read = padded.read.clone()
        read[:, 0] = False
        counts[batch] = read.sum(1).numpy()

        def summed(states: torch.Tensor, *, read: torch.Tensor = read) -> torch.Tensor:
            return torch.where(read.to(states.device), states.float().norm(dim=-1), 0).double().sum(1)

        mask = padded.mask(is_causal=subject.is_causal)
        found = subject.read(padded.tokens, sites=sites, mask=mask, reduce=summed)
        for site, of_batch in found.items():
            sums[site][batch] = of_batch.cpu().numpy()
    if not counts.any():
        raise DataError("No text has a token to read beyond its first, where norms are not those of others; give more.")
    for site, values in sums.items():
        if not np.isfinite(values).all() or not values.any():
            raise ArrayError(f"The activations at {site} are 0 or not finite, and have no norm to be a share of.")
    return sums, counts
