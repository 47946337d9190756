"""The bundled study, on the organism whose truth is known: what the report must show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiltmeter.core.evidence import Evidence, Verdict
from tiltmeter.core.records import Estimate, Measured, Threshold
from tiltmeter.studies import ProbeSpec, ReadSpec, TrainSpec, read_spec, run_study

_SPEC = Path(__file__).parents[2] / "examples" / "facts.yaml"


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return run_study(read_spec(_SPEC), tmp_path_factory.mktemp("facts") / "run").evidence


def _value(measured: Measured) -> float:
    assert isinstance(measured, Estimate), measured
    return measured.value


def _auroc(evidence: Evidence, site: str, method: str, test: str) -> float:
    cells = [
        cell.auroc
        for cell in evidence.transfer
        if (cell.site, cell.method, cell.train, cell.test) == (site, method, "affirmative", test)
    ]
    return _value(cells[0])


def _cue(evidence: Evidence, site: str, method: str, test: str) -> float:
    found = [s.auroc_within for s in evidence.shortcuts if (s.site, s.method, s.test) == (site, method, test)]
    return _value(found[0])


@pytest.mark.long
def test_what_was_chosen_on_training_folds_reads_truth_on_held_out_statements_without_the_coupling(
    evidence: Evidence,
) -> None:
    cell = next(
        c
        for c in evidence.transfer
        if (c.site, c.method, c.train, c.test) == (evidence.site, evidence.method, "affirmative", "affirmative")
    )
    assert isinstance(cell.auroc, Estimate)
    assert cell.auroc.value >= 0.95
    assert cell.auroc.low >= 0.9


def test_the_cue_is_coupled_with_truth_in_training_and_nowhere_else(evidence: Evidence) -> None:
    assert [s.train_agreement for s in evidence.shortcuts] == pytest.approx([0.9] * len(evidence.shortcuts), abs=0.01)
    for baseline in evidence.baselines:
        if baseline.kind == "asked":
            continue
        assert 0.45 <= _value(baseline.auroc) <= 0.55, (baseline.name, baseline.train, baseline.test)


def test_early_sites_do_not_carry_over_to_negation_and_late_ones_do(evidence: Evidence) -> None:
    assert _auroc(evidence, "0.resid_post", "mean_difference", "negated") < 0.6
    assert _auroc(evidence, "3.resid_post", "lda", "negated") > 0.95
    for test in ("reformatted", "other_language"):
        assert _auroc(evidence, "3.resid_post", "lda", test) > 0.95


def test_no_probe_reads_what_the_model_was_never_told(evidence: Evidence) -> None:
    untold = [c.auroc for c in evidence.transfer if c.test == "untold" and isinstance(c.auroc, Estimate)]
    assert untold
    assert all(auroc.low < 0.6 for auroc in untold)


def test_some_methods_follow_the_cue_and_lda_follows_it_less(evidence: Evidence) -> None:
    for method in ("mean_difference", "lat"):
        assert _cue(evidence, "3.resid_post", method, "affirmative") > 0.9
    assert abs(_cue(evidence, "3.resid_post", "lda", "affirmative") - 0.5) < 0.2


def test_a_hundred_random_directions_stand_beside_every_site_and_test_set(evidence: Evidence) -> None:
    seen = {(r.site, r.test) for r in evidence.random_directions if r.count == 100}
    tests = {d.name for d in evidence.distributions}
    assert seen == {(site, test) for site in evidence.sites for test in tests}


def test_the_threshold_is_certified_on_groups(evidence: Evidence) -> None:
    assert isinstance(evidence.threshold, Threshold)
    assert (evidence.threshold.unit, evidence.threshold.n) == ("group", 320)


def test_the_verdict_names_the_set_that_the_probe_fails_on(evidence: Evidence) -> None:
    assert isinstance(evidence.verdict, Verdict)
    assert evidence.verdict.outcome == "holds in part"
    assert any(
        s.rule == "transfer" and s.test == "negated" and s.stance == "against" for s in evidence.verdict.statements
    )


def test_nothing_leaks_between_the_splits(evidence: Evidence) -> None:
    assert (evidence.leakage.n_exact, evidence.leakage.n_near) == (0, 0)


def test_a_probe_that_reads_truth_and_does_nothing_is_called_that_and_those_that_do_are_named(
    evidence: Evidence,
) -> None:
    by = {(one.site, one.method): one for one in evidence.causal}
    # all four methods at the four blocks; the embedding is no resid_post
    assert len(by) == 16 and all(one.n_pairs == 100 for one in evidence.causal)
    for site in ("1.resid_post", "2.resid_post", "3.resid_post"):
        for method in ("mean_difference", "logistic"):
            swap, ablation = (_value(by[site, method].swap), _value(by[site, method].ablation))
            assert swap > 0.65 and ablation > 0.6 and swap > 10 * by[site, method].random_swap[1]
        # it reads as well, and the model does not
        assert _value(by[site, "lda"].swap) < 0.15
    assert isinstance(evidence.verdict, Verdict)
    said = [s.text for s in evidence.verdict.statements if s.rule == "causality"]
    assert said[0].startswith("It reads the label and does nothing: on affirmative")
    assert "logistic at 1.resid_post" in said[1]
    assert "do not follow its direction" in evidence.verdict.headline


@pytest.mark.long
def test_site_and_method_can_be_chosen_by_what_they_cause(tmp_path: Path) -> None:
    spec = read_spec(_SPEC)
    spec = spec.model_copy(
        update={
            "texts": {"affirmative": spec.texts["affirmative"]},
            "train": TrainSpec(distribution="affirmative", folds=2),
            "read": ReadSpec(sites=("1.resid_post", "3.resid_post")),
            "probes": ProbeSpec(methods=("lda", "logistic"), choose_by="cause"),
            "evidence": spec.evidence.model_copy(update={"bootstrap": 100, "shuffles": 19, "nuisances": ()}),
        }
    )
    found = run_study(spec, tmp_path / "run").evidence
    assert found.method == "logistic" and found.chosen_by == "cause"
    first, *others = found.causal_candidates
    assert (first.site, first.method) == (found.site, found.method)
    assert len(others) == 3 and all(_value(first.swap) >= _value(one.swap) for one in others)
    assert isinstance(found.verdict, Verdict)
    assert "follow its direction" in found.verdict.headline
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "The choice was not by AUROC but by cause" in page
