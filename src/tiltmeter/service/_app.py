"""The endpoints."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse

from tiltmeter.core.errors import FileError, TiltmeterError
from tiltmeter.core.evidence import Evidence, Verdict
from tiltmeter.data import Message
from tiltmeter.models import SubjectModel
from tiltmeter.monitor import Monitor, MonitorLog
from tiltmeter.service._bodies import (
    AlarmRow,
    AlarmsResponse,
    GenerateRequest,
    Health,
    Item,
    MonitorBody,
    MonitorsResponse,
    Problem,
    ScoreRequest,
    ScoreResponse,
)
from tiltmeter.service._engine import BusyError, Engine, ScoreJob, StreamJob
from tiltmeter.service._guard import Guard
from tiltmeter.service._limits import MOST_ALARMS, Limits
from tiltmeter.service._metrics import Metrics
from tiltmeter.service._page import Page, read_page
from tiltmeter.service._scoring import Text
from tiltmeter.service._stream import Prompt

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": description}
    for status, description in (
        (400, "The body is not JSON, not UTF-8, or nested too deep."),
        (401, "The token is missing or wrong."),
        (408, "The body came too slowly."),
        (413, "The body is too large."),
        (415, "The body is not declared as JSON."),
        (421, "Without a token: the host that the request names is not loopback."),
        (422, "The request is not as described, or a text cannot be read."),
        (429, "Too many requests wait; come back after Retry-After seconds."),
        (503, "The log cannot be written or read, or an answer took too long."),
    )
}


def create_app(
    subject: SubjectModel,
    monitors: Mapping[str, Monitor],
    *,
    log: MonitorLog,
    token: str | None = None,
    limits: Limits | None = None,
) -> FastAPI:
    """Make the application that serves monitors; its computing thread lives from startup to shutdown.

    Parameters
    ----------
    subject
        The model.
    monitors
        By the name under which they are served.
    log
        Where alarms and scored texts go; closed at shutdown.
    token
        What clients must show as a bearer token; None where only this machine can ask.
    limits
        What is taken at most; None for the defaults.

    Raises
    ------
    SpecError
        If there are no monitors, or one reads what a request cannot tell.
    ModelError
        If a monitor was made for another model.

    See Also
    --------
    serve : Binds it, with time limits for slow clients, and refuses to be reachable without a token.

    Examples
    --------
    >>> from tiltmeter.core.errors import SpecError
    >>> try:
    ...     create_app(None, {}, log=None)
    ... except SpecError as error:
    ...     print(error)
    There are no monitors to serve; name at least one.
    """
    bounds, metrics = limits or Limits(), Metrics()
    engine = Engine(subject, monitors, log=log, limits=bounds, metrics=metrics)
    endpoints = _Endpoints(engine, bounds, metrics, read_page())

    @asynccontextmanager
    async def alive(_: FastAPI) -> AsyncIterator[None]:
        engine.start()
        yield
        await asyncio.to_thread(engine.close)
        log.close()

    # no pages of documentation: they would load scripts from elsewhere
    app = FastAPI(
        title="Tiltmeter", lifespan=alive, docs_url=None, redoc_url=None, responses=_PROBLEMS, redirect_slashes=False
    )
    app.add_api_route("/v1/score", endpoints.score, methods=["POST"], response_model=ScoreResponse)
    app.add_api_route(
        "/v1/generate",
        endpoints.generate,
        methods=["POST"],
        response_class=StreamingResponse,
        responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
    )
    app.add_api_route("/v1/alarms", endpoints.alarms, methods=["GET"], response_model=AlarmsResponse)
    app.add_api_route("/v1/monitors", endpoints.monitors, methods=["GET"], response_model=MonitorsResponse)
    app.add_api_route("/v1/monitors/{name}", endpoints.monitor, methods=["GET"], response_model=MonitorBody)
    app.add_api_route("/healthz", endpoints.health, methods=["GET"], response_model=Health)
    app.add_api_route("/metrics", endpoints.figures, methods=["GET"], include_in_schema=False)
    app.add_api_route("/", endpoints.page, methods=["GET"], include_in_schema=False)
    app.add_exception_handler(RequestValidationError, _say_what_is_wrong)
    app.add_middleware(Guard, token=token, limits=bounds, metrics=metrics)
    return app


class _Endpoints:
    def __init__(self, engine: Engine, limits: Limits, metrics: Metrics, page: Page) -> None:
        self._engine = engine
        self._limits = limits
        self._metrics = metrics
        self._page = page
        self._monitors = {name: _describe(name, monitor) for name, monitor in engine.monitors.items()}

    async def score(self, body: ScoreRequest) -> Response:
        """Score texts or chats by every monitor; alarms are in the log before the answer is sent."""
        request_id = uuid.uuid4().hex
        ids = tuple(body.ids or (f"{request_id}/{i}" for i in range(len(body.texts))))
        job = ScoreJob(tuple(_text(item) for item in body.texts), ids, body.tokens, body.layers)
        self._submit(job)
        try:
            answer = await asyncio.wait_for(asyncio.wrap_future(job.answer), self._limits.answer_s)
        except TimeoutError:
            raise self._late(job) from None
        except TiltmeterError as error:
            raise _problem(error) from error
        return Response(answer.model_dump_json(), media_type="application/json")

    async def generate(self, body: GenerateRequest) -> StreamingResponse:
        """Go on from a prompt, in JSON lines: prompt and tokens with their scores, alarms as they come, the end."""
        prompt = Prompt(_text(body.prompt), uuid.uuid4().hex, body.max_new_tokens, body.temperature, body.seed)
        loop, lines = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any] | Exception | None]()

        def tell(line: dict[str, Any] | Exception | None) -> None:
            loop.call_soon_threadsafe(lines.put_nowait, line)

        job = StreamJob(prompt, tell, time.monotonic() + self._limits.answer_s)
        self._submit(job)
        try:
            first = await lines.get()
        except asyncio.CancelledError:
            job.is_left.set()
            raise
        if isinstance(first, BusyError):
            raise _busy(first)
        if isinstance(first, TiltmeterError):
            raise _problem(first)
        if isinstance(first, Exception):
            raise first
        return StreamingResponse(_written(first, lines, job), media_type="application/x-ndjson")

    async def alarms(
        self,
        after: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_ALARMS)] = 100,
    ) -> Response:
        """Return the latest alarms, or those after a row."""
        try:
            found = await asyncio.to_thread(self._engine.log.alarms, after=after, limit=limit)
        except TiltmeterError as error:
            # nothing that was asked for can be the reason
            raise HTTPException(503, str(error)) from error
        answer = AlarmsResponse(alarms=[AlarmRow(row=row, alarm=alarm) for row, alarm in found])
        return Response(answer.model_dump_json(), media_type="application/json")

    async def monitors(self) -> MonitorsResponse:
        """Return the card and the verdict of each monitor."""
        return MonitorsResponse(monitors=list(self._monitors.values()))

    async def monitor(self, name: str) -> MonitorBody:
        """Return the card and the verdict of one monitor, by the name under which it was loaded."""
        if name not in self._monitors:
            raise HTTPException(404, "No monitor was loaded under this name.")
        return self._monitors[name]

    async def health(self) -> Health:
        """Tell that the computing thread lives, and how many requests wait."""
        if not self._engine.is_alive:
            raise HTTPException(503, "The computing thread has ended.")
        return Health(monitors=list(self._monitors), waiting=self._engine.n_waiting)

    async def figures(self) -> Response:
        """Return the counters in Prometheus' format."""
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def page(self) -> Response:
        """Return the page."""
        return Response(self._page.content, media_type="text/html; charset=utf-8", headers=dict(self._page.headers))

    def _submit(self, job: ScoreJob | StreamJob) -> None:
        try:
            self._engine.submit(job)
        except BusyError as busy:
            raise _busy(busy) from None
        self._metrics.waiting.set(self._engine.n_waiting)

    def _late(self, job: ScoreJob) -> HTTPException:
        if job.answer.cancelled():
            return _busy(BusyError(f"The request waited {self._limits.answer_s:g} seconds; come back later."))
        return HTTPException(503, f"No answer within {self._limits.answer_s:g} seconds; send less at once.")


