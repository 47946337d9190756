"""A log on a full disk, moved, of another program or of another release says so in a sentence, and loses nothing."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.monitor.test_log import a_text, an_alarm
from tiltmeter.core.errors import FileError, FormatError
from tiltmeter.monitor import MonitorLog


def test_a_database_of_another_program_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (a)")
        other.commit()
    before = path.read_bytes()
    with pytest.raises(FormatError, match="database of something else"):
        MonitorLog(path)
    assert path.read_bytes() == before and [file.name for file in tmp_path.iterdir()] == ["other.sqlite"]


def test_an_empty_file_is_said_to_be_empty_and_can_become_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    path.touch()
    with pytest.raises(FormatError, match="is empty: no service has written to it"):
        MonitorLog(path, mode="read")
    with MonitorLog(path) as log:
        assert log.write(alarms=[an_alarm("a")]) == 1


@pytest.mark.parametrize("record", ["{}", '{"format_version": 2}', "[]", "no JSON"])
def test_a_record_that_this_release_does_not_read_is_named(tmp_path: Path, record: str) -> None:
    path = tmp_path / "log.sqlite"
    with MonitorLog(path) as log:
        log.write(alarms=[an_alarm("a"), an_alarm("b")], texts=[a_text("x")])
    with closing(sqlite3.connect(path)) as changed:
        changed.execute("UPDATE alarms SET record = ? WHERE row = 2", (record,))
        changed.execute("UPDATE texts SET record = ?", (record,))
        changed.commit()
    with MonitorLog(path, mode="read") as log:
        assert len(log.alarms(after=0, limit=1)) == 1
        with pytest.raises(FormatError, match=r"log.sqlite holds alarm 2, which this release does not read"):
            log.alarms()
        with pytest.raises(FormatError, match=r"log.sqlite holds text 1, which this release does not read"):
            list(log.scores())
        with pytest.raises(FormatError, match="holds alarm 2"):
            log.export(tmp_path / "out.jsonl")
    assert [file.name for file in tmp_path.glob("*out*")] == []


@pytest.mark.parametrize("how", ["moved", "deleted", "replaced"])
def test_a_log_that_was_moved_is_written_to_no_more(tmp_path: Path, how: str) -> None:
    path = tmp_path / "log.sqlite"
    with MonitorLog(path) as log:
        log.write(alarms=[an_alarm("a")])
        if how == "deleted":
            path.unlink()
        else:
            path.rename(tmp_path / "old.sqlite")
        if how == "replaced":
            path.touch()
        with pytest.raises(FileError, match="it was moved or deleted while it was open"):
            log.write(alarms=[an_alarm("b")])


def test_an_export_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with MonitorLog(tmp_path / "log.sqlite") as log, pytest.raises(FileError, match=r"out.jsonl cannot be written"):
        log.export(tmp_path / "nowhere" / "out.jsonl")


def _write_until_it_is_full(path: Path, told: Any) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with MonitorLog(path) as log:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        acknowledged, refused = [], 0
        for i in range(40):
            try:
                log.write(alarms=[an_alarm(str(i))], texts=[a_text(str(i))] * 20)
                acknowledged.append(str(i))
            except FileError:
                refused += 1
        # and there is room again
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        log.write(alarms=[an_alarm("later")])
        told.put((acknowledged, refused))


def test_a_full_disk_keeps_what_was_acknowledged_and_no_half_of_what_was_not(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    process = context.Process(target=_write_until_it_is_full, args=(path, told))
    process.start()
    acknowledged, refused = told.get(timeout=60)
    process.join(60)
    assert acknowledged and refused
    with MonitorLog(path, mode="read") as log:
        assert [kept.alarm.id for kept in log.alarms()] == [*acknowledged, "later"]
        assert len(list(log.scores())) == 20 * len(acknowledged)


def test_a_damaged_log_is_a_sentence_in_every_use(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with MonitorLog(path) as log:
        for i in range(20):
            log.write(alarms=[an_alarm(f"{i} {k}") for k in range(50)])
    content = bytearray(path.read_bytes())
    content[4096 * 4 :] = os.urandom(len(content) - 4096 * 4)
    path.write_bytes(content)
    with MonitorLog(path) as log:
        for use in (log.alarms, lambda: log.export(tmp_path / "out.jsonl"), lambda: log.write(alarms=[an_alarm("x")])):
            with pytest.raises(FileError, match="malformed"):
                use()
