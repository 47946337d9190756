"""The log keeps each alarm once, all of a write or nothing, through threads, processes and kills."""

from __future__ import annotations

import json
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from tiltmeter.core.alarms import Alarm, Raised, Scored, ScoredText
from tiltmeter.core.errors import FileError, FormatError, SpecError
from tiltmeter.monitor import MonitorLog, _log

_NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def an_alarm(name: str, *, text: str | None = "what was read") -> Alarm:
    raised = Raised(monitor="m", sha256="f" * 64, score=1.5, threshold=1.0, at="end")
    return Alarm(
        id=name, time=_NOON, rule="m", raised=(raised,), text_id="t", token=None, n_tokens=3, text=text,
        model="tiny", source="score",
    )  # fmt: skip


def a_text(name: str, *, time: datetime = _NOON, text: str | None = "what was read") -> ScoredText:
    scores = {"m": Scored(score=0.25, alarm=False)}
    return ScoredText(time=time, text_id=name, scores=scores, text=text, source="score")


def test_what_is_written_is_read_back_in_order(tmp_path: Path) -> None:
    with MonitorLog(tmp_path / "log.sqlite", keep_texts=True) as log:
        assert log.write(alarms=[an_alarm("a"), an_alarm("b")], texts=[a_text("x")]) == 2
        assert log.write(alarms=[an_alarm("c")]) == 1
        assert [(row, alarm) for row, alarm in log.alarms()] == [(i + 1, an_alarm("abc"[i])) for i in range(3)]
        assert list(log.scores()) == [a_text("x")]
    with MonitorLog(tmp_path / "log.sqlite", mode="read") as again:
        assert [alarm.id for _, alarm in again.alarms()] == ["a", "b", "c"]


def test_an_alarm_written_twice_is_there_once(tmp_path: Path) -> None:
    with MonitorLog(tmp_path / "log.sqlite") as log:
        assert log.write(alarms=[an_alarm("a"), an_alarm("a")]) == 1
        assert log.write(alarms=[an_alarm("a"), an_alarm("b")]) == 1
        assert [alarm.id for _, alarm in log.alarms()] == ["a", "b"]


def test_the_latest_alarms_and_those_after_a_row(tmp_path: Path) -> None:
    with MonitorLog(tmp_path / "log.sqlite") as log:
        log.write(alarms=[an_alarm(str(i)) for i in range(10)])
        assert [row for row, _ in log.alarms(limit=3)] == [8, 9, 10]
        assert [row for row, _ in log.alarms(after=4, limit=3)] == [5, 6, 7]
        assert [row for row, _ in log.alarms(after=8)] == [9, 10]
        assert log.alarms(after=10) == () and log.alarms(limit=0) == ()


def test_scores_since_a_time_are_those_of_any_time_zone(tmp_path: Path) -> None:
    ahead = timezone(timedelta(hours=5))
    with MonitorLog(tmp_path / "log.sqlite") as log:
        log.write(texts=[a_text("early", time=_NOON - timedelta(microseconds=1)), a_text("noon"), a_text("late")])
        assert [text.text_id for text in log.scores(since=_NOON.astimezone(ahead))] == ["noon", "late"]
        assert list(log.scores(since=_NOON + timedelta(days=1))) == []
        with pytest.raises(SpecError, match="without a time zone"):
            log.scores(since=datetime(2026, 3, 1))


@pytest.mark.long
def test_more_scores_than_a_page_are_all_read_while_others_write(tmp_path: Path) -> None:
    with MonitorLog(tmp_path / "log.sqlite") as log:
        log.write(texts=[a_text(str(i)) for i in range(1001)])
        reading = log.scores()
        assert next(reading).text_id == "0"
        log.write(texts=[a_text("1001")])
        assert [text.text_id for text in reading] == [str(i) for i in range(1, 1002)]


def test_texts_are_kept_only_where_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with MonitorLog(path) as log:
        log.write(alarms=[an_alarm("a", text="a secret")], texts=[a_text("x", text="a secret")])
        assert log.alarms()[0].alarm.text is None and next(log.scores()).text is None
    assert b"a secret" not in path.read_bytes()
    with MonitorLog(path, keep_texts=True) as log:
        log.write(alarms=[an_alarm("b", text="no secret")])
        assert [alarm.text for _, alarm in log.alarms()] == [None, "no secret"]


