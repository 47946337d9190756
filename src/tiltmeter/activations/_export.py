"""A store in the forms that other programs read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.lib.format import open_memmap
from pyarrow import parquet

from tiltmeter.activations._store import ActivationStore
from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import MissingExtraError, SpecError
from tiltmeter.core.files import new_folder

ExportFormat = Literal["numpy", "parquet", "datasets"]
# texts in memory at a time
_BLOCK = 8192


def export_store(
    store: ActivationStore, out: str | Path, *, to: ExportFormat, sites: tuple[str, ...] | None = None
) -> Path:
    """Write the rows of a store, in the order in which texts were given, to a new folder; memory stays flat.

    Every row carries its text's id, and label, pair, side and group where the store has them.

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
        If the folder exists, or cannot be made.
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
        store.ids(site)  # raises for an unknown one, before anything is made
    writers = {"numpy": _to_numpy, "parquet": _to_parquet, "datasets": _to_datasets}
    if to == "datasets":
        _datasets()
    with new_folder(Path(out)) as folder:
        for site in chosen:
            writers[to](store, site, folder)
    return Path(out)


def _blocks(store: ActivationStore, site: str) -> Iterator[Activations]:
    ids = store.ids(site)
    for start in range(0, len(ids), _BLOCK):
        yield store.read(site, ids[start : start + _BLOCK])


def _to_numpy(store: ActivationStore, site: str, folder: Path) -> None:
    shape = (sum(len(block.X) for block in store.chunks(site)), store.sites[site])
    out = open_memmap(folder / f"{site}.npy", mode="w+", dtype=np.float32, shape=shape)
    columns: dict[str, list[Any]] = {}
    start = 0
    for block in _blocks(store, site):
        out[start : start + len(block.X)] = block.X
        start += len(block.X)
        for name, values in _columns(block).items():
            columns.setdefault(name, []).append(values)
        columns.setdefault("sizes", []).append(_sizes(block))
    out.flush()
    sizes = np.concatenate(columns.pop("sizes"))
    arrays = {name: np.concatenate(values) for name, values in columns.items()}
    arrays["offsets"] = np.concatenate([[0], np.cumsum(sizes)])
    np.savez(folder / f"{site}.texts.npz", allow_pickle=False, **arrays)


def _to_parquet(store: ActivationStore, site: str, folder: Path) -> None:
    writer: parquet.ParquetWriter | None = None
    for block in _blocks(store, site):
        table = _table(block)
        if writer is None:
            writer = parquet.ParquetWriter(folder / f"{site}.parquet", table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _to_datasets(store: ActivationStore, site: str, folder: Path) -> None:
    datasets = _datasets()
    blocks = [datasets.Dataset(_table(block)) for block in _blocks(store, site)]
    datasets.concatenate_datasets(blocks).save_to_disk(folder / site)


def _datasets() -> Any:  # noqa: ANN401  (an optional module)
    try:
        import datasets
    except ImportError:
        raise MissingExtraError(
            "Exporting to datasets needs the extra hub; run pip install 'tiltmeter[hub]'."
        ) from None
    return datasets


def _table(block: Activations) -> pa.Table:
    sizes = _sizes(block)
    columns = {name: pa.array(np.repeat(values, sizes)) for name, values in _columns(block).items()}
    rows = pa.FixedSizeListArray.from_arrays(pa.array(block.X.reshape(-1)), block.X.shape[1])
    return pa.table({**columns, "activation": rows})


def _sizes(block: Activations) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.ones(len(block), np.int64) if block.offsets is None else np.diff(block.offsets)


def _columns(block: Activations) -> dict[str, np.ndarray[Any, Any]]:
    named = {"id": block.ids, "label": block.y, "pair": block.pairs, "side": block.sides, "group": block.groups}
    return {name: values for name, values in named.items() if values is not None}
