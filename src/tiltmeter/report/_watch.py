"""At run time: which texts are unlike the calibration texts, and how little hides a positive from the probe."""

from __future__ import annotations

from typing import NamedTuple

from tiltmeter.core.hiding import ActivationBudget
from tiltmeter.core.records import Threshold, Unavailable
from tiltmeter.report._format import Shown, asked, score, show_figure, show_rate, significant
from tiltmeter.report._grids import Grid, Row, grid
from tiltmeter.report._lookup import Lookup


class Watch(NamedTuple):
    """What a monitor flags, in a sentence and a table (None: nothing was checked, and why), and a table of pushes."""

    check: str
    flagged: Grid | None
    hiding: Grid | None


def watch_section(look: Lookup) -> Watch:
    """Lay out the check of likeness and the adversarial budget of the chosen probe."""
    return Watch(_check(look), _flagged(look), _hiding(look.evidence.hiding))


def _check(look: Lookup) -> str:
    found = look.evidence.likeness
    if found is None:
        return "Nothing was checked: there was nothing to measure distances by."
    if isinstance(found.threshold, Unavailable):
        return f"Nothing can be flagged: {found.threshold.reason}."
    sure = found.threshold.confidence
    how = "on average" if sure is None else f"with {asked(sure)} confidence"
    return (
        f"At {found.site}, by {found.n_train:,} train texts in {len(found.classes)} classes (shrinkage "
        f"{score(found.shrinkage)}). At most {asked(found.threshold.fpr)} of {found.threshold.unit}s are flagged "
        f"{how}, on {found.threshold.population}."
    )


def _flagged(look: Lookup) -> Grid | None:
    found = look.evidence.likeness
    if found is None or not isinstance(found.threshold, Threshold):
        return None
    limit = found.threshold.fpr
    rows = [
        Row(
            one.test,
            (show_rate(one.unit, limit), show_rate(one.negative), show_rate(one.positive)),
            remark="trained on" if one.test == look.evidence.train else "",
        )
        for one in found.flagged
    ]
    unit = found.threshold.unit
    return grid(
        "Flagged as unlike the calibration texts",
        "Test set",
        (f"{unit}s, label 0", "texts, label 0", "texts, label 1"),
        rows,
    )


def _hiding(found: tuple[ActivationBudget, ...]) -> Grid | None:
    if not found:
        return None
    columns = ("alarms on positives", "median push", "in mean norms", "in distances", "in distances, at random")
    rows = [
        Row(
            one.test,
            (
                Shown(f"{one.n_alarms:,}"),
                show_figure(one.push, significant),
                show_figure(one.in_norms, significant),
                show_figure(one.in_distances, significant),
                show_figure(one.random_in_distances, significant),
            ),
        )
        for one in found
    ]
    return grid("How far positives must be pushed until they raise no alarm", "Test set", columns, rows)
