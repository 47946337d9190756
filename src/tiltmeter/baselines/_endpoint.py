"""A monitor that is asked over HTTP, in the form of OpenAI's chat completions."""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

import numpy as np

from tiltmeter.baselines._question import put_question, recalibrated
from tiltmeter.baselines._rival import Rival, Seen
from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.data import TextSet

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
# what servers that speak this protocol give at most
_TOP_LOGPROBS = 20
_SHOWN = 200


class Endpoint(NamedTuple):
    """Where a monitor answers, and how patient one is with it.

    ``url``: the full address, such as ``http://localhost:8000/v1/chat/completions``. ``model``: its name there.
    ``key_variable``: the environment variable that holds the key; None to send none. ``timeout``: seconds for one
    answer. ``retries``: further tries after a time-out, a lost connection, or the status 429 or 5xx, the first after
    ``pause`` seconds and each later one after twice as many.
    """

    url: str
    model: str
    key_variable: str | None = None
    timeout: float = 60.0
    retries: int = 3
    pause: float = 1.0


def monitor_at(
    endpoint: Endpoint,
    *,
    prompt: str,
    positive: Sequence[str] = (),
    negative: Sequence[str] = (),
    scale: tuple[float, float] | None = None,
) -> tuple[Rival, Rival]:
    """Have a model behind an HTTP endpoint score each text: as it answers, and recalibrated on the calibration split.

    Nothing is sent anywhere else: redirections are refused. Texts go out one after the other, those of the calibration
    and test splits alone, once each.

    Parameters
    ----------
    endpoint
        Where it answers.
    prompt
        As the question in :func:`put_question`; it is sent as the user's message.
    positive, negative
        Answers such as ``["yes"]``; the score is their log-odds among the likeliest first tokens, white space and case
        apart. A side that is not among these counts as the least likely of them.
    scale
        Where the prompt asks for a number: its lowest and highest value, in place of answers. The score is the first
        number in the reply, minus the middle of the scale.

    Returns
    -------
    Two rivals that share their readings. A reply that says neither answer, or no number of the scale, scores 0; their
    notes count such replies.

    Raises
    ------
    SpecError
        If the address is no HTTP address, the key is not in the environment, or not exactly one of answers and scale
        is given.

    Examples
    --------
    >>> raw, _ = monitor_at(Endpoint("http://localhost:8000/v1/chat/completions", "m"), prompt="Harmful? {text}",
    ...                     positive=["yes"], negative=["no"])
    >>> raw.kind
    'monitor'
    """
    if urlsplit(endpoint.url).scheme not in ("http", "https"):
        raise SpecError(f"The endpoint is {endpoint.url!r}; give an address that begins with http:// or https://.")
    if (scale is None) == (not positive or not negative):
        raise SpecError("A monitor needs answers of both sides, or a scale, and not both; give one of the two.")
    if scale is not None and not scale[0] < scale[1]:
        raise SpecError(f"The scale is {list(scale)}; give its lowest value first.")
    headers = {"Content-Type": "application/json"}
    if endpoint.key_variable is not None:
        if not os.environ.get(endpoint.key_variable):
            raise SpecError(f"The environment variable {endpoint.key_variable} is not set; it must hold the key.")
        headers["Authorization"] = f"Bearer {os.environ[endpoint.key_variable]}"
    sides = tuple(tuple(answer.strip().casefold() for answer in side) for side in (positive, negative))

    def read(texts: TextSet) -> Seen:
        opener, rows = build_opener(_NoRedirection), []
        for chat in put_question(texts, prompt, in_chat=True).messages or ():
            body: dict[str, Any] = {"model": endpoint.model, "messages": list(chat), "temperature": 0}
            if scale is None:
                body |= {"max_tokens": 1, "logprobs": True, "top_logprobs": _TOP_LOGPROBS}
            choice = _answer(opener, endpoint, Request(endpoint.url, json.dumps(body).encode(), headers))
            score = _number(choice, scale) if scale is not None else _odds(choice, sides, endpoint)
            rows.append((score or 0.0, float(score is None)))
        return np.array(rows, dtype=np.float64).reshape(-1, 2)

    what = f"a number from {scale[0]:g} to {scale[1]:g}" if scale else f"log-odds of {sides[0]} against {sides[1]}"
    raw = Rival("prompted monitor", "monitor", f"{endpoint.model} at {endpoint.url}: {what} after {prompt!r}", read)
    return recalibrated(raw, notes=_undecided)


def _undecided(fitted: object, seen: Seen) -> tuple[str, ...]:  # noqa: ARG001
    n = int(seen[:, 1].sum())
    return (f"{n} of {len(seen)} replies said neither and score 0",) if n else ()


class _NoRedirection(HTTPRedirectHandler):
    """Send nothing to an address that was not named: a redirection is an error like any other status."""

    def redirect_request(self, *_: object) -> None:
        return None


def _answer(opener: OpenerDirector, endpoint: Endpoint, request: Request) -> dict[str, Any]:
    """Return the first choice of the reply; ModelError in one sentence if there is none in the end."""
    why = ""
    for attempt in range(endpoint.retries + 1):
        if attempt:
            time.sleep(endpoint.pause * 2 ** (attempt - 1))
        try:
            with opener.open(request, timeout=endpoint.timeout) as reply:
                raw = reply.read()
            break
        except HTTPError as error:
            shown = error.read(_SHOWN).decode(errors="replace").strip()
            why = f"status {error.code}" + (f": {' '.join(shown.split())}" if shown else "")
            if error.code != 429 and error.code < 500:
                raise ModelError(f"The endpoint {endpoint.url} refused the request ({why}).") from None
        except TimeoutError:
            why = f"no answer within {endpoint.timeout:g} s"
        except (URLError, HTTPException, ConnectionError) as error:
            why = str(getattr(error, "reason", None) or error or type(error).__name__)
    else:
        raise ModelError(
            f"The endpoint {endpoint.url} gave no answer in {endpoint.retries + 1} tries ({why}); check that it runs, "
            "or allow it more time."
        )
    try:
        choice = json.loads(raw)["choices"][0]
        if not isinstance(choice, dict):
            raise TypeError
    except (ValueError, LookupError, TypeError):
        shown = raw[:_SHOWN].decode(errors="replace")
        raise ModelError(
            f"The endpoint {endpoint.url} did not answer in the form of chat completions, but {shown!r}."
        ) from None
    return choice


def _odds(choice: dict[str, Any], sides: tuple[tuple[str, ...], ...], endpoint: Endpoint) -> float | None:
    """Return the log-odds of the sides among the likeliest first tokens; None if neither is among them."""
    try:
        likeliest = choice["logprobs"]["content"][0]["top_logprobs"]
        found = [(str(one["token"]).strip().casefold(), float(one["logprob"])) for one in likeliest]
        floor = min(value for _, value in found)
    except (LookupError, TypeError, ValueError):
        raise ModelError(
            f"The endpoint {endpoint.url} gives no log-probabilities of its first token; ask for a number and give its "
            "scale instead of answers."
        ) from None
    said = [[value for token, value in found if token in side] for side in sides]
    if not any(said):
        return None
    first, second = (max(floor, _log_sum(values)) if values else floor for values in said)
    return first - second


def _log_sum(values: list[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))


def _number(choice: dict[str, Any], scale: tuple[float, float]) -> float | None:
    """Return the first number of the reply minus the middle of the scale; None without one, or outside the scale."""
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    found = _NUMBER.search(content) if isinstance(content, str) else None
    if found is None or not scale[0] <= float(found.group()) <= scale[1]:
        return None
    return float(found.group()) - (scale[0] + scale[1]) / 2
