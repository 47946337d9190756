"""Gradients at every site of every family: those of the model itself, and no trace afterwards."""

from __future__ import annotations

import functools

import pytest
import torch
from accelerate import cpu_offload
from tiny_models import FAMILIES, random_texts, tiny_subject, word_tokenizer
from torch import Tensor
from transformers import AutoModel

from tiltmeter.core import Site
from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.models import SubjectModel, bind, encode, gradients, pad

TOKENS = torch.tensor([[6, 7, 8, 9, 10, 11, 12, 13], [20, 21, 22, 23, 24, 25, 26, 27]])
AT = torch.tensor([7, 5])
ENCODERS = ("bert", "roberta", "xlm-roberta", "t5", "t5-gated")
DECODERS = tuple(family for family in FAMILIES if family not in ENCODERS)

_subject = functools.cache(tiny_subject)


@functools.cache
def _exact(family: str) -> SubjectModel:
    """Return a family's tiny model in float64, in which differences can be taken."""
    made = tiny_subject(family)
    # the fused experts know no float64
    made.model.set_experts_implementation("eager")
    return bind(made.model.double(), made.tokenizer, name=family)


@pytest.fixture
def in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what turns to float32 whatever the model's dtype (RMS norms, GPT-J's attention) turn to float64."""
    monkeypatch.setattr(torch, "float32", torch.float64)
    monkeypatch.setattr(torch, "float", torch.float64)
    monkeypatch.setattr(Tensor, "float", Tensor.double)


def _odds(logits: Tensor) -> Tensor:
    return logits[:, 30] - logits[:, 31]


def _every_site(subject: SubjectModel) -> list[Site]:
    sites = [Site(layer, point) for layer in range(subject.n_layers) for point in subject.family.points]
    return [*sites, Site(1, "z", head=2)]


def _hooks(subject: SubjectModel) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in subject.model.modules())


def _logits(subject: SubjectModel) -> Tensor:
    with torch.no_grad():
        return subject.model(input_ids=TOKENS).logits


@pytest.mark.long
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("family", DECODERS)
def test_gradients_of_all_sites_at_once_are_those_of_each_alone_and_leave_no_trace(family, dtype):
    subject = _subject(family, dtype=dtype)
    before = _logits(subject)
    sites = _every_site(subject)
    found = gradients(subject, TOKENS, sites=sites, at=AT, objective=_odds)
    for site in sites:
        assert found[site].shape == (*TOKENS.shape, subject.width(site)) and found[site].dtype == dtype
        assert not found[site].requires_grad and found[site].any()
        (alone,) = gradients(subject, TOKENS, sites=[site], at=AT, objective=_odds).values()
        assert torch.equal(alone, found[site])
    whole = found[Site(1, "z")].reshape(*TOKENS.shape, subject.n_heads, -1)
    assert torch.equal(found[Site(1, "z", head=2)], whole[:, :, 2])
    assert _hooks(subject) == 0 and torch.equal(_logits(subject), before)
    assert all(weight.requires_grad and weight.grad is None for weight in subject.model.parameters())
    if subject.is_causal:
        assert not any(found[site][1, 6:].any() for site in sites)


@pytest.mark.parametrize("family", DECODERS)
def test_a_gradient_is_what_a_small_edit_of_the_site_changes(family, in_double_precision):
    subject = _exact(family)
    blocks, generator = subject._blocks, torch.Generator().manual_seed(0)
    found = gradients(subject, TOKENS, sites=_every_site(subject)[:-1], at=AT, objective=_odds)

    def odds() -> Tensor:
        with torch.no_grad():
            return _odds(subject.model(input_ids=TOKENS).logits[torch.arange(2), AT])

    for site in found:
        tap = subject.family.points[site.point]
        module, step = blocks[site.layer].get_submodule(tap.module), 1e-5
        nudge = torch.randn(found[site].shape, generator=generator, dtype=torch.float64)

        def edit(value, *, by, tap=tap, nudge=nudge):
            # in place, so that whoever else holds the tensor sees the edit too
            value += by * (nudge.reshape(value.shape) if tap.flat else nudge)

        def on_input(module, args, kwargs, *, by):
            edit(args[0] if args else kwargs["hidden_states"], by=by)

        def on_output(module, args, output, *, by):
            edit(output[0] if isinstance(output, tuple) else output, by=by)

        ends = []
        for by in (step, -step):
            if tap.side == "input":
                handle = module.register_forward_pre_hook(functools.partial(on_input, by=by), with_kwargs=True)
            else:
                handle = module.register_forward_hook(functools.partial(on_output, by=by))
            ends.append(odds())
            handle.remove()
        measured = (ends[0] - ends[1]) / (2 * step)
        assert torch.allclose(measured, (found[site] * nudge).sum((1, 2)), rtol=1e-5, atol=1e-6), str(site)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", DECODERS)
def test_neither_padding_on_either_side_nor_batch_mates_change_a_gradient(family, side):
    subject = _subject(family)
    n = TOKENS.shape[1]
    tokens, mask = torch.full((2, n + 5), 3), torch.zeros(2, n + 5, dtype=torch.bool)
    start = 5 if side == "left" else 0
    place = slice(start, start + n)
    tokens[0, place], mask[0, place] = TOKENS[0], True
    tokens[1], mask[1] = torch.arange(n + 5) + 6, True
    sites = _every_site(subject)
    alone = gradients(subject, TOKENS[:1], sites=sites, at=AT[:1], objective=_odds)
    at = torch.tensor([start + int(AT[0]), n])
    padded = gradients(subject, tokens, sites=sites, at=at, objective=_odds, mask=mask)
    for site in sites:
        distance = (padded[site][0, place] - alone[site][0]).norm()
        assert distance <= 1e-4 * alone[site].norm(), str(site)
    # a control: were another position read, it would show
    other = gradients(subject, tokens, sites=["0.resid_post"], at=at - 1, objective=_odds, mask=mask)
    site = Site(0, "resid_post")
    assert (other[site][0, place] - alone[site][0]).norm() > 0.1 * alone[site].norm()


@pytest.mark.parametrize("family", ENCODERS)
def test_an_encoder_has_no_gradient_of_answers(family):
    with pytest.raises(ModelError, match=f"{family} is an encoder .* predicts no next token"):
        gradients(_subject(family), TOKENS, sites=["0.resid_post"], at=AT, objective=_odds)


def test_a_model_without_its_unembedding_is_refused():
    whole = _subject("llama")
    bare = bind(AutoModel.from_config(whole.model.config).eval(), word_tokenizer(), name="bare")
    with pytest.raises(ModelError, match="bare was loaded without its unembedding, as a LlamaModel; load it with Auto"):
        gradients(bare, TOKENS, sites=["0.resid_post"], at=AT, objective=_odds)


def test_what_is_frozen_stays_so_and_errors_leave_no_trace():
    subject = tiny_subject("llama")
    frozen = subject.model.model.embed_tokens.weight
    frozen.requires_grad = False

    def fail(logits: Tensor) -> Tensor:
        raise SpecError("no figure")

    with pytest.raises(SpecError, match="no figure"):
        gradients(subject, TOKENS, sites="all", at=AT, objective=fail)
    assert _hooks(subject) == 0
    assert [name for name, w in subject.model.named_parameters() if not w.requires_grad] == [
        "model.embed_tokens.weight"
    ]


def test_a_caller_in_inference_mode_or_without_gradients_gets_them_all_the_same():
    subject = _subject("llama")
    expected = gradients(subject, TOKENS, sites="all", at=AT, objective=_odds)
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            found = gradients(subject, TOKENS.clone(), sites="all", at=AT, objective=_odds)
        assert all(torch.equal(found[site], expected[site]) for site in expected)


def test_nothing_is_kept_below_the_earliest_site():
    subject = _subject("llama")
    with subject.capture("all") as seen:
        gradients(subject, TOKENS, sites=["1.resid_mid"], at=AT, objective=_odds)
    assert [site.layer for site, values in seen.items() if values.requires_grad] == [1, 2]


def test_training_mode_is_refused():
    subject = tiny_subject("llama")
    subject.model.train()
    with pytest.raises(ModelError, match="llama is in training mode"):
        gradients(subject, TOKENS, sites="all", at=AT, objective=_odds)


def test_an_offloaded_model_has_the_same_gradients():
    expected = gradients(_subject("llama"), TOKENS, sites="all", at=AT, objective=_odds)
    subject = tiny_subject("llama")
    cpu_offload(subject.model)
    found = gradients(subject, TOKENS, sites="all", at=AT, objective=_odds)
    assert all(torch.equal(found[site], expected[site]) for site in expected)
    assert all(weight.requires_grad and weight.is_meta for weight in subject.model.parameters())


def test_padding_puts_each_text_at_the_start_of_its_row():
    encoded = encode(_subject("llama"), random_texts(6, longest=9))
    batch = torch.tensor([4, 1, 5]).numpy()
    padded = pad(batch, tokens=encoded.tokens, read=encoded.read, offsets=encoded.offsets)
    for row, i in enumerate(batch):
        tokens, read = encoded.row(int(i))
        assert padded.tokens[row, padded.own[row]].tolist() == tokens.tolist()
        assert padded.read[row, padded.own[row]].tolist() == read.tolist()
        assert not padded.tokens[row, len(tokens) :].any() and not padded.own[row, len(tokens) :].any()
    assert padded.tokens.shape[1] == encoded.lengths[batch].max()


def test_inference_mode_around_it_does_not_matter():
    subject, sites = _subject("llama"), ["1.resid_post"]
    (usual,) = gradients(subject, TOKENS, sites=sites, at=AT, objective=_odds).values()
    with torch.inference_mode():
        # made in here, as by whoever encodes and reads in one go
        tokens, at, mask = TOKENS.clone(), AT.clone(), torch.ones_like(TOKENS)
        (inside,) = gradients(subject, tokens, sites=sites, at=at, objective=_odds, mask=mask).values()
    torch.testing.assert_close(inside, usual)
