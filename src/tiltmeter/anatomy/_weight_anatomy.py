"""What the weights of a whole model say: every direction's tokens, and their coherence beside its nulls."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.anatomy._coherence_nulls import (
    CoherenceSettings,
    SideCoherence,
    compare_coherence,
    directions_found,
    p_of_directions,
    random_coherence,
    side_coherence,
)
from tiltmeter.anatomy._judges import Judge
from tiltmeter.anatomy._model_svd import WeightSvd, weight_svds
from tiltmeter.anatomy._token_coherence import end_coherence
from tiltmeter.anatomy._token_lens import TokenLens, outermost
from tiltmeter.anatomy._weight_conclusions import conclusions
from tiltmeter.core.errors import SpecError
from tiltmeter.core.weights import (
    AgainstNull,
    ListedDirection,
    MatrixAnatomy,
    MatrixName,
    RawRow,
    Side,
    TokenEnds,
    WeightAnatomy,
)
from tiltmeter.evaluation import holm
from tiltmeter.models import SubjectModel

# raw rows that are shown of each side of a matrix, the longest
_SHOWN_ROWS = 3
# as many times more rotations of a matrix that is alone of its kind: 1,000 have p-values that a correction leaves small
_LONE = 10


# a matrix, its block, its head or expert, and one of its sides
_Key = tuple[MatrixName, int, int, Side]


class _Luck(NamedTuple):
    """Of the directions of one side of a matrix."""

    p: NDArray[np.float64]
    is_found: NDArray[np.bool_]


class _Measured(NamedTuple):
    """One matrix with the coherence of its sides, by side and judge."""

    svd: WeightSvd
    coherence: dict[Side, dict[str, SideCoherence]]


def weight_anatomy(
    subject: SubjectModel,
    lens: TokenLens,
    *,
    judges: Mapping[str, Judge],
    matrices: Sequence[MatrixName] = ("ov", "mlp_in", "mlp_out"),
    layers: Sequence[int] | None = None,
    fold_norm: bool = True,
    settings: CoherenceSettings | None = None,
) -> WeightAnatomy:
    """Decompose the matrices of a model, list each direction's tokens, and hold their coherence against three nulls.

    No text is read and no label is used.

    Parameters
    ----------
    subject
        The model.
    lens
        From :func:`token_lens`.
    judges
        By name. The model's own rows are a weak judge: lists were made by them. Give one of another origin, too.
    matrices
        Which; see :func:`weight_svds`.
    layers
        Blocks; None for all.
    fold_norm
        Put the norms of a block into its matrices.
    settings
        How much is listed and drawn.

    Returns
    -------
    WeightAnatomy
        Comparisons by kind of matrix, side, judge and null, with an interval each and p-values corrected for their
        number (Holm); directions one by one, those that are more coherent than random ones marked so that an expected
        share of ``false_share`` among the marked is false (Benjamini and Hochberg).

    Raises
    ------
    SpecError
        If no judge is given, one has another number of vectors than the lens has tokens, or a matrix or a block is
        named twice.

    Examples
    --------
    >>> from tiltmeter.anatomy import Judge, spelling_vectors, token_lens
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("wa wb wc wd we wf wg wh wi wj")
    >>> lens = token_lens(subject)
    >>> judges = {"spelling": Judge(spelling_vectors(lens.texts), "letters and pairs of letters")}
    >>> settings = CoherenceSettings(n_directions=4, n_top=3, n_random=99, n_rotations=9, n_draws=99)
    >>> found = weight_anatomy(subject, lens, judges=judges, matrices=["ov"], settings=settings)
    >>> [one.null for one in found.comparisons if one.side == "writes"]
    ['random directions', 'rotated basis', 'raw rows']
    """
    settings = settings or CoherenceSettings()
    _check_judges(judges, lens)
    if len(set(matrices)) < len(matrices):
        raise SpecError(f"matrices names one of {', '.join(matrices)} twice; give each once.")
    vectors = {name: judge.vectors for name, judge in judges.items()}
    random = random_coherence(lens, vectors, settings=settings)
    measured = [
        one
        for matrix in matrices
        for one in _measured(
            list(weight_svds(subject, matrix, layers=layers, fold_norm=fold_norm, gap_tol=settings.gap_tol)),
            lens,
            judges=vectors,
            settings=settings,
        )
    ]
    luck = {name: _luck(measured, name, random[name], settings=settings) for name in judges}
    comparisons = _comparisons(measured, random, settings=settings)
    return WeightAnatomy(
        model=subject.name,
        weights_sha256=subject.fingerprint.weights_sha256,
        through=lens.through,
        is_folded=fold_norm,
        n_tokens=len(lens.tokens),
        n_top=settings.n_top,
        judges={name: judge.about for name, judge in judges.items()},
        n_listed=sum(len(sides[_any(judges)].found) for one in measured for sides in one.coherence.values()),
        n_found={name: sum(int(one.is_found.sum()) for one in luck[name].values()) for name in judges},
        false_share=settings.false_share,
        level=settings.level,
        gap_tol=settings.gap_tol,
        n_random=settings.n_random,
        n_rotations=settings.n_rotations,
        seed=settings.seed,
        comparisons=comparisons,
        matrices=tuple(_listed(one, lens, judges=vectors, luck=luck, settings=settings) for one in measured),
        conclusions=conclusions(comparisons, level=settings.level),
    )


def _check_judges(judges: Mapping[str, Judge], lens: TokenLens) -> None:
    if not judges:
        raise SpecError("No judge was given; give vectors in which lists are judged, such as spelling_vectors.")
    for name, judge in judges.items():
        if len(judge.vectors) != len(lens.tokens):
            raise SpecError(
                f"The judge {name} has {len(judge.vectors)} vectors for {len(lens.tokens)} tokens; give one a token."
            )


def _any(judges: Mapping[str, object]) -> str:
    return next(iter(judges))


def _measured(
    svds: Sequence[WeightSvd], lens: TokenLens, *, judges: Mapping[str, NDArray[Any]], settings: CoherenceSettings
) -> list[_Measured]:
    """Measure all matrices of a kind; a lone one has no more draws of its rotations than it has rotations."""
    if len(svds) == 1:
        settings = settings._replace(n_rotations=_LONE * settings.n_rotations)
    return [
        _Measured(
            found,
            {
                side: side_coherence(
                    vectors,
                    lens,
                    judges=judges,
                    settings=settings,
                    names=(found.matrix, found.layer, found.part, side),
                )
                for side, vectors in found.sides.items()
            },
        )
        for found in svds
    ]


def _same_weights(svds: Sequence[WeightSvd], side: Side) -> NDArray[np.int64]:
    """Give one number to matrices whose rows of a side are the same, as those of heads that share keys and values."""
    numbers: dict[bytes, int] = {}
    digests = [hashlib.sha256(found.sides[side].rows.tobytes()).digest() for found in svds]
    return np.array([numbers.setdefault(digest, len(numbers)) for digest in digests], dtype=np.int64)


def _key(found: WeightSvd, side: Side) -> _Key:
    return found.matrix, found.layer, found.part, side


def _luck(
    measured: Sequence[_Measured], judge: str, random: NDArray[np.float64], *, settings: CoherenceSettings
) -> dict[_Key, _Luck]:
    """Say of every direction, by one judge, how many random ones are as coherent, and whether it is named."""
    found = {_key(one.svd, side): of[judge].found for one in measured for side, of in one.coherence.items()}
    p = p_of_directions(np.concatenate([*found.values(), np.empty(0)]), random)
    is_found = directions_found(p, false_share=settings.false_share)
    ends = np.cumsum([len(one) for one in found.values()])
    return {
        key: _Luck(p[end - len(one) : end], is_found[end - len(one) : end])
        for (key, one), end in zip(found.items(), ends, strict=True)
    }


def _comparisons(
    measured: Sequence[_Measured], random: Mapping[str, NDArray[np.float64]], *, settings: CoherenceSettings
) -> tuple[AgainstNull, ...]:
    kinds = dict.fromkeys(
        (one.svd.matrix, side, judge) for one in measured for side in one.coherence for judge in random
    )
    groups = {
        (matrix, side): _same_weights([one.svd for one in measured if one.svd.matrix == matrix], side)
        for matrix, side, _ in kinds
    }
    rows = []
    for matrix, side, judge in kinds:
        group = [one.coherence[side][judge] for one in measured if one.svd.matrix == matrix]
        n = sum(len(one.found) for one in group)
        for found in compare_coherence(group, random[judge], settings=settings, groups=groups[matrix, side]):
            rows.append((matrix, side, judge, len(group), n, found))
    corrected = holm([row[-1].p for row in rows])
    return tuple(
        AgainstNull(
            matrix=matrix,
            side=side,
            judge=judge,
            null=found.null,
            n_matrices=n_matrices,
            n_directions=n,
            coherence=found.coherence,
            null_coherence=found.null_coherence,
            difference=found.difference,
            unit="matrices" if found.is_by_matrix else "directions",
            p=found.p,
            p_holm=p_holm if p_holm is not None else 1.0,
        )
        for (matrix, side, judge, n_matrices, n, found), p_holm in zip(rows, corrected, strict=True)
    )


def _listed(
    one: _Measured,
    lens: TokenLens,
    *,
    judges: Mapping[str, NDArray[Any]],
    luck: Mapping[str, Mapping[_Key, _Luck]],
    settings: CoherenceSettings,
) -> MatrixAnatomy:
    found = one.svd
    sizes = np.bincount(found.groups)
    directions, rows = [], []
    for side, vectors in found.sides.items():
        own = {name: luck[name][_key(found, side)] for name in judges}
        ends = _ends(vectors.vectors[: settings.n_directions], lens, n_top=settings.n_top)
        directions += [
            ListedDirection(
                index=i,
                side=side,
                value=float(found.values[i]),
                share=float(found.values[i] ** 2 / max((found.values**2).sum(), np.finfo(float).tiny)),
                group=_group(found, i),
                ends=end,
                coherence={name: float(one.coherence[side][name].found[i]) for name in judges},
                p={name: float(own[name].p[i]) for name in judges},
                is_found={name: bool(own[name].is_found[i]) for name in judges},
            )
            for i, end in enumerate(ends)
        ]
        norms = np.linalg.norm(vectors.rows, axis=1)
        longest = np.argsort(-norms, kind="stable")[:_SHOWN_ROWS]
        scores = vectors.rows[longest] @ lens.rows.T
        judged = end_coherence(scores, judges, n_top=settings.n_top)
        rows += [
            RawRow(
                row=int(row),
                side=side,
                norm=float(norms[row]),
                ends=end,
                coherence={name: float(judged[name][i]) for name in judges},
            )
            for i, (row, end) in enumerate(
                zip(longest, _ends(vectors.rows[longest], lens, n_top=settings.n_top), strict=True)
            )
        ]
    return MatrixAnatomy(
        matrix=found.matrix,
        layer=found.layer,
        part=found.part,
        values=tuple(found.values.tolist()),
        n_in_groups=int(sizes[sizes > 1].sum()),
        directions=tuple(directions),
        rows=tuple(rows),
    )


def _group(found: WeightSvd, index: int) -> tuple[int, int] | None:
    members = np.flatnonzero(found.groups == found.groups[index])
    return None if len(members) == 1 else (int(members[0]), int(members[-1]))


def _ends(vectors: NDArray[Any], lens: TokenLens, *, n_top: int) -> tuple[TokenEnds, ...]:
    lists = outermost(vectors @ lens.rows.T, n_top=n_top)
    return tuple(
        TokenEnds(top=tuple(lens.texts[i] for i in top), bottom=tuple(lens.texts[i] for i in bottom))
        for top, bottom in lists
    )
