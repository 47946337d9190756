"""The base of every record that is written to disk, and the figures that all of them share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Record(BaseModel):
    """A frozen, strictly typed value that JSON can hold: no unknown key, no NaN, no infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class Estimate(Record):
    """A figure with its uncertainty.

    ``low`` and ``high`` bound the value at confidence ``level`` by ``method``; ``n`` counts the units that were
    resampled or counted (groups where groups exist). ``seed`` is None where nothing random was used.
    """

    kind: Literal["estimate"] = "estimate"
    value: float
    low: float
    high: float
    level: float = 0.95
    n: int
    method: str
    seed: int | None = None


class Unavailable(Record):
    """What could not be computed, and why: never 0.0, never NaN."""

    kind: Literal["unavailable"] = "unavailable"
    reason: str


Measured = Annotated[Estimate | Unavailable, Field(discriminator="kind")]
"""A figure, or the reason why there is none."""


Guarantee = Literal["confidence", "average"]
"""What a threshold promises: with a stated confidence for itself, or on average over calibration sets only."""


class Threshold(Record):
    """A score above which an alarm is raised (strictly), and the evidence that it was shipped with.

    ``guarantee`` says what holds. ``confidence``: with probability at least ``confidence`` over the draw of the ``n``
    calibration units, a fresh unit of the same ``population`` raises a false alarm with probability at most ``fpr``.
    ``average``: that probability is at most ``fpr`` on average over the draws, and nothing is said of this one;
    ``confidence`` is None.

    A unit is a group where groups exist (it raises an alarm when any of its rows does), else a row. ``allowed`` is the
    number of calibration units that may lie above the threshold: the threshold is the (allowed + 1)-th largest unit
    score. ``row_rate``, where units are groups, is the share of calibration *rows* above the threshold, of which there
    is no guarantee at all; None where units are rows, or where the record was written before it was kept.
    """

    value: float
    fpr: float
    confidence: float | None
    n: int
    n_rows: int
    unit: Literal["group", "row"]
    allowed: int
    method: str = "exact binomial order statistic"
    population: str
    guarantee: Guarantee = "confidence"
    row_rate: Measured | None = None

    @model_validator(mode="after")
    def _confidence_goes_with_the_guarantee(self) -> Threshold:
        if (self.confidence is None) != (self.guarantee == "average"):
            raise ValueError(f"the guarantee is {self.guarantee!r}, and the confidence {self.confidence}")
        return self
