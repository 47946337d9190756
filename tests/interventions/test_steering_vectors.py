"""Vectors leave the library and come back bit for bit, sign and scale in them; those of another model are refused."""

from __future__ import annotations

import functools
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import tiny_subject

from tiltmeter.core import Direction, Site
from tiltmeter.core.errors import ArrayError, FileError, FormatError, ModelError, SpecError
from tiltmeter.interventions import (
    Steer,
    SteeringVectors,
    open_steering,
    read_gguf,
    steering_vectors,
    write_gguf,
)
from tiltmeter.models import edited, generate

RNG = np.random.default_rng(0)
VECTORS = SteeringVectors(
    {1: RNG.normal(size=24).astype(np.float32), 2: (1e-30 * RNG.normal(size=24)).astype(np.float32)},
    model_hint="llama",
)
UNIT = RNG.normal(size=24)
UNIT /= np.linalg.norm(UNIT)
_subject = functools.cache(tiny_subject)


def _same(one: SteeringVectors, other: SteeringVectors) -> bool:
    return (
        list(one.vectors) == list(other.vectors)
        and all(one.vectors[k].tobytes() == other.vectors[k].tobytes() for k in one.vectors)
        and (one.model_hint, one.layer_count) == (other.model_hint, other.layer_count)
    )


def test_a_gguf_file_gives_back_every_bit(tmp_path):
    write_gguf(tmp_path / "v.gguf", VECTORS)
    assert _same(read_gguf(tmp_path / "v.gguf"), VECTORS)
    assert [path.name for path in tmp_path.iterdir()] == ["v.gguf"]


def test_safetensors_give_back_every_bit_and_what_is_known(tmp_path):
    known = SteeringVectors(VECTORS.vectors, model_hint="llama", layer_count=7, provenance={"methods": ["LDA"]})
    known.save(tmp_path)
    found = SteeringVectors.load(tmp_path)
    assert _same(found, known) and found.provenance == {"methods": ["LDA"]}
    head = json.loads((tmp_path / "steering.json").read_text(encoding="utf-8"))
    (tmp_path / "steering.json").write_text(json.dumps({**head, "model_hint": "gpt2"}), encoding="utf-8")
    with pytest.raises(FormatError, match="changed after it was saved"):
        SteeringVectors.load(tmp_path)


def test_the_reader_of_llama_cpp_finds_what_was_written(tmp_path):
    gguf = pytest.importorskip("gguf", reason="needs the package gguf, which the extra dev brings")
    write_gguf(tmp_path / "v.gguf", VECTORS)
    reader = gguf.GGUFReader(tmp_path / "v.gguf")
    assert reader.get_field("general.architecture").contents() == "controlvector"
    assert reader.get_field("controlvector.model_hint").contents() == "llama"
    assert reader.get_field("controlvector.layer_count").contents() == 2
    found = {tensor.name: tensor for tensor in reader.tensors}
    assert sorted(found) == ["direction.1", "direction.2"]
    for layer, vector in VECTORS.vectors.items():
        tensor = found[f"direction.{layer}"]
        assert tensor.tensor_type == gguf.GGMLQuantizationType.F32 and tensor.shape.tolist() == [24]
        assert tensor.data.tobytes() == vector.tobytes()


def test_a_file_by_the_writer_of_repeng_is_read(tmp_path):
    gguf = pytest.importorskip("gguf", reason="needs the package gguf, which the extra dev brings")
    # as repeng's export_gguf does, which counts the vector of block 0 and leaves it out
    writer = gguf.GGUFWriter(tmp_path / "r.gguf", "controlvector")
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_uint32("controlvector.layer_count", 3)
    writer.add_array("notes", ["some", "strings"])
    writer.add_array("numbers", [1, 2, 3])
    writer.add_float64("scale", 0.5)
    writer.add_bool("is_it", True)
    for layer, vector in VECTORS.vectors.items():
        writer.add_tensor(f"direction.{layer}", vector)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = read_gguf(tmp_path / "r.gguf")
    assert _same(found, SteeringVectors(VECTORS.vectors, model_hint="llama", layer_count=3))


