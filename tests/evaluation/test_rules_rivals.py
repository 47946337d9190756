"""What else would do is said in sentences of their own, each with its figure."""

from __future__ import annotations

from typing import Any

import pytest

from tiltmeter.core.evidence import Advantage, Baseline, Cell, Evidence, Leakage, Shuffled, Statement
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.core.rivals import ActivationNull, BestRival, ControlTask
from tiltmeter.evaluation import judge

_GONE = Unavailable(reason="one class only")


def _estimate(value: float, half: float = 0.03) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=200, method="made up")


def _evidence(**changes: Any) -> Evidence:
    area = _estimate(0.95)
    plain = Evidence(
        train="home",
        site="1.resid_post",
        method="lda",
        sites=("1.resid_post",),
        methods=("lda",),
        distributions=(),
        fpr=0.01,
        level=0.95,
        candidates=(),
        transfer=tuple(
            Cell(
                site="1.resid_post",
                method="lda",
                train="home",
                test=test,
                auroc=area,
                tpr=area,
                n_positive=99,
                n_negative=99,
            )
            for test in ("home", "away")
        ),
        random_directions=(),
        shuffled=(),
        baselines=(),
        advantages=(Advantage(baseline="TF-IDF", test="home", difference=_estimate(0.3)),),
        shortcuts=(),
        threshold=_GONE,
        operating_points=(),
        histograms=(),
        mistakes=(),
        leakage=Leakage(n_exact=0, n_near=0, near_threshold=0.8, examples=()),
        verdict=_GONE,
    )
    return plain.model_copy(update=changes)


def _said(rule: str, **changes: Any) -> list[Statement]:
    return [s for s in judge(_evidence(**changes)).statements if s.rule == rule]


def _best(value: float, *, claim: Any = "asking", test: str = "home", tried: int = 2, half: float = 0.03) -> BestRival:
    return BestRival(claim=claim, baseline="the best", test=test, tried=tried, difference=_estimate(value, half))


@pytest.mark.parametrize("claim", ["asking", "other models"])
@pytest.mark.parametrize(
    ("value", "half", "test", "stance", "words"),
    [
        (0.2, 0.03, "home", "for", "the activations add to what"),
        (0.01, 0.03, "home", "note", "does as well"),
        (0.15, 0.2, "home", "note", "the texts are too few"),
        (-0.2, 0.03, "home", "against", "tells the label better"),
        (-0.2, 0.03, "away", "against", "On away"),
    ],
)
def test_a_reader_is_named_with_what_the_probe_adds_to_it(claim, value, half, test, stance, words) -> None:
    (found,) = _said(claim, best_rivals=(_best(value, claim=claim, test=test, half=half),))
    assert found.stance == stance and words in found.text
    assert found.because.startswith("difference to the best, the best of 2 on the calibration texts, ")


def test_readers_that_do_as_well_elsewhere_or_have_no_figure_are_passed_over() -> None:
    unknown = _best(0.0).model_copy(update={"difference": _GONE})
    assert _said("asking", best_rivals=(_best(0.0, test="away"), unknown)) == []


def test_asking_that_does_as_well_or_better_does_not_refute() -> None:
    for value in (0.0, -0.2):
        advantage = Advantage(baseline="asking the model", test="home", difference=_estimate(value), kind="asked")
        changed = _evidence(best_rivals=(_best(value),), advantages=(*_evidence().advantages, advantage))
        verdict = judge(changed)
        assert verdict.outcome == "holds"
        assert [s.stance for s in verdict.statements if s.rule == "text alone"] == ["for"]


def test_rules_from_a_file_are_text_alone_and_refute() -> None:
    rules = Advantage(baseline="rules", test="home", difference=_estimate(0.0), kind="rules")
    verdict = judge(_evidence(advantages=(*_evidence().advantages, rules)))
    assert verdict.outcome == "refuted"
    assert any(s.text.startswith("No better than rules on home") for s in verdict.statements)


