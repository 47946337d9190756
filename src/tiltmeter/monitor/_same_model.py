"""Which facts of a model are not those of the card, and which of them a replay may excuse."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from tiltmeter.models import DType, SubjectModel, weights_sha256_as
from tiltmeter.monitor._card import Card
from tiltmeter.monitor._reference import Reference

# the name and revision say where the model came from; what it computes must be the same
_NOT_COMPARED = frozenset({"name", "revision", "digest"})
# how the same model is computed, not which model it is
_ARITHMETIC = frozenset({"dtype", "attention"})


class Differing(NamedTuple):
    """Facts by name with what was and what is; ``hard`` names those that make it another model."""

    facts: dict[str, tuple[Any, Any]]
    hard: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The facts, for a message."""
        return "; ".join(f"{key} was {was!r}, is {now!r}" for key, (was, now) in self.facts.items())


def differing(card: Card, subject: SubjectModel, *, reference: Reference | None) -> Differing:
    """Compare a model with the one that a monitor was made for.

    With a reference another dtype and another attention kernel are not hard, and weights that were converted to another
    dtype are the same. Without one everything is hard.
    """
    theirs = subject.fingerprint.model_dump(mode="json")
    # a card that was written before contexts were kept says nothing of it
    ours = {"context": theirs["context"], **card.model_fingerprint}
    facts = {
        key: (ours.get(key), theirs.get(key))
        for key in sorted({*ours, *theirs} - _NOT_COMPARED)
        if ours.get(key) != theirs.get(key)
    }
    if (
        reference is not None
        and "dtype" in facts
        and "weights_sha256" in facts
        and _converted(ours, subject, reference)
    ):
        # how many of them were hashed goes by their size
        facts = {key: fact for key, fact in facts.items() if key not in ("weights", "weights_sha256")}
    excused = _ARITHMETIC if reference is not None else frozenset()
    return Differing(facts, tuple(key for key in facts if key not in excused))


def _converted(ours: dict[str, Any], subject: SubjectModel, reference: Reference) -> bool:
    theirs = subject.fingerprint
    if reference.origin.weights.get(theirs.dtype) == theirs.weights_sha256:
        return True
    # the other way about, where the monitor was made in the narrower of the two
    return weights_sha256_as(subject, cast(DType, ours["dtype"])) == str(ours["weights_sha256"])
