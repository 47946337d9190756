"""Under load every alarm is in the log once; killed at any moment, none is lost whose answer had ended."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.service import Answer, Nursery, hammer, told_alarms
from tests.service.served import listening, made_monitor
from tiltmeter.data import TextSet
from tiltmeter.models import SubjectModel
from tiltmeter.monitor import MonitorLog
from tiltmeter.service import Limits

pytestmark = pytest.mark.filterwarnings("ignore::tiltmeter.core.errors.DataWarning")

_TEXTS = [f"w{i % 40} w{i // 7 % 40} is w{i // 3 % 40} ." for i in range(200)]


@pytest.fixture(scope="module")
def nursery(tiny_model: Path, subject: SubjectModel) -> Iterator[Nursery]:
    root = Path(__file__).parents[2]
    middle = float(np.median(_scores(subject)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{root}{os.pathsep}{root / 'src'}")
        patch.setenv("OMP_NUM_THREADS", "1")
        made = Nursery([sys.executable, "-m", "tests.service.zygote", str(tiny_model), str(middle)])
    yield made
    made.close()


def _scores(subject: SubjectModel) -> np.ndarray:
    rows = TextSet(np.array([str(i) for i in range(len(_TEXTS))]), texts=tuple(_TEXTS))
    return made_monitor(subject).score(subject, rows).scores


def _kept(path: Path) -> list[str]:
    with MonitorLog(path, mode="read") as log:
        return [kept.alarm.id for kept in log.alarms()]


def test_under_load_and_at_its_end_every_alarm_is_told_and_kept_once(subject: SubjectModel, tmp_path: Path) -> None:
    path, scores = tmp_path / "log.sqlite", _scores(subject)
    monitors = {"m": made_monitor(subject, threshold=float(np.median(scores)))}
    cut: list[Answer] = []
    with listening(subject, monitors, path, limits=Limits()) as port:
        answers = hammer(port, _TEXTS, concurrency=32)
        assert {answer.status for answer in answers} == {200} and len(answers) == 200
        assert len(told_alarms(answers)) == int((scores > np.median(scores)).sum())
        assert sorted(told_alarms(answers)) == sorted(_kept(path))
        load = threading.Thread(target=hammer, args=(port, _TEXTS * 50), kwargs={"concurrency": 8, "answers": cut})
        load.start()
        while not cut:
            time.sleep(0.01)
    # it ends as by SIGTERM: what was taken is answered, and then nothing is
    load.join()
    assert sum(answer.status == 0 for answer in cut) == 8 and {answer.status for answer in cut} == {0, 200}
    assert [file.name for file in tmp_path.iterdir()] == ["log.sqlite"]
    assert sorted(told_alarms(answers + cut)) == sorted(_kept(path))


# a process of its own takes long to load all that it needs
@pytest.mark.slow
def test_load_and_kills_lose_no_alarm_and_double_none(nursery: Nursery, subject: SubjectModel, tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    process, port = nursery.start(tmp_path / "log.sqlite")
    answers = hammer(port, _TEXTS, concurrency=32)
    assert {answer.status for answer in answers} == {200} and len(answers) == 200
    scores = _scores(subject)
    assert len(told_alarms(answers)) == int((scores > np.median(scores)).sum())
    assert sorted(told_alarms(answers)) == sorted(_kept(path))
    for pause in (0.05, 0.2):
        killer = threading.Timer(pause, os.kill, [process, signal.SIGKILL])
        killer.start()
        found: list[Answer] = []
        hammer(port, _TEXTS * 50, concurrency=32, answers=found)
        killer.join()
        assert 0 in {answer.status for answer in found} <= {0, 200}
        answers += found
        process, port = nursery.start(tmp_path / "log.sqlite")
        (first,) = hammer(port, _TEXTS[:1], concurrency=1)
        assert first.status == 200
        answers.append(first)
    kept = _kept(path)
    assert len(kept) == len(set(kept)) and set(told_alarms(answers)) <= set(kept)


@pytest.mark.slow
def test_sigterm_answers_what_was_taken_and_closes_the_log(nursery: Nursery, tmp_path: Path) -> None:
    process, port = nursery.start(tmp_path / "log.sqlite")
    ending = threading.Timer(0.3, os.kill, [process, signal.SIGTERM])
    ending.start()
    answers: list[Answer] = []
    hammer(port, _TEXTS * 50, concurrency=8, answers=answers)
    ending.join()
    # a client stops at its first request that found the connection closed
    assert sum(answer.status == 0 for answer in answers) == 8 and {answer.status for answer in answers} <= {0, 200}
    assert sorted(told_alarms(answers)) == sorted(_kept(tmp_path / "log.sqlite"))
    until = time.monotonic() + 10
    while (tmp_path / "log.sqlite-wal").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
