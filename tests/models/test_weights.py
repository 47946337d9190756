"""The matrices of a block act on vectors as the model's own modules do, in every family and orientation."""

from __future__ import annotations

import functools

import pytest
import torch
from accelerate import cpu_offload
from peft import LoraConfig, get_peft_model
from tiny_models import FAMILIES, tiny_subject
from torch import Tensor, nn

from tiltmeter.core import Site
from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.models import FAMILIES as ROWS
from tiltmeter.models import (
    SubjectModel,
    bind,
    edited,
    embedding,
    head_weights,
    mlp_weights,
    output_embedding,
    unembedding,
)
from tiltmeter.models._weight_layouts import LAYOUTS

# one token a text: attention can look nowhere else, so that what a head adds is OV of what it reads
ALONE = torch.tensor([[6], [19]])
EXPERTS = ("mixtral", "qwen3-moe", "gpt-oss")
_subject = functools.cache(tiny_subject)


class OneHead:
    """Let one head through, and no other."""

    def __init__(self, layer: int, head: int, n_heads: int) -> None:
        self.site = Site(layer, "z")
        self.head, self.n_heads = head, n_heads

    def __call__(self, old: Tensor, places: object) -> Tensor:
        keep = torch.arange(self.n_heads) == self.head
        return (old.unflatten(-1, (self.n_heads, -1)) * keep[:, None]).flatten(-2)


def seen(subject: SubjectModel, modules: dict[str, tuple[nn.Module, str]], edits: tuple = ()) -> dict[str, Tensor]:
    """What enters or leaves some modules, texts as rows, by hooks of this file's own."""
    found: dict[str, Tensor] = {}
    hooks = []
    for name, (module, side) in modules.items():
        if side == "input":

            def before(_, args, kwargs, name=name):
                found[name] = (args[0] if args else kwargs["hidden_states"]).detach().reshape(len(ALONE), -1)

            hooks.append(module.register_forward_pre_hook(before, with_kwargs=True))
        else:

            def after(_, args, output, name=name):
                first = output[0] if isinstance(output, tuple) else output
                found[name] = first.detach().clone().reshape(len(ALONE), -1)

            hooks.append(module.register_forward_hook(after))
    try:
        with torch.no_grad(), edited(subject, edits):
            subject.model(input_ids=ALONE)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def without_sinks(subject: SubjectModel) -> SubjectModel:
    """Have gpt-oss's heads look at tokens alone; each could look away to a learnt sink."""
    with torch.no_grad():
        for name, weight in subject.model.named_parameters():
            if name.endswith("sinks"):
                weight.fill_(-1e4)
    return subject


def test_every_family_has_a_row_of_weights_and_no_row_is_left_over():
    assert {row.name for row in ROWS} == set(LAYOUTS)


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES)
def test_ov_acts_on_a_vector_as_the_models_own_modules_do(family):
    subject = without_sinks(tiny_subject(family)) if family == "gpt-oss" else _subject(family)
    layer = subject.n_layers - 1
    block, layout = subject._blocks[layer], LAYOUTS[subject.family.name]
    project = block.get_submodule(subject.family.points["z"].module)
    reads = block.get_submodule(layout.query_key_value[-1])
    found = head_weights(subject, layer, fold_norm=False)
    for head in range(subject.n_heads):
        given = seen(
            subject, {"x": (reads, "input"), "y": (project, "output")}, (OneHead(layer, head, subject.n_heads),)
        )
        # the difference of two texts, so that biases cancel
        x, y = given["x"][0] - given["x"][1], given["y"][0] - given["y"][1]
        assert torch.allclose(x @ found.value[head] @ found.output[head], y, atol=1e-4 * float(y.abs().max()))


