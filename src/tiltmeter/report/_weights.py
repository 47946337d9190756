"""From the record of a model's weights to its page: what the nulls leave, and every direction to browse."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path, PurePath
from typing import NamedTuple

from tiltmeter.core.records import Estimate, Measured
from tiltmeter.core.weights import AgainstNull, ListedDirection, MatrixAnatomy, MatrixName, RawRow, Side, WeightAnatomy
from tiltmeter.report._format import Shown, asked, decimal, p_value, reasons_of, show_difference
from tiltmeter.report._page import environment, sort_script, write_page

_MATRICES: dict[MatrixName, str] = {
    "ov": "OV",
    "qk": "QK",
    "q": "Q",
    "k": "K",
    "mlp_in": "MLP in",
    "mlp_gate": "MLP gate",
    "mlp_out": "MLP out",
}
_SIDES: dict[Side, str] = {"reads": "reads", "writes": "writes", "matches": "keys read"}


class _Against(NamedTuple):
    """What coherence is above that of one null."""

    null_coherence: str
    difference: Shown
    sort: str
    p: str
    is_above: bool


class _Comparison(NamedTuple):
    """Directions of one kind, by one judge, against each null."""

    kind: str
    judge: str
    counts: str
    coherence: str
    against: tuple[_Against, ...]


class _Verdict(NamedTuple):
    """Coherence of one direction by one judge."""

    coherence: str
    sort: str
    p: str = ""
    is_found: bool = False


class _Listed(NamedTuple):
    """A direction, or a row without SVD (``value`` is then its length), with its tokens."""

    kind: str
    layer: str
    place: str
    number: str
    value: str
    sort: str
    share: str
    group: str
    top: tuple[str, ...]
    bottom: tuple[str, ...]
    verdicts: tuple[_Verdict, ...]


class _Spectrum(NamedTuple):
    """Singular values of one matrix: its bars as the path of one drawing, ``width`` wide and 32 high."""

    place: str
    first: str
    width: int
    bars: str
    note: str


def write_weights(folder: Path) -> Path:
    """Write ``weights.html`` into a folder from its ``weights.json``.

    The file is whole or not there. It opens offline and refers to nothing outside itself; its one script sorts and
    filters the tables, and without it every row is there.

    Parameters
    ----------
    folder
        As ``tiltmeter anatomy svd --out`` makes it.

    Returns
    -------
    Path
        ``folder / "weights.html"``; an earlier page is replaced.

    Raises
    ------
    FileError
        If the record is not there.
    FormatError
        If it is not valid JSON, or not a record of the version that this release reads.

    Examples
    --------
    >>> write_weights(Path("nowhere"))
    Traceback (most recent call last):
        ...
    tiltmeter.core.errors.FileError: nowhere holds no weights.json; tiltmeter anatomy svd --out makes one.
    """
    return write_page(
        folder, "weights", kind=WeightAnatomy, render=render_weights, made_by="tiltmeter anatomy svd --out"
    )


def render_weights(record: WeightAnatomy) -> str:
    """Return the page of a model's weights as one HTML document; figures are rounded, never computed.

    Parameters
    ----------
    record
        What was measured.

    Returns
    -------
    str
        HTML with one script, which the page's policy knows by its hash; tokens are escaped.

    Examples
    --------
    >>> empty = WeightAnatomy(
    ...     model="<tiny>", weights_sha256="", through="embedding", is_folded=True, n_tokens=9, n_top=3,
    ...     judges={"spelling": "letters"}, n_listed=0, n_found={"spelling": 0}, false_share=0.05, level=0.95,
    ...     gap_tol=0.01, n_random=99, n_rotations=9, seed=0, comparisons=(), matrices=(),
    ...     conclusions=("No more coherent than random directions.",),
    ... )
    >>> page = render_weights(empty)
    >>> "No more coherent than random directions." in page, "&lt;tiny&gt;" in page
    (True, True)
    """
    script, digest = sort_script()
    comparisons = tuple(
        _comparison(tuple(group), record)
        for _, group in groupby(record.comparisons, key=lambda one: (one.matrix, one.side, one.judge))
    )
    directions = tuple(_direction(one, m, record) for m in record.matrices for one in m.directions)
    rows = tuple(_row(one, m, record) for m in record.matrices for one in m.rows)
    return (
        environment()
        .get_template("weights.html.j2")
        .render(
            record=record,
            name=PurePath(record.model).name if PurePath(record.model).is_absolute() else record.model,
            script=script,
            script_hash=digest,
            comparisons=comparisons,
            nulls=tuple(dict.fromkeys(one.null for one in record.comparisons)),
            reasons=reasons_of([null.difference for one in comparisons for null in one.against]),
            directions=directions,
            rows=rows,
            kinds=tuple(dict.fromkeys(one.kind for one in directions)),
            layers=tuple(dict.fromkeys(one.layer for one in directions)),
            spectra=tuple(_spectrum(one) for one in record.matrices),
            n_grouped=sum(one.n_in_groups for one in record.matrices),
            n_values=sum(len(one.values) for one in record.matrices),
            level=asked(record.level),
            false_share=asked(record.false_share),
            gap=asked(record.gap_tol),
            found=tuple((name, f"{n:,} of {record.n_listed:,}") for name, n in record.n_found.items()),
            facts=_facts(record),
        )
    )


def _facts(record: WeightAnatomy) -> tuple[tuple[str, str], ...]:
    return (
        ("tokens listed", f"{record.n_tokens:,}, {record.n_top} at each end of a direction"),
        ("turned into tokens by", record.through),
        ("norms of the blocks", "folded into what is read and written" if record.is_folded else "left out"),
        *((f"judge: {name}", about) for name, about in record.judges.items()),
        (
            "random directions",
            f"{record.n_random:,}; {record.n_rotations:,} rotations of each basis, "
            f"ten times as many of one that is alone of its kind; seed {record.seed}",
        ),
        ("model", record.model),
        ("weights", record.weights_sha256),
    )


def _kind(matrix: MatrixName, side: Side) -> str:
    return f"{_MATRICES[matrix]} {_SIDES[side]}"


def _place(one: MatrixAnatomy) -> str:
    part = "" if one.matrix.startswith("mlp") and one.part == 0 else f".{one.part}"
    return f"{_MATRICES[one.matrix]} {one.layer}{part}"


def _comparison(group: tuple[AgainstNull, ...], record: WeightAnatomy) -> _Comparison:
    first = group[0]
    return _Comparison(
        _kind(first.matrix, first.side),
        first.judge,
        f"{first.n_matrices} matrices, {first.n_directions} directions; intervals over {first.unit}",
        f"{first.coherence:.3f}",
        tuple(
            _Against(
                f"{one.null_coherence:.3f}",
                _difference(one.difference),
                f"{one.difference.value:.6f}" if isinstance(one.difference, Estimate) else "",
                p_value(one.p_holm),
                one.p_holm <= 1 - record.level,
            )
            for one in group
        ),
    )


def _difference(measured: Measured) -> Shown:
    """Show a difference with three decimals: those of coherence are small."""
    shown = show_difference(measured)
    if not isinstance(measured, Estimate):
        return shown
    value, low, high = (f"{end:+.3f}".replace("-", "−") for end in (measured.value, measured.low, measured.high))
    return shown._replace(text=value, interval=f"[{low}, {high}]")


def _direction(one: ListedDirection, matrix: MatrixAnatomy, record: WeightAnatomy) -> _Listed:
    return _Listed(
        _kind(matrix.matrix, one.side),
        str(matrix.layer),
        _place(matrix),
        str(one.index),
        f"{one.value:.3g}",
        f"{one.value:.8f}",
        f"{100 * one.share:.3g} %",
        "" if one.group is None else f"not told apart from {one.group[0]} to {one.group[1]}",
        one.ends.top,
        one.ends.bottom,
        tuple(
            _Verdict(
                decimal(one.coherence[name]), f"{one.coherence[name]:.6f}", p_value(one.p[name]), one.is_found[name]
            )
            for name in record.judges
        ),
    )


def _row(one: RawRow, matrix: MatrixAnatomy, record: WeightAnatomy) -> _Listed:
    return _Listed(
        _kind(matrix.matrix, one.side),
        str(matrix.layer),
        _place(matrix),
        str(one.row),
        f"{one.norm:.3g}",
        f"{one.norm:.8f}",
        "",
        "",
        one.ends.top,
        one.ends.bottom,
        tuple(_Verdict(decimal(one.coherence[name]), f"{one.coherence[name]:.6f}") for name in record.judges),
    )


def _spectrum(one: MatrixAnatomy) -> _Spectrum:
    first = max(one.values[0], 1e-300) if one.values else 1.0
    # a bar for each value, or for as many evenly spaced ones as there is room for
    step = max(1, -(-len(one.values) // 96))
    heights = [30 * value / first for value in one.values[::step]]
    note = f"{len(one.values)} values" + (f", {one.n_in_groups} in groups" if one.n_in_groups else "")
    return _Spectrum(
        _place(one),
        f"{one.values[0]:.3g}" if one.values else "",
        max(4 * len(heights), 4),
        "".join(f"M{4 * i} 32v-{height:.1f}h3V32z" for i, height in enumerate(heights)),
        note,
    )
