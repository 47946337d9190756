import numpy as np
import pytest
from by_hand import along, dealt, mean_projection, rows, shifted

from tests.seeds import five_seeds
from tiltmeter.core.errors import ArrayError, DataError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.erasure import LEACE, Audit, MeanTranslation, Reading, Shuffled, audit, counterexample, read
from tiltmeter.evaluation import auroc

FAST = ("logistic", "threshold")


def reading(found, reader):
    return next(one for one in found.readings if one.reader == reader)


def planted(n, d, *, shift, seed):
    """Three thirds of the same rows: for the eraser, and two for the audit."""
    X, z = shifted(n, d, shift=shift, seed=seed)
    third = n // 3
    return (X[:third], z[:third]), rows(X[third:], z[third:])


@pytest.mark.parametrize(
    ("seed", "readers"), [(0, FAST), (1, FAST), (2, FAST), (3, FAST), (4, FAST), (5, ("hinge", "mlp"))]
)
def test_where_the_mean_is_all_there_is_little_is_read_after_mean_projection(seed, readers):
    (X, z), fresh = planted(3000, 6, shift=3.0, seed=seed)
    found = audit(mean_projection(X, z), fresh, readers=readers, n_shuffles=0)
    for one in found.readings:
        assert one.before.value > 0.95
        # not nothing: the means of 1,000 rows are known to 0.06 each, so that a shift of about 0.15 is left
        assert one.after.value == pytest.approx(0.5, abs=0.1)
        assert one.accuracy_after.value == pytest.approx(0.5, abs=0.1)
    assert not found.is_nothing_erased
    assert found.gap_before == pytest.approx(3 / np.sqrt(6), rel=0.1)
    assert found.gap_after < 0.15
    assert found.rank == 1
    assert found.squared_change == pytest.approx((1 + 9 / 4) / (6 + 9 / 4), rel=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_reads_the_counterexample_and_linear_losses_do_not(seed):
    made = counterexample(3000, 20, random_state=seed)
    fitting, reading_rows, judging = dealt(made, 3)
    eraser = mean_projection(made.X[fitting], made.z[fitting])
    sides = [rows(made.X[part], made.z[part], start=3000 * i) for i, part in enumerate((reading_rows, judging))]
    readers = ("logistic", "hinge", "threshold")
    found = audit(eraser, sides[0], test=sides[1], readers=readers, n_shuffles=0, random_state=seed)
    # no convex loss reads the rows before erasing either: the linear readers are too weak, and that is said
    for linear in ("logistic", "hinge"):
        assert reading(found, linear).accuracy_before.value == pytest.approx(0.5, abs=0.08)
        assert reading(found, linear).after == Unavailable(reason="reader too weak")
    threshold = reading(found, "threshold")
    assert threshold.accuracy_after.value >= 0.88
    assert threshold.is_read
    assert "still read by threshold" in found.statement


def test_variances_that_differ_are_left_by_every_affine_eraser_and_read():
    rng = np.random.default_rng(0)
    z = np.arange(1500) % 2
    X = rng.normal(size=(1500, 4)) * np.where(z == 1, 3.0, 1.0)[:, None]
    X[:, 0] += 2 * z
    found = audit(LEACE().fit(X[:500], z[:500]).eraser_, rows(X[500:], z[500:]), n_shuffles=1)
    assert reading(found, "covariances").is_read
    assert reading(found, "neighbours").is_read
    assert found.covariance_gap_after > 3 * found.covariance_gap_shuffled
    assert not reading(found, "logistic").is_read
    assert "covariances" in found.statement


def test_a_weak_reader_gives_no_figure_after_erasing():
    # quadratic in the first feature, with a small shift: the linear readers see the shift alone
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 3))
    z = (X[:, 0] ** 2 + 0.1 * X[:, 0] > 0.5).astype(np.int64)
    found = audit(along(X, np.eye(3)[1]), rows(X, z), readers=("logistic", "mlp"), n_shuffles=0)
    weak = reading(found, "logistic")
    assert isinstance(weak.before, Estimate)
    assert weak.after == weak.accuracy_after == Unavailable(reason="reader too weak")
    assert not weak.is_read
    assert "Without a verdict: logistic (reader too weak)" in found.statement


