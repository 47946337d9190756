"""An alarm names the card as it is, whether a text was scored whole or watched, saved or not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from torch import Tensor

from tests.made_monitors import certified
from tests.service.served import made_monitor
from tiltmeter import models
from tiltmeter.core.files import seal
from tiltmeter.models import SubjectModel, generate
from tiltmeter.monitor import AlarmMaker, Monitor, TokenScores, _watched_texts, watch


@pytest.fixture(scope="module")
def subject(tiny_model: Path) -> SubjectModel:
    return models.load(str(tiny_model))


def named(subject: SubjectModel, monitor: Monitor) -> str:
    """Return the hash by which an alarm of a watch names a monitor."""
    with watch(subject, {"m": monitor}) as seen:
        generate(subject, ["w1 w2"], max_new_tokens=2)
    return seen.alarms[0].raised[0].sha256


def test_a_monitor_that_was_never_saved_is_named_by_its_hash(subject: SubjectModel) -> None:
    monitor = made_monitor(subject, running=-100.0)
    assert named(subject, monitor) == monitor.card.digest() != ""


def test_a_saved_monitor_is_named_by_the_hash_of_its_file(subject: SubjectModel, tmp_path: Path) -> None:
    made_monitor(subject, running=-100.0).save(tmp_path / "m")
    loaded = Monitor.load(tmp_path / "m")
    assert named(subject, loaded) == json.loads((tmp_path / "m" / "monitor.json").read_text())["sha256_of_the_rest"]


def test_a_monitor_that_was_certified_anew_has_a_hash_of_its_own(subject: SubjectModel, tmp_path: Path) -> None:
    made_monitor(subject).save(tmp_path / "old")
    old = Monitor.load(tmp_path / "old")
    new = Monitor(old.direction, old.card.model_copy(update={"running": certified(-100.0)}))
    new.save(tmp_path / "new")
    assert named(subject, new) == Monitor.load(tmp_path / "new").card.sha256_of_the_rest != old.card.sha256_of_the_rest


def test_a_card_of_an_earlier_release_is_named_by_the_hash_that_it_holds(subject: SubjectModel, tmp_path: Path) -> None:
    made_monitor(subject).save(tmp_path / "m")
    path = tmp_path / "m" / "monitor.json"
    content = json.loads(path.read_text())
    del content["running"], content["parity_sha256"]
    content["sha256_of_the_rest"] = seal(content)
    path.write_text(json.dumps(content))
    monitor = Monitor.load(tmp_path / "m")
    maker = AlarmMaker({"m": monitor}, model="tiny", source="score")
    assert maker.raised("m", score=1.0, limit=certified(0.0), at="end").sha256 == content["sha256_of_the_rest"]


def test_the_tokens_read_are_joined_once_for_all_alarms_of_a_forward(
    subject: SubjectModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_joined, known = 0, _watched_texts._known

    def counted(step: TokenScores) -> Tensor:
        nonlocal n_joined
        n_joined += 1
        return known(step)

    monkeypatch.setattr(_watched_texts, "_known", counted)
    monitors = {f"m{i}": made_monitor(subject, seed=i, running=-100.0) for i in range(6)}
    with watch(subject, monitors) as seen:
        generate(subject, ["w1 w2", "w3 w4"], max_new_tokens=1)
    assert len(seen.alarms) == 12
    # one step for the alarms; two for the texts at the end
    assert n_joined == 3
