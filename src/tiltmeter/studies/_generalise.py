"""How far the chosen procedure generalises: other training texts, fewer of them, a few of another kind."""

from __future__ import annotations

from typing import NamedTuple

from threadpoolctl import threadpool_limits

from tiltmeter.core.evidence import Cell
from tiltmeter.core.generalisation import CurvePoint, FewShots
from tiltmeter.evaluation import HeldOut
from tiltmeter.studies._data_curve import data_curve
from tiltmeter.studies._few_shots import few_shots
from tiltmeter.studies._leave_one_out import leave_one_out
from tiltmeter.studies._material import Material
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._transfer import Fitted


class Generalised(NamedTuple):
    """What stands in the evidence under the same names."""

    leave_one_out: tuple[Cell, ...]
    data_curve: tuple[CurvePoint, ...]
    few_shots: tuple[FewShots, ...]


def generalise(spec: StudySpec, material: Material, tests: dict[str, HeldOut], chosen: Fitted) -> Generalised:
    """Fit the chosen method at the chosen site on other texts."""
    with threadpool_limits(1):  # many small fits, in which a second thread would mostly wait
        return Generalised(
            leave_one_out(spec, material, tests, chosen),
            data_curve(spec, material, tests, chosen),
            few_shots(spec, material, chosen),
        )
