"""Metrics, intervals, thresholds with guarantees, nulls and verdicts: arrays in, records out.

Nothing here knows where the arrays came from.
"""

from tiltmeter.evaluation._accuracy import balanced_accuracy
from tiltmeter.evaluation._estimates import (
    RankingEstimates,
    Resampling,
    auroc_difference,
    label_lead,
    ranking_estimates,
    resampling,
    share,
)
from tiltmeter.evaluation._gap import gap_recovered
from tiltmeter.evaluation._means import bootstrap_estimate, mean_estimate
from tiltmeter.evaluation._nulls import (
    DirectionScores,
    auroc_columns,
    random_directions,
    shuffle_labels,
    shuffle_p_value,
)
from tiltmeter.evaluation._ranking import Ranking, auroc, rankings, tpr_at_fpr
from tiltmeter.evaluation._ranks import MeanScores, Ranks, TaskScores, simultaneous_means, simultaneous_ranks
from tiltmeter.evaluation._selection import choose, fold_estimate
from tiltmeter.evaluation._shortcut import nuisance_auroc
from tiltmeter.evaluation._tampering import MeasuredRows, TamperingFigure, tampering_table
from tiltmeter.evaluation._threshold import negatives_needed, threshold_at_fpr
from tiltmeter.evaluation._verdict import judge

__all__ = [
    "DirectionScores",
    "MeanScores",
    "MeasuredRows",
    "Ranking",
    "RankingEstimates",
    "Ranks",
    "Resampling",
    "TamperingFigure",
    "TaskScores",
    "auroc",
    "auroc_columns",
    "auroc_difference",
    "balanced_accuracy",
    "bootstrap_estimate",
    "choose",
    "fold_estimate",
    "gap_recovered",
    "judge",
    "label_lead",
    "mean_estimate",
    "negatives_needed",
    "nuisance_auroc",
    "random_directions",
    "ranking_estimates",
    "rankings",
    "resampling",
    "share",
    "shuffle_labels",
    "shuffle_p_value",
    "simultaneous_means",
    "simultaneous_ranks",
    "tampering_table",
    "threshold_at_fpr",
    "tpr_at_fpr",
]
