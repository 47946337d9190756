"""Singular directions of models: of all families, and planted in layers that are stored either way round."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, tiny_subject
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from benchmarks.planted_weights import planted
from tiltmeter.anatomy import WeightSvd, outermost, singular_direction, weight_svds
from tiltmeter.core.errors import SpecError
from tiltmeter.core.weights import MatrixName
from tiltmeter.models import SubjectModel, bind, head_weights, mlp_weights

_subject = functools.cache(tiny_subject)


def dense(subject: SubjectModel, found: WeightSvd) -> np.ndarray:
    """The matrix itself, d x d where it is a product."""
    if found.matrix.startswith("mlp"):
        mlp = mlp_weights(subject, found.layer, fold_norm=True)
        part = {"mlp_in": mlp.up, "mlp_gate": mlp.gate, "mlp_out": mlp.down}[found.matrix]
        return part[found.part].double().numpy()
    query, key, value, output = (
        part[found.part].double() for part in head_weights(subject, found.layer, fold_norm=True)
    )
    product = {"ov": value @ output, "qk": query @ key.T, "q": query, "k": key}[found.matrix]
    return product.numpy()


@pytest.mark.parametrize("matrix", ["ov", "qk", "q", "k", "mlp_in", "mlp_out"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_directions_of_a_family_are_those_of_its_full_matrices(family, matrix: MatrixName):
    subject = _subject(family)
    for found in weight_svds(subject, matrix, layers=[-1]):
        whole = dense(subject, found)
        k = len(found.values)
        assert np.allclose(np.linalg.svd(whole, compute_uv=False)[:k], found.values, atol=1e-9)
        sides = list(found.sides.values())
        if found.matrix in ("ov", "qk"):
            read, write = sides
            assert np.allclose((read.vectors.T * found.values) @ write.vectors, whole, atol=1e-9)
        elif found.matrix == "mlp_out":
            assert np.allclose(np.linalg.norm(whole @ sides[0].vectors.T, axis=0), found.values, atol=1e-9)
        else:
            assert np.allclose(np.linalg.norm(sides[0].vectors @ whole, axis=1), found.values, atol=1e-9)


@pytest.mark.parametrize("family", ["llama-grouped-tied", "gpt2"])
def test_raw_rows_span_what_the_directions_span(family):
    subject = _subject(family)
    found = next(weight_svds(subject, "ov"))
    for side in found.sides.values():
        within = np.linalg.svd(side.vectors @ np.linalg.qr(side.rows.T)[0], compute_uv=False)
        assert side.rows.shape == side.vectors.shape and within.min() > 1 - 1e-5


def test_keys_that_heads_share_are_decomposed_once_and_queries_of_every_head():
    subject = _subject("llama-grouped-tied")
    per_key = subject.n_heads // subject.model.config.num_key_value_heads
    assert per_key > 1
    assert [one.part for one in weight_svds(subject, "k", layers=[0])] == list(range(0, subject.n_heads, per_key))
    assert [one.part for one in weight_svds(subject, "q", layers=[0])] == list(range(subject.n_heads))


def holder(kind: str, rows: np.ndarray) -> SubjectModel:
    """A model of width 64 whose tokens have given rows; Llama keeps weights transposed, GPT-2 as they act."""
    torch.manual_seed(0)
    v, d = rows.shape
    if kind == "llama":
        config = LlamaConfig(
            vocab_size=v, hidden_size=d, intermediate_size=d, num_hidden_layers=1, num_attention_heads=1
        )
        model = LlamaForCausalLM(config)
    else:
        model = GPT2LMHeadModel(GPT2Config(vocab_size=v, n_embd=d, n_inner=d, n_layer=1, n_head=1))
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(torch.from_numpy(rows))
    return bind(model.eval(), _subject("llama").tokenizer, name=kind)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("place", ["mlp_in", "mlp_out", "ov"])
@pytest.mark.parametrize("seed", range(3))
def test_memories_planted_in_a_models_layer_are_found_whichever_way_it_is_stored(kind, place: MatrixName, seed):
    made = planted(seed)
    subject = holder(kind, made.rows)
    block = subject._blocks[0]
    matrix = torch.from_numpy(made.matrix).float()
    with torch.no_grad():
        if kind == "llama":
            if place == "ov":
                block.self_attn.v_proj.weight.copy_(matrix.T)
                block.self_attn.o_proj.weight.copy_(torch.eye(64))
            else:
                (block.mlp.up_proj if place == "mlp_in" else block.mlp.down_proj).weight.copy_(matrix.T)
        elif place == "ov":
            block.attn.c_attn.weight[:, 128:].copy_(matrix)
            block.attn.c_proj.weight.copy_(torch.eye(64))
        else:
            (block.mlp.c_fc if place == "mlp_in" else block.mlp.c_proj).weight.copy_(matrix)
    (found,) = weight_svds(subject, place, fold_norm=False)
    plain = np.linalg.svd(made.matrix)
    if place != "mlp_in":
        lists = outermost(found.sides["writes"].vectors[:5] @ made.rows.T, n_top=15)
        hits = [max(len(set(end) & set(made.clusters[i])) for end in lists[i].tolist()) for i in range(5)]
        assert np.mean(hits) > 4
        assert np.allclose(np.abs(np.diag(found.sides["writes"].vectors[:5] @ plain.Vh[:5].T)), 1, atol=1e-5)
    if place != "mlp_out":
        # the other way round it would be what is written that stood here
        assert np.allclose(np.abs(np.diag(found.sides["reads"].vectors[:5] @ plain.U[:, :5])), 1, atol=1e-5)


def test_directions_carry_their_site_and_what_cannot_be_told_apart_from_them():
    subject = _subject("llama")
    found = list(weight_svds(subject, "ov"))[5]
    one = singular_direction(subject, found, side="reads", index=2)
    assert (str(one.site), one.sign, one.method) == ("1.resid_pre", "unknown", "singular direction")
    assert one.provenance["part"] == 1 and one.provenance["singular_value"] == found.values[2]
    assert one.provenance["model"]["weights_sha256"] == subject.fingerprint.weights_sha256
    assert np.linalg.norm(one.vector) == pytest.approx(1)
    close = found._replace(groups=np.zeros(len(found.values), dtype=np.int64))
    assert singular_direction(subject, close, side="writes", index=1).provenance["near_degenerate_with"][:2] == [0, 2]


@pytest.mark.parametrize(
    ("family", "matrix", "side", "site"),
    [
        ("llama", "mlp_in", "reads", "0.resid_mid"),
        ("llama", "mlp_out", "writes", "0.mlp_out"),
        ("llama", "qk", "matches", "0.resid_pre"),
        ("gptj", "mlp_in", "reads", "0.resid_pre"),
        ("bert", "ov", "writes", "0.attn_out"),
    ],
)
def test_a_direction_stands_at_the_point_that_its_matrix_reads_or_writes(family, matrix, side, site):
    subject = _subject(family)
    one = singular_direction(subject, next(weight_svds(subject, matrix)), side=side, index=0)
    assert str(one.site) == site and len(one.vector) == subject.width(one.site)


def test_what_a_matrix_or_model_lacks_is_said_in_one_sentence():
    subject = _subject("llama")
    found = next(weight_svds(subject, "mlp_out"))
    with pytest.raises(SpecError, match="mlp_out has no side reads; it has writes"):
        singular_direction(subject, found, side="reads", index=0)
    with pytest.raises(SpecError, match="the matrix has directions 0 to 23"):
        singular_direction(subject, found, side="writes", index=24)
    with pytest.raises(SpecError, match="The MLPs of gpt2 have no gate; ask for mlp_in"):
        next(weight_svds(_subject("gpt2"), "mlp_gate"))
    with pytest.raises(SpecError, match="layer is 7"):
        next(weight_svds(subject, "ov", layers=[7]))


def test_experts_are_parts_and_gates_are_read_apart():
    subject = _subject("mixtral")
    assert [one.part for one in weight_svds(subject, "mlp_gate", layers=[0])] == [0, 1, 2, 3]
    gate, up = (next(weight_svds(subject, matrix)).values for matrix in ("mlp_gate", "mlp_in"))
    assert not np.allclose(gate, up)
