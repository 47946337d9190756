"""A fingerprint is that of the model as it is now, and is not computed again while nothing changed."""

from __future__ import annotations

import pytest
import torch
from accelerate import cpu_offload
from peft import LoraConfig, get_peft_model
from tiny_models import CONTEXT, tiny_subject, word_tokenizer
from torch import nn

from tiltmeter.models import SubjectModel, _fingerprint, bind

# peft asks transformers by a name that transformers is about to drop
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

TOKENS = torch.tensor([[6, 7, 8, 9]])


@pytest.fixture
def computed(monkeypatch) -> list[str]:
    """Say each time that a fingerprint is computed."""
    times, true = [], _fingerprint.fingerprint_of

    def counted(*args: object, **kwargs: object) -> object:
        times.append("computed")
        return true(*args, **kwargs)

    monkeypatch.setattr(_fingerprint, "fingerprint_of", counted)
    return times


def _anew(subject: SubjectModel) -> SubjectModel:
    return bind(subject.model, subject.tokenizer, name=subject.name)


@pytest.mark.parametrize("offloaded", [False, True])
def test_it_is_computed_once_while_nothing_changes(computed, offloaded):
    subject = tiny_subject("llama")
    if offloaded:
        cpu_offload(subject.model)
    first = subject.fingerprint
    subject.read(TOKENS, sites="all")
    assert subject.fingerprint is first
    assert len(computed) == 1


def test_weights_that_were_written_into_are_hashed_again():
    subject = tiny_subject("llama")
    before, projection = subject.fingerprint, subject.model.model.layers[0].mlp.down_proj
    with torch.no_grad():
        projection.weight.mul_(2)
    assert subject.fingerprint.differences(before) == ("weights_sha256",)
    assert subject.fingerprint == _anew(subject).fingerprint
    with torch.no_grad():
        projection.weight.div_(2)
    assert subject.fingerprint == before


def test_weights_that_were_replaced_are_hashed_again():
    subject = tiny_subject("llama")
    projection = subject.model.model.layers[0].mlp.down_proj
    found = set()
    # each takes the place of one that is gone, whose address it may be given
    for seed in range(6):
        values = torch.rand(projection.weight.shape, generator=torch.Generator().manual_seed(seed))
        projection.weight = None
        projection.weight = nn.Parameter(values)
        found.add(subject.fingerprint.weights_sha256)
        assert subject.fingerprint == _anew(subject).fingerprint
    assert len(found) == 6


def test_a_model_made_in_inference_mode_has_a_fingerprint(computed):
    with torch.inference_mode():
        subject = tiny_subject("llama")
    assert subject.fingerprint == tiny_subject("llama").fingerprint == subject.fingerprint
    assert len(computed) == 2


def test_an_adapter_of_the_same_settings_and_other_weights_is_told_apart():
    subject = tiny_subject("llama")
    config = LoraConfig(r=2, init_lora_weights=False, target_modules=["o_proj"])
    model = get_peft_model(subject.model, config).eval()
    subject = bind(model, subject.tokenizer, name="tiny")
    found = []
    for _ in range(4):
        model.add_adapter("second", config)
        model.set_adapter("second")
        model.eval()
        found.append(subject.fingerprint)
        assert found[-1] == _anew(subject).fingerprint
        model.set_adapter("default")
        model.delete_adapter("second")
    assert len({each.weights_sha256 for each in found}) == 4


def test_merging_and_taking_out_again_in_half_precision_shows():
    subject = tiny_subject("llama", dtype=torch.bfloat16)
    config = LoraConfig(r=2, init_lora_weights=False, target_modules=["o_proj", "down_proj"])
    model = get_peft_model(subject.model, config).eval()
    subject = bind(model, subject.tokenizer, name="tiny")
    before = subject.fingerprint
    model.merge_adapter()
    assert subject.fingerprint.differences(before) == ("weights_sha256", "adapter_sha256")
    model.unmerge_adapter()
    # rounding left its trace in the weights
    assert subject.fingerprint.differences(before) == ("weights_sha256",)
    assert subject.fingerprint == _anew(subject).fingerprint


def test_the_context_is_part_of_it():
    one, other = tiny_subject("llama"), tiny_subject("llama")
    assert one.fingerprint.context == CONTEXT
    assert one.fingerprint == other.fingerprint
    other.tokenizer.model_max_length = 6
    assert one.fingerprint.differences(other.fingerprint) == ("context",)
    assert one.fingerprint.digest != other.fingerprint.digest
    # the control: a limit above the model's own changes nothing
    other.tokenizer.model_max_length = 10 * CONTEXT
    assert one.fingerprint == other.fingerprint


def test_changes_of_the_tokenizer_and_of_the_kernel_show():
    subject = tiny_subject("llama", tokenizer=word_tokenizer())
    before = subject.fingerprint
    subject.tokenizer.chat_template = "{{ messages[0]['content'] }}"
    assert subject.fingerprint.differences(before) == ("chat_template_sha256",)
    subject.tokenizer.chat_template = None
    subject.tokenizer.add_tokens(["w77"])
    assert subject.fingerprint.differences(before) == ("tokenizer_sha256",)
    subject.model.set_attn_implementation("eager")
    assert subject.fingerprint.differences(before) == ("attention", "tokenizer_sha256")


def test_a_head_that_no_site_depends_on_counts():
    subject = tiny_subject("llama")
    base = bind(subject.model.model, subject.tokenizer, name="base")
    assert subject.fingerprint.differences(base.fingerprint) == ("weights_sha256",)
    seen, expected = (each.read(TOKENS, sites="all") for each in (subject, base))
    assert all(torch.equal(seen[site], expected[site]) for site in expected)
