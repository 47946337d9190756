"""Differences between two probes: their naive twins, their intervals where there is no difference, their edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tiltmeter.core.errors import ArrayError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.evaluation import Looks, Scored, auroc, auroc_difference, compare_scores, holm, resampling, tpr_at_fpr
from tiltmeter.numerics import clopper_pearson

QUICK = Looks(fpr=0.1, n_draws=300)
FIGURES = ("auroc", "caught", "false alarms", "caught at equal alarms")


def two(
    seed: int, *, gain: float = 0.0, n: int = 120, per_unit: int = 1, threshold: float | None = 1.0
) -> tuple[Scored, Scored]:
    """Two probes that share most of their noise; the second has ``gain`` more signal."""
    rng = np.random.default_rng(seed)
    y, units = np.tile([0, 1], n // 2), np.arange(n) // per_unit
    shared = rng.normal(size=n)
    one, other = (1.5 * y + shared + 0.7 * rng.normal(size=n) for _ in range(2))
    return Scored(y, one, units, threshold), Scored(y, other + gain * y, units, threshold)


def estimate(found: object) -> Estimate:
    assert isinstance(found, Estimate)
    return found


def test_the_values_are_those_of_each_probe_and_their_difference() -> None:
    one, other = two(0, gain=0.8, per_unit=2)
    found = compare_scores(one, other, paired=True, looks=QUICK)
    y = one.y
    for side, attribute in ((one, "one"), (other, "two")):
        naive = {
            "auroc": auroc(y, side.scores),
            "caught": float(np.mean([s > 1 for s, label in zip(side.scores, y, strict=True) if label])),
            "false alarms": float(np.mean([s > 1 for s, label in zip(side.scores, y, strict=True) if not label])),
            "caught at equal alarms": tpr_at_fpr(y, side.scores, fpr=0.1),
        }
        for figure in FIGURES:
            assert estimate(getattr(found[figure], attribute)).value == pytest.approx(naive[figure])
    for contrast in found.values():
        assert estimate(contrast.difference).value == pytest.approx(
            estimate(contrast.two).value - estimate(contrast.one).value
        )


def test_a_unit_of_negatives_raises_an_alarm_when_any_of_its_rows_does() -> None:
    rng = np.random.default_rng(1)
    y, units = np.repeat([0, 0, 1], 20), np.concatenate([np.repeat(np.arange(20), 2), np.arange(20)])
    scores = rng.normal(size=60)
    raised = [any(s > 0.5 for s, u, label in zip(scores, units, y, strict=True) if u == unit and not label)
              for unit in range(20)]  # fmt: skip
    found = compare_scores(Scored(y, scores, units, 0.5), Scored(y, -scores, units, 0.5), paired=True, looks=QUICK)
    assert estimate(found["false alarms"].one).value == pytest.approx(np.mean(raised))
    assert estimate(found["false alarms"].one).n == 20


def test_the_paired_auroc_interval_is_that_of_the_paired_difference() -> None:
    one, other = two(2, gain=0.5, per_unit=4)
    found = compare_scores(one, other, paired=True, looks=QUICK)["auroc"].difference
    by = resampling(len(one.y), groups=one.units, n_draws=300)
    assert found == auroc_difference(one.y, other.scores, rival=one.scores, by=by)


@pytest.mark.parametrize("paired", [True, False])
def test_a_p_value_is_below_one_in_twenty_just_where_the_interval_leaves_out_no_difference(paired: bool) -> None:
    for seed in range(8):
        one, other = two(seed, gain=0.15 * seed)
        for contrast in compare_scores(one, other, paired=paired, looks=QUICK).values():
            difference = estimate(contrast.difference)
            assert (contrast.p < 0.05) == (not difference.low <= 0 <= difference.high)


@pytest.mark.long
def test_where_there_is_no_difference_few_are_found() -> None:
    n_studies, counts = 60, dict.fromkeys(FIGURES, 0)
    for seed in range(n_studies):
        for figure, contrast in compare_scores(*two(seed, per_unit=2), paired=True, looks=QUICK).items():
            counts[figure] += contrast.p < 0.05
    # 5 % expected: up to three standard errors above; shares are bounded conservatively
    most = 0.05 * n_studies + 3 * np.sqrt(0.05 * 0.95 * n_studies)
    assert all(count <= most for count in counts.values()), counts
    assert counts["auroc"] > 0


def test_pairing_narrows_the_interval_where_both_probes_stumble_over_the_same_texts() -> None:
    one, other = two(3)
    wide, narrow = (compare_scores(one, other, paired=paired, looks=QUICK) for paired in (False, True))
    for figure in ("auroc", "caught"):
        width = {k: estimate(v[figure].difference).high - estimate(v[figure].difference).low
                 for k, v in {"wide": wide, "narrow": narrow}.items()}  # fmt: skip
        assert width["narrow"] < 0.9 * width["wide"]


def test_where_few_units_disagree_the_exact_test_of_mcnemar_holds_the_bootstrap_back() -> None:
    y, scores = np.tile([0, 1], 50), np.tile([0.0, 2.0], 50)
    better, worse = scores.copy(), scores.copy()
    worse[1:9:2] = 0.5  # four positives that only the first catches
    found = compare_scores(
        Scored(y, better, np.arange(100), 1.0), Scored(y, worse, np.arange(100), 1.0), paired=True, looks=QUICK
    )["caught"]
    exact = stats.binomtest(0, 4, 0.5).pvalue
    assert estimate(found.difference).value == pytest.approx(-4 / 50)
    assert found.p == pytest.approx(exact, abs=1e-6)
    low, high = (2 * end - 1 for end in clopper_pearson(0, 4))
    assert estimate(found.difference).high == pytest.approx(4 / 50 * high)
    assert estimate(found.difference).low <= 4 / 50 * low


def test_probes_that_raise_the_same_alarms_have_no_difference_but_some_doubt() -> None:
    one, _ = two(4)
    found = compare_scores(one, one, paired=True, looks=QUICK)
    for figure in ("caught", "false alarms", "caught at equal alarms"):
        difference = estimate(found[figure].difference)
        assert difference.value == 0 and -0.2 < difference.low < 0 < difference.high < 0.2
        assert found[figure].p == 1.0
    assert found["auroc"].p == 1.0


def test_unpaired_intervals_square_and_add_the_distances_to_either_bound() -> None:
    one, other = two(5)[0], two(6, n=60)[1]
    found = compare_scores(one, other, paired=False, looks=QUICK)
    for contrast in found.values():
        a, b, d = estimate(contrast.one), estimate(contrast.two), estimate(contrast.difference)
        assert d.low == pytest.approx(max(-1, d.value - np.sqrt((b.value - b.low) ** 2 + (a.high - a.value) ** 2)))
        assert d.high == pytest.approx(min(1, d.value + np.sqrt((b.high - b.value) ** 2 + (a.value - a.low) ** 2)))
        assert d.method.startswith("unpaired")


def test_a_missing_threshold_class_or_unit_leaves_a_reason_and_no_number() -> None:
    one, other = two(7)
    bare = compare_scores(one, other._replace(threshold=None), paired=True, looks=QUICK)
    for figure in ("caught", "false alarms"):
        assert isinstance(bare[figure].one, Estimate) and isinstance(bare[figure].two, Unavailable)
        assert isinstance(bare[figure].difference, Unavailable) and bare[figure].p is None
    positive = one.y == 1
    half = [Scored(s.y[positive], s.scores[positive], s.units[positive], 1.0) for s in (one, other)]
    for contrast in compare_scores(*half, paired=True, looks=QUICK).values():
        assert isinstance(contrast.difference, Unavailable) and "one class only" in contrast.difference.reason
    few = [Scored(s.y[:6], s.scores[:6], s.units[:6], 1.0) for s in (one, other)]
    assert isinstance(compare_scores(*few, paired=True, looks=QUICK)["auroc"].difference, Unavailable)
    strict = compare_scores(one, other, paired=True, looks=Looks(fpr=0.001, n_draws=200))
    assert isinstance(strict["caught at equal alarms"].difference, Unavailable)


def test_rows_that_are_not_the_same_are_not_paired() -> None:
    one, other = two(8)
    with pytest.raises(ArrayError, match="not paired"):
        compare_scores(one, other._replace(units=other.units[::-1]), paired=True, looks=QUICK)
    with pytest.raises(ArrayError, match="not finite"):
        compare_scores(one, other._replace(scores=other.scores * np.nan), paired=True, looks=QUICK)


def test_holm_equals_its_definition_and_keeps_the_order() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        given = [None if rng.random() < 0.2 else float(p) for p in rng.random(8) ** 3]
        known = sorted(p for p in given if p is not None)
        stepped = [min(1.0, max((len(known) - j) * known[j] for j in range(i + 1))) for i in range(len(known))]
        for p, found in zip(given, holm(given), strict=True):
            assert found is None if p is None else found == pytest.approx(stepped[known.index(p)])
    assert holm([]) == ()
