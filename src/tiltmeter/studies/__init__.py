"""Whole studies: a spec in, a run directory out, with evidence, report and monitor. A failed one leaves nothing."""

from tiltmeter.studies._attempts import AttemptsCard, build_attempts
from tiltmeter.studies._league import LeagueSpec, pick_tasks, run_league
from tiltmeter.studies._league_open import LeagueSettings
from tiltmeter.studies._league_tasks import TASKS, LeagueSet, LeagueTask
from tiltmeter.studies._run import Study, run_study
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
    "TASKS",
    "AnswersSpec",
    "AttemptsCard",
    "EvidenceSpec",
    "LeagueSet",
    "LeagueSettings",
    "LeagueSpec",
    "LeagueTask",
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
    "pick_tasks",
    "read_spec",
    "run_league",
    "run_study",
]
