"""What the values of activations, weights and gradients look like: the records of the test of their shape."""

from __future__ import annotations

from pathlib import PurePath
from typing import Literal

from tiltmeter.core.records import Measured, Record, Unavailable

SampleKind = Literal["pool", "coordinate", "random direction", "direction", "sample"]
SetKind = Literal["activations", "activation gradients", "weights", "gradients", "rows"]
Looks = Literal["lighter than a normal", "normal", "between", "exponential", "heavier than exponential", "not known"]

CAVEAT = (
    "A tail heavier than a normal's speaks against a sum of many independent parts of one scale. It does not speak "
    "against many parts: normal values whose scale differs from row to row, or from kind to kind, look exponential too."
)


# what the fits are called where a name alone, with a capital and no underscore, would not do
_NAMES = {"laplace": "Laplace", "student_t": "Student t", "normal_mixture": "mixture of normals"}


def family_name(family: str) -> str:
    """Return what a family of distributions is called in prose.

    Examples
    --------
    >>> family_name("student_t"), family_name("generalised_normal")
    ('Student t', 'generalised normal')
    """
    return _NAMES.get(family, family.replace("_", " "))


class FamilyFit(Record):
    """A family fitted to half of the units. ``lead``: nats a value that it gains over the normal on the other half."""

    family: str
    params: tuple[float, ...]
    lead: Measured


class LogCurve(Record):
    """Log density by a histogram without the outermost 0.1 %, and that of each fit, at the middles of the bins."""

    middles: tuple[float, ...]
    observed: tuple[float | None, ...]
    fitted: dict[str, tuple[float, ...]]


class NullRange(Record):
    """Least and greatest of each figure over draws that are normal by making; ``what`` says how they were made."""

    what: str
    n_draws: int
    kurtosis: tuple[float, float]
    kurtosis_inside: tuple[float, float]
    on_square: tuple[float, float]
    on_absolute: tuple[float, float]
    power: tuple[float, float]


class SampleShape(Record):
    """The shape of one sample.

    ``kurtosis`` is excess kurtosis, of all values; ``kurtosis_inside`` without the 0.1 % outermost, as are
    ``on_square`` and ``on_absolute``, R² of the log density on x² and on the distance from the centre. ``power`` is β
    of the generalised normal: 2 is normal, 1 exponential. ``parts`` is k_eff, the kurtosis of one part over that found;
    ``least_parts`` its lower end where the kurtosis may be 0, so that there is no upper one. ``best`` is the family of
    one piece with the greatest held-out likelihood, None where too few units are held out to tell. ``looks`` is read
    off the interval of ``power``.
    """

    name: str
    kind: SampleKind
    n: int
    n_units: int
    kurtosis: Measured
    kurtosis_inside: Measured
    on_square: Measured
    on_absolute: Measured
    power: Measured
    looks: Looks
    fits: tuple[FamilyFit, ...]
    best: str | None
    mixture_lead: Measured
    parts: Measured
    least_parts: float | None
    null: NullRange
    warnings: tuple[str, ...]
    curve: LogCurve | None = None


class ShapeGroup(Record):
    """Samples of one kind. The figures are least, median and greatest over them; the counts are of samples."""

    kind: SampleKind
    kurtosis: tuple[float, float, float]
    kurtosis_inside: tuple[float, float, float]
    on_square: tuple[float, float, float]
    on_absolute: tuple[float, float, float]
    power: tuple[float, float, float]
    looks: dict[str, int]
    best: dict[str, int]
    samples: tuple[SampleShape, ...]

    @property
    def said(self) -> str:
        """What they look like, and of how many something is to be known before their figures are read."""
        looks = ", ".join(f"{count} {looks}" for looks, count in self.looks.items())
        n_warned = sum(bool(one.warnings) for one in self.samples)
        return f"{looks}; {n_warned} with a warning" if n_warned else looks


class Scales(Record):
    """How unequal columns are: standard deviations, and the excess kurtosis of a pool of normal columns with these.

    ``p`` is Brown and Forsythe's test of equal spread, on means over units.
    """

    least: float
    most: float
    excess: float
    p: float


class RowsShape(Record):
    """The shape of rows: of pools of all columns, of single coordinates, of random directions and of given ones.

    ``shared``: the excess kurtosis that scales of whole rows alone would give to each column.
    """

    name: str
    kind: SetKind
    n_rows: int
    n_columns: int
    scales: Scales
    shared: Measured
    pools: tuple[SampleShape, ...]
    coordinates: ShapeGroup | Unavailable
    random: ShapeGroup | Unavailable
    directions: tuple[SampleShape, ...]
    warnings: tuple[str, ...]


class RivalTail(Record):
    """Mean log-likelihood of the power law over the rival's, a value of the tail, and Vuong's two-sided p-value."""

    rival: str
    ratio: float
    p: float


class TailShape(Record):
    """A power law in the tail of a spectrum.

    ``p`` is that of the goodness-of-fit test (below 0.1 the law is ruled out). ``share``: how much of the spectrum the
    tail is.
    """

    alpha: Measured
    start: float
    n_tail: int
    share: float
    distance: float
    p: Measured
    rivals: tuple[RivalTail, ...]


class Spectrum(Record):
    """Squared singular values of a matrix, beside those of the same matrix with its entries shuffled."""

    name: str
    kind: SetKind
    n: int
    tail: TailShape
    null_what: str
    nulls: tuple[TailShape, ...]
    values: tuple[float, ...]
    null_values: tuple[float, ...]


class ModelShape(Record):
    """The shape of a model's activations, weights and gradients on some texts."""

    format_version: Literal[1] = 1
    model: str
    texts: str
    n_texts: int
    n_tokens: int
    part_kurtosis: float
    level: float
    seed: int
    sets: tuple[RowsShape, ...]
    spectra: tuple[Spectrum, ...]
    caveat: str = CAVEAT

    @property
    def short_name(self) -> str:
        """The model without the folders above it."""
        return PurePath(self.model).name or self.model
