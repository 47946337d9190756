"""What cannot be read is refused in one sentence, whether it comes so or was made so after it was bound."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_models import tiny_subject, word_tokenizer
from torch import nn

from tiltmeter.core.errors import ModelError
from tiltmeter.models import SubjectModel, bind

# peft asks transformers by a name that transformers is about to drop, and torch itself for its script_method
pytestmark = pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning",
    "ignore:.torch.jit.script_method. is deprecated:DeprecationWarning",
)
TOKENS = torch.tensor([[6, 7, 8, 9]])


@pytest.fixture
def subject() -> SubjectModel:
    return tiny_subject("llama")


def _compile_forward(model: nn.Module) -> None:
    model.forward = torch.compile(model.forward, backend="eager")


def _compile_in_place(model: nn.Module) -> None:
    model.compile(backend="eager")


def _wrap_a_block(model: nn.Module) -> None:
    model.model.layers[1] = torch.compile(model.model.layers[1], backend="eager")


def _compile_a_block(model: nn.Module) -> None:
    model.model.layers[1].compile(backend="eager")


WAYS = (_compile_forward, _compile_in_place, _wrap_a_block, _compile_a_block)


@pytest.mark.long
def test_a_model_inside_its_compiled_wrapper_is_refused_and_alone_is_read(subject):
    wrapped = torch.compile(subject.model, backend="eager")
    with pytest.raises(ModelError, match=r"model tiny is compiled, and compiled code passes over .* _orig_mod"):
        bind(wrapped, subject.tokenizer, name="tiny")
    with pytest.raises(ModelError, match="is compiled"):
        bind(torch.compile(get_peft_model(subject.model, LoraConfig())), subject.tokenizer, name="tiny")
    subject = tiny_subject("llama")
    bound = bind(torch.compile(subject.model, backend="eager")._orig_mod, subject.tokenizer, name="tiny")
    seen, expected = (each.read(TOKENS, sites="all") for each in (bound, tiny_subject("llama")))
    assert all(torch.equal(seen[site], expected[site]) for site in expected)
    assert not bound.fingerprint.differences(subject.fingerprint)


@pytest.mark.parametrize("way", WAYS)
def test_a_compiled_model_is_refused_and_not_captured_from(subject, way):
    way(subject.model)
    with pytest.raises(ModelError, match="is compiled"):
        bind(subject.model, subject.tokenizer, name="tiny")
    # bound before
    with pytest.raises(ModelError, match="model llama is compiled"):
        subject.capture("all")


@pytest.mark.parametrize("way", [_wrap_a_block, _compile_a_block])
def test_compiled_blocks_are_not_read(subject, way):
    way(subject.model)
    with pytest.raises(ModelError, match="model llama is compiled"):
        subject.read(TOKENS, sites=["1.z"])


@pytest.mark.parametrize("way", [_compile_forward, _compile_in_place])
def test_what_is_compiled_outside_the_blocks_is_gone_past(subject, way):
    way(subject.model)
    seen, expected = (each.read(TOKENS, sites="all") for each in (subject, tiny_subject("llama")))
    assert all(torch.equal(seen[site], expected[site]) for site in expected)


def test_what_is_no_model_of_transformers_is_refused(subject):
    wrapped = nn.DataParallel(subject.model).eval()
    with pytest.raises(ModelError, match=r"is a DataParallel, which is no model .* bind the one .* its \.module\)"):
        bind(wrapped, subject.tokenizer, name="tiny")
    assert bind(wrapped.module, subject.tokenizer, name="tiny").n_layers == 3
    with pytest.raises(ModelError, match="tiny is a str, which is no model"):
        bind("gpt2", subject.tokenizer, name="tiny")


def test_mixed_adapters_are_refused(subject):
    config = LoraConfig(target_modules=["o_proj"])
    mixed = get_peft_model(subject.model, config, mixed=True).eval()
    with pytest.raises(ModelError, match="tiny is a PeftMixedModel, which is no model of transformers"):
        bind(mixed, subject.tokenizer, name="tiny")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_weights_that_torch_quantized_are_refused(subject):
    quantized = torch.ao.quantization.quantize_dynamic(subject.model, {nn.Linear}, dtype=torch.qint8)
    with pytest.raises(ModelError, match=r"weights of tiny are quantized \(Linear\), which is not supported"):
        bind(quantized, word_tokenizer(), name="tiny")


def test_a_new_adapter_in_training_mode_is_refused(subject):
    model = subject.model
    model.add_adapter(LoraConfig(target_modules=["o_proj"], lora_dropout=0.5))
    model.training = False
    with pytest.raises(ModelError, match=r"tiny is in training mode, .* call model\.eval"):
        bind(model, subject.tokenizer, name="tiny")
    assert bind(model.eval(), subject.tokenizer, name="tiny").n_layers == 3
