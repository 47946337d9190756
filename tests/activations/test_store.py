"""A store holds what was collected, goes on where it was, and never gives a wrong number."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from stores import SITES, agree, assert_holds, contents
from tiny_models import random_texts, tiny_subject

from tiltmeter import activations
from tiltmeter.activations import ActivationStore, Done
from tiltmeter.core.errors import DataError, FileError, FormatError, SpecError
from tiltmeter.models import encode

pytestmark = pytest.mark.usefixtures("small_shards")

TEXTS = random_texts(60)
SUBJECT = tiny_subject("llama")
# many small batches
collect = partial(activations.collect, token_budget=60)


def _forwards(monkeypatch) -> list[int]:
    """Count the texts that go through the model from now on."""
    seen: list[int] = []
    bare = type(SUBJECT).read
    monkeypatch.setattr(
        type(SUBJECT), "read", lambda self, tokens, **k: seen.append(len(tokens)) or bare(self, tokens, **k)
    )
    return seen


@pytest.mark.parametrize("pooling", ["last", "first", "mean", "max", "all"])
def test_a_store_holds_what_is_collected_in_memory(tmp_path, pooling):
    expected = collect(SUBJECT, TEXTS, pooling=pooling)
    got = collect(SUBJECT, TEXTS, pooling=pooling, store=tmp_path / "s")
    assert list(got) == list(expected) and len(got) == len(expected)
    assert got.n_tokens == expected.n_tokens
    for site, acts in expected.items():
        agree(got[site].X, acts.X)
    assert_holds(tmp_path / "s", expected)
    assert len(ActivationStore.open(tmp_path / "s").manifest.parts[0].shards) > 5
    with pytest.raises(KeyError):
        got["1.mlp_out"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_rows_are_kept_exactly(tmp_path, dtype):
    subject = tiny_subject("llama")
    subject.model.to(dtype)
    expected = collect(subject, TEXTS, sites=SITES)
    collect(subject, TEXTS, sites=SITES, store=tmp_path / "s")
    store = ActivationStore.open(tmp_path / "s")
    for site in SITES:
        assert store.read(site).X.dtype == np.float32
        # the plan keeps pairs together, so that batches differ: half precision rounds them apart
        np.testing.assert_allclose(
            store.read(site).X, expected[site].X, rtol=0, atol=0.05 * np.abs(expected[site].X).max()
        )
    assert store.manifest.parts[0].shards[0].stored.bytes < 60 * 24 * 2 * len(SITES)
    exact = store.read(SITES[0]).X
    assert np.array_equal(torch.from_numpy(exact).to(dtype).float().numpy(), exact)


def test_a_finished_store_is_not_computed_again(tmp_path, monkeypatch):
    collect(SUBJECT, TEXTS, sites=SITES, store=tmp_path / "s")
    before, seen = contents(tmp_path / "s"), _forwards(monkeypatch)
    got = collect(SUBJECT, TEXTS.select(np.arange(59, 3, -1)), sites=["2.resid_post"], store=tmp_path / "s")
    assert got["2.resid_post"].ids[0] == "t59"
    assert seen == []
    assert contents(tmp_path / "s") == before


def test_new_texts_and_new_sites_are_added_without_running_old_ones(tmp_path, monkeypatch):
    store = tmp_path / "s"
    old = TEXTS.select(np.arange(20))
    collect(SUBJECT, old, sites=["0.resid_post"], store=store)
    seen = _forwards(monkeypatch)
    collect(SUBJECT, TEXTS, sites=["0.resid_post"], store=store)
    assert sum(seen) == 40
    seen.clear()
    got = collect(SUBJECT, TEXTS, sites=["0.resid_post", "2.z"], store=store)
    assert sum(seen) == 60
    assert list(got) == ["0.resid_post", "2.z"]
    assert_holds(store, collect(SUBJECT, TEXTS, sites=["0.resid_post", "2.z"]))
    seen.clear()
    # one text more lacks both sites, the others none
    more = random_texts(61)
    collect(SUBJECT, more, sites=["0.resid_post", "2.z"], store=store)
    assert sum(seen) == 1
    assert_holds(store, collect(SUBJECT, more, sites=["0.resid_post", "2.z"]))


def test_labels_may_change_and_the_store_says_what_was_said_last(tmp_path, monkeypatch):
    folder = tmp_path / "s"
    collect(SUBJECT, TEXTS, sites=["0.resid_post"], store=folder)
    shards = {name: content for name, content in contents(folder).items() if "shard" in name}
    other = replace(TEXTS, y=1 - TEXTS.y, groups=np.array([f"new{i}" for i in range(60)]))
    seen = _forwards(monkeypatch)
    got = collect(SUBJECT, other, sites=["0.resid_post"], store=folder)
    assert seen == []
    np.testing.assert_array_equal(got["0.resid_post"].y, other.y)
    collect(SUBJECT, other.select(np.arange(30)), sites=["2.resid_post"], store=folder)
    # of some texts only, and without saying anything of the others' labels
    corrected = replace(other.select(np.arange(10)), y=TEXTS.y[:10], pairs=None, sides=None)
    collect(SUBJECT, corrected, sites=["0.resid_post"], store=folder)
    read = ActivationStore.open(folder).read("0.resid_post", TEXTS.ids)
    np.testing.assert_array_equal(read.y, np.r_[TEXTS.y[:10], other.y[10:]])
    np.testing.assert_array_equal(read.groups, other.groups)
    np.testing.assert_array_equal(read.pairs, TEXTS.pairs)
    np.testing.assert_array_equal(read.sides, TEXTS.sides)
    # both sites agree, and the rows are the same files
    np.testing.assert_array_equal(ActivationStore.open(folder).read("2.resid_post", TEXTS.ids[:30]).y, read.y[:30])
    assert shards.items() <= contents(folder).items()
    assert sum("labels" in name for name in contents(folder)) == 2
    assert ActivationStore.open(folder).verify() == ()


def test_texts_without_labels_can_join_those_with_labels(tmp_path):
    folder = tmp_path / "s"
    collect(SUBJECT, TEXTS, sites=SITES, store=folder)
    bare = replace(random_texts(70).select(np.arange(60, 70)), y=None, groups=None)
    collect(SUBJECT, bare, sites=SITES, store=folder)
    store = ActivationStore.open(folder)
    assert store.read(SITES[0]).y is None
    np.testing.assert_array_equal(store.read(SITES[0], TEXTS.ids).y, TEXTS.y)
    assert store.read(SITES[0], bare.ids).y is None


def test_reading_some_ids_touches_their_shards_only(tmp_path):
    expected = collect(SUBJECT, TEXTS, sites=SITES)
    collect(SUBJECT, TEXTS, sites=SITES, store=tmp_path / "s")
    store = ActivationStore.open(tmp_path / "s")
    part = store.manifest.parts[0]
    chosen = store.plan(part).tokens.ids[store.plan(part).order[store.plan(part).places(2)]]
    for shard in part.shards:
        if shard.index != 2:
            (tmp_path / "s" / shard.stored.file).unlink()
    read = store.read(SITES[1], chosen[::-1])
    np.testing.assert_array_equal(read.ids, chosen[::-1])
    where = [TEXTS.ids.tolist().index(name) for name in chosen[::-1]]
    agree(read.X, expected[SITES[1]].X[where])
    with pytest.raises(FileError, match=r"shard-00000\.safetensors is gone; collect the same texts again"):
        store.read(SITES[1])


@pytest.mark.parametrize("pooling", ["last", "all"])
def test_chunks_give_every_row_once_and_keep_pairs_together(tmp_path, pooling):
    collect(SUBJECT, TEXTS, sites=SITES, pooling=pooling, store=tmp_path / "s")
    store = ActivationStore.open(tmp_path / "s")
    whole, chunks = store.read(SITES[0]), list(store.chunks(SITES[0]))
    assert len(chunks) > 3
    ids = np.concatenate([chunk.ids for chunk in chunks])
    assert sorted(ids) == sorted(TEXTS.ids)
    order = [whole.ids.tolist().index(name) for name in ids]
    np.testing.assert_array_equal(np.concatenate([chunk.X for chunk in chunks]), whole.select(np.array(order)).X)
    for chunk in chunks:
        _, counts = np.unique(chunk.pairs, return_counts=True)
        assert (counts == 2).all()


def test_a_removed_shard_is_filled_in_with_the_same_bytes(tmp_path):
    collect(SUBJECT, TEXTS, sites=SITES, store=tmp_path / "s")
    before = contents(tmp_path / "s")
    (tmp_path / "s" / "000" / "shard-00001.safetensors").unlink()
    assert ActivationStore.open(tmp_path / "s").verify()[0].startswith(str(tmp_path / "s/000/shard-00001.safetensors"))
    collect(SUBJECT, TEXTS, sites=SITES, store=tmp_path / "s")
    assert contents(tmp_path / "s") == before


@pytest.mark.long
def test_200_bit_flips_and_truncations_are_each_found_and_named(tmp_path):
    folder = tmp_path / "s"
    collect(SUBJECT, TEXTS, sites=SITES, store=folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    rng = np.random.default_rng(0)
    hit = set()
    for trial in range(200):
        path = files[trial % len(files)]
        sound = path.read_bytes()
        damaged = bytearray(sound)
        if trial % 4 == 3:
            damaged = damaged[: rng.integers(0, len(damaged))]
        else:
            damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        hit.add(path.name)
        if path.name == "manifest.json":
            with pytest.raises(FormatError, match=r"manifest\.json (is cut off|does not agree with its own hash)"):
                ActivationStore.open(folder)
        else:
            store = ActivationStore.open(folder)
            found = store.verify()
            assert len(found) == 1 and found[0].startswith(str(path))
            with pytest.raises(FormatError, match=f"{path.parent.name}/{path.name}.*damaged"):
                store.read(SITES[trial % 2])
        path.write_bytes(sound)
    assert len(hit) == len(files) > 8
    assert ActivationStore.open(folder).verify() == ()


def test_damage_after_the_first_read_is_found_too(tmp_path):
    collect(SUBJECT, TEXTS, sites=SITES, store=tmp_path / "s")
    store = ActivationStore.open(tmp_path / "s")
    store.read(SITES[0])
    path = tmp_path / "s" / "000" / "shard-00001.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    with pytest.raises(FormatError, match=r"shard-00001\.safetensors is damaged: its hash"):
        store.read(SITES[0])


@pytest.mark.long
def test_readers_are_not_disturbed_by_a_run_that_goes_on_writing(tmp_path):
    folder = tmp_path / "s"
    texts = random_texts(300)
    expected = collect(SUBJECT, texts, sites=SITES)
    collect(SUBJECT, texts.select(np.arange(4)), sites=SITES, store=folder)
    place = {name: i for i, name in enumerate(texts.ids.tolist())}
    sizes: list[int] = []
    problems: list[Exception] = []
    stop = threading.Event()

    def read() -> None:
        try:
            while not stop.is_set():
                acts = ActivationStore.open(folder).read(SITES[1])
                rows = [place[name] for name in acts.ids.tolist()]
                agree(acts.X, expected[SITES[1]].X[rows])
                sizes.append(len(acts))
        except (AssertionError, OSError, ValueError) as problem:
            problems.append(problem)

    def let_them_read(_: Done | None = None) -> None:
        # both may be half-way through a read that began before what was written last
        n, end = len(sizes) + 3, time.monotonic() + 10
        while len(sizes) < n and not problems and time.monotonic() < end:
            time.sleep(0.001)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    let_them_read()
    collect(SUBJECT, texts, sites=SITES, store=folder, progress=let_them_read)
    let_them_read()
    stop.set()
    for reader in readers:
        reader.join()
    assert problems == []
    # the first and the last state at least; what is named in between hangs on the clock
    assert {4, 300} <= set(sizes)
    assert_holds(folder, expected)


def test_a_second_writer_is_refused_and_the_first_is_not_disturbed(tmp_path):
    folder = tmp_path / "s"
    said: list[str] = []

    def during(done: Done) -> None:
        if not said:
            with pytest.raises(FileError) as refused:
                collect(SUBJECT, TEXTS, sites=["1.resid_post"], store=folder)
            said.append(str(refused.value))

    collect(SUBJECT, TEXTS, sites=SITES, store=folder, progress=during)
    assert "Another program is writing" in said[0]
    assert_holds(folder, collect(SUBJECT, TEXTS, sites=SITES))


@pytest.mark.long
def test_of_two_that_start_together_one_is_refused_and_the_other_is_not_disturbed(tmp_path):
    expected = collect(SUBJECT, TEXTS, sites=SITES)
    encoded = encode(SUBJECT, TEXTS)
    outcomes: list[str] = []
    for trial in range(15):
        folder = tmp_path / f"{trial}" / "s"
        together = threading.Barrier(2)

        def start(folder=folder, together=together) -> None:
            together.wait()
            try:
                collect(SUBJECT, encoded, sites=SITES, store=folder)
                outcomes.append("stored")
            except FileError as refused:
                outcomes.append(str(refused))

        writers = [threading.Thread(target=start) for _ in range(2)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert_holds(folder, expected)
    # in most tries they met; the second may also come when the first is done
    assert set(outcomes) <= {"stored"} | {one for one in outcomes if "Another program is writing" in one}
    assert 15 <= outcomes.count("stored") < 30


def test_a_store_of_another_model_or_rule_is_refused_with_what_differs(tmp_path):
    folder = tmp_path / "s"
    collect(SUBJECT, TEXTS, sites=SITES, store=folder)
    before = contents(folder)
    other = tiny_subject("llama-grouped-tied")
    with pytest.raises(SpecError, match=r"was made otherwise: .*model\.config_sha256 is .*; model\.weights_sha256 is"):
        collect(other, TEXTS, sites=SITES, store=folder)
    subject = tiny_subject("llama")
    subject.model.to(torch.bfloat16)
    with pytest.raises(SpecError, match=r"model\.dtype is 'float32', asked for 'bfloat16'"):
        collect(subject, TEXTS, sites=SITES, store=folder)
    with pytest.raises(SpecError, match=r"otherwise: pooling is 'last', asked for 'mean'\. Use the same"):
        collect(SUBJECT, TEXTS, sites=SITES, store=folder, pooling="mean")
    with pytest.raises(SpecError, match=r"otherwise: encoding\.skip_first is 0, asked for 1\. "):
        collect(SUBJECT, encode(SUBJECT, random_texts(3, longest=9), skip_first=1), sites=SITES, store=folder)
    assert contents(folder) == before


def test_the_name_of_a_model_may_change(tmp_path):
    collect(SUBJECT, TEXTS, sites=SITES, store=tmp_path / "s")
    moved = tiny_subject("llama")
    moved.name = "elsewhere"
    collect(moved, TEXTS, sites=SITES, store=tmp_path / "s")


def test_another_text_under_a_known_id_is_refused(tmp_path):
    collect(SUBJECT, TEXTS, sites=SITES, store=tmp_path / "s")
    before = contents(tmp_path / "s")
    changed = replace(TEXTS, texts=("w1 w1 w1", *TEXTS.texts[1:]))
    with pytest.raises(DataError, match=r"Text t0 has the id of another text in the store .* \(1 do\)"):
        collect(SUBJECT, changed, sites=SITES, store=tmp_path / "s")
    assert contents(tmp_path / "s") == before


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(FileError, match="is no activation store: it has no manifest"):
        ActivationStore.open(tmp_path)
    collect(SUBJECT, TEXTS, sites=SITES, store=tmp_path / "s")
    store = ActivationStore.open(tmp_path / "s")
    with pytest.raises(SpecError, match=r"no rows at '1\.mlp_out'; sites there are 0\.resid_post, 2\.resid_post"):
        store.read("1.mlp_out")
    with pytest.raises(DataError, match=r"has no rows of 1 of the texts at 0\.resid_post, first nobody"):
        store.read(SITES[0], np.array(["t3", "nobody"]))
    with pytest.raises(DataError, match="No text was asked for"):
        store.read(SITES[0], np.array([], dtype=np.str_))


def test_a_folder_that_is_no_store_is_left_alone(tmp_path):
    mine = tmp_path / "mine"
    (mine / "empty").mkdir(parents=True)
    (mine / "000").mkdir()
    (mine / "notes.txt").write_text("mine")
    with pytest.raises(FileError, match=r"is no activation store \(it holds (notes\.txt|empty)\); name another folder"):
        collect(SUBJECT, TEXTS, sites=SITES, store=mine)
    assert sorted(path.name for path in mine.iterdir()) == ["000", "empty", "notes.txt"]
    with pytest.raises(FileError, match="cannot be made"):
        collect(SUBJECT, TEXTS, sites=SITES, store=mine / "notes.txt" / "s")


def test_shards_without_a_manifest_are_not_taken_for_nothing(tmp_path):
    folder = tmp_path / "s"
    collect(SUBJECT, TEXTS, sites=SITES, store=folder)
    (folder / "manifest.json").rename(tmp_path / "elsewhere.json")
    before = contents(folder)
    with pytest.raises(FileError, match=r"holds shards but no manifest\.json, which says what they are: restore it"):
        collect(SUBJECT, TEXTS.select(np.arange(5)), sites=SITES, store=folder)
    assert contents(folder) == before


def test_a_part_whose_plan_was_removed_is_collected_anew(tmp_path):
    folder = tmp_path / "s"
    collect(SUBJECT, TEXTS, sites=SITES[:1], store=folder)
    collect(SUBJECT, TEXTS, sites=SITES, store=folder)
    (folder / "000" / "plan.safetensors").write_bytes(b"")
    (told,) = ActivationStore.open(folder).verify()
    assert "000/plan.safetensors has 0 bytes instead of" in told
    with pytest.raises(FormatError, match=r"000/plan\.safetensors .*remove the file and collect the same texts again"):
        collect(SUBJECT, TEXTS, sites=SITES, store=folder)
    (folder / "000" / "plan.safetensors").unlink()
    collect(SUBJECT, TEXTS, sites=SITES, store=folder)
    assert_holds(folder, collect(SUBJECT, TEXTS, sites=SITES))
    assert [part.name for part in ActivationStore.open(folder).manifest.parts] == ["001", "002"]


@pytest.mark.parametrize("name", ["manifest.json", "000/plan.safetensors", "000/shard-00001.safetensors"])
def test_a_folder_in_the_place_of_a_file_is_one_sentence(tmp_path, name):
    folder = tmp_path / "s"
    collect(SUBJECT, TEXTS, sites=SITES, store=folder)
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises((FileError, FormatError), match=f"{name} (cannot be read|is damaged|has)"):
        ActivationStore.open(folder).read(SITES[0])
    with pytest.raises((FileError, FormatError)):
        collect(SUBJECT, TEXTS, sites=SITES, store=folder)[SITES[0]]


def test_a_removed_shard_is_made_again_for_who_asks_for_one_of_its_texts(tmp_path):
    folder = tmp_path / "s"
    collect(SUBJECT, TEXTS, sites=SITES, store=folder)
    before = contents(folder)
    store = ActivationStore.open(folder)
    shard = store.manifest.parts[0].shards[1]
    held = store.plan(store.manifest.parts[0]).ids_of([1])
    (folder / shard.stored.file).unlink()
    collect(SUBJECT, TEXTS.select(np.isin(TEXTS.ids, held[:1])), sites=SITES[:1], store=folder)
    assert contents(folder) == before


def test_a_smaller_budget_is_followed_by_who_goes_on(tmp_path):
    folder = tmp_path / "s"
    stored = _interrupted(folder)
    activations.collect(SUBJECT, TEXTS, sites=SITES, store=folder, token_budget=30)
    first, second = ActivationStore.open(folder).manifest.parts
    assert (first.token_budget, second.token_budget, first.is_closed) == (60, 30, True)
    assert second.n_texts == 60 - len(stored)
    assert_holds(folder, collect(SUBJECT, TEXTS, sites=SITES))


def test_texts_can_be_read_by_a_list_of_ids_each_once(tmp_path):
    collect(SUBJECT, TEXTS, sites=SITES, store=tmp_path / "s")
    store = ActivationStore.open(tmp_path / "s")
    assert store.read(SITES[0], ["t7", "t3"]).ids.tolist() == ["t7", "t3"]
    with pytest.raises(DataError, match="Some text was asked for twice"):
        store.read(SITES[0], ["t7", "t7"])
    with pytest.raises(DataError, match="give a list of at least one id"):
        store.read(SITES[0], "t7")


def test_an_error_of_the_listener_is_not_taken_for_the_disks(tmp_path):
    def broken(done: Done) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        collect(SUBJECT, TEXTS, sites=SITES, store=tmp_path / "s", progress=broken)


def test_a_format_of_another_version_is_refused(tmp_path):
    from tiltmeter.core.files import sha256

    collect(SUBJECT, TEXTS, sites=SITES, store=tmp_path / "s")
    path = tmp_path / "s" / "manifest.json"
    content = path.read_bytes().replace(b'"format_version": 1', b'"format_version": 2')
    zeroed = re.sub(rb'[0-9a-f]{64}"\n}\n\Z', b"0" * 64 + b'"\n}\n', content)
    path.write_bytes(zeroed.replace(b"0" * 64, sha256(zeroed).encode()))
    with pytest.raises(FormatError, match="not of a kind that this release reads"):
        ActivationStore.open(tmp_path / "s")


def test_a_full_disk_is_one_sentence_and_the_run_goes_on_later(tmp_path, monkeypatch):
    folder, whole = tmp_path / "s", tmp_path / "whole"
    collect(SUBJECT, TEXTS, sites=SITES, store=whole)
    from tiltmeter.core import files

    written: list[int] = []
    bare = os.fsync

    def full(handle):
        written.append(handle)
        if len(written) == 7:
            raise OSError(28, "No space left on device")
        bare(handle)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(
            FileError, match=r"cannot be written \(No space left on device\).* holds [0-3] of \d+ shards"
        ):
            collect(SUBJECT, TEXTS, sites=SITES, store=folder)
    assert ActivationStore.open(folder).verify() == ()
    assert 0 < len(ActivationStore.open(folder).ids(SITES[0])) < 60
    collect(SUBJECT, TEXTS, sites=SITES, store=folder)
    assert contents(folder) == contents(whole)


def test_a_disk_without_room_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(FileError, match=r"needs 0\.0 MB more, and its disk has 0\.0 MB free"):
        collect(SUBJECT, TEXTS, sites=SITES, store=tmp_path / "new" / "s")
    assert not (tmp_path / "new").exists()


def test_a_read_only_folder_is_one_sentence(tmp_path, monkeypatch):
    from tiltmeter.core import files

    def refuse(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        # as a file system that is mounted read-only does, for root too
        patch.setattr(files.tempfile, "mkstemp", refuse)
        with pytest.raises(FileError, match=r"cannot be written \(Read-only file system\)\. Nothing was stored"):
            collect(SUBJECT, TEXTS, sites=SITES, store=tmp_path / "s")
    assert not (tmp_path / "s").exists()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(FileError, match="is read-only; name another folder"):
        collect(SUBJECT, TEXTS, sites=SITES, store=tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_an_interrupt_leaves_a_store_that_goes_on_and_says_so(tmp_path):
    folder, whole = tmp_path / "s", tmp_path / "whole"
    collect(SUBJECT, TEXTS, sites=SITES, store=whole)

    def stop(done: Done) -> None:
        if done.texts > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stopped:
        collect(SUBJECT, TEXTS, sites=SITES, store=folder, progress=stop)
    assert "The same call goes on from there" in stopped.value.__notes__[0]
    told: list[Done] = []
    collect(SUBJECT, TEXTS, sites=SITES, store=folder, progress=told.append)
    assert contents(folder) == contents(whole)
    # what was there counts as done, and not towards the speed
    assert told[-1].texts == told[-1].n_texts == 60
    assert 0 < told[-1].fresh_tokens < told[-1].tokens == told[-1].n_tokens


def _interrupted(folder) -> set[str]:
    """Leave a store of two sites unfinished; the texts that it has."""

    def stop(done: Done) -> None:
        if done.texts > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(SUBJECT, TEXTS, sites=SITES, store=folder, progress=stop)
    return set(ActivationStore.open(folder).ids(SITES[0]).tolist())


def test_what_was_stopped_is_left_alone_by_who_asks_for_other_texts_or_sites(tmp_path):
    folder = tmp_path / "s"
    _interrupted(folder)
    others = random_texts(70).select(np.arange(60, 70))
    collect(SUBJECT, others, sites=SITES, store=folder)
    collect(SUBJECT, TEXTS, sites=["1.mlp_out"], store=folder)
    before = ActivationStore.open(folder).manifest
    assert not before.parts[0].is_complete and not before.parts[0].is_closed
    # and gone on with by who asks for it
    collect(SUBJECT, TEXTS, sites=SITES, store=folder)
    after = ActivationStore.open(folder).manifest
    assert len(after.parts) == len(before.parts) == 3 and after.parts[0].is_complete
    assert_holds(folder, collect(SUBJECT, random_texts(70), sites=SITES))


def test_who_asks_for_some_of_what_was_stopped_gets_that_and_no_more(tmp_path, monkeypatch):
    folder = tmp_path / "s"
    stored = _interrupted(folder)
    some = TEXTS.select(np.arange(50))
    seen = _forwards(monkeypatch)
    collect(SUBJECT, some, sites=SITES, store=folder)
    assert sum(seen) == len(set(some.ids.tolist()) - stored)
    first, second = ActivationStore.open(folder).manifest.parts
    assert first.is_closed and not first.is_complete and second.is_complete
    assert ActivationStore.open(folder).info().n_shards_missing == 0
    assert_holds(folder, collect(SUBJECT, some, sites=SITES))
    # the last texts come with another call
    collect(SUBJECT, TEXTS, sites=SITES, store=folder)
    assert_holds(folder, collect(SUBJECT, TEXTS, sites=SITES))
