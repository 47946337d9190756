"""Rows of named values from JSON Lines, CSV, Parquet and Hugging Face datasets, with the place of each row."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow
import pyarrow.parquet

from tiltmeter.core.errors import DataError, FileError, MissingExtraError
from tiltmeter.core.files import expand_user

SUFFIXES = ".jsonl, .csv, .tsv or .parquet"
# the comma first, which is taken where a header holds none of them
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_HUB = "hf:"
# a slice such as train[:100] holds a colon of its own
_HUB_NAME = re.compile(r"hf:(?P<name>[^:]+)(?::(?P<config>[^:\[\]]+))?:(?P<split>[^:\[\]]+(?:\[[^\]]*\])?)")


class Row(NamedTuple):
    """One row: its 1-based number, the line it starts in (for Parquet and datasets the number again), its values."""

    number: int
    line: int
    values: dict[str, Any]


class Table(NamedTuple):
    """The rows of one source. ``unit`` is what their places are called: line or row."""

    source: str
    name: str
    unit: str
    rows: list[Row]

    def at(self, row: Row) -> str:
        """Return where a row stands, to begin an error with."""
        return f"{self.source}, {self.unit} {row.line}"


def read_table(where: str) -> Table:
    """Read every row of a file, a saved dataset or a dataset on the hub."""
    if where.startswith(_HUB):
        return _read_hub(where)
    path = expand_user(where)
    if not path.exists():
        raise FileError(f"{where} does not exist; check the path.")
    if path.is_dir():
        table = _read_folder(path)
    else:
        match path.suffix.lower():
            case ".jsonl" | ".ndjson":
                table = Table(where, path.stem, "line", _json_lines(path))
            case ".csv" | ".tsv":
                table = Table(where, path.stem, "line", _csv_rows(path))
            case ".parquet":
                table = Table(where, path.stem, "row", _parquet_rows(path))
            case other:
                raise DataError(f"{where} ends in {other or 'no suffix'!r}; texts are read from {SUFFIXES} files.")
    if not table.rows:
        raise DataError(f"{where} holds no rows; give it at least one text.")
    return table


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: byte {error.start} is not UTF-8; save the file as UTF-8.") from None


def _json_lines(path: Path) -> list[Row]:
    rows: list[Row] = []
    # not splitlines(): line separators other than \n may stand inside a JSON string
    for number, line in enumerate(_decoded(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}, line {number}: malformed JSON ({error.msg}, column {error.colno}); "
                "write one JSON object a line."
            ) from None
        if not isinstance(values, dict):
            kind = type(values).__name__
            raise DataError(f"{path}, line {number}: holds a JSON {kind}; write one JSON object a line.")
        rows.append(Row(len(rows) + 1, number, values))
    return rows


def _csv_rows(path: Path) -> list[Row]:
    content = _decoded(path)
    rows: list[Row] = []
    header: list[str] | None = None
    start = 1
    # the default limit of 131,072 characters a field is less than a long chat; the setting is global, so it is put back
    limit = csv.field_size_limit(len(content) + 1)
    try:
        separator = _separator(content)
        reader = csv.reader(io.StringIO(content, newline=""), delimiter=separator, strict=True)
        for record in reader:
            number, start = start, reader.line_num + 1
            if not record:
                continue
            if header is None:
                header = record
                _check_header(path, header)
            elif len(record) != len(header):
                raise DataError(
                    f"{path}, line {number}: has {len(record)} fields for the {len(header)} columns of its header; "
                    f"quote fields that hold {_SEPARATORS[separator]} or line breaks."
                )
            else:
                # an empty field is a missing value in CSV, which has no other way to write one
                values = {name: text or None for name, text in zip(header, record, strict=True)}
                rows.append(Row(len(rows) + 1, number, values))
    except csv.Error as error:
        raise DataError(f"{path}, line {start}: malformed CSV ({error}); check the quotes of this field.") from None
    finally:
        csv.field_size_limit(limit)
    return rows


def _separator(content: str) -> str:
    """Return what divides the header into most fields: where the comma is decimal, spreadsheets write semicolons."""

    def n_fields(separator: str) -> int:
        records = csv.reader(io.StringIO(content, newline=""), delimiter=separator)
        try:
            return len(next((record for record in records if record), ()))
        except csv.Error:  # told when the rows are read
            return 0

    return max(_SEPARATORS, key=n_fields)


def _check_header(path: Path, header: list[str]) -> None:
    repeated = {name for name in header if header.count(name) > 1}
    if repeated:
        raise DataError(
            f"{path}: the column {min(repeated)!r} occurs twice in its header; give each a name of its own."
        )


def _parquet_rows(path: Path) -> list[Row]:
    try:
        records = pyarrow.parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{path} is not a readable Parquet file ({reason}); write it again.") from None
    return _numbered(records)


def _numbered(records: list[dict[str, Any]]) -> list[Row]:
    return [Row(number, number, record) for number, record in enumerate(records, start=1)]


def _datasets() -> Any:  # noqa: ANN401  (an optional module)
    try:
        import datasets
    except ImportError:
        raise MissingExtraError(
            "Hugging Face datasets are read with the extra hub; install it with pip install 'tiltmeter[hub]'."
        ) from None
    return datasets


def _read_folder(path: Path) -> Table:
    datasets = _datasets()
    try:
        loaded = datasets.load_from_disk(str(path))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} is a folder but no dataset saved with save_to_disk ({_first_line(error)}); "
            f"give such a folder or a {SUFFIXES} file."
        ) from None
    if isinstance(loaded, datasets.DatasetDict):
        names = list(loaded)
        raise DataError(f"{path} holds the splits {', '.join(names)}; name one of them, for example {path / names[0]}.")
    return Table(str(path), path.name, "row", _numbered(loaded.to_list()))


def _read_hub(where: str) -> Table:
    match = _HUB_NAME.fullmatch(where)
    if match is None:
        raise DataError(f"{where!r} does not name a dataset; write hf:NAME:SPLIT or hf:NAME:CONFIG:SPLIT.")
    datasets = _datasets()
    try:
        loaded = datasets.load_dataset(match["name"], match["config"], split=match["split"])
    except (OSError, ValueError) as error:
        raise DataError(
            f"{where} cannot be loaded ({_first_line(error)}); check the name, the configuration and the split."
        ) from None
    if not len(loaded):
        raise DataError(f"{where} holds no rows; give it at least one text.")
    return Table(where, match["name"].rsplit("/", 1)[-1], "row", _numbered(loaded.to_list()))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