@pytest.mark.parametrize("sign", [1, -1])
def test_sign_and_scale_are_baked_in(tmp_path, sign):
    subject = _subject("llama")
    direction = Direction(UNIT, site=Site(-2, "resid_post"), sign=sign, method="LDA")
    write_gguf(tmp_path / "v.gguf", steering_vectors(subject, direction, strength=6.0))
    found = read_gguf(tmp_path / "v.gguf")
    np.testing.assert_allclose(found.vectors[1], sign * 6.0 * UNIT, rtol=1e-6)
    # whoever adds the numbers to the output of block 1, knowing nothing of us, steers as we do
    vector, tokens = torch.from_numpy(found.vectors[1].copy()), torch.tensor([[6, 7, 8, 9]])
    handle = subject.model.model.layers[1].register_forward_hook(lambda module, args, output: output + vector)
    with torch.no_grad():
        by_hand = subject.model(input_ids=tokens).logits
    handle.remove()
    with torch.no_grad(), edited(subject, [Steer(direction, 6.0)]):
        ours = subject.model(input_ids=tokens).logits
    with torch.no_grad(), edited(subject, found.steers()):
        read = subject.model(input_ids=tokens).logits
    assert torch.equal(read, by_hand)
    torch.testing.assert_close(ours, by_hand, rtol=0, atol=1e-5)


def test_the_output_of_the_block_moves_and_what_comes_before_does_not():
    subject, tokens = _subject("llama"), torch.tensor([[6, 7, 8]])
    sites = [Site(0, "resid_post"), Site(1, "resid_mid"), Site(1, "resid_post"), Site(2, "resid_pre")]
    bare = subject.read(tokens, sites=sites)
    with edited(subject, SteeringVectors({1: VECTORS.vectors[1]}).steers(2.0)):
        moved = subject.read(tokens, sites=sites)
    for site in sites[:2]:
        assert torch.equal(moved[site], bare[site])
    for site in sites[2:]:
        by = torch.from_numpy(2 * VECTORS.vectors[1]).expand(1, 3, -1)
        torch.testing.assert_close(moved[site] - bare[site], by, rtol=0, atol=1e-5)


def test_several_directions_have_strengths_of_their_own_and_generate():
    subject = _subject("llama")
    directions = [Direction(UNIT, site=Site(layer, "resid_post"), sign=1) for layer in (2, 0)]
    found = steering_vectors(subject, directions, strength=[2.0, -3.0])
    assert list(found.vectors) == [0, 2] and found.model_hint == "llama"
    np.testing.assert_allclose(found.vectors[0], -3 * UNIT, rtol=1e-6)
    made = generate(subject, ["w1 w2"], max_new_tokens=3, edits=found.steers())
    direct = [Steer(one, s) for one, s in zip(directions, (2.0, -3.0), strict=True)]
    assert made.tokens[0].tolist() == generate(subject, ["w1 w2"], max_new_tokens=3, edits=direct).tokens[0].tolist()


def _at(point: str) -> Direction:
    return Direction(UNIT, site=Site(1, point), sign=1, method="LDA")


@pytest.mark.parametrize(
    ("directions", "strength", "error", "message"),
    [
        (_at("mlp_out"), 1.0, SpecError, "is of 1.mlp_out"),
        ([_at("resid_post")] * 2, 1.0, SpecError, "Two directions are of 1.resid_post"),
        ([_at("resid_post")], [1.0, 2.0], SpecError, "1 directions and 2 strengths"),
        (_at("resid_post"), 0.0, ArrayError, "is 0"),
        (_at("resid_post"), np.inf, ArrayError, "finite"),
        (Direction(UNIT, site=Site(1, "resid_post")), 1.0, ArrayError, "has no sign"),
        (Direction(UNIT, sign=1), 1.0, SpecError, "No site"),
        (Direction(np.array([1.0]), site=Site(1, "resid_post"), sign=1), 1.0, ArrayError, "width 1"),
        ([], 1.0, ArrayError, "There are no steering vectors"),
    ],
)
def test_what_cannot_be_baked_is_refused_in_a_sentence(directions, strength, error, message):
    with pytest.raises(error, match=message):
        steering_vectors(_subject("llama"), directions, strength=strength)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (
            SteeringVectors({1: np.ones(24, np.float32)}, model_hint="gpt2"),
            "made for a gpt2 model, and llama is a llama",
        ),
        (SteeringVectors({1: np.ones(9, np.float32)}), "width 9, and the residual stream of llama 24"),
        (SteeringVectors({3: np.ones(24, np.float32)}), "4 or more blocks, and llama has 3"),
        (SteeringVectors({1: np.ones(24, np.float32)}, layer_count=31), "31 or more blocks, and llama has 3"),
    ],
)
def test_vectors_of_another_model_are_refused_in_a_sentence(tmp_path, vectors, message):
    write_gguf(tmp_path / "v.gguf", vectors)
    with pytest.raises(ModelError, match=message):
        read_gguf(tmp_path / "v.gguf").check(_subject("llama"))


