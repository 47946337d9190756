"""The records of steering: what is beyond luck, and the sentence that says so."""

from __future__ import annotations

import pytest

from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.core.steering import Fluency, Luck, StrengthSweep, SweepPoint

NONE = Unavailable(reason="no question was asked")


def _estimate(value: float, *, half: float = 0.1) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=9, method="by hand")


def _point(share: float, change: Measured, luck: tuple[float, float] | None = (-0.3, 0.2)) -> SweepPoint:
    cost = Fluency(kl=_estimate(0.02), perplexity=_estimate(9.0), ratio=_estimate(1.25), n_tokens=40)
    spread = Luck(n=20, mean=0.0, lowest=0.0, highest=1.0)
    drawn = None if luck is None else Luck(n=20, mean=0.0, lowest=luck[0], highest=luck[1])
    return SweepPoint(
        share=share, strength=8 * share, fluency=cost, log_odds=change, change=change, luck_kl=spread,
        luck_ratio=spread, luck_change=drawn,
    )  # fmt: skip


def _sweep(*points: SweepPoint, n_prompts: int = 9) -> StrengthSweep:
    return StrengthSweep(
        model="tiny", site="1.resid_post", method="LDA", norm=_estimate(8.0), bare_perplexity=_estimate(7.0),
        bare_log_odds=NONE, n_prompts=n_prompts, n_neutral=4, points=points, seed=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("share", "change", "is_beyond"),
    [
        (1.0, _estimate(0.5), True),
        (-1.0, _estimate(-0.5), True),
        # the wrong way; less than a random direction moves it the other way; an interval that holds 0; nothing asked
        (1.0, _estimate(-0.5), False),
        (-1.0, _estimate(0.5), False),
        (1.0, _estimate(0.25), False),
        (1.0, _estimate(0.5, half=0.6), False),
        (1.0, NONE, False),
    ],
)
def test_beyond_luck_is_sure_the_right_way_and_further_than_any_random_direction(share, change, is_beyond):
    assert _point(share, change).is_beyond_luck == is_beyond


def test_the_statement_names_the_weakest_strength_that_does_something_and_its_price():
    points = [_point(s, _estimate(5 * s)) for s in (0.01, 0.2, 0.1, -0.1)]
    said = _sweep(*points).statement
    assert "LDA at 1.resid_post: forward, strength 0.1 moves the log-odds by +0.50 [+0.40, +0.60]" in said
    assert "(random directions: -0.30 to +0.20), at 0.02 nats of KL and 1.25 times the perplexity" in said
    assert "backward, strength -0.1 moves the log-odds by -0.50" in said


def test_the_statement_says_so_where_nothing_is_beyond_luck_or_nothing_was_asked():
    said = _sweep(_point(0.5, _estimate(0.1)), _point(2.0, _estimate(0.1))).statement
    assert said == ("LDA at 1.resid_post: forward, no strength up to 2 moves the answers beyond random directions.")
    assert "no question was asked" in _sweep(_point(0.5, NONE, None), n_prompts=0).statement


def test_a_sweep_is_read_back_from_its_json():
    sweep = _sweep(_point(0.5, _estimate(0.1)), _point(-0.5, NONE, None))
    assert StrengthSweep.model_validate_json(sweep.model_dump_json()) == sweep
