"""The leakage check over all test sets of a study."""

from __future__ import annotations

from tiltmeter.core.evidence import Leakage
from tiltmeter.data import find_leakage
from tiltmeter.studies._material import Material
from tiltmeter.studies._transfer import TestSet

_EXAMPLES = 20


def leaks(material: Material, tests: dict[str, TestSet], home: str) -> Leakage:
    """Look for the test texts of every distribution among the train texts of ``home``.

    Counts are summed over test sets; the worst examples are kept, a test text being named ``SET:ID``.
    """
    train = material.rows(home, "train")
    found = {name: find_leakage(train, material.rows(name, "test"), max_examples=_EXAMPLES) for name in tests}
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
    )
