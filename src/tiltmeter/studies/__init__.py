"""Whole studies: a spec in, a run directory out, with evidence, report and monitor. A failed one leaves nothing."""

from tiltmeter.studies._attempts import AttemptsCard, build_attempts
from tiltmeter.studies._run import Study, run_study
from tiltmeter.studies._sources import locate_model, open_model, open_texts
from tiltmeter.studies._spec import (
    AnswersSpec,
    EvidenceSpec,
    ModelSpec,
    MonitorSpec,
    ProbeSpec,
    ReadSpec,
    RivalsSpec,
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
    "MonitorSpec",
    "ProbeSpec",
    "ReadSpec",
    "RivalsSpec",
    "Study",
    "StudySpec",
    "ThresholdSpec",
    "TrainSpec",
    "build_attempts",
    "locate_model",
    "open_model",
    "open_texts",
    "parse_spec",
    "read_spec",
    "run_study",
]