def test_an_eraser_of_another_direction_is_caught_as_erasing_nothing():
    X, z = shifted(600, 5, shift=3.0, seed=0)
    found = audit(along(X, np.eye(5)[2]), rows(X, z), readers=FAST, n_shuffles=0)
    assert found.is_nothing_erased
    assert found.statement.startswith("NOTHING WAS ERASED")
    assert reading(found, "logistic").is_read


@pytest.mark.long
def test_an_absolute_tolerance_that_leaves_a_rare_concept_whole_is_caught():
    # as in public code: singular values of the cross-covariance below 0.01 count as none
    X, z = shifted(8000, 4, shift=3.0, seed=0, prevalence=0.003)
    cross = (X - X.mean(axis=0)).T @ (z - z.mean()) / len(X)

    class Faulty:
        method, guarantee = "absolute tolerance", ""

        def __call__(self, rows):
            if np.linalg.norm(cross) < 0.01:
                return rows.copy()
            return mean_projection(X, z)(rows)

    fresh, labels = shifted(8000, 4, shift=3.0, seed=1, prevalence=0.003)
    found = audit(Faulty(), rows(fresh, labels), readers=("logistic",), n_shuffles=0)
    assert found.is_nothing_erased and found.squared_change == 0.0
    assert reading(found, "logistic").after.value > 0.95
    assert "12 positive" in found.statement
    ours = audit(mean_projection(X, z), rows(fresh, labels), readers=("logistic",), n_shuffles=0)
    assert not ours.is_nothing_erased
    # what is left on fresh rows is reported as it is: with few positives the mean is poorly known
    assert reading(ours, "logistic").after.value < 0.85


def test_where_the_means_agreed_before_it_is_not_said_that_nothing_was_erased():
    made = counterexample(1000, 6)
    more = counterexample(1000, 6, direction=made.direction, random_state=1)
    found = audit(mean_projection(made.X, made.z), rows(more.X, more.z), readers=("threshold",), n_shuffles=0)
    assert not found.is_nothing_erased
    assert "balanced accuracy of 0.9" in found.statement or "balanced accuracy of 0.8" in found.statement


# ------------------------------------------------------------ the null and the verdict


@five_seeds
@pytest.mark.parametrize(("d", "quiet"), [(2, 1.0), (20, 1.0), (20, 0.05)])
def test_a_concept_that_is_left_whole_is_read_above_every_shuffle(seed, d, quiet):
    # a reader of shuffled labels is a chance direction, and while the concept is there it reads it: judged
    # on the true labels it sets a bar of 0.98 where one channel is loud
    X, z = shifted(800, d, shift=3.0, seed=seed)
    X[:, 1:] *= quiet
    eraser = along(X, np.eye(d)[1])
    found = audit(eraser, rows(X, z), readers=FAST, n_shuffles=5, random_state=seed)
    for one in found.readings:
        assert one.after.value > 0.95 and one.is_read
        assert one.null.highest < 0.7 and one.null.highest_accuracy < 0.7
    assert "still read by logistic" in found.statement and "no reader told" not in found.statement


def test_the_bar_that_labels_of_one_side_alone_set_is_as_high_as_the_concept_itself():
    # the twin: readers of shuffled labels judged on the true ones
    X, z = shifted(800, 20, shift=3.0, seed=0)
    X[:, 1:] *= 0.05
    half = np.arange(800) < 400
    bars = []
    for seed in range(10):
        shuffled = np.random.default_rng(seed).permutation(z[half])
        bars.append(auroc(z[~half], read("logistic", X[half], y=shuffled, X_test=X[~half])))
    assert max(bars) > 0.95


