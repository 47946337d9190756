"""What every probe of whole texts promises, and what it does with texts that are odd."""

import inspect

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import tiltmeter.probes
from tests.sequence_methods import SEQUENCE_PROBES, Texts, plant_texts
from tiltmeter.core import Activations
from tiltmeter.core.errors import ArrayError
from tiltmeter.evaluation import auroc
from tiltmeter.probes import Logistic, PooledTokens, SequenceProbe

TRAIN = plant_texts(120, 12, shift=2.5, seed=0)
FRESH = plant_texts(300, 12, shift=2.5, seed=1, direction=TRAIN.direction)

every = pytest.mark.parametrize("method", SEQUENCE_PROBES, ids=str)
linear = pytest.mark.parametrize("method", [m for m in SEQUENCE_PROBES if m.is_linear], ids=str)
attending = pytest.mark.parametrize("method", [m for m in SEQUENCE_PROBES if not m.is_linear], ids=str)
symmetric = pytest.mark.parametrize("method", [m for m in SEQUENCE_PROBES if m.is_symmetric], ids=str)


def scores(probe, texts):
    return probe.decision_function(texts.X, offsets=texts.offsets)


FITTED = {}


def fitted(method, dtype=np.float64):
    """The method fitted on the plain texts, once for all tests: none of them changes it."""
    key = str(method), dtype
    if key not in FITTED:
        FITTED[key] = method.fit(TRAIN._replace(X=TRAIN.X.astype(dtype)))
    return FITTED[key]


def relative(found, expected):
    """The largest difference in units of the spread of the scores."""
    return np.abs(found - expected).max() / np.std(expected)


def unchanged(method, texts, expected, *, tol):
    """The probe fitted on changed texts scores the fresh ones as the probe fitted on the plain ones does."""
    assert relative(scores(method.fit(texts), FRESH), expected) < tol


def test_the_table_lists_every_concrete_probe_of_texts():
    public = (getattr(tiltmeter.probes, name) for name in tiltmeter.probes.__all__)
    concrete = {
        thing
        for thing in public
        if inspect.isclass(thing) and issubclass(thing, SequenceProbe) and not inspect.isabstract(thing)
    }
    assert {method.probe for method in SEQUENCE_PROBES} == concrete


@every
def test_a_probe_of_texts_is_final_and_documents_every_hyperparameter(method):
    assert not [sub for sub in method.probe.__subclasses__() if sub.__module__.startswith("tiltmeter")]
    for name in inspect.signature(method.probe).parameters:
        assert name in method.probe.__doc__, name


@every
def test_it_finds_a_planted_concept_and_keeps_the_rows_as_they_were(method):
    before = TRAIN.X.copy()
    probe = method.fit(TRAIN)
    np.testing.assert_array_equal(TRAIN.X, before)
    assert auroc(FRESH.y, scores(probe, FRESH)) > 0.95
    assert probe.n_features_in_ == 12
    assert probe.classes_.tolist() == [0, 1]
    assert probe.token_scores(FRESH.X).shape == (len(FRESH.X),)


@every
def test_token_activations_can_be_passed_as_they_are_collected(method):
    acts = Activations(TRAIN.X, ids=np.arange(120).astype(str), offsets=TRAIN.offsets, y=TRAIN.y)
    probe = method.make().fit(acts.X, acts.y, offsets=acts.offsets)
    np.testing.assert_array_equal(probe.decision_function(acts.X, offsets=acts.offsets), scores(fitted(method), TRAIN))


@pytest.mark.long
@every
def test_it_finds_nothing_on_shuffled_labels(method):
    areas = []
    for seed in range(8):
        weak = plant_texts(40, 8, shift=0.5, seed=100 + seed, most=6)
        fresh = plant_texts(400, 8, shift=0.5, seed=200 + seed, direction=weak.direction, most=6)
        null = weak._replace(y=np.random.default_rng(seed).permutation(weak.y))
        areas.append(auroc(fresh.y, scores(method.fit(null), fresh)))
    # the longest a direction in 8 dimensions can be expected to lie along another by chance spreads these by 0.1
    assert np.mean(areas) == pytest.approx(0.5, abs=0.12)
    assert min(areas) < 0.5 < max(areas)


# ------------------------------------------------------------ how texts are scored


