"""Two runs and more side by side, and bounds that a later run must keep."""

from __future__ import annotations

from typing import Literal

from tiltmeter.core.records import Measured, Record

Figure = Literal["auroc", "caught", "false alarms", "caught at equal alarms"]
"""``auroc``; ``caught``: positives above the shipped threshold; ``false alarms``: units of negatives above it;
``caught at equal alarms``: positives above the threshold at which the asked share of this set's negatives lies above.
"""


class Compared(Record):
    """A run that was compared: where it stands, the probe that it chose, and its verdict's outcome."""

    run: str
    site: str
    method: str
    train: str
    outcome: str


class Common(Record):
    """Which test texts of a set a run shares with the first one.

    ``n_rows`` texts in ``n_units`` units are common, of ``n_first`` and ``n_run``; ``n_changed`` more have a common
    identifier, but another text or label, and are not compared. ``paired`` is False where none is common: then each
    run's own test texts are used, and the intervals are those of independent samples.
    """

    run: str
    test: str
    paired: bool
    n_rows: int
    n_units: int
    n_first: int
    n_run: int
    n_changed: int


class Difference(Record):
    """A figure of the first run, of another, and of the other minus the first.

    ``p`` tests for no difference on both sides; ``p_holm`` is ``p`` corrected by Holm's method over all differences of
    the comparison. Both are None where there is no difference to test.
    """

    run: str
    test: str
    figure: Figure
    first: Measured
    other: Measured
    difference: Measured
    p: float | None
    p_holm: float | None


class Gone(Record):
    """A test set of the first run that another was not judged on."""

    run: str
    test: str


class Comparison(Record):
    """Runs against the first of them. ``fpr`` is that asked of the first run, ``level`` that of all intervals."""

    format_version: Literal[1] = 1
    first: str
    runs: tuple[Compared, ...]
    fpr: float
    level: float
    n_draws: int
    seed: int
    common: tuple[Common, ...]
    differences: tuple[Difference, ...]
    gone: tuple[Gone, ...] = ()


class Bound(Record):
    """What a figure of a test set must keep; ``texts`` is the fingerprint of the set on which it was recorded."""

    test: str
    figure: Figure
    at_least: float | None = None
    at_most: float | None = None
    texts: str | None = None


class Bounds(Record):
    """Bounds that a run's figures set for later ones."""

    format_version: Literal[1] = 1
    run: str
    bounds: tuple[Bound, ...]


class Kept(Record):
    """A bound held against a run. ``same_texts`` is False where the set's texts are others than those recorded."""

    run: str
    bound: Bound
    found: Measured
    is_kept: bool
    same_texts: bool
