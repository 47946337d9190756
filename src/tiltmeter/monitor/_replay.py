"""The reference texts of a monitor through the model at hand: errors, alarms that change, and a verdict."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.activations import collect
from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import ArrayError, DataWarning
from tiltmeter.core.parity import Cause, Parity, Replayed, Tolerance
from tiltmeter.core.records import Measured, Threshold, Unavailable
from tiltmeter.core.site import Site
from tiltmeter.data import TextSet
from tiltmeter.evaluation import share
from tiltmeter.models import Encoded, EncodingRule, SubjectModel, encode, final_normed
from tiltmeter.monitor._card import Card, Reading
from tiltmeter.monitor._reference import Reference
from tiltmeter.monitor._same_model import differing

# One plan of batches on every machine, so that the same model gives the same bits.
_TOKEN_BUDGET = 2048


class Errors(NamedTuple):
    """Of each text, shape (n,): of activations by the mean norm, of scores as they are and in standard deviations."""

    activation: NDArray[np.float64]
    score_raw: NDArray[np.float64]
    score: NDArray[np.float64]


class Replay(NamedTuple):
    """What was replayed, before anybody asked why it differs; ``rows`` are those that were judged."""

    subject: SubjectModel
    direction: Direction
    card: Card
    reference: Reference
    encoded: Encoded
    rows: NDArray[np.floating[Any]]
    errors: Errors


def encode_as_read(subject: SubjectModel, texts: TextSet, reading: Reading) -> Encoded:
    """Tokenize texts as they were when the probe was fitted."""
    texts = replace(texts, span=reading.span)
    return encode(subject, texts, long_texts=reading.long_texts, skip_first=reading.skip_first)


def encode_again(subject: SubjectModel, texts: TextSet, reading: Reading) -> Encoded:
    """Tokenize texts that were tokenized before; what there is to warn of was said then."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return encode_as_read(subject, texts, reading)


def kept_tokens(subject: SubjectModel, reference: Reference, reading: Reading) -> Encoded:
    """Return the reference's own tokens, for a model that would make others."""
    rule = EncodingRule(
        span=reading.span, long_texts=reading.long_texts, max_tokens=None, skip_first=reading.skip_first
    )
    uncut = np.zeros(len(reference), dtype=np.bool_)
    kept = (reference.tokens, reference.read, reference.offsets)
    return Encoded(reference.texts, *kept, uncut, rule, subject.fingerprint)


def read_rows(
    subject: SubjectModel, encoded: Encoded, *, sites: Sequence[Site | str], reading: Reading
) -> dict[str, NDArray[np.floating[Any]]]:
    """Read pooled activations at some sites, in batches that depend on the texts alone."""
    with warnings.catch_warnings():
        # so few texts say nothing of where variance lies
        warnings.simplefilter("ignore", DataWarning)
        found = collect(subject, encoded, sites=list(sites), pooling=reading.pooling, token_budget=_TOKEN_BUDGET)
    return {site: acts.X for site, acts in found.items()}


def rows_after_final_norm(
    subject: SubjectModel, encoded: Encoded, *, reading: Reading
) -> NDArray[np.floating[Any]] | None:
    """Read what the last block leaves, after the model's own final norm, and pool it; None where there is no norm.

    Each token is normed and then pooled: the norm of a mean is not the mean of norms.
    """
    site = Site(subject.n_layers - 1, "resid_post")
    tokens = collect(subject, encoded, sites=[site], pooling="all", token_budget=_TOKEN_BUDGET)[str(site)]
    normed = final_normed(subject, tokens.X)
    return None if normed is None else replace(tokens, X=normed).pool(reading.pooling).X


def errors_of(rows: NDArray[np.floating[Any]], *, direction: Direction, reference: Reference) -> Errors:
    """Hold rows of the reference texts against those of the reference."""
    was = reference.rows.astype(np.float64)
    apart = np.linalg.norm(rows.astype(np.float64) - was, axis=1) / np.linalg.norm(was, axis=1).mean()
    raw = np.abs(direction.score(rows) - reference.scores)
    return Errors(apart, raw, raw / reference.score_sd)


