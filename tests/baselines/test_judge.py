"""Rivals are judged on the probe's own rows, chosen on calibration texts, and see no label of what they score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tiltmeter.baselines import (
    TEXT_RIVALS,
    ActivationSplits,
    Effort,
    JudgedTexts,
    Readings,
    Rival,
    Rows,
    judge_rivals,
    nulls_and_rivals,
)
from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import DataError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.data import TextSet
from tiltmeter.evaluation import auroc, auroc_difference, resampling
from tiltmeter.probes import LAT, MeanDifference


def _words(n: int, *, cue: float, seed: int) -> TextSet:
    """Texts in which "cue" stands in this share of positive ones."""
    rng, y = np.random.default_rng(seed), np.arange(n) % 2
    noise = [" ".join(f"w{i}" for i in rng.integers(30, size=5)) for _ in range(n)]
    has = (y == 1) & (rng.random(n) < cue)
    texts = tuple(f"{text} {'cue' if own else 'no'}" for text, own in zip(noise, has, strict=True))
    return TextSet(np.array([f"{seed}-{i}" for i in range(n)]), texts=texts, y=y, distribution="home")


def _fixed(name: str, lead: float, *, seed: int) -> Rival:
    """A rival whose score is the cue, as far as it can be made out among noise."""

    def read(texts: TextSet) -> np.ndarray:
        rng = np.random.default_rng(seed)
        has = np.array(["cue" in text for text in texts.texts or ()])
        return (lead * has + rng.normal(size=len(texts)))[:, None]

    return Rival(name, "asked", name, read)


def _noise(seed: int) -> Callable[[TextSet], np.ndarray]:
    return lambda texts: np.random.default_rng([seed, len(texts)]).normal(size=(len(texts), 1))


def _test(seed: int, scores: np.ndarray | None = None) -> JudgedTexts:
    texts = _words(200, cue=1.0, seed=seed)
    return JudgedTexts(texts, texts.y, resampling(200, groups=None, n_draws=200), scores)


def test_differences_are_those_of_the_paired_bootstrap_on_the_same_rows() -> None:
    scores = np.random.default_rng(3).normal(size=200)
    test = _test(2, scores)
    train, calibration = _words(200, cue=0.7, seed=0), _words(100, cue=0.7, seed=1)
    told = judge_rivals(TEXT_RIVALS, {"t": test}, train=train, calibration=calibration)
    for advantage in told.advantages:
        rival = told.scores[advantage.baseline]["t"]
        assert advantage.difference == auroc_difference(test.y, scores, rival=rival, by=test.by)
    for baseline in told.baselines:
        assert isinstance(baseline.auroc, Estimate)
        assert baseline.auroc.value == pytest.approx(auroc(test.y, told.scores[baseline.name]["t"]))
        assert baseline.accuracy is None


def test_the_best_of_a_kind_is_chosen_on_calibration_texts_though_another_is_best_on_the_test() -> None:
    rivals = (_fixed("strong", 1.5, seed=0), _fixed("weak", 1.0, seed=1))
    test, calibration = _test(2, np.zeros(200)), _words(200, cue=1.0, seed=1)
    told = judge_rivals(rivals, {"t": test}, train=_words(200, cue=1.0, seed=0), calibration=calibration)
    (best,) = told.best
    on_calibration = {r.name: auroc(calibration.y, r.read(calibration)[:, 0]) for r in rivals}
    assert best.baseline == max(on_calibration, key=on_calibration.__getitem__)
    assert (best.claim, best.tried, best.test) == ("asking", 2, "t")
    # the same with the test rows' order of the two exchanged: the choice does not move
    flipped = test._replace(y=1 - test.y)
    again = judge_rivals(rivals, {"t": flipped}, train=calibration, calibration=calibration).best
    assert [found.baseline for found in again] == [best.baseline]


def test_choosing_the_best_of_many_on_calibration_texts_is_fair_where_all_are_noise() -> None:
    """The best of eight rivals of noise is at chance on the test rows; chosen there it would not be."""
    calibration, texts = _words(150, cue=1.0, seed=1), _words(200, cue=1.0, seed=2)
    test = JudgedTexts(texts, texts.y, resampling(200, groups=None, n_draws=20), np.zeros(200))
    chosen, highest = [], []
    for seed in range(12):
        rivals = [Rival(f"{i}", "asked", "", _noise(8 * seed + i)) for i in range(8)]
        told = judge_rivals(rivals, {"t": test}, train=calibration, calibration=calibration)
        values = {name: auroc(test.y, scores["t"]) for name, scores in told.scores.items()}
        chosen.append(values[told.best[0].baseline])
        highest.append(max(values.values()))
    # an AUROC of 100 against 100 rows of noise varies by 0.041
    assert abs(np.mean(chosen) - 0.5) < 3 * 0.041 / np.sqrt(12)
    assert np.mean(highest) > 0.54


def test_no_reader_sees_a_label() -> None:
    seen = []

    def read(texts: TextSet) -> np.ndarray:
        seen.append(texts.y)
        return np.zeros((len(texts), 1))

    texts = _words(50, cue=1.0, seed=0)
    judge_rivals([Rival("spy", "text", "", read)], {"t": _test(2)}, train=texts, calibration=texts)
    assert seen and all(y is None for y in seen)


def test_two_rivals_of_one_reader_read_each_set_once() -> None:
    n_read = []

    def read(texts: TextSet) -> np.ndarray:
        n_read.append(len(texts))
        return np.zeros((len(texts), 1))

    readings, texts = Readings(), _words(50, cue=1.0, seed=0)
    pair = [Rival("one", "text", "", read), Rival("two", "text", "", read)]
    for _ in range(2):
        judge_rivals(pair, {"t": _test(2)}, train=texts, calibration=texts, readings=readings)
    assert n_read == [200, 200]


def test_rivals_of_one_name_and_texts_of_one_class_are_refused() -> None:
    texts = _words(50, cue=1.0, seed=0)
    with pytest.raises(DataError, match="same name"):
        judge_rivals([TEXT_RIVALS[0]] * 2, {}, train=texts, calibration=texts)
    alike = texts.select(texts.y == 1)
    with pytest.raises(DataError, match="length needs train texts of both labels"):
        judge_rivals(TEXT_RIVALS, {}, train=alike, calibration=texts)


def _rows(n: int, *, seed: int, signal: float, pairs: bool = False) -> Rows:
    rng, texts = np.random.default_rng(seed), _words(n, cue=0.0, seed=seed)
    X = rng.normal(size=(n, 6)) + signal * texts.y[:, None] * np.eye(6)[0]
    groups = np.array([f"{seed}-{i // 4}" for i in range(n)])
    named = np.array([f"{seed}-{i // 2}" for i in range(n)]) if pairs else None
    return Rows(texts, Activations(X, ids=texts.ids, y=texts.y, groups=groups, pairs=named))


def test_one_call_holds_a_probe_that_adds_something_against_everything() -> None:
    train, calibration, test, other = (_rows(200, seed=seed, signal=2.0) for seed in range(4))
    noise = [_rows(200, seed=seed, signal=0.0).activations for seed in range(4)]
    found = nulls_and_rivals(
        lambda rows, orient_on: MeanDifference().fit(rows.X, rows.y),
        train,
        calibration=calibration,
        tests={"home": test, "away": other},
        also={"untrained": ActivationSplits(noise[0], noise[1], {"home": noise[2], "away": noise[3]})},
        effort=Effort(bootstrap=200, shuffles=19),
    )
    assert set(found.auroc) == {"home", "away"}
    assert all(isinstance(area, Estimate) and area.low > 0.8 for area in found.auroc.values())
    assert {(b.name, b.test) for b in found.baselines} == {
        (name, test) for name in ("length", "bag of words", "TF-IDF", "induced rules") for test in ("home", "away")
    }
    assert all(isinstance(best.difference, Estimate) and best.difference.low > 0.2 for best in found.best_rivals)
    assert all(null.difference.low > 0.2 for null in found.activation_nulls)  # type: ignore[union-attr]
    assert [s.p_value for s in found.shuffled] == [0.05, 0.05] and found.shuffled_pairs == ()
    assert {r.test for r in found.random_directions} == {"home", "away"}
    assert not isinstance(found.control_task, Unavailable)
    assert found.control_task.n_types == 50 and found.control_task.selectivity.low > 0.2  # type: ignore[union-attr]


def test_one_call_redraws_the_pairs_of_a_method_on_pairs() -> None:
    train, calibration, test = (_rows(160, seed=seed, signal=4.0, pairs=True) for seed in range(3))

    def fit(rows: Activations, orient_on: Activations) -> LAT:
        return LAT().fit(rows.X, pairs=rows.pairs, sides=rows.sides).orient(orient_on.X, orient_on.y)

    found = nulls_and_rivals(fit, train, calibration=calibration, tests={"home": test}, effort=Effort(bootstrap=100))
    (null,) = found.shuffled_pairs
    assert len(null.aurocs) == 19
    assert isinstance(found.control_task, Unavailable)


def test_texts_and_activations_of_other_rows_are_refused() -> None:
    train, other = _rows(40, seed=0, signal=1.0), _rows(40, seed=1, signal=1.0)
    mixed = Rows(train.texts, other.activations)
    with pytest.raises(DataError, match="not of its texts"):
        nulls_and_rivals(lambda rows, _: MeanDifference().fit(rows.X, rows.y), mixed, calibration=train, tests={})
