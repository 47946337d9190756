"""A plan from the scores of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tiltmeter.core.errors import FormatError, SpecError, TooFewNegativesError
from tiltmeter.core.files import read_json
from tiltmeter.core.plan import Alternative, Plan, Terms
from tiltmeter.core.records import Unavailable
from tiltmeter.evaluation import LabelledScores, plan_reviews
from tiltmeter.studies._alarms import copies_among_calibration, watched
from tiltmeter.studies._runs import read_run
from tiltmeter.studies._scored_rows import read_scored_rows
from tiltmeter.studies._spec import parse_spec

# other budgets that are shown beside the one asked for
_TIMES = (0.25, 0.5, 2.0, 4.0)


def plan_run(run: Path, terms: Terms, *, confidence: float = 0.95) -> Plan:
    """Plan the use of the probe that a study chose, from the scores that its run directory holds.

    Parameters
    ----------
    run
        A run directory.
    terms
        What is planned for; see :func:`tiltmeter.evaluation.plan_reviews`.
    confidence
        Of the threshold.

    Returns
    -------
    The plan, with a day for each test set and alternatives at other budgets.

    Raises
    ------
    FileError
        If the run or its scores are not there.
    SpecError
        If a term is out of range, or calibration texts were copies of training texts.
    TooFewNegativesError
        If nothing can be certified at the rate that the budget leaves.

    Examples
    --------
    >>> plan_run(Path("runs/nowhere"), Terms(per_day=1000, base_rate=0.001, reviews=50))
    Traceback (most recent call last):
    ...
    tiltmeter.core.errors.FileError: runs/nowhere is not a run directory; give one as made by tiltmeter study.
    """
    evidence = read_run(run)
    if copied := copies_among_calibration(evidence.leakage):
        raise SpecError(f"Nothing can be planned from {run}: {copied}.")
    rows = read_scored_rows(run)
    certified = watched(parse_spec(read_json(run / "run.json")["resolved"], source=str(run / "run.json")))
    parts = {name: part for name, part in rows.labelled("calibration").items() if name in certified}
    tests = rows.labelled("test")
    if not parts or not tests:
        raise FormatError(f"{run} holds scores of no calibration or of no test texts; run the study again.")
    scores, y, units = (np.concatenate(column) for column in zip(*parts.values(), strict=True))
    calibration = LabelledScores(scores, y, units if len(np.unique(units)) < len(units) else None)

    def planned(asked: Terms, chosen: dict[str, LabelledScores]) -> Plan:
        return plan_reviews(
            asked,
            calibration,
            tests=chosen,
            confidence=confidence,
            level=evidence.level,
            population=f"texts without the concept like those of {' and '.join(parts)}",
        )

    plan = planned(terms, tests)
    home = {evidence.train: tests[evidence.train]}
    others: list[Alternative] = []
    for times in _TIMES:
        other = terms.model_copy(update={"reviews": times * terms.reviews})
        try:
            others.append(Alternative(reviews=other.reviews, day=planned(other, home).days[0]))
        except (SpecError, TooFewNegativesError) as error:
            others.append(Alternative(reviews=other.reviews, day=Unavailable(reason=str(error))))
    return plan.model_copy(update={"alternatives": tuple(others)})
