"""The specs of popular models are valid, and each one's loading path runs on a tiny model of its configuration."""

from __future__ import annotations

import copy
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import random_texts, word_tokenizer
from transformers import AutoConfig, AutoModelForCausalLM

from tiltmeter.data import write_texts
from tiltmeter.models import model_support
from tiltmeter.studies import open_model, read_spec, study_cost

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "models"
MEMORY = runpy.run_path(str(FOLDER / "memory.py"))
PUBLISHED: dict[str, dict[str, Any]] = MEMORY["PUBLISHED"]
# as KerasHub counts them, shared embeddings once; docs/how-to/real-models.md says where each figure is from
PARAMETERS = {
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.1-8b": 8_030_261_248,
    "qwen3-0.6b": 596_049_920,
    "qwen3-8b": 8_190_735_360,
    "gemma-3-1b": 999_885_952,
    "gemma-3-4b": 4_300_079_472,
    "mistral-7b": 7_248_023_552,
    "gpt-oss-20b": 20_914_757_184,
}
TINY = {
    "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 7, "num_attention_heads": 4, "head_dim": 8,
    "num_key_value_heads": 2, "vocab_size": 64, "sliding_window": 5, "num_local_experts": 4, "num_experts_per_tok": 2,
    "image_size": 28, "patch_size": 14, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3,
}  # fmt: skip
ALWAYS = {"bos_token_id", "eos_token_id", "pad_token_id"}
each_model = pytest.mark.parametrize("name", sorted(PUBLISHED))


def shrunk(config: dict[str, Any]) -> dict[str, Any]:
    """The same configuration, its sizes made tiny; rotary scaling, windows and ties stay."""
    made = copy.deepcopy(config)
    for part in (made, made.get("text_config", {}), made.get("vision_config", {})):
        part |= {key: value for key, value in TINY.items() if key in ALWAYS or part.get(key) is not None}
    for part in (made.get("vision_config"),):
        if part is not None:
            part |= {"num_hidden_layers": 1}
    return made


@pytest.fixture
def tiny(tmp_path: Path, name: str) -> Path:
    """A folder with a tiny random model of the published configuration."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(PUBLISHED[name]["model_type"], **shrunk(PUBLISHED[name]["config"]))
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.save_pretrained(tmp_path / "model")
    word_tokenizer().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_every_model_has_a_spec_and_a_published_configuration():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(PUBLISHED) == set(PARAMETERS)


@each_model
def test_the_configuration_has_the_parameters_that_were_published(name):
    assert MEMORY["model_size"](MEMORY["published"](name)).n_parameters == PARAMETERS[name]


@each_model
def test_the_spec_leaves_the_layer_to_the_data(name):
    spec = read_spec(FOLDER / f"{name}.yaml", values={"texts": "t.jsonl"})
    assert spec.name == name and spec.read.sites == "all"
    assert (
        PUBLISHED[name]["hub"].rpartition("/")[2].startswith(spec.model.path.rpartition("/")[2].removesuffix("-bf16"))
    )


@each_model
def test_a_tiny_model_of_the_configuration_goes_the_way_of_the_spec(name, tiny, tmp_path):
    write_texts(random_texts(40, longest=12), tmp_path / "texts.jsonl")
    spec = read_spec(FOLDER / f"{name}.yaml", values={"texts": str(tmp_path / "texts.jsonl")})
    model = spec.model.model_copy(update={"path": str(tiny), "device": "cpu"})
    support = model_support(tiny)
    assert support.problem is None and support.size is not None and support.size.n_layers == 7
    subject = open_model(model)
    assert subject.model.dtype == getattr(torch, spec.model.dtype)
    cost = study_cost(spec.model_copy(update={"model": model}))
    # the blocks, and what enters the first
    assert cost.by_set["texts"].n_bytes == 40 * support.size.row_bytes()
    assert cost.by_set["texts"].n_measured > 0


def test_the_table_of_the_page_is_the_one_that_is_computed():
    (page,) = ROOT.glob("docs/**/real-models.md")
    # links lead from wherever the page stands
    said = re.sub(r"\]\([^)]*\)", "]", page.read_text(encoding="utf-8"))
    assert re.sub(r"\]\([^)]*\)", "]", MEMORY["table"]()) in said


@pytest.mark.long
@each_model
def test_the_memory_that_a_spec_speaks_of_is_that_of_the_table(name):
    size = MEMORY["model_size"](MEMORY["published"](name))
    head = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").partition("name:")[0].replace("\n# ", " ")
    for figure in (size.weight_bytes(4), size.weight_bytes(2), 10_000 * size.row_bytes()):
        assert f"{figure / 1e9:.1f}" in head