@every
def test_a_token_scores_what_a_text_of_that_token_alone_scores(method):
    probe = fitted(method)
    alone = probe.decision_function(FRESH.X, offsets=np.arange(len(FRESH.X) + 1))
    np.testing.assert_allclose(probe.token_scores(FRESH.X), alone, atol=1e-10)


@every
def test_a_texts_score_does_not_depend_on_its_neighbours(method):
    probe = fitted(method)
    alone = np.concatenate([scores(probe, FRESH.pick(np.array([i]))) for i in range(50)])
    np.testing.assert_allclose(alone, scores(probe, FRESH)[:50], rtol=1e-10, atol=1e-10)


@every
def test_permuting_the_texts_permutes_their_scores(method):
    probe = fitted(method)
    order = np.random.default_rng(0).permutation(len(FRESH.y))
    np.testing.assert_allclose(scores(probe, FRESH.pick(order)), scores(probe, FRESH)[order], rtol=1e-10, atol=1e-10)
    # and it does not matter in which order they are learned from
    unchanged(method, TRAIN.pick(np.random.default_rng(1).permutation(120)), scores(probe, FRESH), tol=1e-3)


@every
def test_the_order_of_tokens_matters_to_rolling_means_only(method):
    probe = fitted(method)
    change = relative(scores(probe, FRESH.tokens_permuted(0)), scores(probe, FRESH))
    assert change < 1e-10 if method.ignores_order else change > 0.01


@every
def test_the_class_is_the_larger_label_where_the_score_is_above_zero(method):
    texts = TRAIN._replace(y=np.array(["benign", "harm"])[TRAIN.y])
    probe = method.fit(texts)
    found = probe.predict(TRAIN.X, offsets=TRAIN.offsets)
    np.testing.assert_array_equal(found == "harm", scores(probe, TRAIN) > 0)
    assert (found == texts.y).mean() > 0.9


# ------------------------------------------------------------ one token a text


@linear
@pytest.mark.parametrize("C", [0.01, 1.0])
def test_texts_of_one_token_each_give_the_probe_of_single_rows(method, C):
    single = TRAIN.one_token_each()
    probe = method.make().set_params(C=C).fit(single.X, single.y, offsets=single.offsets)
    rows = Logistic(C=C, penalty_scale="within").fit(single.X, single.y)
    if method.hyperparameters["pool"] == "mean":
        np.testing.assert_allclose(probe.direction_, rows.direction_, atol=1e-7)
    np.testing.assert_allclose(probe.direction_, rows.direction_, atol=1e-4)
    np.testing.assert_allclose(scores(probe, single), rows.decision_function(single.X), atol=1e-3)
    assert probe.as_direction().score(single.X) == pytest.approx(scores(probe, single), abs=1e-9)


@attending
def test_attention_to_texts_of_one_token_each_is_logistic_regression_on_standardised_rows(method):
    single = TRAIN.one_token_each()
    probe = method.fit(single)
    within = np.sqrt(np.mean([single.X[single.y == label].var(axis=0) for label in (0, 1)], axis=0))
    assert (single.y == 1).mean() == 0.5
    # with h heads that share one task, Σ|v_h|² is smallest where each carries a part: |w|² / h
    h = len(probe.values_)
    rows = Logistic(C=h * probe.C).fit(single.X / within, single.y)
    # Logistic scores in units of its rows, attention in logits: they are the same up to that factor
    here, there = scores(probe, single), rows.decision_function(single.X / within)
    assert np.corrcoef(here, there)[0, 1] > 1 - 1e-7
    assert (here @ there) / (there @ there) > 0
    np.testing.assert_allclose(probe.queries_, 0.0, atol=1e-3)


# ------------------------------------------------------------ what changes nothing


@every
@pytest.mark.parametrize(("scale", "dtype"), [(1e-3, np.float64), (1e3, np.float64), (1e3, np.float32)])
def test_rescaling_the_activations_changes_nothing(method, scale, dtype):
    here, there = fitted(method, dtype), method.fit(TRAIN._replace(X=(scale * TRAIN.X).astype(dtype)))
    expected, found = scores(here, FRESH), scores(there, FRESH._replace(X=scale * FRESH.X))
    if method.is_linear:  # in units of the activations
        np.testing.assert_allclose(there.direction_, here.direction_, atol=1e-3 if dtype == np.float32 else 1e-6)
        found = found / scale
    assert relative(found, expected) < (1e-3 if dtype == np.float32 else 1e-6)


