"""What an audit found, and what that means in words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tiltmeter.core.records import Estimate, Measured, Record, Unavailable

TOO_WEAK = "reader too weak"
# the reader that is made for its accuracy; all others are judged by their AUROC
BY_ACCURACY = "threshold"


class Shuffled(Record):
    """A reader on erased rows with shuffled labels: what luck reaches here, by AUROC and by balanced accuracy.

    The labels of the rows that fit and of those that judge are shuffled alike, each within itself, so that nothing is
    left to read.
    """

    kind: Literal["shuffled"] = "shuffled"
    mean: float
    highest: float
    mean_accuracy: float
    highest_accuracy: float
    n: int


class Reading(Record):
    """What one reader reads on the test rows, before erasing and after: AUROC, and balanced accuracy at its own cut."""

    reader: str
    before: Measured
    after: Measured
    accuracy_before: Measured
    accuracy_after: Measured
    null: Annotated[Shuffled | Unavailable, Field(discriminator="kind")]

    @property
    def is_read(self) -> bool:
        """Whether the concept is still read for sure: the interval lies above 1/2, and the value above the null's.

        By the AUROC; for the threshold reader by its balanced accuracy.
        """
        if isinstance(self.verdict, Unavailable):
            return False
        luck = 0.5
        if isinstance(self.null, Shuffled):
            luck = self.null.highest_accuracy if self.reader == BY_ACCURACY else self.null.highest
        return self.verdict.low > 0.5 and self.verdict.value > luck

    @property
    def verdict(self) -> Estimate | Unavailable:
        """The figure after erasing by which the reader is judged."""
        return self.accuracy_after if self.reader == BY_ACCURACY else self.after


class Bystander(Record):
    """Another concept: what logistic regression reads of it before and after, and the paired change."""

    name: str
    n_positive: int
    n_test: int
    before: Measured
    after: Measured
    change: Measured


class Audit(Record):
    """What an eraser guarantees, what was still read on rows that it never saw, and what it cost.

    ``gap_before`` and ``gap_after``: distance of the class means of all audited rows, over the root of their variance
    within classes before erasing. ``covariance_gap_*``: |Σ₁ − Σ₀| over |Σ₁ + Σ₀| / 2 (Frobenius) on the rows that fit
    readers, and its mean over shuffled labels, which few rows make large. ``squared_change``: of the rows, as a share
    of their variance; ``rank`` where the eraser is affine. ``majority``: the larger class's share of the test rows.
    """

    format_version: Literal[1] = 1
    method: str
    guarantee: str
    n_train: int
    n_test: int
    n_positive_train: int
    n_positive_test: int
    majority: float
    readings: tuple[Reading, ...]
    gap_before: float
    gap_after: float
    covariance_gap_before: float
    covariance_gap_after: float
    covariance_gap_shuffled: float | None
    squared_change: float
    rank: int | None
    others: tuple[Bystander, ...]
    is_nothing_erased: bool
    seed: int

    @property
    def statement(self) -> str:
        """What is guaranteed, what was still read, by which reader and how sure, and what the erasing cost."""
        return " ".join([*_what_holds(self), *_what_was_read(self), *_what_was_done(self)])


def _what_holds(audit: Audit) -> list[str]:
    said = []
    if audit.is_nothing_erased:
        said.append(
            "NOTHING WAS ERASED: the class means lie where they lay, or the rows did not move "
            f"({audit.gap_after:.3g} standard deviations apart; {audit.gap_before:.3g} before)."
        )
    promise = audit.guarantee.strip().rstrip(".") or "nothing"
    return [*said, f"{audit.method} guarantees: {promise}."]


def _what_was_read(audit: Audit) -> list[str]:
    counted = (
        f"On {audit.n_test} fresh rows ({audit.n_positive_test} positive; readers fitted on {audit.n_train} others, "
        f"{audit.n_positive_train} positive)"
    )
    read = [one for one in audit.readings if one.is_read]
    unread = [one for one in audit.readings if not one.is_read and isinstance(one.verdict, Estimate)]
    unable = [one for one in audit.readings if isinstance(one.verdict, Unavailable)]
    said = []
    if read:
        said.append(f"{counted} the concept was still read by {_listed(read)}.")
    if unread:
        start = "Not told from chance" if read else f"{counted} no reader told the concept from chance"
        said.append(f"{start}: {_listed(unread)}.")
    if not read and not unread:
        said.append(f"{counted} no reader was fit to judge: that nothing was read means nothing.")
    if unable:
        reasons = ", ".join(
            f"{one.reader} ({one.verdict.reason})" for one in unable if one.verdict.kind == "unavailable"
        )
        said.append(f"Without a verdict: {reasons}.")
    if not read and unread:
        said.append("Another reader, or more rows, may still read it.")
    level = next((one.after.level for one in audit.readings if isinstance(one.after, Estimate)), None)
    if level is not None:
        said.append(f"Figures are AUROC, unless said otherwise, with intervals at {level:.0%} each, after (before).")
    return said


def _listed(readings: list[Reading]) -> str:
    return ", ".join(_line(one) for one in readings)


def _line(reading: Reading) -> str:
    if reading.reader == BY_ACCURACY:
        figures = _figure(reading.accuracy_after), _figure(reading.accuracy_before, short=True)
        return f"{reading.reader} with a balanced accuracy of {figures[0]} ({figures[1]})"
    return f"{reading.reader} {_figure(reading.after)} ({_figure(reading.before, short=True)})"


def _figure(measured: Estimate | Unavailable, *, short: bool = False) -> str:
    if isinstance(measured, Unavailable):
        return measured.reason
    if short:
        return f"{measured.value:.2f}"
    return f"{measured.value:.2f} [{measured.low:.2f}, {measured.high:.2f}]"


def _what_was_done(audit: Audit) -> list[str]:
    rank = "" if audit.rank is None else f" by a map of rank {audit.rank}"
    said = [f"The rows moved by {audit.squared_change:.2g} of their variance{rank}."]
    for other in audit.others:
        said.append(
            f"{other.name} ({other.n_positive} of {other.n_test} rows) was read at {_figure(other.before)} before and "
            f"{_figure(other.after)} after."
        )
    return said
