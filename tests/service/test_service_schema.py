"""Requests made up from the service's own description find no error of the service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.service.served import listening, made_monitor
from tiltmeter.models import SubjectModel
from tiltmeter.service import Limits

pytestmark = pytest.mark.filterwarnings("ignore::tiltmeter.core.errors.DataWarning", "ignore::DeprecationWarning")

_OPERATIONS = [
    ("POST", "/v1/score"),
    ("POST", "/v1/generate"),
    ("GET", "/v1/alarms"),
    ("GET", "/v1/monitors"),
    ("GET", "/v1/monitors/{name}"),
    ("GET", "/healthz"),
]


@pytest.fixture(scope="module")
def schema(subject: SubjectModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path = tmp_path_factory.mktemp("described") / "log.sqlite"
    monitors = {"m": made_monitor(subject), "running": made_monitor(subject, running=0.0)}
    with listening(subject, monitors, path, limits=Limits()) as port:
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")


@pytest.mark.long
def test_all_that_is_described_is_tried(schema: Any) -> None:
    described = [result.ok() for result in schema.get_all_operations()]
    assert sorted((one.method.upper(), one.path) for one in described) == sorted(_OPERATIONS)


# making up a request takes longer than answering it
@pytest.mark.long
@pytest.mark.parametrize("n", [12, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("method", "path"), _OPERATIONS)
def test_no_made_up_request_finds_an_error_of_the_service(schema: Any, method: str, path: str, n: int) -> None:
    operation, statuses = schema[path][method], Counter[int]()
    modes = schemathesis.GenerationMode

    # as described, and not as described
    @given(
        case=st.one_of(
            operation.as_strategy(generation_mode=modes.POSITIVE), operation.as_strategy(generation_mode=modes.NEGATIVE)
        )
        if method == "POST" or "{" in path or path == "/v1/alarms"
        else operation.as_strategy()
    )
    @settings(
        # of generations most are refused, as of chats by a model without a template
        max_examples=4 * n if path == "/v1/generate" else n,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        if path == "/v1/generate" and isinstance(case.body, dict):
            # what is asked for as described must fit behind the prompt
            n_new = case.body.get("max_new_tokens", 128)
            case.body["max_new_tokens"] = min(n_new, 4) if n_new in range(1, 1025) else n_new
        answer = case.call()
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, answer.text
        case.validate_response(answer, checks=[schemathesis.checks.not_a_server_error])

    ask()
    assert statuses and max(statuses) < 500
    # the strategy does not stop at the door
    assert path == "/v1/monitors/{name}" or statuses[200] > 0
