"""The leakage check over all test sets of a study."""

from __future__ import annotations

from tiltmeter.core.evidence import Leakage
from tiltmeter.data import find_leakage
from tiltmeter.evaluation import HeldOut
from tiltmeter.studies._material import Material

_EXAMPLES = 20


def leaks(material: Material, tests: dict[str, HeldOut], home: str) -> Leakage:
    """Look for the texts of every test split, and of the calibration split, among the train texts of ``home``.

    Counts of pairs are summed over sets; the worst examples are kept, a text being named ``SET:ID``; ``by_set`` holds
    the number of rows concerned in each set.
    """
    train = material.rows(home, "train")
    sets = {name: material.rows(name, "test") for name in tests} | {"calibration": material.rows(home, "calibration")}
    found = {name: find_leakage(train, rows, max_examples=_EXAMPLES) for name, rows in sets.items()}
    examples = [
        leak.model_copy(update={"test_id": f"{name}:{leak.test_id}"})
        for name, leakage in found.items()
        for leak in leakage.examples
    ]
    worst = sorted(examples, key=lambda leak: (leak.kind != "exact", -leak.similarity))[:_EXAMPLES]
    return Leakage(
        n_exact=sum(leakage.n_exact for leakage in found.values()),
        n_near=sum(leakage.n_near for leakage in found.values()),
        near_threshold=next(iter(found.values())).near_threshold,
        examples=tuple(worst),
        by_set=tuple(
            part.model_copy(update={"test": name}) for name, leakage in found.items() for part in leakage.by_set
        ),
    )
