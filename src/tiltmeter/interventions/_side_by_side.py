"""What a model says with and without steering, over a range of strengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import SpecError
from tiltmeter.core.evidence import Evidence, Verdict
from tiltmeter.core.records import Measured
from tiltmeter.core.seeds import stream
from tiltmeter.core.site import Site
from tiltmeter.core.steering import Answered, Dose, SideBySide, Units
from tiltmeter.data import plain_texts
from tiltmeter.interventions._budgets import kl_budget, mean_norms, share_of
from tiltmeter.interventions._fluency import neutral_losses
from tiltmeter.interventions._steering_vectors import SteeringVectors, steers_along, vectors_of
from tiltmeter.interventions._texts import Texts, encoded_texts
from tiltmeter.models import Edit, Encoded, SubjectModel, generate


class Ways(NamedTuple):
    """How far to steer, and how long to go on.

    ``strengths`` in ``units``: ``"norm"``, mean activation norms at the site; ``"activation"``, units of the
    activations (for steering vectors: times what the file holds); ``"kl"``, nats a token on the neutral texts, with the
    sign of the way to go. A 0 is left out: the bare model is always there.
    """

    strengths: tuple[float, ...]
    units: Units = "norm"
    max_new_tokens: int = 40


def side_by_side(
    subject: SubjectModel,
    prompts: Texts,
    *,
    direction: Direction | SteeringVectors,
    ways: Ways,
    neutral: Texts | None = None,
    random_state: int = 0,
) -> SideBySide:
    """Let the model go on from prompts bare, steered at several strengths, and along a random direction as long.

    The likeliest token is taken each time, so that nothing but steering tells the texts apart.

    Parameters
    ----------
    subject
        A decoder with its unembedding.
    prompts
        What it goes on from.
    direction
        With its site and a known sign, or steering vectors.
    ways
        Strengths, their units, and the most tokens to generate.
    neutral
        Texts on which norms are measured, and what each strength costs. None: norms are measured on the prompts, and
        the cost is not known.
    random_state
        Seed of the random directions, one a site, the same at every strength.

    Raises
    ------
    SpecError
        If there is no strength but 0, one is not finite, units are none that can be, a KL is asked for without neutral
        texts or not reached, or a site is absent.
    DataError
        If there are no prompts, or one leaves no room for new tokens.
    ArrayError, ModelError
        If a sign is unknown, a width is another, or vectors are of another model.

    See Also
    --------
    strength_sweep : The effect in figures, against several random directions.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> along = Direction(np.eye(8)[0], site=Site(0, "resid_post"), sign=1)
    >>> found = side_by_side(subject, ["Rome is"], direction=along, ways=Ways((-1, 1), max_new_tokens=3))
    >>> [round(dose.share, 6) for dose in found.doses], len(found.prompts[0].steered)
    ([-1.0, 1.0], 2)
    """
    asked = _strengths(ways)
    if ways.units == "kl" and neutral is None:
        raise SpecError("Strengths in nats of KL need neutral texts, on which it is measured; give some.")
    vectors = vectors_of(subject, direction)
    encoded = encoded_texts(subject, prompts, what="prompts")
    quiet = None if neutral is None else encoded_texts(subject, neutral, what="neutral")
    norms = mean_norms(subject, encoded if quiet is None else quiet, sites=tuple(vectors))
    once = share_of(vectors, norms)
    factors = [_factor(subject, one, units=ways.units, once=once, direction=direction, quiet=quiet) for one in asked]
    random = _random_twins(vectors, seed=random_state)
    conditions: list[tuple[Edit, ...]] = [steers_along(one, factor) for one in (vectors, random) for factor in factors]
    doses, bare_perplexity = _doses(subject, quiet, asked=asked, factors=factors, once=once, conditions=conditions)
    said = [
        generate(subject, encoded, max_new_tokens=ways.max_new_tokens, edits=edits).texts for edits in ((), *conditions)
    ]
    n, bare = len(factors), said[0]
    return SideBySide(
        model=subject.name,
        vectors=_described(direction),
        sites=tuple(map(str, vectors)),
        evidence=_known_of(direction),
        units=ways.units,
        neutral="the prompts" if quiet is None else f"{len(quiet)} texts of {quiet.texts.distribution}",
        bare_perplexity=bare_perplexity,
        max_new_tokens=ways.max_new_tokens,
        seed=random_state,
        doses=doses,
        prompts=tuple(
            Answered(
                id=str(encoded.ids[i]),
                prompt=prompt,
                bare=bare[i],
                steered=tuple(one[i] for one in said[1 : n + 1]),
                random=tuple(one[i] for one in said[n + 1 :]),
            )
            for i, prompt in enumerate(plain_texts(encoded.texts))
        ),
    )


def _strengths(ways: Ways) -> list[float]:
    if ways.units not in get_args(Units):
        raise SpecError(f"units is {ways.units!r}; use one of {', '.join(get_args(Units))}.")
    if not np.isfinite(ways.strengths).all():
        raise SpecError(f"strengths is {list(ways.strengths)}; all must be finite numbers.")
    found = [float(one) for one in dict.fromkeys(ways.strengths) if one != 0]
    if not found:
        raise SpecError("There is no strength but 0; give one or more, of either sign.")
    return found


def _factor(
    subject: SubjectModel,
    asked: float,
    *,
    units: Units,
    once: float,
    direction: Direction | SteeringVectors,
    quiet: Encoded | None,
) -> float:
    """Return what the vectors are multiplied by; ``once`` is their length in mean norms."""
    if units == "activation":
        return asked
    if units == "norm" or quiet is None:
        return asked / once
    return kl_budget(subject, quiet, direction=direction, kl=abs(asked), sign=1 if asked > 0 else -1)


def _doses(
    subject: SubjectModel,
    quiet: Encoded | None,
    *,
    asked: Sequence[float],
    factors: Sequence[float],
    once: float,
    conditions: Sequence[Sequence[Edit]],
) -> tuple[tuple[Dose, ...], Measured | None]:
    doses = [Dose(asked=one, factor=by, share=by * once) for one, by in zip(asked, factors, strict=True)]
    if quiet is None:
        return tuple(doses), None
    texts, losses = neutral_losses(subject, quiet, conditions=conditions)
    costs = [texts.fluency(one) for one in losses]
    n = len(doses)
    return tuple(
        dose.model_copy(update={"fluency": costs[i], "random_fluency": costs[n + i]}) for i, dose in enumerate(doses)
    ), texts.bare_perplexity


def _random_twins(vectors: dict[Site, NDArray[np.float64]], *, seed: int) -> dict[Site, NDArray[np.float64]]:
    twins = {}
    for site, vector in vectors.items():
        other = stream(seed, "random directions", str(site)).normal(size=len(vector))
        twins[site] = other * (np.linalg.norm(vector) / np.linalg.norm(other))
    return twins


def _described(direction: Direction | SteeringVectors) -> str:
    if isinstance(direction, SteeringVectors):
        blocks = sorted(direction.vectors)
        where = f"block {blocks[0]}" if len(blocks) == 1 else f"{len(blocks)} blocks, {blocks[0]} to {blocks[-1]}"
        return f"steering vectors of {where}"
    return f"the direction by {direction.method or 'an unnamed method'}"


def _known_of(direction: Direction | SteeringVectors) -> str:
    """Say in a sentence what speaks for the direction: it never travels without."""
    evidence = None if isinstance(direction, SteeringVectors) else direction.evidence
    if not isinstance(evidence, Evidence):
        return "Nobody has assessed it: what steering along it does says nothing of what it reads."
    if not isinstance(evidence.verdict, Verdict):
        return f"As a probe it has no verdict ({evidence.verdict.reason})."
    return f"As a probe: {evidence.verdict.outcome}. {evidence.verdict.headline}"
