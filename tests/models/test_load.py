"""Loading: what comes back, and one clear sentence for everything that can be wrong."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tiny_models import FAMILIES, tiny_config, tiny_subject, word_tokenizer
from transformers import T5ForConditionalGeneration

from tiltmeter.core import Site
from tiltmeter.core.errors import FormatError, ModelError, SpecError
from tiltmeter.models import LoadedFrom, bind, load

TOKENS = torch.tensor([[6, 7, 8]])


def _save(folder: Path, family: str = "llama") -> Path:
    subject = tiny_subject(family)
    subject.model.save_pretrained(folder)
    subject.tokenizer.save_pretrained(folder)
    return folder


def _weights(path: Path) -> dict[str, torch.Tensor]:
    """Read weights into memory: of a file that is mapped and then saved over, the rest can no longer be read."""
    return {name: weight.clone() for name, weight in load_file(path).items()}


def _change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_reads_as_it_did_in_memory(tmp_path, family, capfd):
    before = tiny_subject(family)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        after = load(_save(tmp_path / "model", family))
    a, b = before.read(TOKENS, sites="all"), after.read(TOKENS, sites="all")
    assert all(torch.equal(a[site], b[site]) for site in a)
    assert capfd.readouterr().err.count("Loading weights") == 0


def test_loading_again_gives_the_same_fingerprint(tmp_path):
    folder = _save(tmp_path / "model")
    one, other = load(folder).fingerprint, load(str(folder)).fingerprint
    assert one == other
    assert one.name == str(folder)
    assert one.padding_side == "right"
    (tmp_path / "moved").symlink_to(folder)
    assert load(tmp_path / "moved").fingerprint.digest == one.digest


def test_the_fingerprint_tells_apart_what_can_move_an_activation(tmp_path):
    folder = _save(tmp_path / "model")
    digests = {
        "as it is": load(folder).fingerprint.digest,
        "dtype": load(folder, dtype="bfloat16").fingerprint.digest,
        "attention": load(folder, attention="eager").fingerprint.digest,
    }
    word_tokenizer(bos=True).save_pretrained(folder)
    digests["tokenizer"] = load(folder).fingerprint.digest
    word_tokenizer(template="{{ messages[0]['content'] }}").save_pretrained(folder)
    digests["template"] = load(folder).fingerprint.digest
    word_tokenizer().save_pretrained(folder)
    (folder / "chat_template.jinja").unlink()
    assert load(folder).fingerprint.digest == digests["as it is"]
    _change_config(folder, rms_norm_eps=1e-3)
    digests["config"] = load(folder).fingerprint.digest
    _change_config(folder, rms_norm_eps=1e-6)
    weights = _weights(folder / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][0, 0] += 1e-3
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    digests["weights"] = load(folder).fingerprint.digest
    assert len(set(digests.values())) == len(digests)


def test_using_the_tokenizer_does_not_change_the_fingerprint(tmp_path):
    folder = _save(tmp_path / "model")
    used = load(folder)
    used.tokenizer(["w1 w2", "w3"], padding=True, truncation=True, max_length=4)
    assert used.fingerprint.digest == load(folder).fingerprint.digest


def test_differences_name_the_fields_and_never_where_a_model_came_from(tmp_path):
    one, other = load(_save(tmp_path / "one")).fingerprint, load(_save(tmp_path / "other")).fingerprint
    assert one != other
    assert one.differences(other) == ()
    changed = load(tmp_path / "other", dtype="bfloat16", attention="eager").fingerprint
    assert one.differences(changed) == ("dtype", "attention", "weights_sha256")
    assert changed.differences(one) == one.differences(changed)


def test_what_was_loaded_says_how_to_load_it_again(tmp_path):
    folder = _save(tmp_path / "model")
    source = load(folder, dtype="bfloat16", attention="eager").loaded_from
    assert source == LoadedFrom(path_or_name=str(folder), revision=None, dtype="bfloat16", attention="eager")
    again = load(source.path_or_name, revision=source.revision, dtype=source.dtype, attention=source.attention)
    assert again.loaded_from == source
    assert load(folder).loaded_from.attention == "sdpa"
    with pytest.raises(ValueError, match="frozen"):
        source.dtype = "float32"


@pytest.mark.parametrize("family", ["gptj", "gemma2", "gpt-oss"])
def test_a_family_without_the_fast_kernel_takes_the_plain_one(tmp_path, family):
    folder = _save(tmp_path / "model", family)
    subject = load(folder)
    assert subject.fingerprint.attention == subject.loaded_from.attention == "eager"
    with pytest.raises(SpecError, match=r"attention is 'sdpa'; for .* models use eager, or None\."):
        load(folder, attention="sdpa")


def test_of_an_encoder_decoder_the_encoder_is_loaded(tmp_path):
    torch.manual_seed(0)
    whole = T5ForConditionalGeneration(tiny_config("t5")).eval()
    whole.save_pretrained(tmp_path / "model")
    word_tokenizer(eos=True).save_pretrained(tmp_path / "model")
    subject = load(tmp_path / "model")
    assert type(subject.model).__name__ == "T5EncoderModel"
    site = Site(1, "resid_post")
    bound = bind(whole, subject.tokenizer, name="t5")
    assert torch.equal(subject.read(TOKENS, sites=[site])[site], bound.read(TOKENS, sites=[site])[site])


def test_quantized_weights_are_refused_before_they_are_read(tmp_path):
    folder = _save(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    _change_config(folder, quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(
        ModelError, match=r"model are quantized \(gptq\), which is not supported: load it in bfloat16\.$"
    ):
        load(folder)
    folder = _save(tmp_path / "nested", "gemma3-multimodal")
    text = json.loads((folder / "config.json").read_text())["text_config"]
    _change_config(folder, text_config=text | {"quantization_config": {"quant_method": "awq"}})
    with pytest.raises(ModelError, match=r"nested are quantized \(awq\)"):
        load(folder)


def test_a_configuration_that_cannot_be_made_is_refused(tmp_path):
    folder = _save(tmp_path / "model")
    _change_config(folder, num_hidden_layers="three")
    with pytest.raises(ModelError, match=r"config\.json of .*model could not be read"):
        load(folder)
    folder = _save(tmp_path / "falcon", "falcon-new")
    _change_config(folder, parallel_attn=False)
    with pytest.raises(ModelError, match="has a layout that is not known here"):
        load(folder)


def test_dtype_is_as_asked_for(tmp_path):
    assert load(_save(tmp_path / "model"), dtype="bfloat16").model.dtype == torch.bfloat16


def test_an_encoder_saved_without_its_pooler_loads(tmp_path):
    folder = _save(tmp_path / "model", "bert")
    weights = {k: v for k, v in load_file(folder / "model.safetensors").items() if not k.startswith("pooler")}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert load(folder).n_layers == 3


@pytest.mark.parametrize(
    "path", ["./nothing-here", "/nothing/here", "two/levels/down", "~/nothing-here", Path("nothing")]
)
def test_a_missing_folder_is_named(path):
    with pytest.raises(ModelError, match=r"model folder .* does not exist; check the path"):
        load(path)


def test_a_missing_folder_inside_a_folder_that_is_there_is_no_hub_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(ModelError, match="model folder runs/mine does not exist"):
        load("runs/mine")


def test_what_the_hub_said_comes_back_as_one_sentence(monkeypatch):
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("No such repository.\nA second line.\nA third.")

    monkeypatch.setattr("tiltmeter.models._load.unknown_host", lambda url: None)
    monkeypatch.setattr(transformers.PreTrainedConfig, "get_config_dict", refuse)
    with pytest.raises(ModelError, match=r"^some/model is neither .* hub gave \(No such repository\)\.$"):
        load("some/model")


def test_a_file_or_a_folder_without_config_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"has no config.json"):
        load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="is a file; give the folder"):
        load(tmp_path / "model.safetensors")


def test_a_folder_that_holds_an_adapter_alone_is_refused(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"holds an adapter and no model; load its base model .* and bind that"):
        load(tmp_path)


@pytest.mark.parametrize(("dtype", "kept"), [("float16", torch.float32), ("bfloat16", torch.bfloat16)])
def test_what_would_overflow_in_half_precision_stays_in_float32(tmp_path, dtype, kept):
    subject = load(_save(tmp_path / "model", "t5"), dtype=dtype)
    assert subject.model.dtype == getattr(torch, dtype)
    assert subject.model.encoder.block[0].layer[1].DenseReluDense.wo.weight.dtype == kept


def test_an_unknown_architecture_lists_the_known_ones(tmp_path):
    folder = _save(tmp_path / "model")
    _change_config(folder, model_type="mamba")
    with pytest.raises(ModelError, match=r"'mamba'.*known types are llama, mistral, qwen2, .*xlm-roberta, t5"):
        load(folder)
    _change_config(folder, model_type=None)
    with pytest.raises(ModelError, match="names no model_type"):
        load(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(FormatError, match="not valid JSON"):
        load(folder)


def test_code_that_comes_with_a_model_is_not_run(tmp_path):
    folder = _save(tmp_path / "model")
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    _change_config(folder, auto_map={"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"})
    assert load(folder).n_layers == 3


def test_missing_damaged_or_misfit_weights_are_refused(tmp_path):
    folder = _save(tmp_path / "model")
    path = folder / "model.safetensors"
    weights = _weights(path)
    lacking = {name: weight for name, weight in weights.items() if ".1.mlp." not in name}
    save_file(lacking, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 3 of the weights .* first model.layers.1.mlp.down_proj.weight"):
        load(folder)
    save_file(weights | {"model.norm.weight": torch.ones(5)}, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"model"):
        load(folder)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"weights of .* could not be loaded"):
        load(folder)
    path.unlink()
    with pytest.raises(ModelError, match=r"weights of .* could not be loaded"):
        load(folder)


def test_a_missing_tokenizer_is_named(tmp_path):
    tiny_subject("llama").model.save_pretrained(tmp_path / "model")
    with pytest.raises(ModelError, match="has no tokenizer"):
        load(tmp_path / "model")


def test_options_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(SpecError, match="dtype is 'int8'"):
        load(tmp_path, dtype="int8")
    with pytest.raises(SpecError, match="device is 'warp'"):
        load(tmp_path, device="warp")
