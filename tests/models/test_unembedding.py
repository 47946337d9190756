"""Rows of the unembedding in the coordinates of the last residual stream, for every family that has one."""

from __future__ import annotations

import functools

import pytest
import torch
from accelerate import cpu_offload
from peft import LoraConfig, get_peft_model
from tiny_models import FAMILIES, tiny_subject
from torch import Tensor, nn
from transformers import BertForMaskedLM, T5ForConditionalGeneration

from tiltmeter.core import Site
from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.models import SubjectModel, bind, output_embedding, unembedding

TOKENS = torch.tensor([[6, 7, 8, 9, 10, 11, 12, 13], [20, 21, 22, 23, 24, 25, 26, 27]])
ENCODERS = ("bert", "roberta", "xlm-roberta", "t5", "t5-gated")
DECODERS = tuple(family for family in FAMILIES if family not in ENCODERS)
# by hand, beside the table: what a norm computes, by its class
_KINDS = {"LayerNorm": "layer", "Gemma2RMSNorm": "rms_plus_one", "Gemma3RMSNorm": "rms_plus_one"}

_subject = functools.cache(tiny_subject)


def _norm(subject: SubjectModel) -> nn.Module | None:
    if subject.family.final_norm is None:
        return None
    return subject._stack.get_submodule(subject.family.final_norm.module)


def _by_hand(norm: nn.Module, x: Tensor, kind: str) -> Tensor:
    weight, eps = norm.weight, getattr(norm, "eps", getattr(norm, "variance_epsilon", None))
    if kind == "layer":
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.pow(2).mean(-1, keepdim=True) + eps).sqrt() * weight + norm.bias
    scaled = x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt()
    return scaled * (1 + weight if kind == "rms_plus_one" else weight)


