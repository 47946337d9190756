"""A store in the forms that other programs read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa
from numpy.lib.format import write_array_header_1_0
from numpy.typing import NDArray
from pyarrow import parquet

from tiltmeter.activations._store import ActivationStore, columns_at
from tiltmeter.core.errors import DataError, FileError, MissingExtraError, SpecError
from tiltmeter.core.files import new_folder

ExportFormat = Literal["numpy", "parquet", "datasets"]
# texts in memory at a time
_BLOCK = 8192


def export_store(
    store: ActivationStore, out: str | Path, *, to: ExportFormat, sites: tuple[str, ...] | None = None
) -> Path:
    """Write the rows of a store, in the order in which texts were given, to a new folder; memory stays flat.

    Every row carries its text's id, and label, pair, side and group where all texts of the site have them.

    Parameters
    ----------
    store
        What is exported; a part that is not finished, as far as it is.
    out
        The folder; it must not exist, and appears only when it is complete.
    to
        ``"numpy"``: ``SITE.npy`` (float32, shape (rows, d)) beside ``SITE.texts.npz`` with one array a column, the rows
        of text i being ``offsets[i]:offsets[i + 1]``. ``"parquet"``: ``SITE.parquet``, one row a row, with a list
        column ``activation``. ``"datasets"``: ``SITE``, the same rows as Hugging Face's ``datasets.load_from_disk``
        reads them.
    sites
        None for all.

    Returns
    -------
    The folder.

    Raises
    ------
    FileError
        If the folder exists, or cannot be written.
    DataError
        If a site has no rows yet.
    SpecError
        If the form or a site is none there is.
    MissingExtraError
        If ``datasets`` is not installed.

    Examples
    --------
    >>> export_store(ActivationStore.open("acts"), "acts_numpy", to="numpy")  # doctest: +SKIP
    PosixPath('acts_numpy')
    """
    if to not in get_args(ExportFormat):
        raise SpecError(f"A store cannot be exported to {to!r}; use one of {', '.join(get_args(ExportFormat))}.")
    chosen = tuple(store.sites) if sites is None else sites
    for site in chosen:
        if not len(store.ids(site)):
            raise DataError(f"The store {store.folder} has no rows at {site} yet; collect them, or name other sites.")
    writers = {"numpy": _to_numpy, "parquet": _to_parquet, "datasets": _to_datasets}
    if to == "datasets":
        _datasets()
    try:
        with new_folder(Path(out)) as folder:
            for site in chosen:
                writers[to](store, site, folder)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{out} cannot be written ({error.strerror or error}); name a folder with room.") from error
    return Path(out)


class _Block(NamedTuple):
    """Rows of some texts, the columns that all texts of the site have, and the rows of each text."""

    X: NDArray[np.float32]
    columns: dict[str, NDArray[Any]]
    sizes: NDArray[np.int64]


_NAMES = {"y": "label", "pairs": "pair", "sides": "side", "groups": "group"}


def _blocks(store: ActivationStore, site: str) -> Iterator[_Block]:
    ids, there = store.ids(site), columns_at(store, site)
    for start in range(0, len(ids), _BLOCK):
        acts = store.read(site, ids[start : start + _BLOCK])
        sizes = np.ones(len(acts), np.int64) if acts.offsets is None else np.diff(acts.offsets)
        none = np.full(len(acts), "")  # a block in which no text has a pair, of a site where others do
        columns = {_NAMES[name]: none if getattr(acts, name) is None else getattr(acts, name) for name in there}
        yield _Block(acts.X, {"id": acts.ids, **columns}, sizes)


def _to_numpy(store: ActivationStore, site: str, folder: Path) -> None:
    columns: dict[str, list[NDArray[Any]]] = {}
    n_rows = sum(len(chunk.X) for chunk in store.chunks(site))
    with (folder / f"{site}.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (n_rows, store.sites[site])}
        write_array_header_1_0(file, header)
        for block in _blocks(store, site):
            file.write(np.ascontiguousarray(block.X, dtype="<f4").data)
            for name, values in {**block.columns, "sizes": block.sizes}.items():
                columns.setdefault(name, []).append(values)
    arrays = {name: np.concatenate(values) for name, values in columns.items()}
    arrays["offsets"] = np.concatenate([[0], np.cumsum(arrays.pop("sizes"))])
    np.savez(folder / f"{site}.texts.npz", allow_pickle=False, **arrays)


def _to_parquet(store: ActivationStore, site: str, folder: Path) -> None:
    writer: parquet.ParquetWriter | None = None
    try:
        for block in _blocks(store, site):
            table = _table(block)
            if writer is None:
                writer = parquet.ParquetWriter(folder / f"{site}.parquet", table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _to_datasets(store: ActivationStore, site: str, folder: Path) -> None:
    # through a file, so that rows are never all in memory
    with TemporaryDirectory(dir=folder) as passing:
        _to_parquet(store, site, Path(passing))
        rows = _datasets().Dataset.from_parquet(str(Path(passing) / f"{site}.parquet"), cache_dir=passing)
        rows.save_to_disk(folder / site)


def _datasets() -> Any:  # noqa: ANN401  (an optional module)
    try:
        import datasets
    except ImportError:
        raise MissingExtraError(
            "Exporting to datasets needs the extra hub; run pip install 'tiltmeter[hub]'."
        ) from None
    return datasets


def _table(block: _Block) -> pa.Table:
    columns = {name: pa.array(np.repeat(values, block.sizes)) for name, values in block.columns.items()}
    rows = pa.FixedSizeListArray.from_arrays(pa.array(block.X.reshape(-1)), block.X.shape[1])
    return pa.table({**columns, "activation": rows})
