import os
import stat

import pytest

from tiltmeter.core.errors import FileError, FormatError
from tiltmeter.core.files import (
    new_folder,
    read_json,
    read_sealed,
    sha256,
    write_bytes,
    write_json,
    write_sealed,
    write_text,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_read(tmp_path):
    value = {"b": [1, 2.5, None], "a": {"ü": "Ünïcode"}}
    write_json(tmp_path / "deep" / "er" / "x.json", value)
    assert read_json(tmp_path / "deep" / "er" / "x.json") == value
    assert (tmp_path / "deep" / "er" / "x.json").read_text(encoding="utf-8").startswith('{\n  "b": [')


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    write_text(tmp_path / "x.txt", "old")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "x.txt", "new")
    assert names(tmp_path) == ["x.txt"]
    assert (tmp_path / "x.txt").read_text() == "old"


def test_the_content_is_on_disk_before_the_name_changes(tmp_path, monkeypatch):
    order = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("flush"), sync(handle)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("rename"), replace(a, b)))
    write_bytes(tmp_path / "x", b"content")
    assert order == ["flush", "rename"]


def test_written_files_and_folders_have_the_permissions_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "x", b"")
        with new_folder(tmp_path / "made"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o750


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1.0, {"x": float("-inf")}]])
def test_json_refuses_what_is_not_a_number(tmp_path, value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", value)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1,\n"b" 2}', "is not valid JSON .*line 2"),
        (b"\xff\xfe", "is not valid JSON"),
        (b'{"a": NaN}', "NaN is not a JSON value"),
        (b"[-Infinity]", "-Infinity is not a JSON value"),
    ],
)
def test_a_file_that_is_not_json_is_refused(tmp_path, content, message):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(FormatError, match=message):
        read_json(tmp_path / "x.json")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileError, match=r"missing\.json does not exist"):
        read_json(tmp_path / "missing.json")


def test_the_hash_is_sha_256():
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_sealed_pair_is_read_back_as_json_holds_it(tmp_path):
    write_sealed(tmp_path, {"by layer": {10: 1, 9: (2, 3)}}, content=b"weights", stem="x", version=3)
    head, content = read_sealed(tmp_path, stem="x", what="a thing", version=3)
    assert (head["by layer"], content) == ({"10": 1, "9": [2, 3]}, b"weights")
    assert list(head) == ["format_version", "sha256", "by layer", "sha256_of_the_rest"]


@pytest.mark.parametrize("value", [float("nan"), object()], ids=["NaN", "an object"])
def test_of_a_sealed_pair_nothing_is_written_where_json_cannot_hold_the_head(tmp_path, value):
    with pytest.raises((ValueError, TypeError), match="JSON"):
        write_sealed(tmp_path, {"value": value}, content=b"weights", stem="x", version=1)
    assert names(tmp_path) == []


def test_a_new_folder_appears_only_when_it_is_complete(tmp_path):
    with new_folder(tmp_path / "a" / "run") as folder:
        write_text(folder / "x", "1")
        assert not (tmp_path / "a" / "run").exists()
    assert names(tmp_path / "a") == ["run"]
    assert names(tmp_path / "a" / "run") == ["x"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_new_folder_leaves_nothing_when_its_block_fails(tmp_path, error):
    with pytest.raises(error), new_folder(tmp_path / "run") as folder:
        write_text(folder / "x", "1")
        raise error
    assert names(tmp_path) == []


@pytest.mark.parametrize("is_folder", [True, False])
def test_an_existing_path_is_refused_at_once_and_left_alone(tmp_path, is_folder):
    if is_folder:
        (tmp_path / "run").mkdir()
    else:
        (tmp_path / "run").write_text("precious")
    with pytest.raises(FileError, match="run exists already; name another folder or remove it first"):
        with new_folder(tmp_path / "run"):
            pytest.fail("the block must not start")
    assert names(tmp_path) == ["run"]


def test_a_folder_that_somebody_made_meanwhile_is_not_overwritten(tmp_path):
    with pytest.raises(FileError, match="appeared while it was being made"):
        with new_folder(tmp_path / "run") as folder:
            write_text(folder / "x", "mine")
            (tmp_path / "run").mkdir()
            (tmp_path / "run" / "x").write_text("theirs")
    assert names(tmp_path) == ["run"]
    assert (tmp_path / "run" / "x").read_text() == "theirs"