@pytest.mark.parametrize(
    ("hint", "family"),
    [("qwen3moe", "qwen3-moe"), ("gemma3", "gemma3"), ("gptneox", "gpt-neox"), ("gpt-oss", "gpt-oss"), ("", "gpt2"),
     ("llama", "mistral-sliding"), ("mistral", "mistral-sliding")],
)  # fmt: skip
def test_a_hint_may_be_in_the_words_of_either_program(hint, family):
    SteeringVectors({1: np.ones(24, np.float32)}, model_hint=hint).check(_subject(family))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SteeringVectors({}), ArrayError, "no steering vectors"),
        (lambda: SteeringVectors({-1: np.ones(3, np.float32)}), SpecError, "counts from the end"),
        (lambda: SteeringVectors({1: np.ones(3)}), ArrayError, "block 1 is float64"),
        (lambda: SteeringVectors({1: np.full(3, np.nan, np.float32)}), ArrayError, "finite"),
        (lambda: SteeringVectors({1: np.zeros(3, np.float32)}), ArrayError, "block 1 is 0"),
        (lambda: SteeringVectors({1: np.ones(3, np.float32), 2: np.ones(4, np.float32)}), ArrayError, "block 2"),
        (lambda: SteeringVectors({1: np.ones(3, np.float32)}, layer_count=0), SpecError, "layer_count is 0"),
    ],
)
def test_vectors_that_cannot_be_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_the_first_block_has_no_place_in_the_format(tmp_path):
    with pytest.raises(SpecError, match="start at block 1"):
        write_gguf(tmp_path / "v.gguf", SteeringVectors({0: np.ones(3, np.float32)}))
    assert list(tmp_path.iterdir()) == []


