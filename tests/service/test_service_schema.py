"""Requests made up from the service's own description find no error of the service."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from tests.service.served import listening, made_monitor
from tiltmeter.models import SubjectModel
from tiltmeter.service import Limits

pytestmark = pytest.mark.filterwarnings("ignore::tiltmeter.core.errors.DataWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def described(subject: SubjectModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    path = tmp_path_factory.mktemp("described") / "log.sqlite"
    monitors = {"m": made_monitor(subject), "running": made_monitor(subject, running=0.0)}
    with listening(subject, monitors, path, limits=Limits()) as port:
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_made_up_request_finds_an_error_of_the_service(case: schemathesis.Case) -> None:
    answer = case.call()
    case.validate_response(
        answer, checks=[schemathesis.checks.not_a_server_error, schemathesis.checks.response_schema_conformance]
    )