def test_groups_are_shuffled_as_wholes_on_both_sides():
    # groups of one label with places of their own: single rows exchanged between groups would make the null too low
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(24), 30)
    X = 3 * rng.normal(size=(24, 4))[groups] + 0.1 * rng.normal(size=(720, 4))
    names = groups.astype(str)
    found = audit(along(X, np.eye(4)[0]), rows(X, groups % 2, groups=names), readers=("logistic",), n_shuffles=10)
    null = found.readings[0].null
    # twelve groups judge: luck reaches far
    assert null.highest > 0.7 and null.mean == pytest.approx(0.5, abs=0.2)


def one_sided(seed, n=2000):
    """Rows of which a threshold reads 0.85 once the means are equal, in an order that lets the AUROC see little.

    The first feature holds the concept for all to see; along the second the negatives lie on both sides of the
    positives, at −7 in three of ten and at 3 in the others, so that the means agree.
    """
    rng = np.random.default_rng(seed)
    z = np.arange(n) % 2
    X = rng.normal(size=(n, 4))
    X[:, 0] += 4.0 * z
    negatives = rng.permutation(np.flatnonzero(z == 0))
    X[:, 1] = np.where(z == 1, 0.0, 3.0) + 0.05 * rng.normal(size=n)
    X[negatives[: n * 3 // 20], 1] -= 10.0
    return X, z


@five_seeds
@pytest.mark.parametrize("share", [0.3, 0.5])
def test_the_threshold_reader_is_judged_by_its_accuracy_where_its_auroc_says_nothing(seed, share):
    X, z = one_sided(seed)
    if share == 0.5:  # as many below as above: the AUROC is that of chance, or below
        rng = np.random.default_rng(100 + seed)
        X[:, 1] = np.where(z == 1, 0.0, rng.choice([-3.0, 3.0], size=len(z))) + 0.05 * rng.normal(size=len(z))
    fit, fresh = slice(0, 1000), slice(1000, 2000)
    found = audit(
        mean_projection(X[fit], z[fit]), rows(X[fresh], z[fresh]), readers=FAST, n_shuffles=3, random_state=seed
    )
    threshold = reading(found, "threshold")
    assert threshold.after.value < 0.75 if share == 0.5 else threshold.after.value < 0.8
    assert threshold.accuracy_after.value == pytest.approx(1 - share / 2, abs=0.06)
    assert threshold.is_read and threshold.verdict == threshold.accuracy_after
    figure = f"{threshold.accuracy_after.value:.2f}"
    assert f"threshold with a balanced accuracy of {figure}" in found.statement


def test_the_verdict_on_a_threshold_needs_an_accuracy_above_chance_and_above_the_null():
    sure = Estimate(value=0.8, low=0.7, high=0.9, level=0.95, n=100, method="by hand", seed=0)
    unsure = sure.model_copy(update={"value": 0.55, "low": 0.45})
    null = Shuffled(mean=0.5, highest=0.6, mean_accuracy=0.5, highest_accuracy=0.6, n=5)
    made = {"before": sure, "accuracy_before": sure, "null": null}
    for reader, auroc_read, accuracy_read in (("threshold", False, True), ("logistic", True, False)):
        assert Reading(reader=reader, after=sure, accuracy_after=unsure, **made).is_read == auroc_read
        assert Reading(reader=reader, after=unsure, accuracy_after=sure, **made).is_read == accuracy_read
    high = made | {"null": null.model_copy(update={"highest_accuracy": 0.85})}
    assert not Reading(reader="threshold", after=sure, accuracy_after=sure, **high).is_read
    assert Reading(reader="logistic", after=sure, accuracy_after=sure, **high).is_read


# ------------------------------------------------------------ traps


def test_on_its_own_fitting_rows_every_linear_reader_is_at_chance_by_construction_and_they_are_refused():
    # the trap: a concept with few positives, read on the very rows that the eraser was fitted on
    X, z = shifted(4000, 30, shift=3.0, seed=0, prevalence=0.005)
    eraser = LEACE().fit(X, z).eraser_
    erased = eraser(X)
    on_own = auroc(z, read("logistic", erased, y=z, X_test=erased))
    fresh, labels = shifted(4000, 30, shift=3.0, seed=1, prevalence=0.005)
    on_fresh = audit(eraser, rows(fresh, labels), readers=("logistic",), n_shuffles=0)
    # the reader has no weights there: what is left of its scores is rounding
    assert np.ptp(read("logistic", erased, y=z, X_test=erased)) < 1e-5
    assert on_own == pytest.approx(0.5, abs=0.25)
    assert reading(on_fresh, "logistic").before.value > 0.9
    with pytest.raises(DataError, match="fitted on these very rows"):
        audit(eraser, rows(X, z), readers=("logistic",))
    with pytest.raises(DataError, match="fitted on these very rows"):
        audit(eraser, rows(X.astype(np.float32), z), readers=("logistic",))


@pytest.mark.parametrize("seed", range(2))
def test_a_projection_recomputed_on_test_labels_hides_what_the_fitted_one_leaves(seed):
    # few fitting rows: the fitted mean is off, and fresh rows still tell. Recomputed with the labels of the rows that
    # judge, the faulty twin reports chance (or less) whatever the eraser left
    (X, z), fresh = planted(3030, 200, shift=3.0, seed=seed)
    few = np.concatenate([np.flatnonzero(z == label)[:20] for label in (0, 1)])
    eraser = mean_projection(X[few], z[few])
    half = len(fresh) // 2
    train, test = fresh.select(np.arange(half)), fresh.select(np.arange(half, len(fresh)))
    scores = read("logistic", eraser(train.X), y=train.y, X_test=eraser(test.X))
    recomputed = mean_projection(test.X, test.y)(test.X)
    faulty = read("logistic", eraser(train.X), y=train.y, X_test=recomputed)
    honest = audit(eraser, train, test=test, readers=("logistic",), n_shuffles=0)
    assert auroc(test.y, scores) > 0.85
    assert reading(honest, "logistic").after.value == pytest.approx(auroc(test.y, scores))
    assert auroc(test.y, faulty) < 0.6


def test_readers_are_judged_on_other_groups_than_they_were_fitted_on():
    # every group has a place of its own and one label: only who saw the group can tell
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 40)
    centers, labels = 5 * rng.normal(size=(40, 20)), np.arange(40) % 2
    X, z = centers[groups] + 0.1 * rng.normal(size=(1600, 20)), labels[groups]
    eraser = along(X, np.eye(20)[0])
    blind = audit(eraser, rows(X, z), readers=("neighbours",), n_shuffles=0)
    honest = audit(eraser, rows(X, z, groups=groups.astype(str)), readers=("neighbours",), n_shuffles=0)
    assert reading(blind, "neighbours").before.value == 1.0
    assert reading(honest, "neighbours").before.value < 0.75
    assert reading(honest, "neighbours").before.n == 20


# ------------------------------------------------------------ damage, records, input


def test_damage_to_another_concept_is_measured_with_its_paired_change():
    rng = np.random.default_rng(0)
    z, other = np.arange(1200) % 2, np.arange(1200) // 2 % 2
    X = rng.normal(size=(1200, 5))
    X[:, 0] += 3 * z
    X[:, 1] += 3 * other
    X[:, 2] += 3 * z
    fit, fresh = slice(0, 400), slice(400, 1200)
    near, apart = rows(X[fresh], z[fresh]), rows(X[fresh], other[fresh])
    found = audit(
        mean_projection(X[fit], z[fit]),
        near,
        others={"apart": apart, "itself": near},
        readers=("logistic",),
        n_shuffles=0,
    )
    kept, lost = found.others
    assert kept.name == "apart" and kept.after.value > 0.95
    # a little better, if anything: the reader is no longer led astray by the features of the concept
    assert kept.change.value == pytest.approx(kept.after.value - kept.before.value)
    assert abs(kept.change.value) < 0.02
    assert lost.after.value == pytest.approx(0.5, abs=0.12)
    assert lost.change.high < -0.3
    assert "apart (200 of 400 rows) was read at" in found.statement


def test_an_oracle_is_told_the_concept_and_leaves_no_gap():
    X, z = shifted(900, 4, shift=3.0, seed=0)
    oracle = MeanTranslation().fit(X[:300], z[:300]).eraser_
    found = audit(oracle, rows(X[300:], z[300:]), others={"same": rows(X[300:], z[300:])}, readers=FAST, n_shuffles=0)
    assert found.gap_after < 0.2 and found.rank is None
    assert isinstance(found.others[0].after, Unavailable)


def test_the_null_is_around_one_half_and_the_record_survives_json():
    X, z = shifted(600, 4, shift=3.0, seed=0)
    found = audit(mean_projection(X[:200], z[:200]), rows(X[200:], z[200:]), readers=FAST, n_shuffles=10)
    for one in found.readings:
        assert one.null.n == 10
        assert one.null.mean == pytest.approx(0.5, abs=0.08)
        assert one.null.highest >= one.null.mean
        assert one.null.mean_accuracy == pytest.approx(0.5, abs=0.08)
        assert one.null.highest_accuracy >= one.null.mean_accuracy
    again = Audit.model_validate_json(found.model_dump_json())
    assert again == found and again.statement == found.statement


def test_the_same_seed_gives_the_same_audit():
    X, z = shifted(400, 4, shift=2.0, seed=0)
    eraser, fresh = mean_projection(X[:100], z[:100]), rows(X[100:], z[100:])
    first, again = (audit(eraser, fresh, readers=FAST, n_shuffles=1, random_state=7) for _ in range(2))
    assert first == again


def test_an_eraser_that_leaves_nothing_at_all_is_read_by_nobody():
    X, z = shifted(300, 1, shift=3.0, seed=0)
    found = audit(mean_projection(X[:100], z[:100]), rows(X[100:], z[100:]), readers=FAST, n_shuffles=0)
    assert [one.after.value for one in found.readings] == pytest.approx([0.5, 0.5], abs=0.12)
    assert "no reader told the concept from chance" in found.statement
    assert "Another reader, or more rows, may still read it." in found.statement


def test_rows_that_cannot_be_audited_are_refused():
    X, z = shifted(60, 3, shift=3.0, seed=0)
    eraser = mean_projection(X, z)
    acts = rows(X, z)
    with pytest.raises(ArrayError, match="no labels"):
        audit(eraser, rows(X, None))
    with pytest.raises(ArrayError, match="hold 0 positives"):
        audit(eraser, rows(X, np.zeros(60, dtype=np.int64)))
    with pytest.raises(ArrayError, match="NaN or infinity"):
        audit(eraser, rows(np.where(np.arange(180).reshape(60, 3) == 5, np.nan, X), z))
    with pytest.raises(ArrayError, match="width 3"):
        audit(eraser, rows(X[:, :2], z))
    with pytest.raises(DataError, match="share texts"):
        audit(eraser, acts, test=acts)
    names = np.repeat(np.array(["a", "b", "c"]), 20)
    with pytest.raises(DataError, match="share groups"):
        audit(eraser, rows(X, z, groups=names), test=rows(X, z, start=60, groups=names))


def test_too_few_groups_leave_a_reason_in_place_of_figures():
    X, z = shifted(80, 3, shift=3.0, seed=0)
    groups = np.array([f"g{i % 8}" for i in range(80)])
    found = audit(along(X, np.eye(3)[0]), rows(X, z, groups=groups), readers=FAST, n_shuffles=0)
    assert all(isinstance(one.after, Unavailable) for one in found.readings)
    assert "no reader was fit to judge" in found.statement
