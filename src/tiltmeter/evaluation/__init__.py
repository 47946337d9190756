"""Metrics, intervals, thresholds with guarantees, nulls and verdicts: arrays in, records out.

Nothing here knows where the arrays came from.
"""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.evaluation._accuracy import balanced_accuracy
    from tiltmeter.evaluation._alarm_drift import AlarmDrift, AlarmDriftState
    from tiltmeter.evaluation._assess import Scorer, assess
    from tiltmeter.evaluation._bets import Won
    from tiltmeter.evaluation._chosen import KEEPS
    from tiltmeter.evaluation._compare import Contrast, Looks, Scored, compare_scores, holm
    from tiltmeter.evaluation._daily import alarms_per_day
    from tiltmeter.evaluation._detector import MahalanobisDetector
    from tiltmeter.evaluation._draws import auroc_gain, mean_auroc
    from tiltmeter.evaluation._estimates import (
        RankingEstimates,
        Resampling,
        auroc_difference,
        label_lead,
        ranking_estimates,
        resampling,
        share,
    )
    from tiltmeter.evaluation._fresh import require_fresh
    from tiltmeter.evaluation._gap import gap_recovered
    from tiltmeter.evaluation._held_out import (
        HeldOut,
        flagged,
        held_out,
        likeness,
        operating_point,
        score_histograms,
        transfer_cell,
    )
    from tiltmeter.evaluation._hiding import (
        Score,
        Yardsticks,
        activation_budget,
        linear_budget,
        random_push,
        smallest_push,
        yardsticks,
    )
    from tiltmeter.evaluation._means import bootstrap_estimate, mean_estimate
    from tiltmeter.evaluation._nulls import (
        DirectionScores,
        ShuffledPairs,
        auroc_columns,
        random_directions,
        shuffle_labels,
        shuffle_p_value,
        shuffle_pairs,
    )
    from tiltmeter.evaluation._plan import LabelledScores, plan_reviews, rate_left
    from tiltmeter.evaluation._probabilities import calibrated_probabilities, fit_calibrator, shift_prior
    from tiltmeter.evaluation._random_records import random_record, random_records
    from tiltmeter.evaluation._ranking import auroc, auroc_draws, tpr_at_fpr, tpr_draws
    from tiltmeter.evaluation._ranks import MeanScores, Ranks, TaskScores, simultaneous_means, simultaneous_ranks
    from tiltmeter.evaluation._reliability import expected_calibration_error, reliability_table
    from tiltmeter.evaluation._risk import threshold_at_risk
    from tiltmeter.evaluation._rule import Rule
    from tiltmeter.evaluation._rules_page import rules_page
    from tiltmeter.evaluation._score_drift import ScoreDrift, ScoreDriftState
    from tiltmeter.evaluation._selection import choose, fold_estimate
    from tiltmeter.evaluation._shortcut import nuisance_auroc
    from tiltmeter.evaluation._tampering import MeasuredRows, TamperingFigure, tampering_table
    from tiltmeter.evaluation._threshold import conformal_threshold, negatives_needed, threshold_at_fpr, unit_scores
    from tiltmeter.evaluation._together import taken_together
    from tiltmeter.evaluation._verdict import Rejudged, judge, rejudge
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "KEEPS",
    "AlarmDrift",
    "AlarmDriftState",
    "Contrast",
    "DirectionScores",
    "HeldOut",
    "LabelledScores",
    "Looks",
    "MahalanobisDetector",
    "MeanScores",
    "MeasuredRows",
    "RankingEstimates",
    "Ranks",
    "Rejudged",
    "Resampling",
    "Rule",
    "Score",
    "ScoreDrift",
    "ScoreDriftState",
    "Scored",
    "Scorer",
    "ShuffledPairs",
    "TamperingFigure",
    "TaskScores",
    "Won",
    "Yardsticks",
    "activation_budget",
    "alarms_per_day",
    "assess",
    "auroc",
    "auroc_columns",
    "auroc_difference",
    "auroc_draws",
    "auroc_gain",
    "balanced_accuracy",
    "bootstrap_estimate",
    "calibrated_probabilities",
    "choose",
    "compare_scores",
    "conformal_threshold",
    "expected_calibration_error",
    "fit_calibrator",
    "flagged",
    "fold_estimate",
    "gap_recovered",
    "held_out",
    "holm",
    "judge",
    "label_lead",
    "likeness",
    "linear_budget",
    "mean_auroc",
    "mean_estimate",
    "negatives_needed",
    "nuisance_auroc",
    "operating_point",
    "plan_reviews",
    "random_directions",
    "random_push",
    "random_record",
    "random_records",
    "ranking_estimates",
    "rate_left",
    "rejudge",
    "reliability_table",
    "require_fresh",
    "resampling",
    "rules_page",
    "score_histograms",
    "share",
    "shift_prior",
    "shuffle_labels",
    "shuffle_p_value",
    "shuffle_pairs",
    "simultaneous_means",
    "simultaneous_ranks",
    "smallest_push",
    "taken_together",
    "tampering_table",
    "threshold_at_fpr",
    "threshold_at_risk",
    "tpr_at_fpr",
    "tpr_draws",
    "transfer_cell",
    "unit_scores",
    "yardsticks",
]
