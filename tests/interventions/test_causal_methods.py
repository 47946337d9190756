"""Rivals of CDE: each finds from tokens of pairs what it finds from rows, or says that there is nothing to find."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from planted_swap import unit
from swap_pairs import encoded_pairs, tiny_pairs
from tiny_models import tiny_subject

from tiltmeter.core import Direction, Site
from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Unavailable
from tiltmeter.data import TextSet
from tiltmeter.erasure import RLACE
from tiltmeter.interventions import (
    CAUSAL_BASELINES,
    CausalMethod,
    CDESettings,
    PromptPairs,
    answer_gradient,
    causal_baselines,
    cde,
    cde_method,
    clean_runs,
    encode_pairs,
    unembedding_difference,
)
from tiltmeter.interventions import _causal_methods as causal_methods
from tiltmeter.interventions._dropout_probe import dropout_vector
from tiltmeter.probes import Logistic, MeanDifference, MedianDifference

_subject = functools.cache(tiny_subject)


@functools.cache
def _encoded(family: str = "llama", n: int = 12):
    return encoded_pairs(_subject(family), n)


@functools.cache
def _tokens(layer: int) -> tuple[np.ndarray, np.ndarray]:
    """Return all tokens of the pairs one by one, and the side of each."""
    subject, encoded = _subject("llama"), _encoded()
    rows, sides = [], []
    for i in range(len(encoded)):
        for side in (0, 1):
            tokens = torch.from_numpy(encoded.tokens[i, side, : encoded.lengths[i]])[None]
            states = next(iter(subject.read(tokens, sites=[Site(layer, "resid_post")]).values()))[0]
            rows.append(states.numpy())
            sides += [1 - side] * len(states)
    return np.concatenate(rows), np.array(sides)


@pytest.fixture(autouse=True)
def _few_steps_of_rlace(monkeypatch):
    monkeypatch.setattr(causal_methods, "_RLACE_STEPS", 20)


@functools.cache
def _by_method(layer: int) -> dict[str, Direction | Unavailable]:
    return causal_baselines(_subject("llama"), _encoded(), layer=layer, random_state=3)


def test_the_table_of_methods_is_that_of_the_publication():
    assert [method.name for method in CAUSAL_BASELINES] == [
        "naive_probe",
        "dropout_probe",
        "rlace",
        "rlace_sgd",
        "mean_difference",
        "mean_difference_unit",
        "mean_difference_standardised",
        "median_difference",
        "unembedding_difference",
        "answer_gradient",
        "random",
    ]
    assert {method.name for method in CAUSAL_BASELINES if method.is_random} == {"dropout_probe", "rlace_sgd", "random"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "probe"),
    [
        ("naive_probe", None),
        ("mean_difference", MeanDifference()),
        ("mean_difference_unit", MeanDifference("unit")),
        ("mean_difference_standardised", MeanDifference("standardised")),
        ("median_difference", MedianDifference()),
    ],
)
def test_a_method_sees_every_token_with_its_side_as_the_label(name, probe):
    X, sides = _tokens(1)
    probe = Logistic(C=1 / (1e-4 * len(X))) if probe is None else probe
    found, by_hand = _by_method(1)[name], probe.fit(X, sides).direction_
    assert abs(float(found.vector @ by_hand)) > 0.9999


def test_rlace_in_closed_form_is_the_mean_difference_of_two_classes():
    X, sides = _tokens(1)
    found = _by_method(1)
    assert abs(float(found["rlace"].vector @ RLACE(rank=1).fit(X, sides).directions_[0])) > 0.9999
    assert abs(float(found["rlace"].vector @ found["mean_difference"].vector)) > 0.9999


def test_what_names_answers_is_that_of_the_functions_for_one_set_of_answers():
    subject, encoded = _subject("llama"), _encoded()
    found, answers = _by_method(1), {"positive": ["w2", "w3"], "negative": "w4"}
    named = unembedding_difference(subject, **answers).vector
    assert abs(float(found["unembedding_difference"].vector @ named)) > 0.9999
    texts = TextSet(
        np.array([f"t{i}" for i in range(2 * len(encoded))]), texts=encoded.pairs.positive + encoded.pairs.negative
    )
    gradient = answer_gradient(subject, texts, **answers, site="1.resid_post", positions="all").vector
    assert abs(float(found["answer_gradient"].vector @ gradient)) > 0.9999


def test_every_pair_is_asked_for_its_own_answers():
    subject, pairs = _subject("llama"), tiny_pairs(4)
    own = PromptPairs(
        pairs.ids,
        pairs.positive,
        pairs.negative,
        (("w2",), ("w2",), ("w5",), ("w3",)),
        (("w3",), ("w4",), ("w4",), ("w5",)),
        pairs.tags,
        pairs.groups,
    )
    names = ("unembedding_difference", "answer_gradient")
    chosen = [method for method in CAUSAL_BASELINES if method.name in names]
    found = causal_baselines(subject, encode_pairs(subject, own), layer=0, methods=chosen)
    token = {word: subject.tokenizer.convert_tokens_to_ids(word) for word in ("w2", "w3", "w4")}
    # w2 twice, w3 and w5 once on either side, w4 twice on the other
    rows = subject.model.lm_head.weight * subject.model.model.norm.weight
    assert abs(float(found[names[0]].vector @ unit((rows[token["w2"]] - rows[token["w4"]]).detach().numpy()))) > 0.9999
    total = np.zeros(subject.d_model)
    for i in range(4):
        texts = TextSet(np.array(["a", "b"]), texts=(own.positive[i], own.negative[i]))
        one = answer_gradient(
            subject,
            texts,
            positive=own.positive_answers[i],
            negative=own.negative_answers[i],
            site="0.resid_post",
            positions="all",
        )
        total += one.vector * one.provenance["mean_gradient_norm"]
    assert abs(float(found[names[1]].vector @ unit(total))) > 0.9999


def test_directions_are_unit_vectors_that_point_to_the_positive_side():
    X, sides = _tokens(1)
    for name, found in _by_method(1).items():
        assert np.linalg.norm(found.vector) == pytest.approx(1, abs=1e-6)
        assert (found.site, found.method, found.sign) == (Site(1, "resid_post"), name, 1)
        scores = found.score(X)
        positive, negative = scores[sides == 1].mean(), scores[sides == 0].mean()
        assert positive > 0 and negative == pytest.approx(-positive, rel=1e-2, abs=1e-5)
        assert found.provenance["seeds"] == {"random_state": 3} and found.provenance["n_pairs"] == 12


@pytest.mark.long
def test_a_seed_moves_the_methods_that_draw_and_no_other():
    other = causal_baselines(_subject("llama"), _encoded(), layer=1, random_state=4)
    for method in CAUSAL_BASELINES:
        is_same = np.array_equal(_by_method(1)[method.name].vector, other[method.name].vector)
        assert is_same != method.is_random, method.name


def test_half_precision_gives_single_and_negative_layers_count_from_the_end():
    subject = tiny_subject("llama", dtype=torch.bfloat16)
    quick = [method for method in CAUSAL_BASELINES if method.name in ("mean_difference", "answer_gradient")]
    found = causal_baselines(subject, encoded_pairs(subject, 6), layer=-1, methods=quick)
    assert all(one.vector.dtype == np.float32 and one.site == Site(2, "resid_post") for one in found.values())


def test_a_search_of_cde_as_a_method_is_that_of_cde_itself():
    subject, settings = _subject("llama"), CDESettings(max_pairs=80, window=16)
    train, held_out = _encoded(), encoded_pairs(subject, 4, seed=1, prefix="q")
    (found,) = causal_baselines(
        subject, train, layer=1, methods=[cde_method(settings=settings)], random_state=2
    ).values()
    with pytest.warns(UserWarning, match="CDE used up its pairs"):
        own = cde(subject, train, layer=1, held_out=held_out, seeds=(2,), settings=settings)
    assert found.vector == pytest.approx(own.directions[0].vector, abs=1e-6)
    with pytest.raises(SpecError, match=r"cde \(2\) finds 2 directions; here each method is to find one"):
        causal_baselines(subject, train, layer=1, methods=[cde_method(n_directions=2, settings=settings)])


def test_a_method_that_finds_nothing_says_why_and_the_others_go_on():
    subject, pairs = _subject("llama"), tiny_pairs(4)
    turned = PromptPairs(
        pairs.ids,
        pairs.positive,
        pairs.negative,
        (("w2",), ("w3",)) * 2,
        (("w3",), ("w2",)) * 2,
        pairs.tags,
        pairs.groups,
    )
    nothing = CausalMethod("nothing", lambda rows: np.zeros(rows.X.shape[1]))
    chosen = [nothing, *(one for one in CAUSAL_BASELINES if one.name in ("unembedding_difference", "mean_difference"))]
    found = causal_baselines(subject, encode_pairs(subject, turned), layer=0, methods=chosen)
    assert "cancel" in found["unembedding_difference"].reason and "hold no difference" in found["nothing"].reason
    assert isinstance(found["mean_difference"], Direction)
    assert isinstance(found["nothing"], Unavailable)


def test_clean_runs_without_the_block_are_refused():
    clean = clean_runs(_subject("llama"), _encoded(), layers=[0])
    with pytest.raises(SpecError, match=r"The clean runs hold the blocks \[0\], and not 2; record it, too"):
        causal_baselines(_subject("llama"), _encoded(), layer=2, clean=clean)


def _separable(seed: int, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """One loud feature that tells the classes, and ten quiet ones that tell them together as well."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = 0.3 * rng.normal(size=(n, 11))
    X[:, 0] += 1.0 * (2 * y - 1)
    X[:, 1:] += 0.3 * (2 * y - 1)[:, None]
    return X, y