@pytest.mark.long
@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_the_final_norm_of_the_table_is_what_follows_the_last_block_and_of_its_kind(family):
    subject = _subject(family)
    norm, last = _norm(subject), Site(subject.n_layers - 1, "resid_post")
    stream = subject.read(TOKENS, sites=[last])[last]
    states = subject.model(input_ids=TOKENS, output_hidden_states=True).hidden_states
    if norm is None:
        assert family in ("bert", "roberta", "xlm-roberta", "opt-post-norm")
        assert subject.family.project_out or torch.equal(stream, states[-1])
        return
    assert torch.equal(norm(stream), states[-1])
    kind = type(norm).__name__
    assert subject.family.final_norm.kind == _KINDS.get(kind, "rms") and (
        "RMS" in kind or kind in (*_KINDS, "T5LayerNorm")
    )
    assert torch.allclose(norm(stream), _by_hand(norm, stream, subject.family.final_norm.kind), atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("family", DECODERS)
def test_folded_rows_give_the_log_odds_of_two_answers_up_to_the_norms_scale(family):
    subject = _subject(family)
    last = Site(subject.n_layers - 1, "resid_post")
    stream = subject.read(TOKENS, sites=[last])[last].double()
    rows = unembedding(subject, [30, 31], fold_norm=True).rows
    logits = subject.model(input_ids=TOKENS).logits[..., [30, 31]].double()
    if (cap := getattr(subject.model.config.get_text_config(), "final_logit_softcapping", None)) is not None:
        logits = cap * torch.atanh(logits / cap)
    # of what the answers read, only the scale is left to the norm; biases add something that no text has a part in
    head, norm = output_embedding(subject), _norm(subject)
    offset = torch.zeros(2, dtype=torch.float64) if head.bias is None else head.bias[[30, 31]].double()
    if norm is not None and getattr(norm, "bias", None) is not None:
        offset = offset + (head.weight[[30, 31]] @ norm.bias).double()
    scale = torch.ones(*TOKENS.shape, 1, dtype=torch.float64)
    if norm is not None:
        centred = stream - stream.mean(-1, keepdim=True) if isinstance(norm, nn.LayerNorm) else stream
        scale = centred.pow(2).mean(-1, keepdim=True).sqrt()
    odds = logits - offset
    assert torch.allclose(stream @ rows.T / scale, odds, rtol=1e-3, atol=2e-3)
    # the control: bare rows are in other coordinates
    bare = unembedding(subject, [30, 31], fold_norm=False)
    assert bare.norm is None
    if norm is not None:
        assert not torch.allclose(stream @ bare.rows.T / scale, odds, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("family", DECODERS)
def test_bare_rows_are_those_of_the_module_in_use_bit_for_bit(family):
    subject = _subject(family)
    rows = unembedding(subject, [30, 31, 30], fold_norm=False).rows
    held = subject.model.get_output_embeddings().weight.detach()[[30, 31, 30]]
    if family == "opt-post-norm":
        held = held @ subject.model.model.decoder.project_out.weight.detach()
        assert torch.allclose(rows, held.double(), atol=1e-6)
        return
    assert torch.equal(rows, held.double())
    tied = subject.model.get_output_embeddings().weight is subject.model.get_input_embeddings().weight
    assert tied == bool(subject.model.config.tie_word_embeddings)
    assert all(weight.grad is None and weight.requires_grad for weight in subject.model.parameters())


def test_rows_of_bfloat16_weights_are_exact():
    subject = tiny_subject("gemma2", dtype=torch.bfloat16)
    rows = unembedding(subject, [5], fold_norm=True).rows
    weight, gain = subject.model.lm_head.weight[5].double(), subject.model.model.norm.weight.double()
    assert torch.equal(rows[0], weight * (1 + gain))


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_an_adapter_on_the_unembedding_is_in_the_rows():
    made = tiny_subject("llama")
    adapted = get_peft_model(made.model, LoraConfig(r=2, target_modules=["lm_head"], init_lora_weights=False)).eval()
    subject = bind(adapted, made.tokenizer, name="adapted")
    rows = unembedding(subject, [30], fold_norm=False).rows[0]
    head = output_embedding(subject)
    added = head.lora_B["default"].weight[30] @ head.lora_A["default"].weight * head.scaling["default"]
    assert torch.allclose(rows.float(), head.base_layer.weight[30] + added, atol=1e-6)
    assert added.norm() > 0.01 * rows.norm()


def test_weights_kept_elsewhere_are_brought_in_or_asked_for():
    expected = unembedding(_subject("llama"), [30], fold_norm=False).rows
    subject = tiny_subject("llama")
    cpu_offload(subject.model)
    assert torch.equal(unembedding(subject, [30], fold_norm=False).rows, expected)
    with pytest.raises(ModelError, match="weight of a norm of llama is kept elsewhere; load it into memory"):
        unembedding(subject, [30], fold_norm=True)


def test_a_norm_that_a_configuration_leaves_out_is_not_folded():
    subject = tiny_subject("opt")
    subject.model.model.decoder.final_layer_norm = None
    found = unembedding(subject, [30], fold_norm=True)
    assert found.norm is None and torch.equal(found.rows[0].float(), subject.model.lm_head.weight[30])


@pytest.mark.parametrize("kind", [BertForMaskedLM, T5ForConditionalGeneration])
def test_encoders_are_refused_even_where_a_head_is_there(kind):
    made = _subject("bert" if kind is BertForMaskedLM else "t5")
    subject = bind(kind(made.model.config).eval(), made.tokenizer, name="headed")
    with pytest.raises(ModelError, match=r"headed is an encoder \(.*\), which predicts no next token and has no unem"):
        unembedding(subject, [30], fold_norm=True)


def test_tokens_beyond_the_rows_are_refused():
    with pytest.raises(SpecError, match="Token 64 is not among those of llama, which are 0 to 63"):
        unembedding(_subject("llama"), [3, 64], fold_norm=True)
    with pytest.raises(SpecError, match="Token -1 is not among"):
        unembedding(_subject("llama"), [-1], fold_norm=True)
