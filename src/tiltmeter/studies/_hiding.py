"""How far the activations of the positives must be pushed until the chosen probe raises no alarm."""

from __future__ import annotations

import numpy as np

from tiltmeter.core.hiding import ActivationBudget
from tiltmeter.core.records import Threshold, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import HeldOut, linear_budget, resampling, yardsticks
from tiltmeter.studies._alarms import calibration_negatives, watched
from tiltmeter.studies._material import Material
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._transfer import Fitted, test_scores


def hiding(
    spec: StudySpec,
    material: Material,
    tests: dict[str, HeldOut],
    *,
    chosen: Fitted,
    threshold: Threshold | Unavailable,
) -> tuple[ActivationBudget, ...]:
    """Measure it on every test set with a positive that raises an alarm, in units of the calibration negatives."""
    if isinstance(threshold, Unavailable) or threshold.n < 2:  # of one unit there are no distances
        return ()
    rows = calibration_negatives(material, watched(spec), chosen.site)
    units = yardsticks(rows.X, groups=rows.groups, rng=stream(spec.seed, "distances"))
    found = []
    for name, scores in test_scores(chosen, material, tests).items():
        raised = (tests[name].y == 1) & (scores > threshold.value)
        if not raised.any():
            continue
        groups = tests[name].units[raised]
        by = resampling(
            int(raised.sum()),
            groups=groups if len(np.unique(groups)) < len(groups) else None,
            n_draws=spec.evidence.bootstrap,
            level=spec.evidence.level,
            seed=spec.seed,
        )
        found.append(
            linear_budget(
                scores[raised].astype(np.float64) - threshold.value,
                chosen.probe.direction_.astype(np.float64),
                units=units,
                by=by,
                where=(chosen.site, chosen.method, name),
                rng=stream(spec.seed, "random pushes"),
            )
        )
    return tuple(found)
