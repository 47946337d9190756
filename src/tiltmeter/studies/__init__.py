"""Whole studies: a spec in, a run directory out, with evidence, report and monitor. A failed one leaves nothing."""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.studies._attempts import AttemptsCard, build_attempts
    from tiltmeter.studies._bounds import bounds_of, check_bounds
    from tiltmeter.studies._columns_of import ColumnsOf, OwnTexts, open_own_texts
    from tiltmeter.studies._compare import compare_runs, regressions
    from tiltmeter.studies._cost import StudyCost, study_cost
    from tiltmeter.studies._doctor import Environment, Extra, examine
    from tiltmeter.studies._draft import Draft, draft_spec
    from tiltmeter.studies._experts import run_experts
    from tiltmeter.studies._experts_spec import ExpertsSpec, GrammarSpec, TeacherSpec, TextsSpec, read_experts_spec
    from tiltmeter.studies._kind import SpecKind, spec_kind
    from tiltmeter.studies._league import LeagueSpec, pick_tasks, run_league
    from tiltmeter.studies._league_open import LeagueSettings
    from tiltmeter.studies._league_tasks import TASKS, LeagueSet, LeagueTask
    from tiltmeter.studies._plan import plan_run
    from tiltmeter.studies._run import Study, run_study
    from tiltmeter.studies._runs import locate_monitor, open_evidence
    from tiltmeter.studies._scored_rows import ScoredRows, read_scored_rows
    from tiltmeter.studies._sources import locate_model, open_model, open_texts, tell_of_hub
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
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "TASKS",
    "AnswersSpec",
    "AttemptsCard",
    "ColumnsOf",
    "Draft",
    "Environment",
    "EvidenceSpec",
    "ExpertsSpec",
    "Extra",
    "GrammarSpec",
    "LeagueSet",
    "LeagueSettings",
    "LeagueSpec",
    "LeagueTask",
    "ModelSpec",
    "MonitorSpec",
    "OwnTexts",
    "ProbeSpec",
    "ReadSpec",
    "RivalsSpec",
    "ScoredRows",
    "SpecKind",
    "Study",
    "StudyCost",
    "StudySpec",
    "TeacherSpec",
    "TextsSpec",
    "ThresholdSpec",
    "TrainSpec",
    "bounds_of",
    "build_attempts",
    "check_bounds",
    "compare_runs",
    "draft_spec",
    "examine",
    "locate_model",
    "locate_monitor",
    "open_evidence",
    "open_model",
    "open_own_texts",
    "open_texts",
    "parse_spec",
    "pick_tasks",
    "plan_run",
    "read_experts_spec",
    "read_scored_rows",
    "read_spec",
    "regressions",
    "run_experts",
    "run_league",
    "run_study",
    "spec_kind",
    "study_cost",
    "tell_of_hub",
]
