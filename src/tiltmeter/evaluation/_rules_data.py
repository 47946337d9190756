"""The rules of the texts: leaks, numbers, groups."""

from __future__ import annotations

from collections.abc import Iterable

from tiltmeter.core.evidence import Evidence, Statement
from tiltmeter.core.records import Estimate
from tiltmeter.evaluation._chosen import home_auroc

# Below this many independent units an interval is a rough guide.
_FEW_UNITS = 50
# Below this many it is hardly that.
_FEWEST_UNITS = 20


def data(evidence: Evidence) -> Iterable[Statement]:
    """Say what of the texts speaks against the figures."""
    for part in evidence.leakage.by_set:
        if part.n_exact or part.n_near:
            yield Statement(
                rule="leakage",
                condition="no test or calibration text stands in the training texts",
                test=evidence.train if part.test == "calibration" else part.test,
                stance="against",
                text=f"Texts of {part.test} stand, exactly or nearly, in the training texts too.",
                because=f"{part.n_exact} exact and {part.n_near} near copies among {part.n_rows} texts",
            )
    home = home_auroc(evidence)
    if isinstance(home, Estimate) and home.n < _FEW_UNITS:
        yield Statement(
            rule="size",
            condition="intervals rest on at least 50 independent units, and never on fewer than 20",
            test=evidence.train,
            stance="note" if home.n >= _FEWEST_UNITS else "against",
            text="The intervals rest on few independent units.",
            because=f"{home.n} units",
        )
    for distribution in evidence.distributions:
        if distribution.grouped_by == "row":
            yield Statement(
                rule="groups",
                condition="texts come with groups that a split must not divide",
                test=distribution.name,
                stance="note",
                text=f"{distribution.name} came without groups: related texts may stand on both sides of the split.",
                because="each row is its own group",
            )
        if distribution.truncated:
            yield Statement(
                rule="truncation",
                condition="every text fits the model's context",
                test=distribution.name,
                stance="note",
                text=f"Texts of {distribution.name} were truncated to the model's context.",
                because=f"{distribution.truncated} texts",
            )
