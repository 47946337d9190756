"""What a few positives of another distribution, such as a model's own attempts, add to the training texts."""

from __future__ import annotations

import numpy as np

from tiltmeter.core.errors import SpecError
from tiltmeter.core.generalisation import FewShots
from tiltmeter.probes import SupervisedProbe, few_shot_curve
from tiltmeter.studies._fitting import build
from tiltmeter.studies._material import Material
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._transfer import Fitted

_COUNTS = (0, 1, 2, 4, 8, 16)
_DRAWS = 10


def few_shots(spec: StudySpec, material: Material, chosen: Fitted) -> tuple[FewShots, ...]:
    """Add ever more positives of each distribution in ``evidence.few_shots`` to the home train rows.

    Raises
    ------
    SpecError
        If the chosen method learns from pairs, and so takes no weights.
    """
    found: list[FewShots] = []
    for name in spec.evidence.few_shots:
        probe = build(chosen.method, C=spec.probes.C)
        if not isinstance(probe, SupervisedProbe):
            raise SpecError(
                f"evidence.few_shots names {name}, but {chosen.method} was chosen, which takes no weights; leave "
                "methods on pairs out of probes.methods."
            )
        others = material.part(name, "train", chosen.site)
        positives = others.select(np.asarray(others.y) == 1)
        curve = few_shot_curve(
            probe,
            material.part(chosen.train, "train", chosen.site),
            on_policy=positives,
            test=material.part(name, "test", chosen.site),
            counts=tuple(count for count in _COUNTS if count <= len(positives)),
            n_draws=_DRAWS,
            random_state=spec.seed,
        )
        for count, aurocs, tprs in zip(curve.counts.tolist(), curve.aurocs, curve.tprs, strict=True):
            found.append(
                FewShots(
                    test=name,
                    count=count,
                    n_draws=_DRAWS,
                    auroc=float(aurocs.mean()),
                    auroc_spread=(float(aurocs.min()), float(aurocs.max())),
                    tpr=float(tprs.mean()),
                    tpr_spread=(float(tprs.min()), float(tprs.max())),
                )
            )
    return tuple(found)
