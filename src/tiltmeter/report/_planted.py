"""What was planted in an organism, and what the probes follow: the truth, or what is said or believed."""

from __future__ import annotations

from typing import NamedTuple

from tiltmeter.core.evidence import Followed
from tiltmeter.report._format import Shown, missing, show_auroc, show_nuisance
from tiltmeter.report._grids import Grid, Row, grid, method_row
from tiltmeter.report._lookup import Lookup


class PlantedTruth(NamedTuple):
    """The planted sentences; what the chosen probe follows, a row a test set; and a table of all methods per set.

    Without planted columns there are no tables.
    """

    organism: str
    sentences: tuple[str, ...]
    chosen: Grid | None
    methods: tuple[Grid, ...]


def planted_section(look: Lookup) -> PlantedTruth | None:
    """Lay out planted truth beside what is followed; None where the model is no organism."""
    planted, evidence = look.evidence.planted, look.evidence
    if planted is None:
        return None
    if not evidence.followed:
        return PlantedTruth(planted.organism, planted.sentences, None, ())
    found = {(one.site, one.method, one.test, one.column): one for one in evidence.followed}
    columns = ("the truth", *(f"{meaning} ({name})" for name, meaning in planted.columns.items()))
    rows = [
        Row(
            test,
            _cells(look, found, site=evidence.site, method=evidence.method, test=test),
            remark="trained on" if test == evidence.train else "",
        )
        for test in look.tests
    ]
    methods = tuple(
        grid(
            f"AUROC on {test}",
            "method",
            columns,
            [
                method_row(look, method, _cells(look, found, site=site, method=method, test=test), site)
                for method, site in ((m, look.best_sites[m]) for m in evidence.methods if m in look.best_sites)
            ],
        )
        for test in look.tests
    )
    chosen = grid("What the chosen probe follows", "Test set", columns, rows)
    return PlantedTruth(planted.organism, planted.sentences, chosen, methods)


def _cells(
    look: Lookup, found: dict[tuple[str, str, str, str], Followed], *, site: str, method: str, test: str
) -> tuple[Shown, ...]:
    """Lay out the AUROC for the truth, and those for all else that was planted."""
    truth = look.cell(site, method, test=test)
    columns = look.evidence.planted.columns if look.evidence.planted else ()
    others = (_other(found.get((site, method, test, column))) for column in columns)
    return (show_auroc(truth.auroc if truth else None), *others)


def _other(one: Followed | None) -> Shown:
    if one is None:
        return missing("the texts have no such column")
    if one.agreement == 1:
        return missing("it says the same as the truth of every text")
    return show_nuisance(one.auroc)
