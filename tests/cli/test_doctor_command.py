"""``tiltmeter doctor``: what is there, and whether a model can be read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from tiltmeter.studies import _doctor

pytestmark = pytest.mark.smoke


def test_a_model_that_can_be_read_is_described(command, tiny_model: Path) -> None:
    out, _ = command("doctor", str(tiny_model))
    assert f"torch {torch.__version__}" in out and "cpu:" in out and "disk      here:" in out
    assert f"{tiny_model}: Llama" in out and "2 blocks of d = 16" in out
    told = json.loads(command("doctor", str(tiny_model), "--json")[0])
    counted = sum(one.numel() for one in _model(tiny_model).parameters())
    assert told["model"]["size"]["n_parameters"] == counted
    assert told["versions"]["transformers"] and told["disk"]["here"] > 0


def _model(folder: Path) -> torch.nn.Module:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder)


def test_a_model_that_cannot_be_read_is_exit_code_1_with_the_reason(command, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "blenderbot"}), encoding="utf-8")
    out, _ = command("doctor", str(tmp_path), code=1)
    assert "CANNOT BE READ" in out and "blenderbot" in out and "llama" in out
    told = json.loads(command("doctor", str(tmp_path / "gone"), "--json", code=1)[0])
    assert told["model"]["size"] is None and "does not exist" in told["model"]["problem"]


def test_a_folder_that_was_copied_halfway_cannot_be_read(command, tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "half")
    weights = tmp_path / "half" / "model.safetensors"
    weights.rename(weights.with_name("model-00001-of-00002.safetensors"))
    index = tmp_path / "half" / "model.safetensors.index.json"
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index.write_text(json.dumps({"weight_map": shards}), encoding="utf-8")
    assert "lacks model-00002-of-00002.safetensors" in command("doctor", str(tmp_path / "half"), code=1)[0]
    index.unlink()
    weights.with_name("model-00001-of-00002.safetensors").unlink()
    assert "no weights" in command("doctor", str(tmp_path / "half"), code=1)[0]
    (tmp_path / "half" / "config.json").write_text("{", encoding="utf-8")
    told = json.loads(command("doctor", str(tmp_path / "half"), "--json", code=1)[0])
    assert "not valid JSON" in told["model"]["problem"]


def test_quantized_weights_are_told_before_anything_is_loaded(command, tmp_path: Path) -> None:
    config = {"model_type": "gpt_oss", "quantization_config": {"quant_method": "mxfp4"}}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert "mxfp4" in command("doctor", str(tmp_path), code=1)[0]


def test_extras_are_read_from_the_package_and_those_absent_are_named(command, monkeypatch) -> None:
    lines = [
        "numpy>=1.26",
        'no-such-thing>=1; extra == "serve"',
        'pytest[all]>=2; extra == "ray"',
        'x; extra == "dev"',
    ]
    monkeypatch.setattr(_doctor.metadata, "requires", lambda name: lines)
    out, _ = command("doctor")
    assert "extra     serve: absent; pip install 'tiltmeter[serve]' brings no-such-thing" in out
    assert "extra     ray: present" in out and "extra     dev" not in out
    monkeypatch.setattr(_doctor.metadata, "requires", lambda name: ["no-such-thing>=1"])
    assert "no-such-thing ABSENT" in command("doctor", code=1)[0]


def test_an_unknown_organism_is_bad_input(command) -> None:
    assert "facts" in command("doctor", "organism:fact", code=2)[1]


@pytest.mark.parametrize("size", ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "head_dim"])
def test_sizes_of_nothing_are_no_model(command, tiny_model: Path, tmp_path: Path, size: str) -> None:
    shutil.copytree(tiny_model, tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "m" / "config.json").write_text(json.dumps({**config, size: 0}), encoding="utf-8")
    out, _ = command("doctor", str(tmp_path / "m"), code=1)
    assert "CANNOT BE READ. The config.json of" in out and ("must be 1 or more" in out or "could not be read" in out)


def test_without_a_network_a_name_of_the_hub_is_refused_at_once(command, monkeypatch) -> None:
    monkeypatch.setattr("tiltmeter.models._load.unknown_host", lambda url: "huggingface.co")
    out, _ = command("doctor", "no-such/model", code=1)
    assert "no-such/model is no folder and not in the Hub's cache here, and huggingface.co cannot be reached" in out


def test_what_the_hub_is_asked_for_is_said_before_it_answers(monkeypatch, capsys) -> None:
    from tiltmeter.cli._terminal import steps
    from tiltmeter.studies import tell_of_hub

    with steps("doctor") as announce:
        for path in ("organism:facts", "./here", __file__, "no-such/model"):
            tell_of_hub(path, announce)
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "doctor: loading …",
        "doctor: asking the Hugging Face Hub for no-such/model, if it is not kept here …",
    ]
