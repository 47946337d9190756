"""One thread that computes, and the bounded queue before it."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from tiltmeter.core.alarms import Alarm, ScoredText
from tiltmeter.core.errors import FileError, TiltmeterError
from tiltmeter.models import SubjectModel
from tiltmeter.monitor import Monitor, MonitorLog
from tiltmeter.service._bodies import MonitorScore, ScoreResponse, TextScore
from tiltmeter.service._detail import layer_projections, token_scores
from tiltmeter.service._limits import Limits
from tiltmeter.service._metrics import Metrics
from tiltmeter.service._records import Recorder
from tiltmeter.service._scoring import Found, Text, check_monitors, score_texts
from tiltmeter.service._stream import LeftError, Prompt, Stream, stream

_logger = logging.getLogger(__name__)


class BusyError(Exception):
    """The queue is full, or the service is closing."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoreJob:
    """Texts to score, and where the answer goes."""

    texts: tuple[Text, ...]
    ids: tuple[str, ...]
    tokens: bool
    layers: bool
    answer: Future[ScoreResponse] = field(default_factory=Future)


@dataclass(frozen=True, slots=True, eq=False)
class StreamJob:
    """A prompt, and who is told each line, then None; or the exception that ended it."""

    prompt: Prompt
    tell: Callable[[dict[str, Any] | Exception | None], None]
    until: float
    is_left: threading.Event = field(default_factory=threading.Event)


Job = ScoreJob | StreamJob


