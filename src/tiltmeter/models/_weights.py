"""The matrices of a block that read from the residual stream and write to it, in one orientation for every family."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tiltmeter.core.errors import SpecError
from tiltmeter.models._adapters import without_wrapper
from tiltmeter.models._linear import matrix_of, module_at, norm_gain
from tiltmeter.models._subject import SubjectModel
from tiltmeter.models._weight_layouts import LAYOUTS, WeightLayout


class HeadWeights(NamedTuple):
    """What the heads of a block multiply rows by, each from the right: x ↦ x query, and x ↦ x value output.

    One entry a head of queries; heads that share keys and values have the same ones.
    """

    query: Float[Tensor, "h d k"]
    key: Float[Tensor, "h d k"]
    value: Float[Tensor, "h d k"]
    output: Float[Tensor, "h k d"]


class MlpWeights(NamedTuple):
    """What an MLP multiplies rows by, each from the right; e counts experts, 1 where there are none.

    ``gate`` is None where what ``up`` reads goes through the nonlinearity itself.
    """

    gate: Float[Tensor, "e d f"] | None
    up: Float[Tensor, "e d f"]
    down: Float[Tensor, "e f d"]


def head_weights(subject: SubjectModel, layer: int, *, fold_norm: bool) -> HeadWeights:
    """Return the matrices of every attention head of a block, adapters included.

    They act on the model's vectors as its own modules do, but for biases, for the rotation of queries and keys by
    position, and for norms of queries and keys (Qwen3, Gemma 3, OLMo 2), which are left out.

    Parameters
    ----------
    subject
        Any model.
    layer
        The block, from 0; negative ones count from the end.
    fold_norm
        Put the gain of the norm before attention (and its centring, where it centres) into what reads, and the gain of
        the norm after it (Gemma, OLMo 2) into what writes: then both are in coordinates of the residual stream, where
        activations are read and edited. Else they are in those of what enters and leaves the projections.

    Raises
    ------
    SpecError
        If there is no such block.
    ModelError
        If the weights are kept elsewhere.

    Notes
    -----
    What a norm divides by depends on the row, and is not in the matrices.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> found = head_weights(subject, 0, fold_norm=True)
    >>> tuple(found.value.shape), tuple(found.output.shape)
    ((2, 8, 4), (2, 4, 8))
    """
    block, layout = _block(subject, layer)
    h, name = subject.n_heads, subject.name
    written = matrix_of(block.get_submodule(subject.family.points["z"].module), name=name)
    written = written.reshape(h, -1, subject.d_model)
    k = written.shape[1]
    wide = [matrix_of(block.get_submodule(path), name=name) for path in layout.query_key_value]
    if layout.fused is None:
        query, key, value = (part.reshape(len(part), -1, k) for part in wide)
    else:
        whole = wide[0].reshape(subject.d_model, -1, k)
        query, key, value = _taken_apart(whole, h=h, by_group=layout.fused == "by_group")
    read = [_by_head(part, h=h) for part in (query, key, value)]
    if fold_norm:
        read = [_after_norm(part, block, layout.attention_norm, subject) for part in read]
        written = _before_norm(written, block, layout.attention_after, subject)
    return HeadWeights(read[0], read[1], read[2], written)


def mlp_weights(subject: SubjectModel, layer: int, *, fold_norm: bool) -> MlpWeights:
    """Return the matrices of the MLP of a block, or of each of its experts, adapters included.

    Parameters
    ----------
    subject, layer, fold_norm
        As for :func:`head_weights`, of the norms before and after the MLP.

    Raises
    ------
    SpecError
        If there is no such block.
    ModelError
        If the weights are kept elsewhere.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> found = mlp_weights(subject, 0, fold_norm=True)
    >>> tuple(found.up.shape), tuple(found.down.shape)
    ((1, 8, 8), (1, 8, 8))
    """
    block, layout = _block(subject, layer)
    name = subject.name
    experts = None if layout.experts is None else module_at(block, layout.experts)
    if experts is not None:
        read, down = _of_experts(experts, layout)
        f = down.shape[1]
    else:
        down = matrix_of(block.get_submodule(layout.mlp_out), name=name)[None]
        f = down.shape[1]
        present = [found for path in layout.mlp_in if (found := module_at(block, path)) is not None]
        wide = torch.cat([matrix_of(module, name=name) for module in present], dim=1)
        read = list(wide.reshape(1, subject.d_model, -1, f).unbind(2))
    if fold_norm:
        read = [_after_norm(part, block, layout.mlp_norm, subject) for part in read]
        down = _before_norm(down, block, layout.mlp_after, subject)
    return MlpWeights(read[0] if len(read) == 2 else None, read[-1], down)


def embedding(subject: SubjectModel) -> Float[Tensor, "v d"]:
    """Return the embedding of every token in coordinates of the residual stream, float64, positions left out.

    What the model multiplies it by (Gemma) is in it, as is a projection that follows (OPT-350M); a norm that follows
    (BERT) is not.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> tuple(embedding(tiny("Rome is old")).shape)
    (4, 8)
    """
    table = without_wrapper(subject.model).get_input_embeddings()
    layout = LAYOUTS[subject.family.name]
    with torch.no_grad():
        rows: Tensor = table(torch.arange(table.num_embeddings, device=subject.input_device)).double().cpu()
    projection = None if layout.project_in is None else module_at(subject._stack, layout.project_in)
    return rows if projection is None else rows @ matrix_of(projection, name=subject.name).double().cpu()


def _block(subject: SubjectModel, layer: int) -> tuple[nn.Module, WeightLayout]:
    n = subject.n_layers
    if not -n <= layer < n:
        raise SpecError(f"layer is {layer}; {subject.name} has blocks 0 to {n - 1}.")
    return subject._blocks[layer], LAYOUTS[subject.family.name]


def _taken_apart(wide: Float[Tensor, "d m k"], *, h: int, by_group: bool) -> list[Tensor]:
    n_keys = (wide.shape[1] - h) // 2
    if not by_group:
        return [wide[:, :h], wide[:, h : h + n_keys], wide[:, h + n_keys :]]
    groups = wide.reshape(len(wide), n_keys, -1, wide.shape[2])
    return [groups[:, :, :-2].flatten(1, 2), groups[:, :, -2], groups[:, :, -1]]


def _by_head(part: Float[Tensor, "d m k"], *, h: int) -> Float[Tensor, "h d k"]:
    """Bring heads to the front; heads of queries that share a head of keys lie side by side."""
    return part.repeat_interleave(h // part.shape[1], dim=1).transpose(0, 1)


def _of_experts(experts: nn.Module, layout: WeightLayout) -> tuple[list[Tensor], Tensor]:
    read, down = experts.get_parameter("gate_up_proj").detach(), experts.get_parameter("down_proj").detach()
    read, down = (part if part.dtype == torch.float64 else part.float() for part in (read, down))
    if layout.experts_store == "columns":
        return [read[..., ::2], read[..., 1::2]], down
    return list(read.transpose(1, 2).chunk(2, dim=2)), down.transpose(1, 2)


def _after_norm(
    read: Float[Tensor, "h d k"], block: nn.Module, paths: Iterable[str], subject: SubjectModel
) -> Float[Tensor, "h d k"]:
    """Let a matrix read what a norm will read: rows scaled by its gain, and centred where it centres."""
    norm = next((found for path in paths if (found := module_at(block, path)) is not None), None)
    kind = None if subject.family.final_norm is None else subject.family.final_norm.kind
    if norm is None or kind is None:
        return read
    gain = norm_gain(norm, kind=kind, name=subject.name).to(read)
    # a gain of its own for each feature, or one for all
    scaled = read * (gain[:, None] if gain.ndim else gain)
    return scaled - scaled.mean(1, keepdim=True) if kind == "layer" else scaled


def _before_norm(
    written: Float[Tensor, "h k d"], block: nn.Module, path: str | None, subject: SubjectModel
) -> Float[Tensor, "h k d"]:
    norm = None if path is None else module_at(block, path)
    if norm is None or subject.family.final_norm is None:
        return written
    return written * norm_gain(norm, kind=subject.family.final_norm.kind, name=subject.name).to(written)
