"""The evidence for a probe from arrays: its figures are those of the parts, and each fault is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tiltmeter.core.activations import Activations
from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import ArrayError, DataError
from tiltmeter.core.evidence import Evidence, Verdict
from tiltmeter.core.records import Estimate, Threshold, Unavailable
from tiltmeter.core.site import Site
from tiltmeter.evaluation import assess, auroc, threshold_at_fpr
from tiltmeter.probes import MeanDifference

N, D = 2800, 12
Y = np.arange(N) % 2


def rows(*, signal: float = 4.0, seed: int = 0) -> dict[str, Activations]:
    """Make train, held-out, other and benign rows, groups of two."""
    X = np.random.default_rng(seed).normal(size=(N, D)) + signal * Y[:, None] * np.eye(D)[0]
    groups = np.array([f"g{i // 2}" for i in range(N)])
    whole = Activations(X, ids=np.array([f"t{i}" for i in range(N)]), y=Y, groups=groups, site=Site(3, "resid_post"))
    parts = np.split(np.arange(N), [800, 1200, 1600])
    found = dict(zip(("train", "iid", "away", "benign"), map(whole.select, parts), strict=True))
    return found | {"benign": found["benign"].select(found["benign"].y == 0)}


def fitted(train: Activations) -> MeanDifference:
    return MeanDifference().fit(train.X, train.y)


def judged(given: dict[str, Activations], **changes: Any) -> Evidence:
    """Assess a mean difference on the given rows."""
    asked = {"iid": given["iid"], "ood": {"away": given["away"]}, "benign": given["benign"]} | changes
    return assess(fitted(given["train"]), train=given["train"], **asked)


def verdict(evidence: Evidence) -> Verdict:
    assert isinstance(evidence.verdict, Verdict)
    return evidence.verdict


def against(evidence: Evidence) -> set[tuple[str, str | None]]:
    return {(s.rule, s.test) for s in verdict(evidence).statements if s.stance == "against"}


def test_a_probe_that_holds_does_so_with_figures_by_hand() -> None:
    given = rows()
    found, probe = judged(given), fitted(given["train"])
    assert verdict(found).outcome == "holds" and not against(found)
    for cell in found.transfer:
        test = given["iid" if cell.test == "home" else cell.test]
        assert isinstance(cell.auroc, Estimate) and test.y is not None
        assert cell.auroc.value == auroc(test.y, probe.decision_function(test.X))
    benign = given["benign"]
    by_hand = threshold_at_fpr(probe.decision_function(benign.X), groups=benign.groups, population="x")
    assert isinstance(found.threshold, Threshold) and found.threshold.value == by_hand.value
    alarms = probe.decision_function(given["away"].X) > by_hand.value
    (away,) = (point for point in found.operating_points if point.test == "away")
    assert isinstance(away.tpr, Estimate) and away.tpr.value == alarms[given["away"].y == 1].mean()


def test_what_was_not_asked_is_said() -> None:
    found = judged(rows())
    assert "Whether the words alone would do as well was not asked." in verdict(found).headline
    said = {(s.rule, s.stance) for s in verdict(found).statements}
    assert {("text alone", "note"), ("causality", "note")} <= said


def test_a_direction_carries_its_evidence_through_a_file(tmp_path) -> None:
    given = rows()
    direction = fitted(given["train"]).as_direction(site=Site(3, "resid_post"))
    replace(direction, evidence=judged(given)).save(tmp_path)
    assert Direction.load(tmp_path).evidence == judged(given)


def test_a_probe_of_nothing_is_refuted() -> None:
    assert verdict(judged(rows(signal=0.0))).outcome == "refuted"


def test_a_set_that_is_read_the_wrong_way_round_leaves_it_holding_in_part() -> None:
    given = rows()
    away = given["away"]
    assert away.y is not None
    found = judged(given, ood={"away": replace(away, y=1 - away.y)})
    assert verdict(found).outcome == "holds in part" and ("transfer", "away") in against(found)


@pytest.mark.parametrize("copy", ["rows", "groups"])
def test_training_rows_among_the_test_rows_leave_it_undecided(copy: str) -> None:
    given = rows()
    iid, train = given["iid"], given["train"]
    assert iid.groups is not None and train.groups is not None
    mixed = (
        replace(iid, X=np.concatenate([train.X[:40], iid.X[40:]]))
        if copy == "rows"
        else replace(iid, groups=np.concatenate([train.groups[:40], iid.groups[40:]]))
    )
    found = judged(given, iid=mixed)
    (leaked,) = (part for part in found.leakage.by_set if part.test == "home")
    assert leaked.n_exact == 40 and verdict(found).outcome == "undecided"


def test_no_threshold_without_benign_rows_or_with_those_that_fitted() -> None:
    given = rows()
    for benign, reason in ((None, "no benign rows were given"), (given["train"], "also fitted the probe")):
        rest = benign.select(benign.y == 0) if benign is not None else None
        threshold = judged(given, benign=rest).threshold
        assert isinstance(threshold, Unavailable) and reason in threshold.reason


def test_too_few_benign_rows_say_how_many_are_needed() -> None:
    given = rows()
    threshold = judged(given, benign=given["benign"].select(np.arange(298))).threshold
    assert isinstance(threshold, Unavailable) and "299 are needed" in threshold.reason


def test_rows_from_elsewhere_are_flagged_as_unlike() -> None:
    given = rows()
    far = replace(given["away"], X=given["away"].X + 9 * np.eye(D)[5])
    found = judged(given, ood={"far": far})
    assert found.likeness is not None
    flags = {flag.test: flag.negative for flag in found.likeness.flagged}
    assert isinstance(flags["far"], Estimate) and isinstance(flags["home"], Estimate)
    assert flags["far"].value > 0.9 > 0.1 > flags["home"].value


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"benign": "iid"}, DataError, "benign rows are labelled 1; give rows without the concept"),
        ({"benign": "iid negatives"}, DataError, "home and benign share 200 units .* Split by groups"),
        ({"iid": "unlabelled"}, DataError, "home has no labels; give them as y"),
        ({"iid": "nothing"}, DataError, "train and iid need rows"),
        ({"ood": "home"}, DataError, "A set of other rows is called 'home'"),
        ({"ood": "narrow"}, ArrayError, "away has 3 features and train 12"),
        ({"ood": "tokens"}, ArrayError, "The rows of away are tokens; pool them first"),
    ],
)
def test_bad_input_says_what_to_do(change: dict[str, str], error: type[Exception], words: str) -> None:
    given = rows()
    iid = given["iid"]
    made = {
        "iid": iid,
        "home": iid,
        "iid negatives": iid.select(iid.y == 0),
        "unlabelled": replace(iid, y=None),
        "nothing": iid.select(np.arange(0)),
        "narrow": replace(iid, X=iid.X[:, :3]),
        "tokens": replace(iid, offsets=np.arange(len(iid) + 1)),
    }
    ((name, which),) = change.items()
    value: Any = made[which] if name != "ood" else {"home" if which == "home" else "away": made[which]}
    with pytest.raises(error, match=words):
        judged(given, **{name: value})