@pytest.mark.long
def test_without_dropout_it_is_logistic_regression_and_with_it_weights_are_spread():
    X, y = _separable(0)
    noisy = X + np.random.default_rng(1).normal(size=X.shape)
    plain = Logistic(C=1 / (1e-4 * len(noisy))).fit(noisy, y).direction_
    assert float(unit(dropout_vector(noisy, y, rate=0.0)) @ plain) > 0.99
    dense, spread = (unit(dropout_vector(X, y, rate=rate)) for rate in (0.0, 0.6))
    assert spread[0] < dense[0] - 0.05 and spread[1:].mean() > dense[1:].mean()


@pytest.mark.long
def test_dropout_does_not_depend_on_the_size_of_the_rows():
    X, y = _separable(0)
    one = unit(dropout_vector(X, y, random_state=5))
    for scale in (1e-3, 1e3):
        assert float(unit(dropout_vector(scale * X, y, random_state=5)) @ one) > 0.999


@pytest.mark.long
def test_dropout_finds_next_to_nothing_on_shuffled_labels():
    X, y = _separable(0)
    fresh, labels = _separable(1)
    found, shuffled = dropout_vector(X, y), dropout_vector(X, np.random.default_rng(0).permutation(y))
    assert np.mean((fresh @ found > 0) == labels) > 0.97
    assert np.linalg.norm(shuffled) < 0.2 * np.linalg.norm(found)
