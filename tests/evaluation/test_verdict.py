"""Each rule of the verdict fires on its figure and on nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tiltmeter.core.calibration import Calibrator, Probabilities, Reliability, ReliabilityBin
from tiltmeter.core.evidence import (
    Advantage,
    Baseline,
    Candidate,
    Causal,
    Cell,
    Distribution,
    Evidence,
    Followed,
    Leakage,
    Leaked,
    OperatingPoint,
    Planted,
    RandomDirections,
    Shortcut,
    Shuffled,
    Verdict,
)
from tiltmeter.core.records import Estimate, Threshold, Unavailable
from tiltmeter.core.rivals import ActivationNull
from tiltmeter.evaluation import judge


def _estimate(value: float, half: float = 0.03, n: int = 200) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=n, method="made up")


def _cell(test: str, value: float, *, site: str = "1.resid_post", half: float = 0.03) -> Cell:
    area = _estimate(value, half)
    return Cell(site=site, method="lda", train="home", test=test, auroc=area, tpr=area, n_positive=100, n_negative=100)


def _sound(**changes: Any) -> Evidence:
    """Make the evidence of a probe against which nothing speaks."""
    sound = Evidence(
        train="home",
        site="1.resid_post",
        method="lda",
        sites=("0.resid_pre", "1.resid_post"),
        methods=("lda",),
        distributions=(
            Distribution(
                name="home",
                source="home.jsonl",
                fingerprint="0",
                rows={},
                groups={},
                positives={},
                grouped_by="group",
                truncated=0,
            ),
        ),
        fpr=0.01,
        level=0.95,
        candidates=(),
        transfer=(_cell("home", 0.95), _cell("away", 0.92), _cell("home", 0.5, site="0.resid_pre")),
        random_directions=tuple(
            RandomDirections(
                site="1.resid_post",
                train="home",
                test=test,
                count=100,
                mean=0.5,
                sd=0.05,
                best=0.65,
                worst=0.4,
                chosen_on_train=0.5,
            )
            for test in ("home", "away")
        ),
        shuffled=(Shuffled(test="home", aurocs=(0.4, 0.6), p_value=0.02),),
        baselines=(),
        advantages=tuple(
            Advantage(baseline="bag of words", test=test, difference=_estimate(0.4)) for test in ("home", "away")
        ),
        shortcuts=(),
        threshold=Threshold(
            value=1, fpr=0.01, confidence=0.95, n=299, n_rows=299, unit="row", allowed=0, population="x"
        ),
        operating_points=(
            OperatingPoint(
                test="home", tpr=_estimate(0.8), fpr=_estimate(0.005, 0.004), unit_fpr=_estimate(0.01, 0.01)
            ),
        ),
        histograms=(),
        mistakes=(),
        leakage=Leakage(n_exact=0, n_near=0, near_threshold=0.9, examples=()),
        verdict=Unavailable(reason="not judged yet"),
    )
    return sound.model_copy(update=changes)


def _against(evidence: Evidence) -> list[tuple[str, str | None]]:
    return [(s.rule, s.test) for s in judge(evidence).statements if s.stance == "against"]


def test_a_sound_probe_holds_and_nothing_speaks_against_it() -> None:
    verdict = judge(_sound())
    assert verdict.outcome == "holds"
    assert _against(_sound()) == []
    assert "carries over to away (0.92)" in verdict.headline


def test_a_probe_that_no_intervention_tested_is_always_said_to_be_untested_for_causality() -> None:
    assert [s.stance for s in judge(_sound()).statements if s.rule == "causality"] == ["note"]


def _causal(value: float, *, half: float = 0.05, method: str = "lda", best: float = 0.1, far: float = 0.1) -> Causal:
    return Causal(
        site="1.resid_post",
        method=method,
        test="home",
        swap=_estimate(value, half),
        ablation=_estimate(0.5, half),
        random_swap=(0.02, best),
        displaced_swap=(0.02, far),
        random_ablation=(0.02, 0.1),
        count=20,
        displaced_count=4,
        n_pairs=100,
        n_left_out=3,
    )


@pytest.mark.parametrize(
    ("value", "stance", "words"),
    [
        (0.9, "for", "It is causal: what lies along it decides the model's answer on home."),
        (0.3, "for", "It is causal: what lies along it has a part in the model's answer on home."),
        (0.12, "note", "It reads the label and does nothing"),
    ],
)
def test_a_direction_that_reads_well_and_does_nothing_is_called_that_and_still_holds(value, stance, words) -> None:
    evidence = _sound(causal=(_causal(value),))
    (found,) = [s for s in judge(evidence).statements if s.rule == "causality"]
    assert found.stance == stance and found.text.startswith(words)
    assert "of 20 random directions at most 0.10" in found.because
    words = {0.9: "follow", 0.3: "partly follow", 0.12: "do not follow"}[value]
    assert f"The model's answers {words} its direction: swap success {value:.2f}." in judge(evidence).headline
    # to monitor is to correlate: no cause is no objection
    assert judge(evidence).outcome == "holds"


@pytest.mark.parametrize(
    "causal",
    [_causal(0.09, half=0.01, best=0.03), _causal(0.25, half=0.01, best=0.03, far=0.3)],
    ids=["under a tenth", "no further than as long a way along chance"],
)
def test_a_direction_beyond_random_ones_that_does_little_is_no_cause(causal) -> None:
    verdict = judge(_sound(causal=(causal,)))
    (found,) = [s for s in verdict.statements if s.rule == "causality"]
    assert found.stance == "note" and found.text.startswith("It reads the label and does next to nothing")
    assert "answers hardly follow its direction" in verdict.headline


def test_where_the_chosen_direction_does_nothing_those_that_do_are_named() -> None:
    causal = (_causal(0.05), _causal(0.8, method="lat"), _causal(0.9, method="ridge"), _causal(0.07, method="svm"))
    _, others = [s for s in judge(_sound(causal=causal)).statements if s.rule == "causality"]
    assert "ridge at 1.resid_post (0.90) and lat at 1.resid_post (0.80) do change the answers" in others.text
    assert others.because == "2 of 3"


def test_a_cause_that_could_not_be_measured_is_said_to_be_unknown() -> None:
    broken = _causal(0.5).model_copy(update={"swap": Unavailable(reason="the model answers no pair")})
    (found,) = [s for s in judge(_sound(causal=(broken,))).statements if s.rule == "causality"]
    assert "could not be told" in found.text and found.because == "the model answers no pair"


@pytest.mark.parametrize(
    ("value", "half", "phrase"),
    [(0.52, 0.05, "fails on"), (0.2, 0.05, "inverted on"), (0.7, 0.05, "weakens on")],
)
def test_what_becomes_of_a_probe_elsewhere_is_told_by_its_interval(value: float, half: float, phrase: str) -> None:
    evidence = _sound(transfer=(_cell("home", 0.95), _cell("away", value, half=half)))
    assert judge(evidence).outcome == "holds in part"
    assert phrase in judge(evidence).headline
    assert ("transfer", "away") in _against(evidence)


def test_a_probe_at_chance_at_home_is_refuted_where_the_interval_is_narrow_and_undecided_where_it_is_wide() -> None:
    assert judge(_sound(transfer=(_cell("home", 0.52, half=0.04),))).outcome == "refuted"
    assert judge(_sound(transfer=(_cell("home", 0.6, half=0.25),))).outcome == "undecided"
    assert judge(_sound(transfer=())).outcome == "undecided"


def test_a_probe_no_better_than_luck_at_home_is_refuted() -> None:
    nulls = tuple(null.model_copy(update={"best": 0.96}) for null in _sound().random_directions)
    assert judge(_sound(random_directions=nulls)).outcome == "refuted"
    assert ("random directions", "home") in _against(_sound(random_directions=nulls))


def test_random_directions_that_all_read_the_label_are_an_objection_but_no_sign_of_luck() -> None:
    home, away = _sound().random_directions
    dominant = _sound(random_directions=(home.model_copy(update={"best": 1.0, "mean": 0.85}), away))
    assert _against(dominant) == [("dominant label", "home")]
    assert judge(dominant).outcome == "holds"
    beaten = judge(_sound(random_directions=(home.model_copy(update={"best": 0.9, "mean": 0.85}), away)))
    assert [s.stance for s in beaten.statements if s.rule == "dominant label"] == ["note"]


def test_candidates_that_tie_on_the_training_folds_are_noted() -> None:
    tied = tuple(
        Candidate(site=site, method="lda", auroc=_estimate(value, 0.0), fold_aurocs=())
        for site, value in (("0", 1.0), ("1", 1.0), ("2", 0.9))
    )
    notes = [s.text for s in judge(_sound(candidates=tied)).statements if s.rule == "choice"]
    assert notes == [
        "2 of the 3 pairs of site and method that could be judged tie on the training folds; of these, the earliest "
        "site and the simplest method was taken."
    ]
    assert not [s for s in judge(_sound(candidates=tied[1:])).statements if s.rule == "choice"]


def test_luck_on_another_test_set_leaves_a_probe_that_holds_at_home_only() -> None:
    home, away = _sound().random_directions
    assert judge(_sound(random_directions=(home, away.model_copy(update={"best": 0.93})))).outcome == ("holds in part")


def test_a_refit_on_shuffled_labels_that_does_as_well_refutes() -> None:
    several = Shuffled(test="home", aurocs=(0.5,) * 19 + (0.97,) * 5, p_value=6 / 25)
    assert judge(_sound(shuffled=(several,))).outcome == "refuted"


def test_a_single_refit_among_few_that_does_as_well_is_noted_only() -> None:
    verdict = judge(_sound(shuffled=(Shuffled(test="home", aurocs=(0.5,) * 18 + (0.97,), p_value=2 / 20),)))
    assert verdict.outcome == "holds"
    assert [s.stance for s in verdict.statements if s.rule == "shuffled"] == ["note"]


def test_a_text_baseline_that_does_as_well_at_home_refutes_and_is_named() -> None:
    rivals = (
        Advantage(baseline="length", test="home", difference=_estimate(0.4)),
        Advantage(baseline="TF-IDF", test="home", difference=_estimate(0.01)),
    )
    verdict = judge(_sound(advantages=rivals))
    assert verdict.outcome == "refuted"
    assert any("No better than TF-IDF on home" in s.text for s in verdict.statements)


def test_embeddings_that_read_the_label_as_well_refute() -> None:
    def entering(lead: float, half: float, area: float = 0.9) -> tuple[ActivationNull, ...]:
        difference = _estimate(lead, half)
        null = ActivationNull(
            kind="layer 0", site="0.resid_pre", test="home", seed=None, auroc=_estimate(area), difference=difference
        )
        return (null,)

    assert judge(_sound(activation_nulls=entering(0.01, 0.03))).outcome == "refuted"
    assert judge(_sound(activation_nulls=entering(0.2, 0.03))).outcome == "holds"
    assert judge(_sound(activation_nulls=entering(0.01, 0.03, area=0.5))).outcome == "holds"
    unclear = judge(_sound(activation_nulls=entering(0.2, 0.3)))
    assert unclear.outcome == "holds"
    assert ("embedding, unclear", "against") in {(s.rule, s.stance) for s in unclear.statements}


def _shortcut(value: float, half: float = 0.02) -> Shortcut:
    return Shortcut(
        nuisance="cue",
        site="1.resid_post",
        method="lda",
        test="home",
        auroc_within=_estimate(value, half),
        train_agreement=0.9,
    )


@pytest.mark.parametrize(("value", "follows"), [(0.8, True), (0.2, True), (0.58, False), (0.5, False)])
def test_a_score_that_follows_a_nuisance_is_named_in_either_direction(value: float, follows: bool) -> None:
    assert (("shortcut", "home") in _against(_sound(shortcuts=(_shortcut(value),)))) is follows


def test_a_missing_threshold_is_an_objection_with_its_reason() -> None:
    evidence = _sound(threshold=Unavailable(reason="12 negatives; 299 are needed"))
    statement = next(s for s in judge(evidence).statements if s.rule == "threshold")
    assert (statement.stance, statement.because) == ("against", "12 negatives; 299 are needed")


def test_more_false_alarms_than_certified_and_few_catches_are_objections() -> None:
    points = (
        OperatingPoint(test="home", tpr=_estimate(0.3), fpr=_estimate(0.01, 0.005), unit_fpr=_estimate(0.01, 0.009)),
        OperatingPoint(test="away", tpr=_estimate(0.3), fpr=_estimate(0.2), unit_fpr=_estimate(0.2)),
    )
    assert set(_against(_sound(operating_points=points))) == {("caught", "home"), ("false alarms", "away")}


def _leaked(test: str, n_exact: int) -> Leakage:
    part = Leaked(test=test, n_exact=n_exact, n_near=0, n_rows=200)
    return Leakage(n_exact=n_exact, n_near=0, near_threshold=0.9, examples=(), by_set=(part,))


def test_leaked_texts_are_an_objection_and_many_of_them_at_home_leave_nothing_to_judge() -> None:
    for test in ("home", "away"):
        assert _against(_sound(leakage=_leaked(test, 1))) == [("leakage", test)]
        assert judge(_sound(leakage=_leaked(test, 1))).outcome == "holds in part"
    assert judge(_sound(leakage=_leaked("home", 20))).outcome == "undecided"
    assert judge(_sound(leakage=_leaked("away", 20))).outcome == "holds in part"


def test_a_faint_probe_is_refuted_however_certain_it_is_no_chance() -> None:
    assert judge(_sound(transfer=(_cell("home", 0.55, half=0.02), _cell("away", 0.55, half=0.02)))).outcome == "refuted"


def test_what_is_chance_at_home_carries_over_to_nothing() -> None:
    headline = judge(_sound(transfer=(_cell("home", 0.51), _cell("away", 0.7)))).headline
    assert "carries over" not in headline
    assert "away" not in headline


@pytest.mark.parametrize(
    ("value", "said"), [(0.95, "reads the label"), (0.2, "reads the opposite"), (0.5, "cannot be told from chance")]
)
def test_the_headline_says_what_the_figure_at_home_says(value: float, said: str) -> None:
    assert f" {said} on held-out texts of the same kind" in judge(_sound(transfer=(_cell("home", value),))).headline


def test_a_set_that_is_too_small_is_not_said_to_fail() -> None:
    verdict = judge(_sound(transfer=(_cell("home", 0.95), _cell("away", 0.75, half=0.3))))
    assert "There are too few texts to judge it on away (0.75)" in verdict.headline
    assert verdict.outcome == "holds in part"


def test_a_set_without_a_figure_is_not_counted_among_those_where_it_holds() -> None:
    gap = Unavailable(reason="one class only")
    away = _cell("away", 0.9).model_copy(update={"auroc": gap})
    verdict = judge(_sound(transfer=(_cell("home", 0.95), away)))
    assert verdict.headline.startswith("The probe holds on every test set on which it could be judged.")


def test_a_large_lead_over_text_that_few_texts_cannot_hold_is_undecided() -> None:
    rival = Advantage(baseline="bag of words", test="home", difference=_estimate(0.35, 0.37))
    assert judge(_sound(advantages=(rival,))).outcome == "undecided"


def test_other_probes_that_follow_a_nuisance_are_named_with_their_farthest_site() -> None:
    others = tuple(
        _shortcut(value).model_copy(update={"site": site, "method": method})
        for site, method, value in (("0", "lat", 0.7), ("1", "lat", 0.95), ("0", "logistic", 0.52), ("0", "svm", 0.1))
    )
    notes = [s for s in judge(_sound(shortcuts=others)).statements if s.rule == "followers"]
    assert [s.text for s in notes] == ["Of the other probes, lat at 1 and svm at 0 follow cue with the label fixed."]
    assert judge(_sound(shortcuts=others)).outcome == "holds"


def test_where_a_set_is_lost_a_probe_that_reads_it_is_named_as_found_there() -> None:
    lost = (_cell("home", 0.95), _cell("away", 0.52, half=0.05), _cell("away", 0.9, site="2.resid_post"))
    notes = [s.text for s in judge(_sound(transfer=lost)).statements if s.rule == "others"]
    assert len(notes) == 1
    assert notes[0].startswith("lda at 2.resid_post, fitted on the same texts, does read away")


def test_a_nuisance_that_cannot_be_told_from_the_label_is_an_objection() -> None:
    stuck = _shortcut(0.5).model_copy(update={"auroc_within": Unavailable(reason="always equal")})
    assert ("shortcut", "home") in _against(_sound(shortcuts=(stuck,)))


def test_a_nuisance_that_is_followed_on_another_set_is_an_objection_there() -> None:
    away = _shortcut(0.9).model_copy(update={"test": "away"})
    assert ("shortcut", "away") in _against(_sound(shortcuts=(away,)))


def test_a_text_baseline_below_chance_at_home_points_at_the_groups() -> None:
    rival = Baseline(name="TF-IDF", description="", train="home", test="home", auroc=_estimate(0.1))
    assert ("grouping", "home") in _against(_sound(baselines=(rival,)))


def test_a_threshold_that_is_broken_at_home_is_not_praised_in_the_headline() -> None:
    broken = OperatingPoint(test="home", tpr=_estimate(0.8), fpr=_estimate(0.3), unit_fpr=_estimate(0.3))
    assert "certified" not in judge(_sound(operating_points=(broken,))).headline


def test_truncation_missing_groups_and_few_units_are_noted() -> None:
    poor = _sound().distributions[0].model_copy(update={"grouped_by": "row", "truncated": 3})
    few = _cell("home", 0.95).model_copy(update={"auroc": _estimate(0.95, n=20)})
    notes = {s.rule for s in judge(_sound(distributions=(poor,), transfer=(few,))).statements if s.stance == "note"}
    assert {"groups", "truncation", "size"} <= notes


def test_the_same_record_always_gets_the_same_verdict() -> None:
    stored = Evidence.model_validate_json(_sound().model_dump_json())
    assert judge(stored) == judge(_sound())
    assert isinstance(judge(stored), Verdict)


def _followed(lead: float, *, column: str = "said", agreement: float = 0.5, auroc: float = 0.9) -> Followed:
    return Followed(
        column=column,
        site="1.resid_post",
        method="lda",
        test="away",
        agreement=agreement,
        auroc=_estimate(auroc),
        lead=_estimate(lead, 0.05),
    )


PLANTED = Planted(
    organism="parrot", sentences=("It repeats.",), columns={"said": "what is said", "thought": "a thought"}
)


@pytest.mark.parametrize(
    ("away", "followed", "stance", "text"),
    [
        (0.4, _followed(0.5), "against", "On away it follows what is said (said) rather than what is true."),
        (0.92, _followed(-0.4, auroc=0.5), "for", "On away it follows what is true rather than what is said (said)."),
        # as likely the one as the other; the better of two figures that are both chance; nothing was measured
        (0.92, _followed(0.01), "note", "cannot be said to follow what is true rather than what is said"),
        (0.3, _followed(0.2, auroc=0.5), "note", "cannot be said to follow what is true rather than what is said"),
        (0.5, _followed(-0.2, auroc=0.3), "note", "cannot be said to follow what is true rather than what is said"),
        (0.9, _followed(0.5).model_copy(update={"lead": Unavailable(reason="few")}), "note", "cannot be said"),
    ],
)
def test_where_an_organism_says_what_is_not_true_the_verdict_tells_which_of_them_is_followed(
    away: float, followed: Followed, stance: str, text: str
) -> None:
    evidence = _sound(transfer=(_cell("home", 0.95), _cell("away", away)), planted=PLANTED, followed=(followed,))
    (found,) = [s for s in judge(evidence).statements if s.rule == "planted truth"]
    assert (found.stance, found.test) == (stance, "away") and text in found.text
    assert "the two say the same of 50% of the texts" in found.because


def test_a_probe_that_carries_over_but_follows_another_planted_column_better_holds_in_part() -> None:
    assert judge(_sound(planted=PLANTED, followed=(_followed(-0.3, auroc=0.6),))).outcome == "holds"
    assert judge(_sound(planted=PLANTED, followed=(_followed(0.07, auroc=0.99),))).outcome == "holds in part"


def test_a_column_that_is_the_truth_of_every_text_is_passed_over_and_of_others_the_best_read_is_named() -> None:
    same = _followed(0.0, agreement=1.0)
    assert not [s for s in judge(_sound(planted=PLANTED, followed=(same,))).statements if s.rule == "planted truth"]
    both = _followed(0.2), _followed(0.3, column="thought")
    (found,) = [s for s in judge(_sound(planted=PLANTED, followed=both)).statements if s.rule == "planted truth"]
    assert "a thought (thought)" in found.text


def test_a_threshold_that_holds_on_average_speaks_for_nothing_and_says_so() -> None:
    average = Threshold(
        value=1, fpr=0.01, confidence=None, n=299, n_rows=299, unit="row", allowed=2, population="x",
        guarantee="average",
    )  # fmt: skip
    for threshold, stance, words in (
        (_sound().threshold, "for", "with 95% confidence, on x and nowhere else"),
        (average, "note", "on average over calibration sets only, on x and nowhere else: this one may well let more"),
    ):
        verdict = judge(_sound(threshold=threshold))
        (said,) = [s for s in verdict.statements if s.rule == "threshold"]
        assert said.stance == stance and words in said.text
    assert "At a threshold that holds 1% false alarms on average only it catches 80%." in verdict.headline
    assert verdict.outcome == "holds"


def _probabilities(*positive: Estimate | Unavailable, test: str = "home", base_rate: float = 0.5) -> Probabilities:
    """Two bins, which say 0.1 and 0.9, and what is positive in them."""
    bins = tuple(
        ReliabilityBin(low=low, high=low + 0.5, n=100, predicted=said, positive=share)
        for low, said, share in zip((0.0, 0.5), (0.1, 0.9), positive, strict=True)
    )
    one = Reliability(
        test=test, method="platt", base_rate=base_rate, ece_mass=_estimate(0.05), ece_width=_estimate(0.05), bins=bins
    )
    # another map that is far off has no part in it
    worse = tuple(b.model_copy(update={"positive": _estimate(0.5)}) for b in bins)
    maps = tuple(Calibrator(method=m, n=800, base_rate=0.5) for m in ("platt", "isotonic"))
    other = one.model_copy(update={"method": "isotonic", "bins": worse})
    return Probabilities(population="x", shipped="platt", calibrators=maps, sets=(one, other))


def _said_of_probabilities(evidence: Evidence) -> list[tuple[str, str | None, str]]:
    return [(s.stance, s.test, s.text) for s in judge(evidence).statements if s.rule == "probabilities"]


def test_probabilities_that_are_near_to_what_happens_speak_for_the_probe_at_home_only() -> None:
    right = _probabilities(_estimate(0.15), _estimate(0.85))
    ((stance, test, text),) = _said_of_probabilities(_sound(probabilities=right))
    assert (stance, test) == ("for", "home") and "where 50% of the texts are positive" in text
    away = _probabilities(_estimate(0.15), _estimate(0.85), test="away")
    assert _said_of_probabilities(_sound(probabilities=away)) == []


@pytest.mark.parametrize("test", ["home", "away"])
def test_probabilities_far_outside_the_interval_of_what_happens_mislead(test: str) -> None:
    # 0.9 is said and 0.5 to 0.7 happens; the low bin is right
    wrong = _probabilities(_estimate(0.1), _estimate(0.6, 0.1), test=test)
    ((stance, where, text),) = _said_of_probabilities(_sound(probabilities=wrong))
    assert (stance, where) == ("against", test)
    assert "where they say 0.90, 0.60 are positive" in text and "calibration texts" not in text
    # it is said, and no reason to take the direction for worse than it is
    assert judge(_sound(probabilities=wrong)).outcome == "holds"


def test_another_base_rate_is_named_as_what_may_explain_it() -> None:
    rare = _probabilities(_estimate(0.01, 0.01), _estimate(0.3), test="away", base_rate=0.05)
    ((_, _, text),) = _said_of_probabilities(_sound(probabilities=rare))
    assert text.endswith("5% of its texts are positive, and 50% of the calibration texts.")


@pytest.mark.parametrize("half", [0.21, 0.25])
def test_what_lies_within_a_tenth_of_the_interval_is_not_called_misleading(half: float) -> None:
    near = _probabilities(_estimate(0.1), _estimate(0.6, half), test="away")
    assert _said_of_probabilities(_sound(probabilities=near)) == []


def test_without_probabilities_nothing_is_said_of_them() -> None:
    gone = Unavailable(reason="no such texts")
    for nothing in (None, gone, _probabilities(gone, gone, test="away")):
        assert _said_of_probabilities(_sound(probabilities=nothing)) == []