@pytest.mark.parametrize("family", FAMILIES)
def test_queries_and_keys_are_those_that_the_projections_give_each_head(family):
    """A naive twin of the slicing: columns of the fused result picked one head at a time, by index."""
    subject = _subject(family)
    block, layout = subject._blocks[0], LAYOUTS[subject.family.name]
    found = head_weights(subject, 0, fold_norm=False)
    h, _, k = found.query.shape
    paths = dict.fromkeys(layout.query_key_value)
    given = seen(
        subject,
        {"x": (block.get_submodule(layout.query_key_value[0]), "input")}
        | {path: (block.get_submodule(path), "output") for path in paths},
    )
    made = [given[path][0] - given[path][1] for path in paths]
    x = given["x"][0] - given["x"][1]
    for head in range(h):
        if len(made) == 3:
            n_keys = len(made[1]) // k
            query = made[0][head * k : (head + 1) * k]
            start = (head // (h // n_keys)) * k
            key = made[1][start : start + k]
        elif family in ("gpt2", "phi3", "phi3-long"):
            n_keys = (len(made[0]) // k - h) // 2
            query = made[0][head * k : (head + 1) * k]
            start = (h + head // (h // n_keys)) * k
            key = made[0][start : start + k]
        else:
            n_keys = (len(made[0]) // k - h) // 2
            each = h // n_keys
            start = (head // each) * (each + 2) * k
            query = made[0][start + (head % each) * k :][:k]
            key = made[0][start + each * k :][:k]
        assert torch.allclose(x @ found.query[head], query, atol=1e-4)
        assert torch.allclose(x @ found.key[head], key, atol=1e-4)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in EXPERTS])
def test_the_mlps_matrices_act_as_its_modules_do(family):
    subject = _subject(family)
    block, layout = subject._blocks[1], LAYOUTS[subject.family.name]
    down = block.get_submodule(layout.mlp_out)
    present = [path for path in layout.mlp_in if path in dict(block.named_modules())]
    modules = {path: (block.get_submodule(path), "output") for path in present}
    given = seen(
        subject,
        {"x": (block.get_submodule(present[0]), "input"), "z": (down, "input"), "y": (down, "output"), **modules},
    )
    change = {name: value[0] - value[1] for name, value in given.items()}
    found = mlp_weights(subject, 1, fold_norm=False)
    read = torch.cat([change[path] for path in present])
    expected = [change["x"] @ part[0] for part in (found.gate, found.up) if part is not None]
    assert torch.allclose(torch.cat(expected), read, atol=1e-4)
    assert (found.gate is not None) == (len(read) == 2 * found.up.shape[2])
    assert torch.allclose(change["z"] @ found.down[0], change["y"], atol=1e-4)


@pytest.mark.parametrize("family", EXPERTS)
def test_the_matrices_of_experts_give_what_the_experts_give(family):
    subject = _subject(family)
    experts = subject._blocks[0].mlp.experts
    found = mlp_weights(subject, 0, fold_norm=False)
    x = torch.randn(1, subject.d_model, generator=torch.Generator().manual_seed(0)) / 10
    for chosen in range(len(found.up)):
        with torch.no_grad():
            y = experts(x, torch.tensor([[chosen]]), torch.tensor([[1.0]]))
        gate, up = x @ found.gate[chosen], x @ found.up[chosen]
        if family == "gpt-oss":
            bias, out = experts.gate_up_proj_bias[chosen], experts.down_proj_bias[chosen]
            gate = (gate + bias[::2]).clamp(max=experts.limit)
            up = (up + bias[1::2]).clamp(-experts.limit, experts.limit)
            hidden, out = (up + 1) * gate * torch.sigmoid(experts.alpha * gate), out
        else:
            hidden, out = torch.nn.functional.silu(gate) * up, torch.zeros(())
        assert torch.allclose(hidden @ found.down[chosen] + out, y, atol=1e-4)


def test_a_dense_block_among_blocks_of_experts_gives_its_one_mlp():
    subject = _subject("qwen3-moe")
    assert len(mlp_weights(subject, 0, fold_norm=False).up) == 4
    assert len(mlp_weights(subject, 1, fold_norm=False).up) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_with_the_norms_folded_what_is_read_and_written_is_the_streams(family):
    """Fold: stream → value of each head but for what the norm divides by; and the sum of heads → attn_out, likewise."""
    subject = without_sinks(tiny_subject(family)) if family == "gpt-oss" else _subject(family)
    layer = 1
    block, layout = subject._blocks[layer], LAYOUTS[subject.family.name]
    project = block.get_submodule(subject.family.points["z"].module)
    given = seen(subject, {"stream": (block, "input"), "z": (project, "input"), "y": (project, "output")})
    bare, folded = (head_weights(subject, layer, fold_norm=fold) for fold in (False, True))
    stream, x = given["stream"], given["stream"]
    bias = torch.zeros(())
    norm = next((block.get_submodule(p) for p in layout.attention_norm if p in dict(block.named_modules())), None)
    if norm is not None:
        bias = getattr(norm, "bias", None)
        bias = torch.zeros(()) if bias is None else bias.detach()
        centred = stream - stream.mean(1, keepdim=True) if type(norm).__name__ == "LayerNorm" else stream
        eps = getattr(norm, "eps", getattr(norm, "variance_epsilon", None))
        x = stream / (centred.pow(2).mean(1, keepdim=True) + eps).sqrt()
        with torch.no_grad():
            normed = norm(stream)
    else:
        normed = stream
    for head in range(subject.n_heads):
        assert torch.allclose(x @ folded.value[head], (normed - bias) @ bare.value[head], atol=1e-3)
    if layout.attention_after is None:
        assert torch.equal(folded.output, bare.output)
        return
    after = block.get_submodule(layout.attention_after)
    with torch.no_grad():
        y = given["y"]
        scale = (y.pow(2).mean(1, keepdim=True) + getattr(after, "eps", getattr(after, "variance_epsilon", 0))).sqrt()
        written = (given["z"][:, None] @ folded.output.flatten(0, 1))[:, 0] / scale
        assert torch.allclose(written, after(y), atol=1e-3)


def test_a_centring_norm_leaves_nothing_to_be_read_along_the_mean():
    found = head_weights(_subject("gpt2"), 0, fold_norm=True)
    assert float(found.value.sum(1).abs().max()) < 1e-5
    assert float(head_weights(_subject("gpt2"), 0, fold_norm=False).value.sum(1).abs().max()) > 0.1


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_adapters_are_in_the_matrices_and_nothing_else_changes():
    plain = tiny_subject("llama")
    before = head_weights(plain, 1, fold_norm=False)
    adapted = get_peft_model(plain.model, LoraConfig(r=2, target_modules=["v_proj"], init_lora_weights=False))
    subject = bind(adapted.eval(), plain.tokenizer, name="adapted")
    found = head_weights(subject, 1, fold_norm=False)
    layer = subject._blocks[1].self_attn.v_proj
    change = layer.get_delta_weight("default").T.unflatten(1, (4, -1)).transpose(0, 1)
    assert float(change.detach().abs().max()) > 1e-3
    assert torch.allclose(found.value, before.value + change, atol=1e-5)
    assert torch.equal(found.query, before.query) and torch.equal(found.output, before.output)


@pytest.mark.parametrize("family", ["llama-grouped-tied", "gemma3", "opt", "opt-post-norm", "bert", "t5"])
def test_the_embedding_is_what_enters_the_first_block_but_for_positions_and_norms(family):
    subject = _subject(family)
    rows = embedding(subject)
    assert rows.shape == (subject.model.get_input_embeddings().num_embeddings, subject.d_model)
    stream = seen(subject, {"x": (subject._blocks[0], "input")})["x"]
    found = rows[ALONE[:, 0]].float()
    if family == "bert":  # a norm follows, so that only their own values are compared
        found, stream = found, subject.model.get_input_embeddings()(ALONE[:, 0]).detach()
    assert torch.allclose(found[0] - found[1], stream[0] - stream[1], atol=1e-5)


@pytest.mark.parametrize("fold_norm", [False, True])
@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "opt-post-norm", "llama-grouped-tied"])
def test_all_rows_of_the_unembedding_are_those_that_tokens_have_one_by_one(family, fold_norm):
    subject = _subject(family)
    n = int(output_embedding(subject).out_features)
    whole, listed = (unembedding(subject, which, fold_norm=fold_norm) for which in (None, range(n)))
    assert torch.allclose(whole.rows, listed.rows, atol=1e-6) and whole.norm == listed.norm


def test_half_precision_gives_the_values_that_the_model_holds():
    half = tiny_subject("gpt-neox", dtype=torch.bfloat16)
    found = head_weights(half, 0, fold_norm=False)
    held = half._blocks[0].attention.query_key_value.weight
    assert found.query.dtype == torch.float32
    assert torch.equal(found.query[0], held[: found.query.shape[2]].float().T)


def test_a_block_that_is_not_there_is_refused():
    with pytest.raises(SpecError, match="layer is 3; llama has blocks 0 to 2"):
        head_weights(_subject("llama"), 3, fold_norm=False)
    last, also = (mlp_weights(_subject("llama"), layer, fold_norm=False).up for layer in (2, -1))
    assert torch.equal(last, also)


def test_weights_that_are_kept_elsewhere_are_refused_in_one_sentence():
    subject = tiny_subject("llama")
    away = bind(cpu_offload(subject.model), subject.tokenizer, name="away")
    with pytest.raises(ModelError, match="Weights of away are kept elsewhere"):
        head_weights(away, 0, fold_norm=False)
