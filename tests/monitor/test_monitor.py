"""A monitor folder is whole and genuine, or it is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from tiltmeter import models
from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import DataError, FileError, FormatError, ModelError, SpecError
from tiltmeter.core.files import sha256
from tiltmeter.core.records import Threshold, Unavailable
from tiltmeter.core.site import Site
from tiltmeter.data import Between, NthMessage, TextSet
from tiltmeter.monitor import Card, Monitor, Reading

_TEXTS = TextSet(np.array(["a", "b", "c"]), texts=("w1 w2 .", "w3 .", "the city is not in w5 ."))


def _monitor(model: Path, *, threshold: Threshold | None = None) -> Monitor:
    subject = models.load(str(model))
    vector = np.random.default_rng(0).normal(size=16)
    reading = Reading(
        site="1.resid_post",
        pooling="last",
        span="all",
        long_texts="refuse",
        dtype="float32",
        chat_template_sha256=None,
    )
    card = Card(
        name="made up",
        model=str(model),
        revision=None,
        model_fingerprint=subject.fingerprint.model_dump(mode="json"),
        reading=reading,
        meaning="nothing",
        threshold=threshold or Unavailable(reason="not certified"),
        data={},
    )
    return Monitor(Direction(vector / np.linalg.norm(vector), site=Site(1, "resid_post"), sign=1, method="x"), card)


def _threshold(value: float) -> Threshold:
    return Threshold(
        value=value, fpr=0.01, confidence=0.95, n=299, n_rows=299, unit="row", allowed=0, population="made up"
    )


def test_a_monitor_survives_saving_bit_for_bit(tiny_model: Path, tmp_path: Path) -> None:
    monitor = _monitor(tiny_model, threshold=_threshold(0.5))
    monitor.save(tmp_path / "m")
    loaded = Monitor.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.direction.vector, monitor.direction.vector)
    assert loaded.card.threshold == monitor.card.threshold
    subject = models.load(str(tiny_model))
    np.testing.assert_array_equal(loaded.score(subject, _TEXTS).scores, monitor.score(subject, _TEXTS).scores)


def test_a_monitor_goes_to_another_process(tiny_model: Path) -> None:
    monitor, subject = _monitor(tiny_model), models.load(str(tiny_model))
    expected = monitor.score(subject, _TEXTS).scores
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(monitor)).score(subject, _TEXTS).scores, expected)


def test_an_alarm_is_a_score_strictly_above_the_threshold(tiny_model: Path) -> None:
    subject = models.load(str(tiny_model))
    scores = _monitor(tiny_model).score(subject, _TEXTS).scores
    at_the_middle = _monitor(tiny_model, threshold=_threshold(float(np.sort(scores)[1])))
    alarms = at_the_middle.score(subject, _TEXTS).alarms
    assert alarms is not None
    assert alarms.sum() == 1
    assert alarms[np.argmax(scores)]


def test_without_a_certified_threshold_there_are_scores_and_no_alarms(tiny_model: Path) -> None:
    assert _monitor(tiny_model).score(models.load(str(tiny_model)), _TEXTS).alarms is None


def test_another_model_is_refused_with_what_differs(tiny_model: Path, tmp_path: Path) -> None:
    monitor = _monitor(tiny_model)
    other = AutoModelForCausalLM.from_pretrained(tiny_model)
    with torch.no_grad():
        other.model.layers[0].mlp.up_proj.weight[0, 0] += 1e-3
    folder = tmp_path / "other"
    for file in tiny_model.iterdir():
        folder.mkdir(exist_ok=True)
        (folder / file.name).write_bytes(file.read_bytes())
    other.save_pretrained(folder)
    with pytest.raises(ModelError, match="weights_sha256 was"):
        monitor.score(models.load(str(folder)), _TEXTS)
    with pytest.raises(ModelError, match="dtype was 'float32', is 'bfloat16'"):
        monitor.score(models.load(str(tiny_model), dtype="bfloat16"), _TEXTS)


def test_a_direction_without_a_sign_makes_no_monitor(tiny_model: Path) -> None:
    monitor = _monitor(tiny_model)
    with pytest.raises(SpecError, match="needs a direction with a sign"):
        Monitor(Direction(monitor.direction.vector, site=monitor.direction.site), monitor.card)


def test_a_direction_of_another_site_is_refused(tiny_model: Path) -> None:
    monitor = _monitor(tiny_model)
    elsewhere = Direction(monitor.direction.vector, site=Site(0, "resid_post"), sign=1)
    with pytest.raises(SpecError, match=r"found at 0\.resid_post, but the card reads 1\.resid_post"):
        Monitor(elsewhere, monitor.card)


@pytest.mark.parametrize("name", ["direction.json", "direction.safetensors"])
def test_a_changed_file_is_refused(tiny_model: Path, tmp_path: Path, name: str) -> None:
    _monitor(tiny_model).save(tmp_path / "m")
    path = tmp_path / "m" / name
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(FormatError, match="direction"):
        Monitor.load(tmp_path / "m")


def test_a_changed_offset_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    _monitor(tiny_model).save(tmp_path / "m")
    path = tmp_path / "m" / "direction.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["offset"] = 5.0
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(FormatError, match="does not match the hash"):
        Monitor.load(tmp_path / "m")


def test_another_whole_direction_in_its_place_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    monitor = _monitor(tiny_model)
    monitor.save(tmp_path / "m")
    Direction(-monitor.direction.vector, site=monitor.direction.site, sign=1).save(tmp_path / "m")
    with pytest.raises(FormatError, match=r"does not match the hash in monitor\.json"):
        Monitor.load(tmp_path / "m")


def test_a_missing_or_foreign_or_incomplete_card_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="does not exist"):
        Monitor.load(tmp_path / "none")
    _monitor(tiny_model).save(tmp_path / "m")
    path = tmp_path / "m" / "monitor.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "format_version": 2}), encoding="utf-8")
    with pytest.raises(FormatError, match="format version 1"):
        Monitor.load(tmp_path / "m")
    del content["reading"]
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(FormatError, match="reading"):
        Monitor.load(tmp_path / "m")


def test_a_monitor_never_overwrites(tiny_model: Path, tmp_path: Path) -> None:
    _monitor(tiny_model).save(tmp_path / "m")
    with pytest.raises(FileError, match="exists already"):
        _monitor(tiny_model).save(tmp_path / "m")


def test_a_changed_threshold_or_reading_rule_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    _monitor(tiny_model, threshold=_threshold(0.5)).save(tmp_path / "m")
    path = tmp_path / "m" / "monitor.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for part, key, value in (("threshold", "value", 9.0), ("reading", "pooling", "mean")):
        changed = {**content, part: {**content[part], key: value}}
        path.write_text(json.dumps(changed), encoding="utf-8")
        with pytest.raises(FormatError, match="does not match the hash that it holds"):
            Monitor.load(tmp_path / "m")


def test_the_span_of_the_monitor_is_read_whatever_the_texts_say(tiny_model: Path) -> None:
    subject = models.load(str(tiny_model))
    spans = np.array([[0, 2], [0, 2], [0, 3]])
    marked = TextSet(_TEXTS.ids, texts=_TEXTS.texts, span="marked", spans=spans)
    whole = _monitor(tiny_model)
    np.testing.assert_array_equal(whole.score(subject, marked).scores, whole.score(subject, _TEXTS).scores)
    reading = whole.card.reading.model_copy(update={"span": "marked"})
    narrow = Monitor(whole.direction, whole.card.model_copy(update={"reading": reading}))
    assert (narrow.score(subject, marked).scores != whole.score(subject, _TEXTS).scores).any()
    with pytest.raises(DataError, match="marks no spans"):
        narrow.score(subject, _TEXTS)


def test_the_first_positions_and_long_texts_are_read_as_in_training(tiny_model: Path) -> None:
    subject = models.load(str(tiny_model))
    monitor = _monitor(tiny_model)

    def scores(texts: TextSet, **reading: object) -> np.ndarray:
        changed = monitor.card.reading.model_copy(update=reading)
        return (
            Monitor(monitor.direction, monitor.card.model_copy(update={"reading": changed}))
            .score(subject, texts)
            .scores
        )

    long = TextSet(np.array(["x"]), texts=(" ".join(f"w{i}" for i in range(35)),))
    end = TextSet(np.array(["x"]), texts=(" ".join(f"w{i}" for i in range(3, 35)),))
    np.testing.assert_array_equal(scores(long, long_texts="truncate_left"), scores(end))
    with pytest.raises(DataError, match="Text x has 35 tokens, 32 are allowed"):
        scores(long)
    with pytest.raises(DataError, match=r"Text b has 2 tokens, .* first 2, which are skipped"):
        scores(_TEXTS, skip_first=2)
    assert (scores(_TEXTS, skip_first=1, pooling="first") != scores(_TEXTS, pooling="first")).all()


@pytest.mark.parametrize("span", [NthMessage(-1), Between("<think>", "</think>"), "assistant"])
def test_every_span_rule_survives_in_the_card(tiny_model: Path, tmp_path: Path, span: object) -> None:
    monitor = _monitor(tiny_model)
    reading = monitor.card.reading.model_copy(update={"span": span, "skip_first": 3})
    Monitor(monitor.direction, monitor.card.model_copy(update={"reading": reading})).save(tmp_path / "m")
    loaded = Monitor.load(tmp_path / "m")
    assert (loaded.card.reading.span, loaded.card.reading.skip_first) == (span, 3)


def test_a_card_of_before_positions_could_be_skipped_is_whole(tiny_model: Path, tmp_path: Path) -> None:
    _monitor(tiny_model).save(tmp_path / "m")
    path = tmp_path / "m" / "monitor.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["reading"]["skip_first"], content["sha256_of_the_rest"]
    content["sha256_of_the_rest"] = sha256(json.dumps(content, sort_keys=True).encode())
    path.write_text(json.dumps(content), encoding="utf-8")
    assert Monitor.load(tmp_path / "m").card.reading.skip_first == 0
    content["reading"]["pooling"] = "mean"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(FormatError, match="does not match the hash that it holds"):
        Monitor.load(tmp_path / "m")