class Engine:
    """Runs jobs in the order in which they came; scoring jobs that wait together are read together.

    Parameters
    ----------
    subject, monitors
        Checked: a monitor of another model is refused.
    log
        Where alarms and scored texts go, before anybody is told of them.
    limits
        How many jobs may wait, and how many texts are read at once.
    metrics
        What is counted.
    generate
        How a text grows.
    """

    def __init__(
        self,
        subject: SubjectModel,
        monitors: Mapping[str, Monitor],
        *,
        log: MonitorLog,
        limits: Limits,
        metrics: Metrics,
        generate: Stream = stream,
    ) -> None:
        check_monitors(subject, monitors)
        self.subject = subject
        self.monitors = dict(monitors)
        self.log = log
        self._limits = limits
        self._metrics = metrics
        self._generate = generate
        self._recorder = Recorder(subject, self.monitors)
        self._queue: queue.Queue[Job] = queue.Queue(limits.waiting)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tiltmeter-computes", daemon=True)

    @property
    def n_waiting(self) -> int:
        """Jobs in the queue."""
        return self._queue.qsize()

    @property
    def is_alive(self) -> bool:
        """Whether jobs are being worked on."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def close(self) -> None:
        """Take no more jobs, end those that were taken, and return."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, job: Job) -> None:
        """Put a job into the queue; BusyError if there is no room, or the service is closing."""
        if self._closing.is_set():
            raise BusyError("The service is closing.")
        try:
            self._queue.put_nowait(job)
        except queue.Full:
            raise BusyError(f"{self._limits.waiting} requests wait already; come back in a second.") from None

    def _work(self) -> None:
        next_one: Job | None = None
        while True:
            job = next_one
            next_one = None
            if job is None:
                try:
                    # long enough to cost nothing, short enough to notice that the service closes
                    job = self._queue.get(timeout=0.1)
                except queue.Empty:
                    if self._closing.is_set():
                        return
                    continue
            if isinstance(job, StreamJob):
                self._metrics.waiting.set(self._queue.qsize())
                self._stream(job)
                continue
            jobs, next_one = self._join(job)
            self._metrics.waiting.set(self._queue.qsize())
            self._score(jobs)

    def _join(self, first: ScoreJob) -> tuple[list[ScoreJob], Job | None]:
        """Return the scoring jobs that wait right behind the first, as many as fit, and the job that did not."""
        jobs, n = [first], len(first.texts)
        while n < self._limits.batch_texts:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                break
            if not isinstance(job, ScoreJob) or n + len(job.texts) > self._limits.batch_texts:
                return jobs, job
            jobs.append(job)
            n += len(job.texts)
        return jobs, None

    def _score(self, jobs: list[ScoreJob]) -> None:
        # whoever gave up while the job waited is not computed for
        jobs = [job for job in jobs if job.answer.set_running_or_notify_cancel()]
        if not jobs:
            return
        self._metrics.batch.observe(sum(len(job.texts) for job in jobs))
        try:
            answers = self._answers(jobs)
        except TiltmeterError as error:
            # a log that cannot be written is no text's fault, and each try may wait for half a minute
            if len(jobs) == 1 or isinstance(error, FileError):
                for job in jobs:
                    job.answer.set_exception(error)
                return
            # one of them cannot be read: the others must not suffer for it
            for job in jobs:
                self._alone(job)
            return
        except Exception as error:  # noqa: BLE001  (the thread must outlive whatever a request does to it)
            _fail(jobs, error)
            return
        for job, answer in zip(jobs, answers, strict=True):
            job.answer.set_result(answer)

    def _alone(self, job: ScoreJob) -> None:
        try:
            (answer,) = self._answers([job])
        except TiltmeterError as error:
            job.answer.set_exception(error)
        except Exception as error:  # noqa: BLE001
            _fail([job], error)
        else:
            job.answer.set_result(answer)

    def _answers(self, jobs: list[ScoreJob]) -> list[ScoreResponse]:
        texts = [text for job in jobs for text in job.texts]
        # identifiers of different requests may be the same; alone, a request's own are named in what is said of it
        ids = list(jobs[0].ids) if len(jobs) == 1 else [str(i) for i in range(len(texts))]
        found = iter(score_texts(self.subject, self.monitors, texts, ids=ids))
        made = [self._answer(job, [next(found) for _ in job.texts]) for job in jobs]
        # before anybody is told: who has the answer finds its alarms in the log
        self.log.write(
            alarms=[alarm for _, alarms, _ in made for alarm in alarms],
            texts=[text for _, _, own in made for text in own],
        )
        for _, alarms, records in made:
            for alarm in alarms:
                self._metrics.alarms.labels(alarm.rule).inc()
            for name in (name for record in records for name, one in record.scores.items() if one.unlike):
                self._metrics.unlike.labels(name).inc()
        return [answer for answer, _, _ in made]

    def _answer(
        self, job: ScoreJob, found: list[dict[str, Found]]
    ) -> tuple[ScoreResponse, list[Alarm], list[ScoredText]]:
        asked = (self.subject, self.monitors, job.texts)
        by_token = token_scores(*asked, ids=job.ids) if job.tokens else None
        by_layer = layer_projections(*asked, ids=job.ids) if job.layers else None
        alarms: list[Alarm] = []
        answers, texts = [], []
        for i, (text, text_id, by_name) in enumerate(zip(job.texts, job.ids, found, strict=True)):
            record, raised = self._recorder.records_of(text, text_id=text_id, found=by_name)
            texts.append(record)
            alarms += raised.values()
            monitors = {
                name: MonitorScore(
                    score=one.score,
                    alarm=one.alarm,
                    alarm_id=raised[name].id if name in raised else None,
                    unlike=one.unlike,
                    tokens=None if by_token is None else by_token[i][name],
                    layers=None if by_layer is None else by_layer[i][name],
                )
                for name, one in by_name.items()
            }
            answers.append(TextScore(id=text_id, monitors=monitors))
        return ScoreResponse(texts=answers), alarms, texts

    def _stream(self, job: StreamJob) -> None:
        if job.is_left.is_set():
            return
        if time.monotonic() > job.until:
            job.tell(BusyError("The request waited too long; come back in a second."))
            return

        def tell(line: dict[str, Any]) -> None:
            if line["kind"] == "token":
                self._metrics.tokens.inc()
            if line["kind"] == "alarm":
                self._metrics.alarms.labels(line["alarm"]["rule"]).inc()
            job.tell(line)
            if job.is_left.is_set():
                raise LeftError

        try:
            self._generate(self.subject, self.monitors, job.prompt, log=self.log, tell=tell)
        except LeftError:
            return
        except TiltmeterError as error:
            job.tell(error)
        except Exception as error:
            _logger.error("A text could not be generated.", exc_info=error)
            job.tell(error)
        else:
            job.tell(None)


def _fail(jobs: list[ScoreJob], error: Exception) -> None:
    _logger.error("Texts could not be scored.", exc_info=error)
    for job in jobs:
        job.answer.set_exception(error)