def test_the_file_is_its_owners_alone_and_a_write_ahead_log(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with MonitorLog(path) as log:
        log.write(alarms=[an_alarm("a")])
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
        assert modes == {"log.sqlite": 0o600, "log.sqlite-wal": 0o600, "log.sqlite-shm": 0o600}
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert [file.name for file in tmp_path.iterdir()] == ["log.sqlite"]


def test_threads_that_write_at_once_share_transactions_and_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = []
    whole = MonitorLog._commit
    monkeypatch.setattr(MonitorLog, "_commit", lambda self, own: (commits.append(len(own)), whole(self, own))[1])
    with MonitorLog(tmp_path / "log.sqlite") as log:
        new: list[int] = []
        start = threading.Barrier(16)

        def work(k: int) -> None:
            start.wait()
            for i in range(20):
                # every second alarm is another thread's, too
                new.append(log.write(alarms=[an_alarm(f"{k}-{i}"), an_alarm(f"{k // 2}+{i}")], texts=[a_text(f"{k}")]))

        threads = [threading.Thread(target=work, args=(k,)) for k in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(new) == len(log.alarms()) == 16 * 20 + 8 * 20
        assert len(list(log.scores())) == 320
    assert sum(commits) == 320 and len(commits) < 320


def test_a_write_that_fails_keeps_nothing_and_says_so_to_each(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with MonitorLog(path) as log:
        log._connection.execute("PRAGMA max_page_count = 12")
        with pytest.raises(FileError, match=r"full.*nothing of this was kept"):
            log.write(alarms=[an_alarm(str(i)) for i in range(1000)])
        assert log.alarms() == ()
        assert log.write(alarms=[an_alarm("small")]) == 1


def test_what_is_no_log_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="does not exist"):
        MonitorLog(tmp_path / "none.sqlite", mode="read")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileError, match="cannot be opened"):
        MonitorLog(tmp_path / "no" / "folder.sqlite")
    (tmp_path / "text").write_text("not a database " * 100)
    with pytest.raises(FormatError, match="is not a log of alarms"):
        MonitorLog(tmp_path / "text")
    assert (tmp_path / "text").read_text() == "not a database " * 100
    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(FormatError, match="of something else"):
        MonitorLog(tmp_path / "other.sqlite")
    MonitorLog(tmp_path / "late.sqlite").close()
    late = sqlite3.connect(tmp_path / "late.sqlite")
    late.execute("PRAGMA user_version = 2")
    late.close()
    with pytest.raises(FormatError, match="version 2"):
        MonitorLog(tmp_path / "late.sqlite")


def test_a_log_to_be_read_takes_nothing(tmp_path: Path) -> None:
    MonitorLog(tmp_path / "log.sqlite").close()
    with MonitorLog(tmp_path / "log.sqlite", mode="read") as log, pytest.raises(SpecError, match="to be read"):
        log.write(alarms=[an_alarm("a")])


def test_an_export_is_a_record_a_line_and_overwrites_nothing(tmp_path: Path) -> None:
    with MonitorLog(tmp_path / "log.sqlite") as log:
        log.write(alarms=[an_alarm(str(i)) for i in range(1500)], texts=[a_text("x")])
        assert log.export(tmp_path / "alarms.jsonl") == 1500
        assert log.export(tmp_path / "scores.jsonl", what="scores") == 1
        with pytest.raises(FileError, match="exists already"):
            log.export(tmp_path / "alarms.jsonl")
    lines = (tmp_path / "alarms.jsonl").read_text().splitlines()
    assert [Alarm.model_validate_json(line).id for line in lines] == [str(i) for i in range(1500)]
    assert json.loads((tmp_path / "scores.jsonl").read_text())["scores"]["m"]["score"] == 0.25
    assert sorted(file.name for file in tmp_path.iterdir()) == ["alarms.jsonl", "log.sqlite", "scores.jsonl"]


# the file by itself: its package would bring torch, which takes seconds to import
_WRITER = """
import importlib.util, sys
from tiltmeter.core.alarms import Alarm
path, name, source, template = sys.argv[1:]
spec = importlib.util.spec_from_file_location("log", source)
module = importlib.util.module_from_spec(spec)
sys.modules["log"] = module
spec.loader.exec_module(module)
log, alarm = module.MonitorLog(path), Alarm.model_validate_json(template)
for i in range(100_000):
    log.write(alarms=[alarm.model_copy(update={"id": f"{name}-{i}"})])
    print(i, flush=True)
"""


def test_two_processes_killed_while_they_write_lose_no_alarm_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path), name, _log.__file__, an_alarm("").model_dump_json()],
            stdout=subprocess.PIPE,
        )
        for name in "ab"
    ]
    told = {}
    for name, writer in zip("ab", writers, strict=True):
        assert writer.stdout is not None
        for _ in range(20):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        told[name] = 20 + len(writer.stdout.read().splitlines())
        writer.stdout.close()
        writer.wait()
    with MonitorLog(path) as log:
        ids = [alarm.id for _, alarm in log.alarms()]
        assert len(ids) == len(set(ids))
        for name, n in told.items():
            assert {f"{name}-{i}" for i in range(n)} <= set(ids)
        assert log.write(alarms=[an_alarm("after")]) == 1