def _key(name: str, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", kind) + value


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


_OURS = _key("general.architecture", 8, _text("controlvector"))


def _file(*keys: bytes, tensors: bytes = b"", n_tensors: int = 0, version: int = 3, n_keys: int | None = None) -> bytes:
    n = len(keys) if n_keys is None else n_keys
    head = b"GGUF" + struct.pack("<IQQ", version, n_tensors, n) + b"".join(keys) + tensors
    return head + b"\0" * (-len(head) % 32)


def _info(name: str, *, shape: tuple[int, ...] = (2,), kind: int = 0, offset: int = 0) -> bytes:
    axes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return _text(name) + axes + struct.pack("<IQ", kind, offset)


DAMAGED = {
    "empty": (b"", "mmap"),
    "another kind": (b"PK\3\4" + bytes(40), "letters GGUF"),
    "old": (_file(_OURS, version=1), "version 1"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "another order of bytes"),
    "a whole model": (_file(_key("general.architecture", 8, _text("llama"))), "architecture is 'llama'"),
    "no architecture": (_file(), "architecture is None"),
    "a type that is none": (_file(_key("a", 99, b"")), "type 99"),
    "arrays in arrays": (_file(_key("a", 9, struct.pack("<IQ", 9, 1))), "array of values of type 9"),
    "keys without end": (_file(_OURS, n_keys=2**60), "in the middle"),
    "a string without end": (_file(_key("a", 8, struct.pack("<Q", 2**63))), "in the middle"),
    "an array without end": (_file(_key("a", 9, struct.pack("<IQ", 0, 2**62))), "in the middle"),
    "axes without end": (_file(_OURS, tensors=_text("direction.1") + struct.pack("<I", 2**31), n_tensors=1), "middle"),
    "no tensors": (_file(_OURS), "no steering vectors"),
    "another tensor": (_file(_OURS, tensors=_info("blk.0.w"), n_tensors=1) + bytes(32), "'blk.0.w' is not named"),
    "block 0": (_file(_OURS, tensors=_info("direction.0"), n_tensors=1) + bytes(32), "'direction.0' is not named"),
    "half precision": (_file(_OURS, tensors=_info("direction.1", kind=1), n_tensors=1) + bytes(32), "type 1"),
    "a matrix": (_file(_OURS, tensors=_info("direction.1", shape=(2, 2)), n_tensors=1) + bytes(32), r"\(2, 2\)"),
    "numbers beyond the end": (_file(_OURS, tensors=_info("direction.1", shape=(99,)), n_tensors=1), "ends at byte"),
    "a place beyond the end": (_file(_OURS, tensors=_info("direction.1", offset=2**63), n_tensors=1), "ends at byte"),
    "one block twice": (
        _file(_OURS, tensors=_info("direction.1") + _info("direction.01"), n_tensors=2) + b"\1" * 32,
        "for one block",
    ),
    "a number for a hint": (
        _file(_OURS, _key("controlvector.model_hint", 4, bytes(4)), tensors=_info("direction.1"), n_tensors=1)
        + b"\1" * 32,
        "model hint is 0",
    ),
    "no alignment": (_file(_OURS, _key("general.alignment", 4, bytes(4))), "alignment is 0"),
    "fewer than there are": (
        _file(_OURS, _key("controlvector.layer_count", 4, bytes(4)), tensors=_info("direction.1"), n_tensors=1)
        + b"\1" * 32,
        "layer_count is 0",
    ),
    "not UTF-8": (_file(_key("a", 8, struct.pack("<Q", 1) + b"\xff")), "utf-8"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_or_foreign_file_is_refused_in_a_sentence(tmp_path, name):
    content, message = DAMAGED[name]
    (tmp_path / "v.gguf").write_bytes(content)
    with pytest.raises(FormatError, match=r"v\.gguf is not a control vector that can be read") as raised:
        read_gguf(tmp_path / "v.gguf")
    assert message.replace("\\", "") in str(raised.value)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    write_gguf(tmp_path / "v.gguf", VECTORS)
    content = (tmp_path / "v.gguf").read_bytes()
    # the last numbers end where the padding of the file begins
    for end in range(0, len(content) - 31, 7):
        (tmp_path / "cut.gguf").write_bytes(content[:end])
        with pytest.raises(FormatError):
            read_gguf(tmp_path / "cut.gguf")


def test_what_to_steer_along_is_found_in_every_form(tmp_path):
    direction = Direction(UNIT, site=Site(1, "resid_post"), sign=-1, method="LDA")
    direction.save(tmp_path / "probes" / "1.resid_post", stem="lda")
    direction.save(tmp_path / "alone")
    VECTORS.save(tmp_path / "vectors")
    write_gguf(tmp_path / "v.gguf", VECTORS)
    probe = tmp_path / "probes" / "1.resid_post"
    for path in (probe, probe / "lda", probe / "lda.safetensors", probe / "lda.json", tmp_path / "alone"):
        found = open_steering(path)
        assert isinstance(found, Direction) and found.sign == -1 and np.array_equal(found.vector, UNIT)
    for path in (tmp_path / "vectors", tmp_path / "vectors" / "steering.safetensors", tmp_path / "v.gguf"):
        assert _same(open_steering(path), VECTORS)


def _two(folder: Path) -> Path:
    for stem in ("lda", "ridge"):
        Direction(UNIT, sign=1).save(folder, stem=stem)
    return folder


def _list(folder: Path) -> Path:
    (folder / "a.json").write_text("[]", encoding="utf-8")
    return folder / "a"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda folder: folder / "nothing", FileError, "neither a direction nor steering vectors"),
        (lambda folder: folder / "nothing.gguf", FileError, "does not exist"),
        (lambda folder: folder, FileError, "holds none"),
        (_two, FileError, r"holds 2 \(lda, ridge\)"),
        (_list, FormatError, "damaged or foreign"),
    ],
)
def test_what_holds_nothing_to_steer_along_is_refused(tmp_path, make, error, message):
    with pytest.raises(error, match=message):
        open_steering(make(tmp_path))
