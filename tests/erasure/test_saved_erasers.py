"""Erasers on disk: what is read back erases as what was saved, and nothing damaged or foreign is read."""

import json
from dataclasses import fields

import numpy as np
import pytest

import tiltmeter.erasure
from tests.erasers import ERASERS, rows
from tiltmeter.core.errors import ArrayError, FileError, FormatError
from tiltmeter.core.files import seal
from tiltmeter.erasure import Eraser, OracleEraser, leace, load, mean_translation, save
from tiltmeter.erasure._saved import CLASSES

TRAIN = rows(60, 6)


def test_every_kind_of_the_package_can_be_read_back():
    public = [getattr(tiltmeter.erasure, name) for name in tiltmeter.erasure.__all__]
    kinds = {thing for thing in public if isinstance(thing, type) and issubclass(thing, Eraser)} - {Eraser}
    assert set(CLASSES) == kinds


@pytest.mark.parametrize("method", ERASERS, ids=str)
@pytest.mark.parametrize("names", [[0, 1], ["false", "true"], [False, True]], ids=str)
def test_what_is_read_back_erases_bit_for_bit_as_what_was_saved(method, names, tmp_path):
    z = np.array(names)[TRAIN.z]
    fitted = method.make().fit(TRAIN.X, z)
    save(fitted.eraser_, tmp_path)
    again = load(tmp_path)
    assert type(again) is type(fitted.eraser_)
    for field in fields(again):
        saved, read = getattr(fitted.eraser_, field.name), getattr(again, field.name)
        np.testing.assert_array_equal(read, saved)
    expected = method.erase(fitted, TRAIN.X, z)
    np.testing.assert_array_equal(again(TRAIN.X, z) if method.needs_z else again(TRAIN.X), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["eraser.json", "eraser.safetensors"]


def test_an_oracle_of_numbers_and_one_of_many_classes_are_kept(tmp_path):
    eraser = tiltmeter.erasure.oracle_leace(TRAIN.X, TRAIN.X[:, :2])
    save(eraser, tmp_path, stem="numbers")
    assert load(tmp_path, stem="numbers").classes is None
    z = np.array(["a", "b", "c"])[np.arange(60) % 3]
    save(mean_translation(TRAIN.X, z), tmp_path, stem="many")
    np.testing.assert_array_equal(load(tmp_path, stem="many")(TRAIN.X, z), mean_translation(TRAIN.X, z)(TRAIN.X, z))


def test_what_is_not_ours_is_not_saved(tmp_path):
    with pytest.raises(ArrayError, match=r"LEACE is not an eraser of Tiltmeter; save the eraser_ of a fitted method"):
        save(tiltmeter.erasure.LEACE(), tmp_path)
    odd = np.array([(1, 2), None], dtype=object)
    eraser = OracleEraser(np.zeros((2, 1)), np.zeros(1), odd, method="", guarantee="", tol=0.0)
    with pytest.raises(ArrayError, match="labels that are neither numbers nor strings"):
        save(eraser, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_a_file_that_is_missing_or_changed_is_refused_by_name(tmp_path, suffix):
    save(leace(TRAIN.X, TRAIN.z), tmp_path)
    path = tmp_path / f"eraser.{suffix}"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(FormatError, match=rf"eraser\.{suffix}"):
        load(tmp_path)
    path.unlink()
    with pytest.raises(FileError, match=rf"eraser\.{suffix} does not exist"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "not an eraser of format version 1"),
        ({"eraser": "Path"}, "is a Path, which this release does not know"),
        ({"fields": {"strange": 1}}, "lacks a part of an eraser or holds a wrong one"),
        ({"fields": None}, "lacks a part of an eraser or holds a wrong one"),
    ],
)
def test_a_record_of_another_kind_is_refused_though_its_hash_is_right(tmp_path, change, message):
    save(leace(TRAIN.X, TRAIN.z), tmp_path)
    path = tmp_path / "eraser.json"
    head = json.loads(path.read_text()) | change
    head["sha256_of_the_rest"] = seal(head)
    path.write_text(json.dumps(head))
    with pytest.raises(FormatError, match=message):
        load(tmp_path)


def test_a_folder_may_be_given_as_a_string(tmp_path):
    eraser = tiltmeter.erasure.LEACE().fit(TRAIN.X, TRAIN.z).eraser_
    save(eraser, str(tmp_path))
    np.testing.assert_array_equal(load(str(tmp_path))(TRAIN.X), eraser(TRAIN.X))
