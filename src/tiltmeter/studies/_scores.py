"""The scores of the chosen probe, row by row, as they are kept beside the evidence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tiltmeter.core.errors import FileError, FormatError
from tiltmeter.core.files import write_bytes
from tiltmeter.evaluation import LabelledScores
from tiltmeter.studies._alarms import watched
from tiltmeter.studies._material import Material, Split
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._transfer import Fitted, TestSet

FILE = "scores.parquet"
_COLUMNS = ("distribution", "split", "id", "unit", "label", "score", "distance")


def write_scores(
    folder: Path,
    spec: StudySpec,
    material: Material,
    *,
    tests: dict[str, TestSet],
    chosen: Fitted,
    distances: dict[str, NDArray[np.float64]] | None,
) -> None:
    """Write ``scores.parquet``: the calibration rows that set the threshold, and all test rows.

    Columns: ``distribution``; ``split``, calibration or test; ``id``; ``unit``, what is split and resampled as one;
    ``label``; ``score`` by the chosen probe; ``distance`` to the train rows, of test rows, null where there is none.
    """
    parts: list[tuple[str, Split]] = [(name, "calibration") for name in watched(spec)]
    parts += [(name, "test") for name in tests]
    tables = []
    for name, split in parts:
        rows = material.part(name, split, chosen.site)
        far = distances[name] if distances is not None and split == "test" else np.full(len(rows), np.nan)
        columns = {
            "distribution": pa.array([name] * len(rows), pa.string()),
            "split": pa.array([split] * len(rows), pa.string()),
            "id": pa.array(rows.ids.tolist(), pa.string()),
            "unit": pa.array(rows.groups.tolist() if rows.groups is not None else rows.ids.tolist(), pa.string()),
            "label": pa.array(rows.y, pa.int8()),
            "score": pa.array(chosen.probe.decision_function(rows.X).astype(np.float64)),
            "distance": pa.array(far, mask=np.isnan(far)),
        }
        tables.append(pa.table(columns))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.concat_tables(tables), sink, compression="zstd")
    write_bytes(folder / FILE, sink.getvalue().to_pybytes())


def read_scores(run: Path, *, split: Split) -> dict[str, LabelledScores]:
    """Read the scores of one split, by distribution, as a study kept them.

    Raises
    ------
    FileError
        If the run has none, as those of earlier releases.
    FormatError
        If the file is damaged or another.

    Examples
    --------
    >>> read_scores(Path("runs/nowhere"), split="test")
    Traceback (most recent call last):
    ...
    tiltmeter.core.errors.FileError: runs/nowhere/scores.parquet does not exist; run the study again.
    """
    path = run / FILE
    if not path.is_file():
        raise FileError(f"{path} does not exist; run the study again.")
    try:
        table = pq.read_table(path, columns=list(_COLUMNS), filters=[("split", "=", split)])
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        raise FormatError(f"{path} cannot be read as the scores of a run ({error}).") from None
    names = np.array(table["distribution"].to_pylist(), dtype=np.str_)
    y = table["label"].to_numpy().astype(np.int64)
    scores, units = table["score"].to_numpy(), np.array(table["unit"].to_pylist(), dtype=np.str_)
    return {
        str(name): LabelledScores(scores[names == name], y[names == name], units[names == name])
        for name in dict.fromkeys(names.tolist())
    }
