import math

import pytest
from pydantic import TypeAdapter, ValidationError

from tiltmeter.core import Estimate, Measured, Record, Run, Threshold, Unavailable

FIGURE = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10, "method": "by hand"}
THRESHOLD = {
    "value": 1.0,
    "fpr": 0.01,
    "confidence": 0.95,
    "n": 299,
    "n_rows": 299,
    "unit": "row",
    "allowed": 0,
    "population": "x",
}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["value", "low", "high", "level"])
def test_a_figure_that_is_not_a_number_is_refused(name, bad):
    with pytest.raises(ValidationError, match="finite number"):
        Estimate(**(FIGURE | {name: bad}))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["value", "fpr", "confidence"])
def test_a_threshold_that_is_not_a_number_is_refused(name, bad):
    with pytest.raises(ValidationError, match="finite number"):
        Threshold(**(THRESHOLD | {name: bad}))


def test_json_with_nan_is_refused():
    with pytest.raises(ValidationError):
        Estimate.model_validate_json('{"value": NaN, "low": 0, "high": 1, "n": 1, "method": "x"}')


def test_an_unknown_key_is_refused():
    with pytest.raises(ValidationError, match="surprise"):
        Estimate(**FIGURE, surprise=1)


def test_a_record_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Estimate(**FIGURE).value = 0.9


@pytest.mark.parametrize(
    "record",
    [
        Estimate(**FIGURE),
        Estimate(**FIGURE, seed=3),
        Unavailable(reason="too few"),
        Threshold(**THRESHOLD),
        Run(
            name="x",
            status="failed",
            started="2026-11-22T00:00:00Z",
            seconds={"fit": 0.1},
            spec={"a": [1]},
            resolved={},
            seed=0,
            commit=None,
            versions={},
            platform="",
            model={},
            error="no",
        ),
    ],
    ids=lambda record: type(record).__name__,
)
def test_a_record_survives_json(record: Record):
    assert type(record).model_validate_json(record.model_dump_json()) == record


def test_a_measured_value_is_told_by_its_kind():
    measured = TypeAdapter(Measured)
    for record in (Estimate(**FIGURE), Unavailable(reason="too few")):
        assert measured.validate_json(record.model_dump_json()) == record
    with pytest.raises(ValidationError, match="kind"):
        measured.validate_python({"value": 0.5})
