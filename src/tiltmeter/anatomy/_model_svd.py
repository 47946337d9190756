"""The singular directions of a model's own matrices, one matrix at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.anatomy._weight_svd import Svd, degenerate_groups, factored_svd, weight_svd
from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import SpecError
from tiltmeter.core.site import Point, Site
from tiltmeter.core.weights import MatrixName, Side
from tiltmeter.models import SubjectModel, head_weights, mlp_weights

_OF_HEADS: tuple[MatrixName, ...] = ("ov", "qk", "q", "k")


class SideVectors(NamedTuple):
    """One side of a matrix, in coordinates of the residual stream: singular directions, and the rows without SVD.

    ``rows`` has one row a coordinate of a head, or a neuron, as the weights hold it.
    """

    vectors: Float[NDArray[Any], "k d"]
    rows: Float[NDArray[Any], "m d"]


class WeightSvd(NamedTuple):
    """One matrix of a model; ``part`` is the head, or the expert of an MLP (0 where there are none).

    Of keys that several heads share, ``part`` is the first of these heads.

    ``groups`` numbers the singular values as :func:`degenerate_groups` does.
    """

    matrix: MatrixName
    layer: int
    part: int
    values: Float[NDArray[Any], " k"]
    groups: Int[NDArray[Any], " k"]
    sides: dict[Side, SideVectors]


def weight_svds(
    subject: SubjectModel,
    matrix: MatrixName,
    *,
    layers: Sequence[int] | None = None,
    fold_norm: bool = True,
    gap_tol: float = 0.01,
) -> Iterator[WeightSvd]:
    """Decompose a matrix of every head, MLP or expert, block by block.

    Products of low rank (``"ov"``, ``"qk"``) are decomposed through their factors.

    Parameters
    ----------
    subject
        Any model.
    matrix
        ``"ov"``: what a head writes of what it reads, value times output. ``"qk"``: what its queries match of what its
        keys read. ``"q"``, ``"k"``: the two alone. ``"mlp_in"``, ``"mlp_gate"``, ``"mlp_out"``.
    layers
        Blocks, negative ones from the end; None for all.
    fold_norm
        See :func:`tiltmeter.models.head_weights`: in coordinates of the stream, or of the projections.
    gap_tol
        Which singular values count as one group.

    Yields
    ------
    One matrix after the other.

    Raises
    ------
    SpecError
        If there is no such block, one is named twice, or the MLP has no gate.

    Notes
    -----
    Left out: biases; the rotation of queries and keys by position, so that ``"qk"`` is what matches at distance 0, and
    norms between projection and match; how attention mixes positions; the MLP's nonlinearity.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> found = list(weight_svds(subject, "ov"))
    >>> [(one.layer, one.part, len(one.values), *one.sides) for one in found][-1]
    (1, 1, 4, 'reads', 'writes')
    """
    blocks = [layer + subject.n_layers if layer < 0 else layer for layer in layers or ()]
    if len(set(blocks)) < len(blocks):
        raise SpecError(f"layers is {', '.join(map(str, layers or ()))}, which names a block twice; give each once.")
    for chosen in range(subject.n_layers) if layers is None else blocks:
        for part, svd, sides in _parts(subject, matrix, chosen, fold_norm=fold_norm):
            yield WeightSvd(matrix, chosen, part, svd.values, degenerate_groups(svd.values, gap_tol=gap_tol), sides)


def singular_direction(subject: SubjectModel, found: WeightSvd, *, side: Side, index: int) -> Direction:
    """Return one singular direction as probes and interventions take it; which way it points is not known.

    Parameters
    ----------
    subject
        The model that it is of.
    found
        As :func:`weight_svds` gives it with the norms folded.
    side
        What is read is a direction of the stream before attention (``resid_pre``) or before the MLP (``resid_mid``;
        ``resid_pre`` where both read the same); what is written, of ``attn_out`` or ``mlp_out``.
    index
        From 0, in decreasing order of singular values.

    Raises
    ------
    SpecError
        If the matrix has no such side, or not as many directions.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> one = singular_direction(subject, next(weight_svds(subject, "ov")), side="writes", index=0)
    >>> str(one.site), one.sign, one.method
    ('0.attn_out', 'unknown', 'singular direction')
    """
    if side not in found.sides:
        raise SpecError(f"The matrix {found.matrix} has no side {side}; it has {' and '.join(found.sides)}.")
    if not 0 <= index < len(found.values):
        raise SpecError(f"index is {index}; the matrix has directions 0 to {len(found.values) - 1}.")
    group = np.flatnonzero(found.groups == found.groups[index])
    return Direction(
        found.sides[side].vectors[index],
        site=Site(found.layer, _point(subject, found.matrix, side)),
        method="singular direction",
        provenance={
            "matrix": found.matrix,
            "part": found.part,
            "side": side,
            "index": index,
            "singular_value": float(found.values[index]),
            "near_degenerate_with": [int(i) for i in group if i != index],
            "model": subject.fingerprint.model_dump(mode="json"),
        },
    )


def _point(subject: SubjectModel, matrix: MatrixName, side: Side) -> Point:
    if side == "writes":
        return "attn_out" if matrix in _OF_HEADS else "mlp_out"
    return "resid_mid" if matrix not in _OF_HEADS and "resid_mid" in subject.family.points else "resid_pre"


def _parts(
    subject: SubjectModel, matrix: MatrixName, layer: int, *, fold_norm: bool
) -> Iterator[tuple[int, Svd, dict[Side, SideVectors]]]:
    if matrix in _OF_HEADS:
        heads = head_weights(subject, layer, fold_norm=fold_norm)
        queries, keys, values, outputs = (_arrays(part) for part in heads)
        for part, (query, key, value, output) in enumerate(zip(queries, keys, values, outputs, strict=True)):
            if matrix == "ov":
                svd = factored_svd(value, output)
                yield part, svd, {"reads": SideVectors(svd.read, value.T), "writes": SideVectors(svd.write, output)}
            elif matrix == "qk":
                svd = factored_svd(query, key.T)
                yield part, svd, {"reads": SideVectors(svd.read, query.T), "matches": SideVectors(svd.write, key.T)}
            elif matrix == "q" or not part or not np.array_equal(key, keys[part - 1]):
                yield part, *_reads(query if matrix == "q" else key)
        return
    mlp = mlp_weights(subject, layer, fold_norm=fold_norm)
    if matrix == "mlp_out":
        for part, down in enumerate(_arrays(mlp.down)):
            svd = weight_svd(down)
            yield part, svd, {"writes": SideVectors(svd.write, down)}
        return
    if matrix == "mlp_gate" and mlp.gate is None:
        raise SpecError(f"The MLPs of {subject.name} have no gate; ask for mlp_in.")
    for part, read in enumerate(_arrays(mlp.up if matrix == "mlp_in" else mlp.gate)):
        yield part, *_reads(read)


def _reads(matrix: NDArray[Any]) -> tuple[Svd, dict[Side, SideVectors]]:
    svd = weight_svd(matrix)
    return svd, {"reads": SideVectors(svd.read, matrix.T)}


def _arrays(parts: Any) -> NDArray[Any]:  # noqa: ANN401  (a tensor, from torch, which is not imported for this)
    return np.asarray(parts.cpu().numpy())
