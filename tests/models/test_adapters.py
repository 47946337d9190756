"""LoRA models read as what they compute; other adapters and quantized weights are refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from peft import IA3Config, LoraConfig, PeftModel, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from tiny_models import tiny_subject

from tiltmeter.core import Site
from tiltmeter.core.errors import ModelError
from tiltmeter.models import SubjectModel, bind

# peft asks transformers by a name that transformers is about to drop
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

TOKENS = torch.tensor([[6, 7, 8, 9, 10, 11, 12, 13], [20, 21, 22, 23, 24, 25, 26, 27]])
# projections of attention and MLP, z's and mlp_post's among them
TARGETS = {
    "llama": ["q_proj", "o_proj", "down_proj"],
    "mixtral": ["q_proj", "o_proj"],
    "gpt2": ["c_attn", "c_proj"],
    "opt": ["q_proj", "out_proj", "fc2"],
    "bert": ["query", "dense"],
    "t5": ["q", "o", "wo"],
}


def _adapted(family: str, *, seed: int = 1, **changes: object) -> PeftModel:
    model = tiny_subject(family).model
    torch.manual_seed(seed)
    settings = {"r": 2, "lora_alpha": 4, "init_lora_weights": False, "fan_in_fan_out": family == "gpt2"}
    return get_peft_model(model, LoraConfig(target_modules=TARGETS[family], **{**settings, **changes})).eval()


def _bound(model: object) -> SubjectModel:
    return bind(model, tiny_subject("llama").tokenizer, name="tiny")


def _every_site(subject: SubjectModel) -> list[Site]:
    return [Site(layer, point) for layer in range(subject.n_layers) for point in subject.family.points]


def _error(values: torch.Tensor, expected: torch.Tensor) -> float:
    return float(((values - expected).norm(dim=-1) / expected.norm(dim=-1)).max())


@pytest.mark.parametrize("family", TARGETS)
def test_an_adapted_model_reads_as_the_merged_one_and_not_as_its_base(family):
    base, model = tiny_subject(family), _adapted(family)
    subject = _bound(model)
    seen = subject.read(TOKENS, sites=_every_site(subject))
    assert {site: values.shape[-1] for site, values in seen.items()} == {site: subject.width(site) for site in seen}
    with subject.capture(_every_site(subject)) as captured, torch.no_grad():
        model(input_ids=TOKENS)
    assert all(torch.equal(captured[site], seen[site]) for site in seen)
    plain = base.read(TOKENS, sites=_every_site(base))
    assert _error(seen[Site(2, "resid_post")], plain[Site(2, "resid_post")]) > 0.1
    with model.disable_adapter():
        disabled = subject.read(TOKENS, sites=_every_site(subject))
    assert all(torch.equal(disabled[site], plain[site]) for site in plain)
    merged = _bound(model.merge_and_unload().eval()).read(TOKENS, sites=_every_site(subject))
    assert all(_error(seen[site], merged[site]) < 1e-4 for site in merged)


def test_the_model_inside_a_wrapper_reads_and_hashes_as_the_wrapper():
    model = _adapted("llama")
    outer, inner = _bound(model), _bound(model.get_base_model())
    assert outer.fingerprint == inner.fingerprint
    site = Site(2, "resid_post")
    assert torch.equal(outer.read(TOKENS, sites=[site])[site], inner.read(TOKENS, sites=[site])[site])
    assert outer.input_device == torch.device("cpu")


def test_the_fingerprint_covers_adapter_weights_settings_and_what_is_active():
    one = _bound(_adapted("llama")).fingerprint
    assert _bound(_adapted("llama")).fingerprint == one
    base = _bound(tiny_subject("llama").model).fingerprint
    assert base.adapter_sha256 is None
    assert one.differences(base) == ("weights_sha256", "adapter_sha256")
    assert one.differences(_bound(_adapted("llama", seed=2)).fingerprint) == ("weights_sha256",)
    assert one.differences(_bound(_adapted("llama", lora_alpha=8)).fingerprint) == ("adapter_sha256",)


def test_the_fingerprint_follows_the_adapter_that_is_switched_on():
    model = _adapted("llama")
    torch.manual_seed(3)
    model.add_adapter("second", LoraConfig(target_modules=TARGETS["llama"], r=2, init_lora_weights=False))
    subject = _bound(model.eval())
    first = subject.fingerprint
    model.set_adapter("second")
    assert subject.fingerprint.differences(first) == ("adapter_sha256",)
    model.set_adapter("default")
    assert subject.fingerprint == first
    with model.disable_adapter():
        assert subject.fingerprint.differences(first) == ("adapter_sha256",)
    assert subject.fingerprint == first


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"), "PROMPT_TUNING"),
        (PrefixTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"), "PREFIX_TUNING"),
        (IA3Config(target_modules=["k_proj"], feedforward_modules=[]), "IA3"),
        (LoraConfig(target_modules=["q_proj"], alora_invocation_tokens=[6], task_type="CAUSAL_LM"), "activated LORA"),
    ],
)
def test_other_kinds_of_adapters_are_refused(config, kind):
    model = get_peft_model(tiny_subject("llama").model, config).eval()
    with pytest.raises(
        ModelError, match=rf"adapter 'default' of kind {kind}, and only LORA can be read; bind the model"
    ):
        _bound(model)


@pytest.mark.parametrize(
    ("quantization", "how"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, r" \(bitsandbytes\)"),
        (SimpleNamespace(quant_method=SimpleNamespace(value="gptq")), r" \(gptq\)"),
        ({"bits": 4}, ""),
    ],
)
def test_quantized_weights_are_refused(quantization, how):
    model = tiny_subject("llama").model
    model.config.quantization_config = quantization
    with pytest.raises(ModelError, match=rf"tiny are quantized{how}, which is not supported: load it in bfloat16\.$"):
        _bound(model)


def test_a_model_that_says_it_is_quantized_is_refused():
    model = tiny_subject("llama").model
    model.is_quantized = True
    with pytest.raises(ModelError, match="tiny are quantized, which is not supported"):
        _bound(model)
    model = tiny_subject("gemma3-multimodal").model
    model.config.text_config.quantization_config = {"quant_method": "awq"}
    with pytest.raises(ModelError, match=r"quantized \(awq\)"):
        _bound(model)
