"""Monitors go to a hub and come back whole, over the client's own requests; nothing doubtful is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from tests.hub_server import Hub, in_place_of_the_hub
from tests.made_runs import evidence_of, make_monitor, scored_rows
from tiltmeter.core.errors import FileError, FormatError, SpecError
from tiltmeter.core.evidence import Evidence
from tiltmeter.monitor import Monitor, fetch, publish, read_card, write_card
from tiltmeter.studies import locate_monitor, open_evidence

FILES = {"README.md", "card.json", "monitor.json", "direction.json", "direction.safetensors"}


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return evidence_of(scored_rows(strength=1.5))


@pytest.fixture
def folder(evidence: Evidence, tmp_path: Path) -> Path:
    make_monitor(tmp_path / "m", evidence)
    write_card(tmp_path / "m", licence="mit")
    return tmp_path / "m"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with in_place_of_the_hub(tmp_path / "cache") as server:
        yield server


@pytest.mark.long
def test_a_published_monitor_comes_back_whole(hub: Hub, folder: Path) -> None:
    where = publish(folder, "me/probe")
    assert where.startswith(hub.url) and set(hub.files("me/probe")) == FILES and hub.private["me/probe"] is False
    brought = fetch("me/probe")
    np.testing.assert_array_equal(Monitor.load(brought).direction.vector, Monitor.load(folder).direction.vector)
    assert read_card(brought) == read_card(folder)
    assert locate_monitor("hub:me/probe") == brought
    assert open_evidence("hub:me/probe") == open_evidence(str(folder))


@pytest.mark.long
def test_a_private_repository_and_a_branch_are_made_as_asked(hub: Hub, folder: Path) -> None:
    publish(folder, "me/probe", private=True, revision="v1")
    assert hub.private["me/probe"] is True
    assert set(hub.files("me/probe", "v1")) == FILES and not hub.files("me/probe", "main")
    assert Monitor.load(locate_monitor("hub:me/probe@v1")).card.name == "truth"
    with pytest.raises(FileError, match=r"holds no monitor\.json"):
        fetch("me/probe")
    publish(folder, "me/probe", revision="v1")


def test_a_public_repository_is_not_taken_for_a_private_one(hub: Hub, folder: Path) -> None:
    publish(folder, "me/probe")
    before = dict(hub.files("me/probe"))
    write_card(folder, licence="apache-2.0")
    with pytest.raises(SpecError, match="is public already"):
        publish(folder, "me/probe", private=True)
    assert hub.files("me/probe") == before


def test_the_repository_of_something_else_keeps_its_readme(hub: Hub, folder: Path) -> None:
    hub.private["me/model"], hub.branches["me/model"] = False, {"main": {"README.md": b"mine", ".gitattributes": b""}}
    with pytest.raises(SpecError, match=r"holds README\.md and no monitor"):
        publish(folder, "me/model")
    assert hub.files("me/model")["README.md"] == b"mine"


def test_nothing_is_sent_where_a_hash_does_not_match(hub: Hub, folder: Path) -> None:
    for name in sorted(FILES):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
        with pytest.raises(FormatError):
            publish(folder, "me/probe")
        (folder / name).unlink()
        with pytest.raises(FileError):
            publish(folder, "me/probe")
        (folder / name).write_bytes(whole)
    assert hub.branches == {}
    publish(folder, "me/probe")


def test_a_file_that_no_hash_covers_does_not_leave_the_folder(hub: Hub, folder: Path) -> None:
    (folder / "texts.jsonl").write_text("{}", encoding="utf-8")
    with pytest.raises(FileError, match=r"holds texts\.jsonl, which no hash covers"):
        publish(folder, "me/probe")
    assert hub.branches == {}


@pytest.mark.long
def test_what_the_hub_changed_is_refused_when_it_is_loaded(hub: Hub, folder: Path) -> None:
    publish(folder, "me/probe")
    hub.files("me/probe")["direction.json"] += b" "
    with pytest.raises(FormatError, match=r"direction\.json"):
        Monitor.load(fetch("me/probe"))


def test_repositories_revisions_and_names_that_are_not_there_are_one_sentence(hub: Hub, folder: Path) -> None:
    publish(folder, "me/probe")
    with pytest.raises(FileError, match=r"The Hub did not give me/none .*Repository Not Found"):
        fetch("me/none")
    with pytest.raises(FileError, match=r"The Hub did not give me/probe .*Revision Not Found"):
        locate_monitor("hub:me/probe@v9")
    with pytest.raises(FileError, match="The Hub did not take a b"):
        publish(folder, "a b")
    for name in ("hub:", "hub:me/probe@"):
        with pytest.raises(SpecError, match="names no repository"):
            locate_monitor(name)


def test_a_hub_that_cannot_be_reached_is_one_sentence(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(FileError, match="The Hub did not take me/probe"):
        publish(folder, "me/probe")
    with pytest.raises(FileError, match="The Hub did not give me/probe"):
        fetch("me/probe")


@pytest.mark.long
def test_without_a_network_what_is_kept_here_is_read_and_the_rest_is_one_sentence(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(folder, "me/probe")
    brought = fetch("me/probe")
    monkeypatch.setattr("tiltmeter.monitor._hub.unknown_host", lambda url: "huggingface.co")
    assert fetch("me/probe") == brought
    with pytest.raises(FileError, match=r"me/other is not in the Hub's cache here, and hugging.* cannot be reached"):
        fetch("me/other")


def test_a_folder_is_a_target_too(folder: Path, tmp_path: Path) -> None:
    assert publish(folder, f"file:{tmp_path / 'out'}") == str(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert read_card(tmp_path / "out") == read_card(folder)
    with pytest.raises(FileError, match="exists already"):
        publish(folder, f"file:{tmp_path / 'out'}")
    with pytest.raises(SpecError, match="A folder has no revision"):
        publish(folder, f"file:{tmp_path / 'two'}", revision="v1")
    (folder / "direction.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FormatError):
        publish(folder, f"file:{tmp_path / 'two'}")
    assert not (tmp_path / "two").exists()


def test_monitors_are_found_in_their_folder_and_in_their_run(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "monitors").mkdir(parents=True)
    folder.rename(run / "monitors" / "best")
    assert locate_monitor(str(run)) == locate_monitor(str(run / "monitors" / "best")) == run / "monitors" / "best"
    (tmp_path / "vectors").mkdir()
    (tmp_path / "vectors" / "evidence.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FileError, match="is a run without a monitor"):
        locate_monitor(str(tmp_path / "vectors"))
    with pytest.raises(FormatError, match="not a record that this release reads"):
        open_evidence(str(tmp_path / "vectors"))
