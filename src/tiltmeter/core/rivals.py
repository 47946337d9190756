"""What a probe is held against beside the text alone: other readers, and the same procedure where it can know less."""

from __future__ import annotations

from typing import Literal

from tiltmeter.core.records import Measured, Record

RivalKind = Literal["text", "rules", "embedding", "monitor", "asked", "perplexity"]
"""What a rival looks at: surface of the text (text, rules), another model (embedding, monitor), or what the model that
is read says itself (asked, perplexity)."""

Claim = Literal["text alone", "other models", "asking"]

CLAIMS: dict[RivalKind, Claim] = {
    "text": "text alone",
    "rules": "text alone",
    "embedding": "other models",
    "monitor": "other models",
    "asked": "asking",
    "perplexity": "asking",
}
"""Which statement of the verdict a rival of each kind decides."""


NullKind = Literal["layer 0", "untrained"]
"""Activations of the same texts in which less can be read: what enters the first block, or those of a model without
training."""


class BestRival(Record):
    """The best of ``tried`` rivals that decide one claim, and what the chosen probe adds to it on a test set.

    It is the one with the highest AUROC on the calibration split of the training distribution, so that neither it nor
    the probe was picked by looking at test rows: the difference is fair to both.
    """

    claim: Claim
    baseline: str
    test: str
    tried: int
    difference: Measured


class ActivationNull(Record):
    """The chosen method, fitted on the same rows of other activations, judged on the same test rows.

    ``kind`` is ``layer 0``, what enters the first block, or ``untrained``, the chosen site of a model with the same
    architecture and tokenizer whose weights were drawn at random under ``seed``. ``difference``: AUROC of the chosen
    probe minus this one's, paired.
    """

    kind: NullKind
    site: str
    test: str
    seed: int | None = None
    auroc: Measured
    difference: Measured


class ControlTask(Record):
    """How much better the chosen method does on the label than on labels that it can only have memorised.

    Within the train split, half of the rows of each type are fitted on and the others judged. ``auroc`` is that of the
    real label. In each of the ``controls`` every type has one random label on all its rows, which can be known on the
    judged rows by remembering the type and in no other way; ``control`` is their mean. ``selectivity`` is the first
    minus the second, on the same resamples of types. ``types``: ``group``, or the column that names the type of a row.
    """

    types: str
    n_types: int
    n_rows: int
    auroc: Measured
    control: Measured
    controls: tuple[float, ...]
    selectivity: Measured
