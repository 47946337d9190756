"""``scores.parquet``: what the chosen probe gives every calibration and test text, for those who come later."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tiltmeter.core.errors import FileError, FormatError
from tiltmeter.core.files import write_bytes
from tiltmeter.data import plain_texts
from tiltmeter.evaluation import LabelledScores
from tiltmeter.studies._material import Material, Split
from tiltmeter.studies._transfer import Fitted

SCORES = "scores.parquet"
_KEPT: tuple[Split, ...] = ("calibration", "test")
_SCHEMA = pa.schema(
    [
        ("distribution", pa.string()),
        ("split", pa.string()),
        ("id", pa.string()),
        ("unit", pa.string()),
        ("label", pa.int8()),
        ("score", pa.float64()),
        ("distance", pa.float64()),
        ("text_hash", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """The rows of ``scores.parquet``, one entry a row in each array.

    ``split`` is ``calibration`` or ``test``; rows of one ``unit`` were split as one, over all distributions of the run;
    ``distance`` is that of a test row to the train rows, NaN where there is none;
    ``text_hash``, 16 hexadecimal digits of the SHA-256 of the text or of a chat's contents, tells whether two runs mean
    the same by an id.
    """

    distribution: NDArray[np.str_]
    split: NDArray[np.str_]
    id: NDArray[np.str_]
    unit: NDArray[np.str_]
    label: NDArray[np.int64]
    score: NDArray[np.float64]
    distance: NDArray[np.float64]
    text_hash: NDArray[np.str_]

    def select(self, rows: NDArray[Any]) -> ScoredRows:
        """Return some of the rows, by a mask or by their numbers."""
        return ScoredRows(**{name: getattr(self, name)[rows] for name in _SCHEMA.names})

    def labelled(self, split: Split) -> dict[str, LabelledScores]:
        """Return scores, labels and units of one split by distribution."""
        found = {}
        for name in dict.fromkeys(self.distribution.tolist()):
            part = self.select((self.distribution == name) & (self.split == split))
            if len(part.id):
                found[name] = LabelledScores(part.score, part.label, part.unit)
        return found


def write_scored_rows(
    folder: Path, material: Material, chosen: Fitted, *, distances: dict[str, NDArray[np.float64]] | None
) -> None:
    """Write the chosen probe's scores of every calibration and test row into a run directory.

    ``distances``: of the test rows to the train rows, by distribution; None where there are none.
    """
    parts = []
    for name in material.texts:
        for split in _KEPT:
            rows, acts = material.rows(name, split), material.part(name, split, chosen.site)
            if not len(rows) or rows.y is None:
                continue
            far = distances[name] if distances is not None and split == "test" else np.full(len(rows), np.nan)
            parts.append(
                pa.table(
                    [
                        [name] * len(rows),
                        [split] * len(rows),
                        rows.ids.tolist(),
                        material.units[name][material.splits[name] == split].tolist(),
                        rows.y.tolist(),
                        chosen.probe.decision_function(acts.X).astype(np.float64).tolist(),
                        pa.array(far, mask=np.isnan(far)),
                        [hashlib.sha256(text.encode()).hexdigest()[:16] for text in plain_texts(rows)],
                    ],
                    schema=_SCHEMA,
                )
            )
    content = io.BytesIO()
    pq.write_table(pa.concat_tables(parts), content)
    write_bytes(folder / SCORES, content.getvalue())


def read_scored_rows(run: Path) -> ScoredRows:
    """Read the scores of a run.

    Parameters
    ----------
    run
        A run directory.

    Raises
    ------
    FileError
        If it holds none.
    FormatError
        If the file is damaged, lacks a column, or holds a label or score that cannot be.

    Examples
    --------
    >>> read_scored_rows(Path("nowhere"))
    Traceback (most recent call last):
    tiltmeter.core.errors.FileError: nowhere/scores.parquet does not exist; a run of this release holds it.
    """
    path = run / SCORES
    if not path.is_file():
        raise FileError(f"{path} does not exist; a run of this release holds it.")
    try:
        table = pq.read_table(io.BytesIO(path.read_bytes()))
        table = table.select(_SCHEMA.names).cast(_SCHEMA)
    except (pa.ArrowException, KeyError, OSError) as error:
        raise FormatError(f"{path} is damaged or no table of scores ({error}); run the study again.") from error
    columns = {name: table[name].to_numpy() for name in ("label", "score", "distance")}
    label, score = columns["label"], columns["score"]
    if table.column("label").null_count or not np.isin(label, (0, 1)).all() or not np.isfinite(score).all():
        raise FormatError(f"{path} holds a label that is not 0 or 1, or a score that is not finite.")
    strings = {name: np.array(table[name].to_pylist(), dtype=np.str_) for name in _SCHEMA.names if name not in columns}
    return ScoredRows(**strings, label=label.astype(np.int64), score=score, distance=columns["distance"])