@every
def test_half_single_and_double_precision_agree(method):
    half = (30 * TRAIN.X).astype(np.float16)
    narrow, wide = (TRAIN._replace(X=half.astype(dtype)) for dtype in (np.float16, np.float32))
    found, expected = method.fit(narrow), method.fit(wide)
    assert scores(found, narrow).dtype == scores(expected, wide).dtype == np.float64
    assert relative(scores(found, narrow), scores(expected, wide)) < 1e-4
    # single precision against double
    assert relative(scores(fitted(method, np.float32), FRESH), scores(fitted(method), FRESH)) < 1e-4


@every
def test_single_precision_is_kept_in_what_is_fitted(method):
    probe = fitted(method, np.float32)
    assert (probe.direction_ if method.is_linear else probe.values_).dtype == np.float32


@every
def test_a_weight_of_two_is_the_text_twice_and_of_zero_none(method):
    times = np.random.default_rng(3).integers(0, 3, size=120)
    weighted = scores(method.fit(TRAIN, sample_weight=times), FRESH)
    unchanged(method, TRAIN.pick(np.repeat(np.arange(120), times)), weighted, tol=1e-3)


@every
def test_every_text_twice_is_the_same_with_half_the_penaltys_share(method):
    twice = TRAIN.pick(np.tile(np.arange(120), 2))
    probe = method.make().set_params(C=0.5).fit(twice.X, twice.y, offsets=twice.offsets)
    assert relative(scores(probe, FRESH), scores(fitted(method), FRESH)) < 1e-3


@every
def test_fitting_a_text_probe_twice_gives_the_same_bits(method):
    np.testing.assert_array_equal(scores(method.fit(TRAIN), FRESH), scores(fitted(method), FRESH))


@every
def test_a_clone_has_the_hyperparameters_and_nothing_that_was_fitted(method):
    probe = method.fit(TRAIN)
    copy = clone(probe)
    assert copy.get_params() == method.make().get_params() == probe.get_params()
    assert not [name for name in vars(copy) if name.endswith("_")]


@every
def test_what_is_fitted_is_arrays_and_numbers(method):
    kept = {name: value for name, value in vars(fitted(method)).items() if name.endswith("_")}
    assert {"classes_", "n_features_in_", "intercept_", "losses_", "n_iter_"} <= set(kept)
    assert all(isinstance(value, np.ndarray | float | int) for value in kept.values())


@symmetric
def test_swapping_the_labels_turns_the_scores_round(method):
    unchanged(method, TRAIN._replace(y=1 - TRAIN.y), -scores(fitted(method), FRESH), tol=1e-3)


@pytest.mark.parametrize("pool", ["max", "softmax", "rolling"])
def test_swapping_the_labels_turns_the_direction_of_a_maximum_round_for_single_tokens_only(pool):
    # the variant for which the property must fail: no maximum of a linear score is high where a few tokens lack it
    def both(texts):
        return (
            PooledTokens(pool, window=3).fit(texts.X, y, offsets=texts.offsets).direction_
            for y in (texts.y, 1 - texts.y)
        )

    one, other = both(TRAIN.one_token_each())
    np.testing.assert_allclose(one, -other, atol=1e-3)
    one, other = both(TRAIN)
    assert np.abs(one + other).max() > 0.02


# ------------------------------------------------------------ odd texts


@every
def test_fewer_tokens_than_features_work(method):
    few = plant_texts(16, 200, shift=15.0, seed=2, most=4)
    fresh = plant_texts(200, 200, shift=15.0, seed=3, direction=few.direction, most=4)
    assert len(few.X) < 100
    assert auroc(fresh.y, scores(method.fit(few), fresh)) > 0.95


@every
def test_a_rare_class_of_texts_is_found(method):
    rare, fresh = (
        plant_texts(2000, 6, shift=6.0, seed=seed, direction=np.eye(6)[0], most=3, share=0.005) for seed in (5, 6)
    )
    assert rare.y.sum() == 10
    assert auroc(fresh.y, scores(method.fit(rare), fresh)) > 0.99


@every
def test_a_constant_feature_has_no_part_in_the_score(method):
    X = TRAIN.X.copy()
    X[:, 3] = 7.0
    probe = method.fit(TRAIN._replace(X=X))
    weights = probe.direction_[None] if method.is_linear else np.concatenate([probe.values_, probe.queries_])
    assert np.abs(weights[:, 3]).max() == 0.0
    assert np.isfinite(weights).all()


