"""``tiltmeter plan``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer


def plan(
    run: Annotated[Path, typer.Argument(help="A run directory, as made by tiltmeter study.")],
    base_rate: Annotated[float, typer.Option(help="The share of units (conversations or texts) that are positive.")],
    per_day: Annotated[float, typer.Option(help="Units a day.")],
    reviews: Annotated[float, typer.Option(help="How many of them can be reviewed a day.")],
    cost_probe: Annotated[float, typer.Option(help="Of the probe, a unit, in any currency.")] = 0.0,
    cost_review: Annotated[float, typer.Option(help="Of a review.")] = 0.0,
    reviewer_tpr: Annotated[float, typer.Option(help="The share of reviewed positives that the reviewer reports.")] = (
        1.0
    ),
    reviewer_fpr: Annotated[float, typer.Option(help="The share of others that he reports.")] = 0.0,
    confidence: Annotated[float, typer.Option(help="With which the budget is kept.")] = 0.95,
    json: Annotated[bool, typer.Option("--json", help="Print the plan as one JSON object.")] = False,
) -> None:
    """Plan a cascade: the probe reads everything, and what lies above a threshold is reviewed.

    The threshold keeps the review budget; what a day brings is estimated on the run's held-out test texts.

    Example: tiltmeter plan runs/2026-11-22-facts --base-rate 0.001 --per-day 10000 --reviews 400 --cost-review 2
    """
    from tiltmeter import studies
    from tiltmeter.cli._terminal import steps
    from tiltmeter.core.errors import SpecError
    from tiltmeter.core.plan import Terms

    figures = (per_day, base_rate, reviews, cost_probe, cost_review, reviewer_tpr, reviewer_fpr)
    if not all(map(math.isfinite, figures)):
        raise SpecError(f"The terms are {', '.join(map(str, figures))}; each must be a finite number.")
    terms = Terms(
        per_day=per_day,
        base_rate=base_rate,
        reviews=reviews,
        probe_cost=cost_probe,
        review_cost=cost_review,
        reviewer_tpr=reviewer_tpr,
        reviewer_fpr=reviewer_fpr,
    )
    with steps("plan"):
        from tiltmeter.cli._print import plan as show

        found = studies.plan_run(run, terms, confidence=confidence)
    if json:
        print(found.model_dump_json(indent=2))
    else:
        show(found)
