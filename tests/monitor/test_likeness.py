"""A monitor with a detector says which texts are unlike; one without, such as an old one, does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tiltmeter import models
from tiltmeter.activations import collect
from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import FileError, FormatError, SpecError
from tiltmeter.core.files import seal
from tiltmeter.core.records import Unavailable
from tiltmeter.core.site import Site
from tiltmeter.data import TextSet
from tiltmeter.evaluation import MahalanobisDetector
from tiltmeter.models import encode
from tiltmeter.monitor import Card, Monitor, Reading


def _texts(n: int, words: tuple[int, int], *, seed: int) -> TextSet:
    rng = np.random.default_rng(seed)
    strings = tuple(" ".join(f"w{j}" for j in rng.integers(*words, size=6)) + " ." for _ in range(n))
    return TextSet(np.arange(n).astype(np.str_), texts=strings)


def _monitor(model: Path, *, detector: MahalanobisDetector | None) -> Monitor:
    subject = models.load(str(model))
    reading = Reading(
        site="1.resid_post",
        pooling="mean",
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
        threshold=Unavailable(reason="not certified"),
        data={},
    )
    return Monitor(Direction(np.eye(16)[0], site=Site(1, "resid_post"), sign=1), card, detector)


@pytest.fixture(scope="module")
def detector(tiny_model: Path) -> MahalanobisDetector:
    subject = models.load(str(tiny_model))
    train, calibration = (
        collect(subject, encode(subject, _texts(200, (0, 20), seed=seed)), sites=["1.resid_post"], pooling="mean")
        for seed in (0, 1)
    )
    fitted = MahalanobisDetector.fit(train["1.resid_post"].X)
    return fitted.certify(calibration["1.resid_post"].X, fpr=0.05, population="low words")


def test_texts_of_other_words_are_unlike_and_those_of_the_same_seldom(
    tiny_model: Path, tmp_path: Path, detector: MahalanobisDetector
) -> None:
    _monitor(tiny_model, detector=detector).save(tmp_path / "m")
    loaded, subject = Monitor.load(tmp_path / "m"), models.load(str(tiny_model))
    same, other = (loaded.score(subject, _texts(200, words, seed=9)).unlike for words in ((0, 20), (20, 40)))
    assert same is not None and other is not None
    assert same.mean() < 0.08 and other.mean() > 0.5
    assert loaded.score(subject, _texts(2, (0, 20), seed=9)).alarms is None


def test_without_a_detector_nothing_is_said(tiny_model: Path, tmp_path: Path) -> None:
    monitor = _monitor(tiny_model, detector=None)
    monitor.save(tmp_path / "m")
    assert sorted(file.name for file in (tmp_path / "m").iterdir()) == [
        "direction.json",
        "direction.safetensors",
        "monitor.json",
    ]
    assert Monitor.load(tmp_path / "m").score(models.load(str(tiny_model)), _texts(2, (0, 9), seed=0)).unlike is None


def test_a_folder_of_before_there_were_detectors_loads(tiny_model: Path, tmp_path: Path) -> None:
    _monitor(tiny_model, detector=None).save(tmp_path / "m")
    path = tmp_path / "m" / "monitor.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["likeness_sha256"]
    content["sha256_of_the_rest"] = seal(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    assert Monitor.load(tmp_path / "m").detector is None


def test_a_detector_that_is_gone_or_another_is_refused(
    tiny_model: Path, tmp_path: Path, detector: MahalanobisDetector
) -> None:
    _monitor(tiny_model, detector=detector).save(tmp_path / "m")
    rows = np.random.default_rng(0).normal(size=(100, 16))
    MahalanobisDetector.fit(rows).certify(rows, fpr=0.05, population="x").save(tmp_path / "m")
    with pytest.raises(FormatError, match=r"likeness\.json does not match the hash in monitor\.json"):
        Monitor.load(tmp_path / "m")
    (tmp_path / "m" / "likeness.json").unlink()
    with pytest.raises(FileError, match="does not exist"):
        Monitor.load(tmp_path / "m")


def test_a_detector_without_a_threshold_makes_no_monitor(tiny_model: Path) -> None:
    with pytest.raises(SpecError, match="detector with a threshold"):
        _monitor(tiny_model, detector=MahalanobisDetector.fit(np.random.default_rng(0).normal(size=(100, 16))))
