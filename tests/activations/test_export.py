"""What is exported is what the store holds, in the forms that other programs read."""

from __future__ import annotations

import sys

import datasets
import numpy as np
import pytest
from pyarrow import parquet
from tiny_models import random_texts, tiny_subject

from tiltmeter.activations import ActivationStore, _export, collect, export_store
from tiltmeter.core.errors import FileError, MissingExtraError, SpecError

TEXTS = random_texts(60)
SITES = ("0.resid_post", "2.resid_post")


@pytest.fixture(params=["last", "all"])
def store(request, tmp_path, monkeypatch, small_shards) -> ActivationStore:
    monkeypatch.setattr(_export, "_BLOCK", 7)
    collect(tiny_subject("llama"), TEXTS, sites=SITES, pooling=request.param, store=tmp_path / "s", token_budget=60)
    return ActivationStore.open(tmp_path / "s")


def test_numpy_files_hold_the_rows_and_what_the_texts_carry(store, tmp_path):
    out = export_store(store, tmp_path / "out", to="numpy")
    assert sorted(path.name for path in out.iterdir()) == sorted(
        name for site in SITES for name in (f"{site}.npy", f"{site}.texts.npz")
    )
    for site in SITES:
        expected = store.read(site)
        X = np.load(out / f"{site}.npy", mmap_mode="r")
        texts = np.load(out / f"{site}.texts.npz")
        np.testing.assert_array_equal(X, expected.X)
        assert X.dtype == np.float32
        for name, column in (("id", "ids"), ("label", "y"), ("pair", "pairs"), ("side", "sides"), ("group", "groups")):
            np.testing.assert_array_equal(texts[name], getattr(expected, column))
        sizes = np.diff(expected.offsets) if expected.offsets is not None else np.ones(60, int)
        np.testing.assert_array_equal(np.diff(texts["offsets"]), sizes)


@pytest.mark.parametrize("form", ["parquet", "datasets"])
def test_tables_hold_a_row_a_row(store, tmp_path, form):
    out = export_store(store, tmp_path / "out", to=form, sites=(SITES[1],))
    assert len(list(out.iterdir())) == 1
    if form == "parquet":
        table = parquet.read_table(out / f"{SITES[1]}.parquet")
    else:
        table = datasets.load_from_disk(out / SITES[1]).with_format("arrow")[:]
    expected = store.read(SITES[1])
    sizes = np.diff(expected.offsets) if expected.offsets is not None else np.ones(60, int)
    X = np.array(table["activation"].to_pylist(), dtype=np.float32)
    np.testing.assert_array_equal(X, expected.X)
    assert table["id"].to_pylist() == np.repeat(expected.ids, sizes).tolist()
    assert table["label"].to_pylist() == np.repeat(expected.y, sizes).tolist()


def test_what_cannot_be_exported_is_refused_before_anything_is_made(store, tmp_path, monkeypatch):
    with pytest.raises(SpecError, match="cannot be exported to 'csv'; use one of numpy, parquet, datasets"):
        export_store(store, tmp_path / "out", to="csv")
    with pytest.raises(SpecError, match=r"no rows at '9\.resid_post'"):
        export_store(store, tmp_path / "out", to="numpy", sites=("9.resid_post",))
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match="needs the extra hub"):
        export_store(store, tmp_path / "out", to="datasets")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    with pytest.raises(FileError, match="exists already"):
        export_store(store, tmp_path / "out", to="numpy")


def test_a_damaged_store_is_not_exported(store, tmp_path):
    shard = store.folder / store.manifest.parts[0].shards[-1].stored.file
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(ValueError, match="is damaged"):
        export_store(store, tmp_path / "out", to="parquet")
    assert not (tmp_path / "out").exists()
