"""What the weights of a model say without any text: singular directions, their tokens, and how coherent these are."""

from __future__ import annotations

from typing import Literal

from tiltmeter.core.records import Measured, Record

MatrixName = Literal["ov", "qk", "q", "k", "mlp_in", "mlp_gate", "mlp_out"]
"""A head's value and output, or query and key, multiplied; its query or key alone; what an MLP reads and writes by."""

Side = Literal["reads", "writes", "matches"]
"""What a matrix reads from the stream, what it writes to it, and, of query and key, what the key's side reads."""

NullName = Literal["random directions", "rotated basis", "raw rows"]


class TokenEnds(Record):
    """The tokens at the two ends of a direction, the outermost first; which end is which means nothing."""

    top: tuple[str, ...]
    bottom: tuple[str, ...]


class ListedDirection(Record):
    """One singular direction on one side of its matrix.

    ``share``: its singular value squared over the sum of squares. ``group``: first and last of the directions whose
    singular values are too close to tell them apart, None where it stands alone. By judge, ``coherence``: of the more
    coherent end. ``p``: the share of random directions at least as coherent. ``is_found``: whether it is among those
    named when at most a set share of false ones is let through, over all directions of the record.
    """

    index: int
    side: Side
    value: float
    share: float
    group: tuple[int, int] | None
    ends: TokenEnds
    coherence: dict[str, float]
    p: dict[str, float]
    is_found: dict[str, bool]


class RawRow(Record):
    """A row of the weights as it is, without SVD: what one coordinate of a head, or one neuron, reads or writes."""

    row: int
    side: Side
    norm: float
    ends: TokenEnds
    coherence: dict[str, float]


class MatrixAnatomy(Record):
    """One matrix: all its singular values, its first directions, and the longest of its raw rows."""

    matrix: MatrixName
    layer: int
    part: int
    values: tuple[float, ...]
    n_in_groups: int
    directions: tuple[ListedDirection, ...]
    rows: tuple[RawRow, ...]


class AgainstNull(Record):
    """Mean coherence of the first directions of all matrices of a kind, against one null.

    ``difference``: coherence minus the null's mean, over ``unit``. ``p``: chance of a mean at least as high under the
    null; ``p_holm``: corrected for all comparisons of the record.
    """

    matrix: MatrixName
    side: Side
    judge: str
    null: NullName
    n_matrices: int
    n_directions: int
    coherence: float
    null_coherence: float
    difference: Measured
    unit: Literal["matrices", "directions"]
    p: float
    p_holm: float


class WeightAnatomy(Record):
    """What the weights of one model say, for a page and for others to cite.

    ``through``: the rows by which directions were turned into tokens. ``judges``: the vectors in which lists of tokens
    were judged, and what they are. ``n_found`` by judge: how many of the ``n_listed`` directions are found.
    """

    format_version: Literal[1] = 1
    model: str
    weights_sha256: str
    through: str
    is_folded: bool
    n_tokens: int
    n_top: int
    judges: dict[str, str]
    n_listed: int
    n_found: dict[str, int]
    false_share: float
    level: float
    gap_tol: float
    n_random: int
    n_rotations: int
    seed: int
    comparisons: tuple[AgainstNull, ...]
    matrices: tuple[MatrixAnatomy, ...]
    conclusions: tuple[str, ...]