@every
def test_duplicate_tokens_and_texts_work(method):
    doubled = TRAIN.pick(np.repeat(np.arange(120), 2))
    rows = np.repeat(np.arange(len(doubled.X)), 2)
    probe = method.fit(doubled._replace(X=doubled.X[rows], offsets=2 * doubled.offsets))
    assert auroc(FRESH.y, scores(probe, FRESH)) > 0.95


@every
def test_a_feature_that_says_the_label_exactly_does_no_harm(method):
    X = np.column_stack([TRAIN.X, np.repeat(TRAIN.y, np.diff(TRAIN.offsets)) * 0.3])
    texts = TRAIN._replace(X=X)
    assert auroc(TRAIN.y, scores(method.fit(texts), texts)) > 0.95


# ------------------------------------------------------------ what is refused


def refused(method, *, match, kind=ArrayError, **changed):
    texts = TRAIN._replace(**changed)
    with pytest.raises(kind, match=match):
        method.fit(texts)


@every
@pytest.mark.parametrize(
    ("offsets", "match"),
    [
        (TRAIN.offsets[:-1], r"they must rise from 0 to \d+, the number of rows"),
        (TRAIN.offsets + 1, "offsets go from 1 to"),
        (np.array([0, 8, 4, len(TRAIN.X)]), "they must rise from 0"),
        (np.insert(TRAIN.offsets, 5, TRAIN.offsets[5]), r"Text 5 has no tokens \(1 such texts\); leave it out"),
        (TRAIN.offsets.astype(float), r"must be n \+ 1 integers"),
        (TRAIN.offsets[None], r"must be n \+ 1 integers"),
        (None, "offsets is None"),
    ],
    ids=["too few rows", "not from 0", "falling", "no tokens", "not integers", "two axes", "none"],
)
def test_offsets_that_do_not_divide_the_rows_are_refused(method, offsets, match):
    refused(method, offsets=offsets, match=match)
    with pytest.raises(ArrayError, match=match):
        fitted(method).decision_function(TRAIN.X, offsets=offsets)


@every
def test_labels_that_are_not_one_a_text_are_refused(method):
    refused(method, y=TRAIN.y[:-1], match="y has 119 labels for 120 texts")
    refused(method, y=np.repeat(TRAIN.y, np.diff(TRAIN.offsets)), match="give one label a text")


@every
def test_other_than_two_classes_of_texts_are_refused(method):
    refused(method, y=np.zeros_like(TRAIN.y), match="one class only")
    refused(method, y=np.arange(120) % 3, match="y has 3 classes")
    with pytest.raises(ArrayError, match="all weight is on one"):
        method.fit(TRAIN, sample_weight=TRAIN.y)


@every
def test_no_texts_at_all_are_refused(method):
    none = Texts(TRAIN.X[:0], TRAIN.y[:0], np.array([0]), TRAIN.direction)
    with pytest.raises(ValueError, match="0 sample"):
        method.fit(none)


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_tokens_that_are_not_finite_are_refused(method, bad):
    X = TRAIN.X.copy()
    X[7, 3] = bad
    refused(method, X=X, kind=ValueError, match=r"contains (NaN|infinity)")
    with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
        scores(fitted(method), TRAIN._replace(X=X))


@every
def test_tokens_of_another_width_are_refused(method):
    with pytest.raises(ValueError, match=r"11 features, but .* is expecting 12"):
        scores(fitted(method), TRAIN._replace(X=TRAIN.X[:, :11]))


@every
def test_tokens_that_are_all_alike_are_refused(method):
    refused(method, X=np.ones_like(TRAIN.X), match="found no direction")


@every
def test_no_text_is_scored_before_fit(method):
    with pytest.raises(NotFittedError):
        scores(method.make(), TRAIN)
    with pytest.raises(NotFittedError):
        method.make().token_scores(TRAIN.X)


@every
@pytest.mark.parametrize("C", [0.0, -1.0, np.nan])
def test_a_penalty_that_is_none_is_refused(method, C):
    with pytest.raises(ValueError, match="must be positive"):
        method.make().set_params(C=C).fit(TRAIN.X, TRAIN.y, offsets=TRAIN.offsets)
