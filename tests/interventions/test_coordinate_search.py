"""Words found by greedy coordinate search: as good as trying all where all can be tried, and nothing left behind."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from tiny_models import tiny_subject

from tiltmeter.core import Direction, Site
from tiltmeter.core.errors import SpecError
from tiltmeter.interventions import CoordinateSearch, continuation_loss, coordinate_search, score_loss

FAMILIES = ("llama", "gemma2", "gpt2")
TEXTS = torch.tensor([[7, 8, 9, 10, 11, 12], [13, 8, 9, 14, 15, 16], [20, 8, 9, 21, 22, 23]])
EVERY = CoordinateSearch(n_steps=1, n_kept=64, n_tried=600)

_subject = functools.cache(tiny_subject)


def _direction(subject, layer=1, sign=1):
    vector = np.random.default_rng(0).normal(size=subject.d_model)
    return Direction(vector / np.linalg.norm(vector), offset=0.3, site=Site(layer, "resid_post"), sign=sign)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_continuation_loss_is_the_log_probability_one_word_after_the_other(family):
    subject = _subject(family)
    found = continuation_loss(subject, n_last=2)(TEXTS)
    for text, loss in zip(TEXTS, found.tolist(), strict=True):
        with torch.no_grad():
            log_p = subject.model(input_ids=text[None]).logits[0].float().log_softmax(-1)
        expected = -sum(float(log_p[place - 1, text[place]]) for place in (4, 5))
        assert loss == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("pooling", ["max", "mean"])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_score_loss_is_the_score_of_the_direction_but_for_its_offset(pooling, sign):
    subject = _subject("llama")
    direction = _direction(subject, sign=sign)
    with torch.no_grad():
        found = score_loss(subject, direction, positions=[3, 5], pooling=pooling)(TEXTS).numpy()
        states = subject.model(input_ids=TEXTS, output_hidden_states=True).hidden_states[2]
    for text, score in zip(states, found, strict=True):
        scores = direction.score(text[[3, 5]].numpy()) - sign * direction.offset
        assert score == pytest.approx(getattr(scores, pooling)(), rel=1e-4)


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES)
def test_where_every_token_is_tried_the_best_one_is_found(family):
    subject = _subject(family)
    loss = continuation_loss(subject, n_last=2)
    found = coordinate_search(subject, TEXTS, slots=[2], loss=loss, search=EVERY)
    means = []
    for token in range(64):
        texts = TEXTS.clone()
        texts[:, 2] = token
        with torch.no_grad():
            means.append(float(loss(texts).mean()))
    assert found.tokens.tolist() == [int(np.argmin(means))]
    assert found.losses[-1] == pytest.approx(min(means), rel=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_gradient_is_that_of_the_embedding(family):
    """To first order: the loss along a small step of one slot's embedding falls as the ranking says."""
    from tiltmeter.interventions._coordinate_search import _gradient

    subject = _subject(family)
    loss = continuation_loss(subject, n_last=2)
    gradient = _gradient(subject, TEXTS, torch.tensor([1, 2]), loss)
    weights = subject.model.get_input_embeddings()
    step = torch.randn(2, subject.d_model, generator=torch.Generator().manual_seed(0))
    values = []
    for sign in (1, -1):

        def nudge(module, args, output, sign=sign):
            moved = output.clone()
            # what the embedding gives may be scaled behind the hook; the search ranks by what it gives
            moved[:, 1:3] += sign * 1e-3 * step
            return moved

        handle = weights.register_forward_hook(nudge)
        with torch.no_grad():
            values.append(float(loss(TEXTS).mean()))
        handle.remove()
    slope = (values[0] - values[1]) / 2e-3
    assert slope == pytest.approx(float((gradient * step).sum()), rel=0.03, abs=0.02)


@pytest.mark.long
def test_the_loss_never_rises_and_the_same_seed_finds_the_same():
    subject = _subject("llama")
    loss = continuation_loss(subject, n_last=3)
    search = CoordinateSearch(n_steps=12, n_kept=16, n_tried=16)
    first, second = (coordinate_search(subject, TEXTS, slots=[1, 2], loss=loss, search=search) for _ in range(2))
    assert len(first.losses) == 13
    assert (np.diff(first.losses) <= 0).all() and first.losses[-1] < first.losses[0]
    assert torch.equal(first.tokens, second.tokens) and first.losses == second.losses


