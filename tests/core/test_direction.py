import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from tiltmeter.core import Direction, Site, Unavailable
from tiltmeter.core.errors import ArrayError, FileError, FormatError


def unit(d=6, *, dtype=np.float64, seed=0):
    vector = np.random.default_rng(seed).normal(size=d)
    return (vector / np.linalg.norm(vector)).astype(dtype)


def saved(folder, **changes):
    direction = Direction(
        **{
            "vector": unit(),
            "offset": 0.1 + 0.2,
            "site": Site(-1, "z", 3),
            "sign": -1,
            "method": "LDA",
            "provenance": {"seed": 0, "hyperparameters": {"shrinkage": None}, "by layer": {10: 1, 9: (2, 3)}},
        }
        | changes
    )
    direction.save(folder)
    return direction


def change_head(folder, **changes):
    path = folder / "direction.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_score_is_the_signed_projection(sign):
    vector, X = unit(), np.random.default_rng(1).normal(size=(9, 6))
    naive = [sign * (sum(float(x) * float(v) for x, v in zip(row, vector, strict=True)) + 0.5) for row in X]
    np.testing.assert_allclose(Direction(vector, offset=0.5, sign=sign).score(X), naive)


def test_a_direction_without_a_sign_scores_nothing():
    with pytest.raises(ArrayError, match="The direction by LAT has no sign; orient the probe on calibration labels"):
        Direction(unit(), method="LAT").score(np.zeros((2, 6)))


@pytest.mark.parametrize("X", [np.zeros((2, 5)), np.zeros(6), np.zeros((2, 2, 6))])
def test_rows_of_another_width_are_refused(X):
    with pytest.raises(ArrayError, match="the direction reads rows of width 6"):
        Direction(unit(), sign=1).score(X)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vector": np.ones(6)}, "must have norm 1"),
        ({"vector": np.zeros(6)}, "must have norm 1"),
        ({"vector": unit() * 1.01}, "must have norm 1"),
        ({"vector": unit()[None]}, "needs one finite vector"),
        ({"vector": np.array([np.nan, 1.0])}, "needs one finite vector"),
        ({"offset": float("inf")}, "needs one finite vector and offset"),
        ({"sign": 2}, 'sign is 2; it must be 1, -1 or "unknown"'),
        ({"sign": 0}, "sign is 0"),
        ({"sign": "positive"}, "sign is 'positive'"),
    ],
)
def test_what_is_no_direction_is_refused(change, message):
    with pytest.raises(ArrayError, match=message):
        Direction(**({"vector": unit()} | change))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("sign", [1, -1, "unknown"])
def test_a_saved_direction_comes_back_bit_for_bit(tmp_path, dtype, sign):
    before = saved(tmp_path, vector=unit(1000, dtype=dtype), sign=sign)
    after = Direction.load(tmp_path)
    assert after.vector.tobytes() == before.vector.tobytes()
    assert after.vector.dtype == dtype
    for name in ("offset", "site", "sign", "method"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.evidence == Unavailable(reason="not assessed")
    # as JSON holds it: keys are text and tuples are lists
    assert after.provenance == json.loads(json.dumps(before.provenance))


def test_saving_again_writes_the_same_bytes(tmp_path):
    saved(tmp_path / "a")
    Direction.load(tmp_path / "a").save(tmp_path / "b")
    for name in ("direction.safetensors", "direction.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_two_directions_may_share_a_folder(tmp_path):
    first, second = Direction(unit(seed=1)), Direction(unit(seed=2))
    first.save(tmp_path, stem="first")
    second.save(tmp_path, stem="second")
    np.testing.assert_array_equal(Direction.load(tmp_path, stem="first").vector, first.vector)
    np.testing.assert_array_equal(Direction.load(tmp_path, stem="second").vector, second.vector)


def test_the_last_file_written_is_the_one_that_vouches_for_the_other(tmp_path):
    # a crash in between leaves a direction that does not load, never a wrong one
    saved(tmp_path)
    (tmp_path / "direction.json").unlink()
    with pytest.raises(FileError, match=r"direction.json does not exist"):
        Direction.load(tmp_path)


@pytest.mark.parametrize("place", [0, -1])
def test_weights_changed_by_one_bit_are_refused(tmp_path, place):
    saved(tmp_path)
    path = tmp_path / "direction.safetensors"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"does not match the hash in direction.json; one of the two was changed"):
        Direction.load(tmp_path)


def test_weights_of_another_direction_are_refused(tmp_path):
    saved(tmp_path)
    save_file({"vector": unit(seed=9)}, tmp_path / "direction.safetensors")
    with pytest.raises(FormatError, match="does not match the hash"):
        Direction.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"sign": 1},
        {"offset": 0.0},
        {"method": "Logistic"},
        {"site": "4.resid_post"},
        {"provenance": {}},
        {"note": "added by hand"},
        {"evidence": {"kind": "unavailable", "reason": "it is fine"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_head_changed_after_saving_is_refused(tmp_path, change):
    saved(tmp_path)
    change_head(tmp_path, **change)
    with pytest.raises(FormatError, match="was changed after it was saved"):
        Direction.load(tmp_path)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_format_version_is_refused(tmp_path, version):
    saved(tmp_path)
    change_head(tmp_path, format_version=version)
    with pytest.raises(FormatError, match="is not a direction of format version 1"):
        Direction.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2]", "is not a direction of format version 1"),
        ("{", "is not valid JSON"),
        ("", "is not valid JSON"),
        ('{"format_version": 1}', "does not match the hash that it holds"),
        ('{"format_version": 1, "offset": NaN}', "NaN is not a JSON value"),
    ],
)
def test_a_damaged_head_is_refused(tmp_path, content, message):
    saved(tmp_path)
    (tmp_path / "direction.json").write_text(content)
    with pytest.raises(FormatError, match=message):
        Direction.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [{"sign": 7}, {"offset": None}, {"site": "nowhere"}, {"evidence": {"kind": "evidence"}}, {"evidence": None}],
    ids=str,
)
def test_a_well_hashed_head_that_holds_nonsense_is_refused(tmp_path, change):
    # as another program might write it: the hashes are right, the content is not
    from tiltmeter.core.files import seal

    saved(tmp_path)
    change_head(tmp_path, **change)
    head = json.loads((tmp_path / "direction.json").read_text())
    change_head(tmp_path, sha256_of_the_rest=seal(head))
    with pytest.raises(FormatError, match="lacks a part of a direction or holds a wrong one"):
        Direction.load(tmp_path)


def test_a_head_without_weights_is_refused(tmp_path):
    saved(tmp_path)
    (tmp_path / "direction.safetensors").unlink()
    with pytest.raises(FileError, match=r"direction.safetensors does not exist; a direction needs both of its files"):
        Direction.load(tmp_path)


@pytest.mark.parametrize("provenance", [{"auroc": float("nan")}, {"when": object()}])
def test_provenance_that_json_cannot_hold_writes_nothing(tmp_path, provenance):
    with pytest.raises((ValueError, TypeError)):
        saved(tmp_path, provenance=provenance)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_may_be_given_as_a_string(tmp_path):
    before = Direction(unit())
    before.save(str(tmp_path))
    np.testing.assert_array_equal(Direction.load(str(tmp_path)).vector, before.vector)
