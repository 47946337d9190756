"""Run-time checks of every array annotation, and NumPy in every doctest."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import install_import_hook

# Array shapes are checked where the mathematics is. Not in the probes' base classes: scikit-learn's estimator checks
# feed them wrong types on purpose and expect their own errors.
_METHODS = [
    f"tiltmeter.probes.{path.stem}"
    for path in sorted((Path(__file__).parent / "src/tiltmeter/probes").glob("_*.py"))
    if path.stem not in ("__init__", "_probe", "_sequence_probe")
]
# the erasers themselves and the streaming fitter answer wrong shapes by their own errors
_CLOSED_FORMS = [
    f"tiltmeter.erasure.{name}"
    for name in (
        "_joint",
        "_leace",
        "_mean_projection",
        "_median_projection",
        "_oracle_leace",
        "_projection",
        "_quadratic_leace",
        "_sal",
    )
]
# what computes on recorded states; the interventions themselves answer wrong shapes by their own errors
_INTERVENTIONS = [
    f"tiltmeter.interventions.{name}"
    for name in (
        "_answer_sets",
        "_cde_search",
        "_clean",
        "_concept_rows",
        "_dropout_probe",
        "_fluency",
        "_kl_effects",
        "_pair_effects",
        "_swap_effects",
        "_swap_loss",
    )
]
_ANATOMY = [
    f"tiltmeter.anatomy.{name}"
    for name in (
        "_coherence_nulls",
        "_dictionary_metrics",
        "_model_svd",
        "_token_coherence",
        "_token_lens",
    )
]
_AGENTS = ["tiltmeter.agents._by_layout", "tiltmeter.agents._expert"]
install_import_hook(
    ["tiltmeter.numerics", "tiltmeter.evaluation", *_METHODS, *_CLOSED_FORMS, *_INTERVENTIONS, *_ANATOMY, *_AGENTS],
    "beartype.beartype",
)


@pytest.fixture(autouse=True)
def _numpy_in_doctests(doctest_namespace: dict[str, Any]) -> None:
    doctest_namespace["np"] = np