def replay(
    subject: SubjectModel,
    *,
    direction: Direction,
    card: Card,
    reference: Reference,
    rows: Float[NDArray[Any], "n d"] | None = None,
) -> Replay:
    """Read the reference texts, or take rows that another engine read of them.

    Raises
    ------
    ArrayError
        If ``rows`` do not have the reference's shape, or are not finite.
    """
    encoded = encode_again(subject, reference.texts, card.reading)
    site = card.reading.site
    if rows is None:
        rows = read_rows(subject, encoded, sites=[site], reading=card.reading)[site]
    if rows.shape != reference.rows.shape:
        raise ArrayError(
            f"The rows of the {len(reference)} reference texts have shape {rows.shape}, and {reference.rows.shape} is "
            "needed; give one pooled row a text, in their order."
        )
    if not np.isfinite(rows).all():
        bad = reference.texts.ids[int((~np.isfinite(rows).all(axis=1)).argmax())]
        raise ArrayError(f"The row of the reference text {bad} holds NaN or infinity; give rows of finite numbers.")
    errors = errors_of(rows, direction=direction, reference=reference)
    return Replay(subject, direction, card, reference, encoded, rows, errors)


def judge(replayed: Replay, *, causes: tuple[Cause, ...], tolerance: Tolerance) -> Parity:
    """Turn a replay into its record."""
    card, reference, errors = replayed.card, replayed.reference, replayed.errors
    scores, same = replayed.direction.score(replayed.rows), reference.has_tokens(replayed.encoded)
    flips, at_risk = _flips(replayed, scores)
    reasons = _reasons(replayed, flips=flips, same=same, tolerance=tolerance)
    is_exact = not reasons and float(errors.activation.max()) == 0 and float(errors.score_raw.max()) == 0
    limit = card.threshold.value if isinstance(card.threshold, Threshold) else None
    texts = tuple(
        Replayed(
            id=str(reference.texts.ids[i]),
            score_was=float(reference.scores[i]),
            score_now=float(scores[i]),
            alarm_was=None if limit is None else bool(reference.scores[i] > limit),
            alarm_now=None if limit is None else bool(scores[i] > limit),
            activation_error=float(errors.activation[i]),
            score_error=float(errors.score[i]),
            same_tokens=bool(same[i]),
        )
        for i in range(len(reference))
    )
    return Parity(
        monitor=card.name,
        model=replayed.subject.name,
        site=card.reading.site,
        drawn_from=reference.origin.drawn_from,
        n_texts=len(reference),
        activation_mean=float(errors.activation.mean()),
        activation_max=float(errors.activation.max()),
        score_mean=float(errors.score.mean()),
        score_max=float(errors.score.max()),
        score_raw=float(errors.score_raw.max()),
        score_sd=reference.score_sd,
        flips=flips,
        at_risk=at_risk,
        other_tokens=tuple(reference.texts.ids[~same].tolist()),
        tolerance=tolerance,
        outcome="refused" if reasons else "exact" if is_exact else "within tolerance",
        reasons=reasons,
        causes=causes,
        texts=texts,
    )


def _flips(replayed: Replay, scores: NDArray[np.floating[Any]]) -> tuple[tuple[str, ...] | Unavailable, Measured]:
    """Return the texts whose alarm changed, and the share of the population whose alarm may have."""
    threshold, reference = replayed.card.threshold, replayed.reference
    if isinstance(threshold, Unavailable):
        nothing = Unavailable(reason=f"there is no threshold ({threshold.reason})")
        return nothing, nothing
    changed = (scores > threshold.value) != (reference.scores > threshold.value)
    largest = float(replayed.errors.score_raw.max())
    # a calibration text lies on the threshold itself, and the least error may raise its alarm; none raises none
    near = (np.abs(reference.population - threshold.value) <= largest) & (largest > 0)
    return tuple(reference.texts.ids[changed].tolist()), share(near)


def _reasons(
    replayed: Replay, *, flips: tuple[str, ...] | Unavailable, same: NDArray[np.bool_], tolerance: Tolerance
) -> tuple[str, ...]:
    errors, n = replayed.errors, len(replayed.reference)
    facts = differing(replayed.card, replayed.subject, reference=replayed.reference)
    reasons = [f"it is another model: {', '.join(facts.hard)} differ"] if facts.hard else []
    if not same.all():
        reasons.append(f"{int((~same).sum())} of {n} reference texts have other tokens")
    if not isinstance(flips, Unavailable) and flips:
        reasons.append(f"the alarm of {len(flips)} of {n} reference texts changed")
    for name, found, most in (
        ("a score", float(errors.score.max()), tolerance.score),
        ("an activation", float(errors.activation.max()), tolerance.activation),
    ):
        if not found <= most:
            unit = "standard deviations" if name == "a score" else "of the mean norm"
            reasons.append(f"{name} is off by {found:.2g} {unit}, and {most:.2g} are allowed")
    return tuple(reasons)
