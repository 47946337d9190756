"""Attention over tokens: against loops, its gradient, and what one head and two heads can do."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.seeds import five_seeds
from tests.sequence_methods import hidden_in_one_token, plant_texts, read_at_two_marks
from tiltmeter.core.errors import SpecError
from tiltmeter.evaluation import auroc, tpr_at_fpr
from tiltmeter.probes import AttentionProbe, PooledTokens, attention_probe
from tiltmeter.probes._attention_probe import attention_loss
from tiltmeter.probes._segments import TokenRows

TEXTS = plant_texts(30, 5, shift=1.5, seed=0)


def naive_scores(X, offsets, queries, values, b):
    """The formula of the docstring: a text, a head and a token at a time."""
    scores = []
    for start, end in pairwise(offsets):
        score = b
        for q, v in zip(queries, values, strict=True):
            logits = [float(q @ X[t]) for t in range(start, end)]
            total = sum(np.exp(logit - max(logits)) for logit in logits)
            for t in range(start, end):
                score += np.exp(logits[t - start] - max(logits)) / total * float(v @ X[t])
        scores.append(score)
    return np.array(scores)


@pytest.mark.parametrize("n_heads", [1, 3])
def test_scores_are_those_of_a_loop_over_texts_heads_and_tokens(n_heads):
    probe = AttentionProbe(n_heads).fit(TEXTS.X, TEXTS.y, offsets=TEXTS.offsets)
    assert probe.queries_.shape == probe.values_.shape == (n_heads, 5)
    expected = naive_scores(TEXTS.X, TEXTS.offsets, probe.queries_, probe.values_, probe.intercept_)
    np.testing.assert_allclose(probe.decision_function(TEXTS.X, offsets=TEXTS.offsets), expected, atol=1e-9)


def torch_loss(theta, X, texts, n_heads, *, C, weights):
    queries, values = theta[:-1].reshape(2, n_heads, -1)
    total = (theta[:-1] ** 2).sum() / (2 * C)
    for i, y in enumerate(texts.y):
        rows = X[texts.offsets[i] : texts.offsets[i + 1]]
        score = (torch.softmax(rows @ queries.T, 0) * (rows @ values.T)).sum() + theta[-1]
        total = total + weights[i] * torch.nn.functional.softplus(-(2.0 * y - 1) * score)
    return total


@pytest.mark.parametrize("n_heads", [1, 2])
def test_the_loss_and_its_gradient_are_those_of_automatic_differentiation(n_heads):
    weights = np.random.default_rng(1).random(30)
    center, scale = TEXTS.X.mean(axis=0), np.arange(1.0, 6.0)
    loss = attention_loss(
        TokenRows(TEXTS.X, center=center, scale=scale),
        TEXTS.y,
        offsets=TEXTS.offsets,
        n_heads=n_heads,
        C=0.5,
        weights=weights,
    )
    points = np.random.default_rng(2).normal(size=(3, 10 * n_heads + 1))
    values, gradients = loss(points)
    for point, value, gradient in zip(points, values, gradients, strict=True):
        theta = torch.from_numpy(point).requires_grad_()
        expected = torch_loss(
            theta, torch.from_numpy((TEXTS.X - center) / scale), TEXTS, n_heads, C=0.5, weights=weights
        )
        expected.backward()
        assert value == pytest.approx(expected.item())
        np.testing.assert_allclose(gradient, theta.grad.numpy(), atol=1e-10)


def test_what_is_found_is_a_minimum_of_the_loss_on_standardised_rows():
    found = attention_probe(TEXTS.X, TEXTS.y, offsets=TEXTS.offsets, C=0.3)
    labels = np.repeat(TEXTS.y, np.diff(TEXTS.offsets))
    deviations = np.sqrt(sum((labels == c).mean() * TEXTS.X[labels == c].var(axis=0) for c in (0, 1)))
    X = torch.from_numpy((TEXTS.X - TEXTS.X.mean(axis=0)) / deviations)
    b = found.offset + found.values.sum(axis=0) @ TEXTS.X.mean(axis=0)
    theta = np.concatenate([(found.queries * deviations).ravel(), (found.values * deviations).ravel(), [b]])
    point = torch.from_numpy(theta).requires_grad_()
    loss = torch_loss(point, X, TEXTS, 1, C=0.3, weights=np.ones(30))
    loss.backward()
    assert loss.item() == pytest.approx(found.losses.min(), rel=1e-7)
    assert point.grad.abs().max() < 1e-3
    rng = np.random.default_rng(3)
    for size in (1e-2, 0.1, 1.0):
        for _ in range(10):
            other = torch.from_numpy(theta + size * rng.normal(size=11))
            assert torch_loss(other, X, TEXTS, 1, C=0.3, weights=np.ones(30)) > loss


def test_the_weights_of_a_text_sum_to_one_and_explain_its_score():
    probe = AttentionProbe(2).fit(TEXTS.X, TEXTS.y, offsets=TEXTS.offsets)
    weights = probe.attention(TEXTS.X, offsets=TEXTS.offsets)
    assert weights.shape == (len(TEXTS.X), 2)
    np.testing.assert_allclose(np.add.reduceat(weights, TEXTS.offsets[:-1]), 1.0)
    read = np.add.reduceat(weights * (TEXTS.X @ probe.values_.T), TEXTS.offsets[:-1]).sum(axis=1)
    np.testing.assert_allclose(read + probe.intercept_, probe.decision_function(TEXTS.X, offsets=TEXTS.offsets))


def test_one_loud_feature_does_not_drown_the_others():
    # features are standardised one by one: the variant with one scale for all is PooledTokens
    X = TEXTS.X * [1.0, 1.0, 1e4, 1.0, 1.0]
    here, there = (AttentionProbe().fit(rows, TEXTS.y, offsets=TEXTS.offsets) for rows in (TEXTS.X, X))
    np.testing.assert_allclose(
        there.decision_function(X, offsets=TEXTS.offsets),
        here.decision_function(TEXTS.X, offsets=TEXTS.offsets),
        atol=1e-4,
    )


# ------------------------------------------------------------ what it is good for


def judged(probe, train, test):
    probe.fit(train.X, train.y, offsets=train.offsets)
    scores = probe.decision_function(test.X, offsets=test.offsets)
    return auroc(test.y, scores), tpr_at_fpr(test.y, scores, fpr=0.01)


@five_seeds
def test_a_concept_in_one_token_of_twenty_is_looked_for_and_found(seed):
    train, test = hidden_in_one_token(200, seed=seed), hidden_in_one_token(1000, seed=100 + seed)
    probe = AttentionProbe()
    area, caught = judged(probe, train, test)
    mean_area, mean_caught = judged(PooledTokens("mean"), train, test)
    assert area > 0.995 and caught > 0.95
    assert area > mean_area + 0.05 and caught > mean_caught + 0.5
    # it looks at the token that holds the concept
    weights = probe.attention(test.X, offsets=test.offsets)[:, 0].reshape(-1, 20)
    looked, held = weights.argmax(axis=1), test.X[:, 0].reshape(-1, 20).argmax(axis=1)
    assert (looked == held)[test.y == 1].mean() > 0.95


@five_seeds
def test_a_concept_spread_over_all_tokens_is_better_read_by_the_mean(seed):
    train, test = (hidden_in_one_token(n, seed=s, is_spread=True) for n, s in ((200, seed), (1000, 100 + seed)))
    assert judged(PooledTokens("mean"), train, test)[0] > judged(AttentionProbe(), train, test)[0] + 0.1


@five_seeds
def test_two_things_to_read_in_two_places_need_two_heads(seed):
    train, test = read_at_two_marks(500, seed=seed), read_at_two_marks(1000, seed=100 + seed)
    one_area, one_caught = judged(AttentionProbe(1), train, test)
    two_area, two_caught = judged(AttentionProbe(2), train, test)
    pooled_area, _ = judged(PooledTokens("max"), train, test)
    assert two_area > 0.98 and two_caught > 0.8
    assert one_area < 0.92 and one_caught < 0.5
    assert pooled_area < one_area


@pytest.mark.parametrize("seed", range(3))
def test_a_strong_penalty_on_long_texts_does_not_keep_it_from_looking(seed):
    # here all random starts fall back to reading nothing, which is a local minimum
    train, test = (hidden_in_one_token(200, seed=s, d=100, length=100) for s in (seed, 100 + seed))
    probe = AttentionProbe(C=0.01)
    assert judged(probe, train, test)[0] > 0.99
    assert probe.losses_[3] > 1.2 * probe.losses_.min()


@pytest.mark.parametrize("swapped", [False, True])
def test_it_never_ends_above_softmax_pooling_of_the_same_rows(swapped):
    texts = hidden_in_one_token(100, seed=1, d=10)
    y = 1 - texts.y if swapped else texts.y
    deviations = np.sqrt(np.mean([texts.X[np.repeat(y, 20) == c].var(axis=0) for c in (0, 1)], axis=0))
    X = texts.X / deviations
    pooled = PooledTokens("softmax", C=0.005, n_starts=1).fit(X, texts.y, offsets=texts.offsets)
    attention = AttentionProbe(C=0.01).fit(X, y, offsets=texts.offsets)
    assert attention.losses_.min() <= pooled.losses_.min() * (1 + 1e-6)


def test_a_small_c_reads_a_concept_in_all_tokens_as_the_mean_does():
    train, test = (hidden_in_one_token(n, seed=n, is_spread=True) for n in (200, 1000))
    assert judged(AttentionProbe(C=0.01), train, test)[0] > judged(PooledTokens("mean"), train, test)[0] - 0.02


def test_no_heads_are_refused():
    with pytest.raises(SpecError, match="n_heads is 0; attention needs at least one head"):
        AttentionProbe(0).fit(TEXTS.X, TEXTS.y, offsets=TEXTS.offsets)
