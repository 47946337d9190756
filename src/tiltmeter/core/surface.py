"""Records of what the surface of texts gives away: words, pairs, relatives."""

from __future__ import annotations

from tiltmeter.core.records import Estimate, Measured, Record


class LabelWord(Record):
    """A word that goes with the label in the training texts: in how many of the texts of either label it stands.

    Shares are of units (groups where groups exist) that have such a text.
    """

    word: str
    in_positive: Estimate
    in_negative: Estimate


class PairOrder(Record):
    """In which share of the test pairs a reader scores the positive text higher than its counterfactual, ties half.

    A pair is two texts of one pair or group that differ in the label. ``reader`` is the chosen probe or a rival.
    """

    reader: str
    test: str
    right: Measured


class Kinship(Record):
    """Texts of a test split that share rare words with training texts, where no groups keep such texts together.

    ``auroc`` is that of the mean label of their relatives in the training split, for the related texts' own labels: 0.5
    where kinship says nothing, near 1 where relatives have the same label, near 0 where they have the other.
    """

    test: str
    n_rows: int
    n_related: int
    auroc: Measured
