"""What may be said of the coherence of singular directions, from the comparisons alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from tiltmeter.core.weights import AgainstNull, MatrixName, NullName, Side

_MATRICES: dict[MatrixName, str] = {
    "ov": "OV of the heads",
    "qk": "QK of the heads",
    "q": "queries of the heads",
    "k": "keys of the heads",
    "mlp_in": "MLPs, in",
    "mlp_gate": "MLPs, gate",
    "mlp_out": "MLPs, out",
}
_SIDES: dict[Side, str] = {"reads": "what is read", "writes": "what is written", "matches": "what the keys read"}


def conclusions(comparisons: Sequence[AgainstNull], *, level: float) -> tuple[str, ...]:
    """Return a sentence for each kind of matrix, side and judge: which nulls its directions are above.

    ``level``: a comparison counts where its corrected p-value is at most one minus this.
    """
    sentences = []
    for (matrix, side, judge), group in groupby(comparisons, key=lambda one: (one.matrix, one.side, one.judge)):
        above: dict[NullName, bool] = {one.null: one.p_holm <= 1 - level for one in group}
        sentences.append(f"{_MATRICES[matrix]}, {_SIDES[side]}, judged by {judge}: {_said(above)}")
    return tuple(sentences)


def _said(above: dict[NullName, bool]) -> str:
    if not above["random directions"]:
        if above["raw rows"] or above["rotated basis"]:
            return (
                "more coherent than one of the nulls, but not seen to be above random directions, which is the floor."
            )
        return "not seen to be more coherent than random directions."
    if not above["rotated basis"] and not above["raw rows"]:
        return (
            "more coherent than random directions, but not seen to be above other bases of the subspace that they "
            "span, nor above raw rows: the subspace says something, and nothing was seen that the SVD adds to it."
        )
    if not above["rotated basis"]:
        return (
            "more coherent than random directions and raw rows, but not seen to be above other bases of the same "
            "subspace: SVD finds the subspace, and its single directions were not seen to mean more than others in it."
        )
    if not above["raw rows"]:
        return (
            "more coherent than random directions and a rotated basis, but not seen to be above raw rows, which need "
            "no SVD."
        )
    return "more coherent than all three nulls."
