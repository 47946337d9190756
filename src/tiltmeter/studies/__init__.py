"""Whole studies: a spec in, a run directory out, with evidence, report and monitor. A failed one leaves nothing."""

from tiltmeter.studies._attempts import AttemptsCard, build_attempts
from tiltmeter.studies._plan import plan_run
from tiltmeter.studies._run import Study, run_study
from tiltmeter.studies._scores import read_scores
from tiltmeter.studies._sources import locate_model, open_model, open_texts
from tiltmeter.studies._spec import (
    AnswersSpec,
    EvidenceSpec,
    ModelSpec,
    ProbeSpec,
    ReadSpec,
    StudySpec,
    ThresholdSpec,
    TrainSpec,
    parse_spec,
    read_spec,
)

__all__ = [
    "AnswersSpec",
    "AttemptsCard",
    "EvidenceSpec",
    "ModelSpec",
    "ProbeSpec",
    "ReadSpec",
    "Study",
    "StudySpec",
    "ThresholdSpec",
    "TrainSpec",
    "build_attempts",
    "locate_model",
    "open_model",
    "open_texts",
    "parse_spec",
    "plan_run",
    "read_scores",
    "read_spec",
    "run_study",
]