async def _written(
    first: dict[str, Any] | None, lines: asyncio.Queue[dict[str, Any] | Exception | None], job: StreamJob
) -> AsyncIterator[bytes]:
    line: dict[str, Any] | Exception | None = first
    try:
        while line is not None:
            if isinstance(line, Exception):
                said = str(line) if isinstance(line, TiltmeterError) else "An error of the service; its log says more."
                line = {"kind": "error", "detail": said}
                yield json.dumps(line, allow_nan=False).encode() + b"\n"
                return
            yield json.dumps(line, allow_nan=False).encode() + b"\n"
            line = await lines.get()
    finally:
        # a client that left is not generated for
        job.is_left.set()


def _text(item: Item) -> Text:
    if isinstance(item, str):
        return item
    return tuple(Message(role=message.role, content=message.content) for message in item)


def _problem(error: TiltmeterError) -> HTTPException:
    # that the log cannot be written is no request's fault
    return HTTPException(503 if isinstance(error, FileError) else 422, str(error))


def _busy(busy: BusyError) -> HTTPException:
    return HTTPException(429, str(busy), headers={"Retry-After": "1"})


def _describe(name: str, monitor: Monitor) -> MonitorBody:
    evidence = monitor.direction.evidence
    verdict = evidence.verdict if isinstance(evidence, Evidence) else None
    return MonitorBody(
        name=name,
        card=monitor.card.model_dump(mode="json"),
        verdict=verdict.outcome if isinstance(verdict, Verdict) else None,
    )


async def _say_what_is_wrong(request: Request, error: Exception) -> Response:  # noqa: ARG001  (the framework calls it)
    """Name the place and the problem, and never what was sent: it may be large, secret, or not even UTF-8."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    if any(one["type"] == "json_invalid" for one in problems):
        detail = f"The body is not JSON (at character {problems[0]['loc'][-1]})."
        return JSONResponse({"detail": detail}, status_code=400)
    said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in problems[:5])
    return JSONResponse({"detail": said.encode("utf-8", "replace").decode()}, status_code=422)
