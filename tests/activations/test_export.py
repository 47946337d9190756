"""What is exported is what the store holds, in the forms that other programs read."""

from __future__ import annotations

import sys
from dataclasses import replace

import datasets
import numpy as np
import pytest
from pyarrow import parquet
from tiny_models import random_texts, tiny_subject

from tiltmeter.activations import ActivationStore, _export, collect, export_store
from tiltmeter.core.errors import DataError, FileError, MissingExtraError, SpecError

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


@pytest.mark.parametrize("form", ["numpy", "parquet", "datasets"])
def test_columns_that_not_all_texts_have_are_left_out(tmp_path, monkeypatch, form):
    monkeypatch.setattr(_export, "_BLOCK", 7)
    subject = tiny_subject("llama")
    collect(subject, TEXTS, sites=SITES, store=tmp_path / "s")
    bare = replace(random_texts(70).select(np.arange(60, 70)), y=None, pairs=None, sides=None)
    collect(subject, bare, sites=SITES[:1], store=tmp_path / "s")
    out = export_store(ActivationStore.open(tmp_path / "s"), tmp_path / "out", to=form)
    names = {}
    for site in SITES:
        if form == "numpy":
            texts = np.load(out / f"{site}.texts.npz")
            names[site] = set(texts) - {"offsets"}
            assert len({len(texts[name]) for name in names[site]}) == 1
        elif form == "parquet":
            names[site] = set(parquet.read_table(out / f"{site}.parquet").column_names) - {"activation"}
        else:
            names[site] = set(datasets.load_from_disk(out / site).column_names) - {"activation"}
    # pairs may be none for some texts
    assert names == {SITES[0]: {"id", "pair", "group"}, SITES[1]: {"id", "label", "pair", "side", "group"}}


def test_a_site_without_rows_is_refused(tmp_path, small_shards):
    def stop(done) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(tiny_subject("llama"), TEXTS, sites=SITES, store=tmp_path / "s", progress=stop)
    with pytest.raises(DataError, match=r"has no rows at 0\.resid_post yet; collect them, or name other sites"):
        export_store(ActivationStore.open(tmp_path / "s"), tmp_path / "out", to="numpy")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["numpy", "parquet", "datasets"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(store, tmp_path, monkeypatch, form):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_export, {"numpy": "write_array_header_1_0"}.get(form, "_table"), full)
    with pytest.raises(FileError, match=r"out cannot be written \(No space left on device\); name a folder with room"):
        export_store(store, tmp_path / "out", to=form)
    assert {path.name for path in tmp_path.iterdir()} == {"s"}
