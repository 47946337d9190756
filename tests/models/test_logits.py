"""Logits at one position, and going on from what a block gave: what whole forwards give."""

from __future__ import annotations

import functools

import pytest
import torch
from tiny_models import FAMILIES, tiny_subject
from torch import Tensor

from tiltmeter.core import Site
from tiltmeter.core.errors import ArrayError, ModelError, SpecError
from tiltmeter.models import SubjectModel, edited, frozen_weights, logits_from, next_logits, text_logits

TOKENS = torch.tensor([[6, 7, 8, 9, 10, 11, 12, 13], [20, 21, 22, 23, 24, 25, 26, 27]])
AT = torch.tensor([7, 5])
MASK = torch.tensor([[True] * 8, [True] * 6 + [False] * 2])
ENCODERS = ("bert", "roberta", "xlm-roberta", "t5", "t5-gated")
DECODERS = tuple(family for family in FAMILIES if family not in ENCODERS)

_subject = functools.cache(tiny_subject)


def _whole(subject: SubjectModel) -> Tensor:
    with torch.no_grad():
        logits = subject.model(**subject._inputs(TOKENS, MASK)).logits
    return logits[torch.arange(2), AT]


def _hooks(subject: SubjectModel) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in subject.model.modules())


@pytest.mark.parametrize("family", DECODERS)
def test_logits_at_one_position_are_those_of_the_whole_forward(family):
    subject = _subject(family)
    assert torch.allclose(next_logits(subject, TOKENS, at=AT, mask=MASK), _whole(subject), atol=1e-5)
    assert _hooks(subject) == 0


@pytest.mark.parametrize("family", DECODERS)
def test_logits_at_every_position_are_those_of_each_text_alone(family):
    subject = _subject(family)
    found = text_logits(subject, TOKENS, mask=MASK)
    for i, n in enumerate(MASK.sum(1)):
        with torch.no_grad():
            alone = subject.model(input_ids=TOKENS[i : i + 1, :n]).logits[0]
        assert torch.allclose(found[i, :n], alone, atol=1e-4)


@pytest.mark.parametrize("family", DECODERS)
def test_going_on_from_any_block_gives_the_logits_of_the_model_and_leaves_no_trace(family):
    subject = _subject(family)
    before, wanted = _whole(subject), next_logits(subject, TOKENS, at=AT, mask=MASK)
    for layer in range(subject.n_layers):
        site = Site(layer, "resid_post")
        states = subject.read(TOKENS, sites=[site], mask=MASK)[site].clone()
        assert torch.equal(logits_from(subject, states, tokens=TOKENS, layer=layer, at=AT, mask=MASK), wanted)
        # nothing but the states counts: with others, the result is that of an edit there
        by = torch.randn(subject.d_model, generator=torch.Generator().manual_seed(layer))

        class Shift:
            def __call__(self, old, places, *, by=by):
                return old + by

        edit = Shift()
        edit.site = site
        with edited(subject, [edit]):
            moved = next_logits(subject, TOKENS, at=AT, mask=MASK)
        assert torch.equal(logits_from(subject, states + by, tokens=TOKENS, layer=layer, at=AT, mask=MASK), moved)
        assert not torch.allclose(moved, wanted, atol=1e-3)
    assert _hooks(subject) == 0 and torch.equal(_whole(subject), before)
    assert all("forward" not in vars(block) for block in subject._blocks)


def test_the_blocks_before_are_not_computed():
    subject, calls = _subject("llama"), []
    handles = [
        block.mlp.register_forward_hook(lambda module, args, output, i=i: calls.append(i))
        for i, block in enumerate(subject._blocks)
    ]
    logits_from(subject, torch.zeros(2, 8, 24), tokens=TOKENS, layer=1, at=AT)
    for handle in handles:
        handle.remove()
    assert calls == [2]


def test_it_is_differentiable_in_the_states_and_keeps_no_gradient_of_a_weight():
    subject = _subject("qwen3")
    states = subject.read(TOKENS, sites=["0.resid_post"])[Site(0, "resid_post")].clone().requires_grad_()
    with frozen_weights(subject):
        logits_from(subject, states, tokens=TOKENS, layer=0, at=AT)[:, 3].sum().backward()
    assert states.grad is not None and states.grad[0].any()
    assert not states.grad[1, 6:].any()
    assert all(weight.requires_grad and weight.grad is None for weight in subject.model.parameters())


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_gradients_are_kept_only_where_they_are_asked_for(around):
    subject = _subject("llama")
    for asked in (True, False):
        states = torch.zeros(2, 8, 24, requires_grad=asked)
        with around():
            found = logits_from(subject, states, tokens=TOKENS, layer=1, at=AT)
        assert found.requires_grad == (asked and around is torch.enable_grad)


def test_an_exception_leaves_the_model_as_it_was():
    subject = _subject("llama")
    before = _whole(subject)
    broken = subject._blocks[2].register_forward_pre_hook(lambda module, args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        logits_from(subject, torch.zeros(2, 8, 24), tokens=TOKENS, layer=1, at=AT)
    broken.remove()
    assert _hooks(subject) == 0 and torch.equal(_whole(subject), before)


def test_what_does_not_fit_is_refused():
    subject = _subject("llama")
    with pytest.raises(SpecError, match="has blocks 0 to 2"):
        logits_from(subject, torch.zeros(2, 8, 24), tokens=TOKENS, layer=3, at=AT)
    with pytest.raises(ArrayError, match=r"give \(b, t, 24\)"):
        logits_from(subject, torch.zeros(2, 8, 23), tokens=TOKENS, layer=1, at=AT)
    with pytest.raises(ModelError):
        next_logits(_subject("bert"), TOKENS, at=AT)
