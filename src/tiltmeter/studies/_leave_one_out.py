"""The chosen procedure, fitted on all distributions but one and judged on that one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import NoDirectionError
from tiltmeter.core.evidence import Cell
from tiltmeter.evaluation import HeldOut, ranking_estimates, transfer_cell
from tiltmeter.studies._fitting import can_fit, fit
from tiltmeter.studies._material import Material, Split
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._transfer import Fitted


def leave_one_out(spec: StudySpec, material: Material, tests: dict[str, HeldOut], chosen: Fitted) -> tuple[Cell, ...]:
    """Fit the chosen method at the chosen site on the train rows of all distributions but one; judge it there.

    Empty where fewer than two others can be fitted on: with one, it is in the transfer matrix.
    """
    fitted_on = [name for name in material.texts if name not in spec.train.judge_only]
    cells = []
    for test in tests.values():
        others = [name for name in fitted_on if name != test.name]
        if len(others) < 2:
            continue
        train, orient_on = (_joined(material, others, split, chosen.site) for split in ("train", "calibration"))
        if not can_fit(chosen.method, train):
            continue
        try:
            probe = fit(chosen.method, train, C=spec.probes.C, orient_on=orient_on)
        except NoDirectionError:
            continue
        scores = probe.decision_function(material.part(test.name, "test", chosen.site).X)
        figures = ranking_estimates(test.y, scores, fpr=spec.threshold.fpr, by=test.by)
        train_name = f"all but {test.name}"
        cells.append(transfer_cell(test, figures, site=chosen.site, method=chosen.method, train=train_name))
    return tuple(cells)


def _joined(material: Material, names: list[str], split: Split, site: str) -> Activations:
    """Put the rows of several distributions together; identifiers and pairs are those of their distribution."""
    parts = {name: material.part(name, split, site) for name in names}

    def named(values: dict[str, NDArray[np.str_] | None]) -> NDArray[np.str_] | None:
        found = [
            np.array([f"{name}:{value}" if value else "" for value in some.tolist()], dtype=np.str_)
            for name, some in values.items()
            if some is not None
        ]
        return np.concatenate(found) if len(found) == len(values) else None

    ids = named({name: part.ids for name, part in parts.items()})
    sides = [part.sides for part in parts.values() if part.sides is not None]
    return Activations(
        np.concatenate([part.X for part in parts.values()]),
        ids=np.asarray(ids),
        y=np.concatenate([part.y for part in parts.values() if part.y is not None]),
        pairs=named({name: part.pairs for name, part in parts.items()}),
        sides=np.concatenate(sides) if len(sides) == len(parts) else None,
    )