@pytest.mark.long
def test_the_gradient_helps():
    """With as many trials, changes drawn from the gradient's best go further than changes drawn from all."""
    subject = _subject("llama")
    loss = continuation_loss(subject, n_last=3)
    ends = {
        kept: np.mean(
            [
                coordinate_search(
                    subject,
                    TEXTS,
                    slots=[1, 2],
                    loss=loss,
                    search=CoordinateSearch(n_steps=4, n_kept=kept, n_tried=4),
                    random_state=seed,
                ).losses[-1]
                for seed in range(12)
            ]
        )
        for kept in (8, 64)
    }
    assert ends[8] < ends[64]


def test_only_what_is_allowed_stands_in_a_slot():
    subject = _subject("llama")
    allowed = torch.tensor([30, 31, 32])
    found = coordinate_search(
        subject,
        TEXTS,
        slots=[2],
        loss=continuation_loss(subject, n_last=2),
        allowed=allowed,
        search=CoordinateSearch(n_steps=3, n_kept=8, n_tried=8),
    )
    # the word that stood there stays where none of the allowed is better
    assert int(found.tokens[0]) in (9, 30, 31, 32)


def test_a_probe_can_be_attacked():
    subject = _subject("llama")
    direction = _direction(subject)
    loss = score_loss(subject, direction, positions=[3, 4, 5])
    found = coordinate_search(
        subject, TEXTS, slots=[1, 2], loss=loss, search=CoordinateSearch(n_steps=10, n_kept=16, n_tried=24)
    )
    assert found.losses[-1] < found.losses[0] - 0.1


@pytest.mark.long
def test_a_loss_may_run_the_model_more_than_once():
    subject = _subject("llama")
    likely, score = continuation_loss(subject, n_last=2), score_loss(subject, _direction(subject), positions=[5])

    def both(tokens):
        return likely(tokens) + score(tokens)

    found = coordinate_search(subject, TEXTS, slots=np.array([2]), loss=both, search=EVERY)
    means = []
    for token in range(64):
        texts = TEXTS.clone()
        texts[:, 2] = token
        with torch.no_grad():
            means.append(float(both(texts).mean()))
    assert found.tokens.tolist() == [int(np.argmin(means))]


def test_the_model_is_left_as_it_was():
    subject = _subject("llama")
    before = subject.model(input_ids=TEXTS).logits.detach().clone()

    def hooks():
        return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in subject.model.modules())

    loss = score_loss(subject, _direction(subject), positions=[5])
    n_hooks = hooks()
    coordinate_search(subject, TEXTS, slots=[1], loss=loss, search=CoordinateSearch(2, 4, 4))
    weights = list(subject.model.parameters())
    assert hooks() == n_hooks and all(w.requires_grad for w in weights) and all(w.grad is None for w in weights)
    assert torch.equal(before, subject.model(input_ids=TEXTS).logits)


def test_what_cannot_be_searched_is_refused():
    subject = _subject("llama")
    loss = continuation_loss(subject, n_last=1)
    for slots in ([], [6], [-1]):
        with pytest.raises(SpecError, match="slots are"):
            coordinate_search(subject, TEXTS, slots=slots, loss=loss)
    for allowed in ([], [64], [-1]):
        with pytest.raises(SpecError, match="allowed must name at least one token, and each from 0 to 63"):
            coordinate_search(subject, TEXTS, slots=[1], loss=loss, allowed=torch.tensor(allowed, dtype=torch.long))
    with pytest.raises(SpecError, match="n_last is 6 for texts of 6 tokens"):
        coordinate_search(subject, TEXTS, slots=[1], loss=continuation_loss(subject, n_last=6))
    with pytest.raises(SpecError, match="every count"):
        coordinate_search(subject, TEXTS, slots=[1], loss=loss, search=CoordinateSearch(n_tried=0))
    with pytest.raises(SpecError, match="n_last is 0"):
        continuation_loss(subject, n_last=0)
    with pytest.raises(SpecError, match="no site or no sign"):
        score_loss(subject, Direction(np.eye(24)[0]), positions=[1])