def test_the_lead_over_the_text_names_the_closest_and_the_one_that_was_chosen_fairly() -> None:
    closer = Advantage(baseline="bag of words", test="home", difference=_estimate(0.25))
    fair = _best(0.3, claim="text alone")
    (found,) = _said("text alone", advantages=(*_evidence().advantages, closer), best_rivals=(fair,))
    assert "bag of words, the closest of 2 rivals on these texts, 0.25" in found.because
    assert "to the best, the best on the calibration texts, 0.30" in found.because


def test_a_rival_that_asks_and_is_inverted_is_no_sign_of_related_texts() -> None:
    low = {"auroc": _estimate(0.1), "train": "home", "test": "home", "description": ""}
    assert _said("grouping", baselines=(Baseline(name="asking the model", kind="asked", **low),)) == []
    assert len(_said("grouping", baselines=(Baseline(name="TF-IDF", **low),))) == 1


def _null(kind: Any, value: float, half: float = 0.03, *, auroc: Measured | None = None) -> ActivationNull:
    area = _estimate(0.95 - value) if auroc is None else auroc
    return ActivationNull(kind=kind, site="x", test="home", seed=0, auroc=area, difference=_estimate(value, half))


@pytest.mark.parametrize(
    ("value", "half", "rule", "outcome"),
    [
        (0.2, 0.03, "untrained", "holds"),
        (0.01, 0.03, "untrained", "refuted"),
        (0.15, 0.2, "untrained, unclear", "holds"),
    ],
)
def test_a_model_without_training_that_reads_as_well_refutes(value, half, rule, outcome) -> None:
    changes = {"activation_nulls": (_null("untrained", value, half),)}
    (found,) = _said(rule, **changes)
    assert found.stance == ("for" if outcome == "holds" and rule == "untrained" else "against")
    assert judge(_evidence(**changes)).outcome == outcome


def test_a_model_without_training_that_reads_nothing_itself_is_not_said_to_read_as_well() -> None:
    (found,) = _said("untrained, unclear", activation_nulls=(_null("untrained", 0.01, auroc=_estimate(0.51)),))
    assert "cannot be told" in found.text


def test_layer_zero_is_held_against_the_probe_where_it_is_no_site_of_the_study() -> None:
    (found,) = _said("embedding", activation_nulls=(_null("layer 0", 0.0),))
    assert (
        found.stance == "against" and judge(_evidence(activation_nulls=(_null("layer 0", 0.0),))).outcome == "refuted"
    )
    assert _said("embedding", activation_nulls=(_null("layer 0", 0.3),)) == []
    # neither reads anything: the probe falls for that elsewhere
    assert _said("embedding", activation_nulls=(_null("layer 0", 0.0, auroc=_estimate(0.5)),)) == []


def _task(value: float, types: str = "group", *, half: float = 0.03) -> ControlTask:
    return ControlTask(
        types=types,
        n_types=40,
        n_rows=80,
        auroc=_estimate(0.9),
        control=_estimate(0.9 - value),
        controls=(0.9 - value,) * 10,
        selectivity=_estimate(value, half),
    )


def test_what_can_be_learned_by_heart_is_said_and_weighs_more_where_types_recur_in_test_texts() -> None:
    (good,) = _said("control task", control_task=_task(0.3))
    assert good.stance == "for" and "selectivity 0.30" in good.because
    (apart,) = _said("control task", control_task=_task(0.0))
    assert apart.stance == "note" and "Test texts are of other groups" in apart.text
    (recurring,) = _said("control task", control_task=_task(0.0, "verb"))
    assert recurring.stance == "against" and "each verb" in recurring.text
    (unclear,) = _said("control task", control_task=_task(0.2, half=0.3))
    assert unclear.stance == "note" and "Too few types" in unclear.text
    assert _said("control task", control_task=_GONE) == _said("control task") == []


def test_a_method_that_does_as_well_without_its_pairs_is_noted() -> None:
    for p_value, stance in ((0.05, "for"), (0.4, "note")):
        null = Shuffled(test="home", aurocs=(0.5, 0.6), p_value=p_value)
        (found,) = _said("shuffled pairs", shuffled_pairs=(null, null.model_copy(update={"test": "away"})))
        assert found.stance == stance
