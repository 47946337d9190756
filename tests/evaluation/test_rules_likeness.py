"""The verdict names sets that are unlike the calibration texts, and shifts that break the threshold unseen."""

from tiltmeter.core.evidence import Evidence, Leakage, OperatingPoint
from tiltmeter.core.likeness import Flagged, Likeness
from tiltmeter.core.records import Estimate, Threshold, Unavailable
from tiltmeter.evaluation import judge

THRESHOLD = Threshold(value=1.0, fpr=0.01, confidence=0.95, n=400, n_rows=400, unit="row", allowed=0, population="x")


def rate(low, high):
    return Estimate(value=(low + high) / 2, low=low, high=high, n=100, method="exact")


def said(*, flagged, false_alarms, threshold=THRESHOLD):
    gap = Unavailable(reason="not of interest")
    evidence = Evidence(
        train="home", site="0.resid_post", method="lda", sites=("0.resid_post",), methods=("lda",), fpr=0.01,
        level=0.95, distributions=(), candidates=(), transfer=(), random_directions=(), shuffled=(), baselines=(),
        advantages=(), shortcuts=(), histograms=(), mistakes=(), threshold=threshold, verdict=gap,
        operating_points=(OperatingPoint(test="away", tpr=gap, fpr=gap, unit_fpr=false_alarms),),
        leakage=Leakage(n_exact=0, n_near=0, near_threshold=0.8, examples=()),
        likeness=Likeness(
            site="0.resid_post", n_train=100, classes=("home, label 0",), shrinkage=0.1, threshold=threshold,
            flagged=(Flagged(test="away", negative=gap, positive=gap, unit=flagged),),
        ),
    )  # fmt: skip
    found = [s for s in judge(evidence).statements if s.rule in ("likeness", "unseen shift")]
    return [(s.rule, s.stance, s.test) for s in found], [s.text for s in found]


def test_a_set_that_is_flagged_more_than_was_certified_is_noted():
    rules, texts = said(flagged=rate(0.2, 0.4), false_alarms=rate(0.1, 0.3))
    assert rules == [("likeness", "note", "away")]
    assert "Texts of away are unlike the calibration texts: the certified rate is not promised there." in texts


def test_a_threshold_that_is_broken_where_nothing_is_flagged_speaks_against():
    rules, _ = said(flagged=rate(0.0, 0.02), false_alarms=rate(0.1, 0.3))
    assert rules == [("unseen shift", "against", "away")]


def test_where_both_rates_may_be_as_certified_nothing_is_said():
    assert said(flagged=rate(0.005, 0.04), false_alarms=rate(0.0, 0.03))[0] == []
    assert said(flagged=rate(0.01, 0.04), false_alarms=rate(0.01, 0.03))[0] == []


def test_without_figures_nothing_is_said():
    gap = Unavailable(reason="no such texts")
    assert said(flagged=gap, false_alarms=rate(0.1, 0.3))[0] == []
    assert said(flagged=rate(0.0, 0.02), false_alarms=gap)[0] == []
    assert said(flagged=rate(0.5, 0.7), false_alarms=gap, threshold=gap)[0] == []
