"""Models that accelerate spread or offloaded read as they do in one place, and are left as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from accelerate import cpu_offload, disk_offload, dispatch_model
from accelerate.hooks import SequentialHook
from tiny_models import FAMILIES, tiny_subject
from torch import Tensor, nn

from tiltmeter.core import Site
from tiltmeter.core.errors import ModelError
from tiltmeter.models import SubjectModel

TOKENS = torch.tensor([[6, 7, 8, 9, 10, 11, 12, 13], [20, 21, 22, 23, 24, 25, 26, 27]])
WAYS = ("memory", "disk", "mapped")
# where a forward can be left differs by family, how weights come and go does not
CASES = [(family, "memory") for family in FAMILIES] + [
    (family, way) for way in ("disk", "mapped") for family in ("llama-grouped-tied", "gpt-oss", "gpt2", "opt", "t5")
]


def _every_site(subject: SubjectModel, *, layers: int = 3) -> list[Site]:
    return [Site(layer, point) for layer in range(layers) for point in subject.family.points]


def _device_map(model: nn.Module, blocks: nn.ModuleList) -> dict[str, str]:
    """Return a map with every other block on disk and all else in memory."""
    names = {id(module): name for name, module in model.named_modules()}
    places = {names[id(block)]: "disk" if i % 2 == 0 else "cpu" for i, block in enumerate(blocks)}
    rest = [name for name, module in model.named_modules() if next(module.parameters(recurse=False), None) is not None]
    return places | {name: "cpu" for name in rest if not name.startswith(tuple(f"{block}." for block in places))}


def _offloaded(family: str, way: str, folder: Path, *, dtype: torch.dtype = torch.float32) -> SubjectModel:
    subject = tiny_subject(family, dtype=dtype)
    model = subject.model
    match way:
        case "memory":
            cpu_offload(model)
        case "disk":
            disk_offload(model, folder)
        case _:
            stack = model.base_model.get_submodule(subject.family.stack)
            blocks = stack.get_submodule(subject.family.blocks)
            dispatch_model(model, _device_map(model, blocks), offload_dir=folder)
    return subject


def _where(subject: SubjectModel) -> dict[str, tuple[str, bool]]:
    return {name: (p.device.type, p.is_inference()) for name, p in subject.model.named_parameters()}


def _output(subject: SubjectModel) -> Tensor:
    with torch.no_grad():
        return subject.model(input_ids=TOKENS)[0]


@pytest.mark.parametrize(("family", "way"), CASES)
def test_an_offloaded_model_reads_bit_for_bit_and_is_left_as_it_was(family, way, tmp_path):
    plain, subject = tiny_subject(family), _offloaded(family, way, tmp_path)
    expected, before = plain.read(TOKENS, sites=_every_site(plain)), _where(subject)
    assert "meta" in {device for device, _ in before.values()}
    assert subject.input_device == torch.device("cpu")
    seen = subject.read(TOKENS, sites=_every_site(subject))
    assert all(torch.equal(seen[site], expected[site]) for site in expected)
    # wherever in a block the forward would be left, its weights are put away again
    for site in _every_site(subject, layers=1):
        assert torch.equal(subject.read(TOKENS, sites=[site])[site], expected[site])
        assert _where(subject) == before
    with subject.capture(_every_site(subject)) as captured:
        assert torch.equal(_output(subject), _output(plain))
    assert all(torch.equal(captured[site], expected[site]) for site in expected)
    assert _where(subject) == before


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", ["llama-grouped-tied", "gpt-oss", "gpt2", "t5"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_fingerprint_is_that_of_the_true_weights(family, way, dtype, tmp_path):
    plain, subject = tiny_subject(family, dtype=dtype), _offloaded(family, way, tmp_path, dtype=dtype)
    before = _where(subject)
    assert subject.fingerprint == plain.fingerprint
    assert _where(subject) == before
    # the control: one weight changed before it is put away changes the hash
    other = tiny_subject(family, dtype=dtype)
    with torch.no_grad():
        next(other.model.parameters())[0, 0] += 1
    cpu_offload(other.model)
    assert other.fingerprint.differences(plain.fingerprint) == ("weights_sha256",)


def test_later_blocks_of_an_offloaded_model_are_not_run(tmp_path):
    subject = _offloaded("llama", "disk", tmp_path)
    calls: list[str] = []
    for name, module in subject.model.named_modules():
        module.register_forward_pre_hook(lambda _, args, name=name: calls.append(name))
    subject.read(TOKENS, sites=["1.z"])
    # to the end of the block, where its weights are put away, and no further
    assert "model.layers.1.mlp.down_proj" in calls
    assert not [name for name in calls if name.startswith(("model.layers.2", "model.norm", "lm_head"))]


def test_an_offloaded_model_can_still_be_trained_after_reading(tmp_path):
    subject = _offloaded("llama", "memory", tmp_path)
    subject.read(TOKENS, sites="all")
    with subject.capture(["1.resid_post"]) as seen:
        subject.model(input_ids=TOKENS)
    seen[Site(1, "resid_post")].sum().backward()


def test_an_exception_in_reduce_leaves_no_hook_on_an_offloaded_model(tmp_path):
    subject = _offloaded("llama", "disk", tmp_path)
    expected = tiny_subject("llama").read(TOKENS, sites="all")
    with pytest.raises(ZeroDivisionError):
        subject.read(TOKENS, sites=["1.z"], reduce=lambda values: 1 / 0)
    seen = subject.read(TOKENS, sites="all")
    assert all(torch.equal(seen[site], expected[site]) for site in expected)


def test_weights_that_nothing_keeps_have_no_fingerprint():
    subject = tiny_subject("llama")
    subject.model.model.layers[1].mlp.to("meta")
    with pytest.raises(ModelError, match=r"model\.layers\.1\.mlp\.down_proj\.weight is on the meta device and nothing"):
        _ = subject.fingerprint


@pytest.mark.parametrize(
    ("family", "around"),
    [("llama", "LlamaModel"), ("opt", "OPTDecoder"), ("bert", "BertEncoder"), ("t5", "T5Stack"), ("gpt2", "GPT2Model")],
)
def test_weights_that_come_all_at_once_are_read_and_put_away(family, around):
    plain, subject = tiny_subject(family), tiny_subject(family)
    cpu_offload(subject.model, preload_module_classes=[around])
    expected, before = plain.read(TOKENS, sites=_every_site(plain)), _where(subject)
    assert subject.input_device == torch.device("cpu")
    for sites in (_every_site(subject), [Site(0, "z")]):
        seen = subject.read(TOKENS, sites=sites)
        assert all(torch.equal(seen[site], expected[site]) for site in sites)
        assert _where(subject) == before
    assert subject.fingerprint == plain.fingerprint


def test_hooks_in_a_row_are_looked_through(tmp_path):
    subject = _offloaded("llama", "memory", tmp_path)
    embedding = subject.model.get_input_embeddings()
    embedding._hf_hook = SequentialHook(embedding._hf_hook)
    assert subject.input_device == torch.device("cpu")
    assert subject.fingerprint == tiny_subject("llama").fingerprint
