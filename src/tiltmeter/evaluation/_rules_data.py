"""The rules of the texts: leaks, numbers, groups."""

from __future__ import annotations

from collections.abc import Iterable

from tiltmeter.core.evidence import Evidence, Statement
from tiltmeter.core.records import Estimate
from tiltmeter.evaluation._chosen import home_auroc
from tiltmeter.evaluation._estimates import ENOUGH_UNITS
from tiltmeter.evaluation._rule import Rule

# Below this many an interval is hardly a rough guide.
_FEWEST_UNITS = 20

LEAKAGE = Rule(
    "leakage",
    "no test or calibration text stands in the training texts",
    reads=("leakage.by_set[].n_exact", "leakage.by_set[].n_near"),
    speaks={"against": "one copy or more, exact or near, stands there"},
)
SIZE = Rule(
    "size",
    f"intervals rest on at least {ENOUGH_UNITS} independent units",
    reads=("transfer[].auroc",),
    speaks={
        "against": f"the AUROC at home rests on fewer than {_FEWEST_UNITS} units",
        "note": f"it rests on {_FEWEST_UNITS} or more, but fewer than {ENOUGH_UNITS}",
    },
)
GROUPS = Rule(
    "groups",
    "texts come with groups that a split must not divide",
    reads=("distributions[].grouped_by",),
    speaks={"note": "each row is its own group"},
)
TRUNCATION = Rule(
    "truncation",
    "every text fits the model's context",
    reads=("distributions[].truncated",),
    speaks={"note": "one text or more was cut"},
)


def data(evidence: Evidence) -> Iterable[Statement]:
    """Say what of the texts speaks against the figures."""
    for part in evidence.leakage.by_set:
        if part.n_exact or part.n_near:
            yield LEAKAGE.say(
                "against",
                f"Texts of {part.test} stand, exactly or nearly, in the training texts too.",
                because=f"{part.n_exact} exact and {part.n_near} near copies among {part.n_rows} texts",
                test=evidence.train if part.test == "calibration" else part.test,
            )
    home = home_auroc(evidence)
    if isinstance(home, Estimate) and home.n < ENOUGH_UNITS:
        yield SIZE.say(
            "note" if home.n >= _FEWEST_UNITS else "against",
            "The intervals rest on few independent units.",
            because=f"{home.n} units",
            test=evidence.train,
        )
    for distribution in evidence.distributions:
        name = distribution.name
        if distribution.grouped_by == "row":
            yield GROUPS.say(
                "note",
                f"{name} came without groups: related texts may stand on both sides of the split.",
                because="each row is its own group",
                test=name,
            )
        if distribution.truncated:
            yield TRUNCATION.say(
                "note",
                f"Texts of {name} were truncated to the model's context.",
                because=f"{distribution.truncated} texts",
                test=name,
            )
