"""Rivals that read the text or ask a model, and nulls of a whole procedure, each beside the probe on the same rows.

A probe that does not beat them adds nothing.
"""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.baselines._activation_null import activation_nulls
    from tiltmeter.baselines._control_task import control_task
    from tiltmeter.baselines._embedding import embeddings
    from tiltmeter.baselines._endpoint import Endpoint, monitor_at
    from tiltmeter.baselines._induced import INDUCED_RULES, InducedRules
    from tiltmeter.baselines._judge import JudgedTexts, Told, judge_rivals
    from tiltmeter.baselines._one_call import USUAL_RIVALS, Effort, NullsAndRivals, Rows, nulls_and_rivals
    from tiltmeter.baselines._perplexity import perplexity, surprise
    from tiltmeter.baselines._question import answer_log_odds, asking, put_question
    from tiltmeter.baselines._refits import ActivationSplits, Fit, shuffled_labels, shuffled_partners, shuffled_records
    from tiltmeter.baselines._rival import TEXT_RIVALS, Readings, Rival
    from tiltmeter.baselines._rules import Rule, RuleList, read_rules, ruled
    from tiltmeter.baselines._text import TEXT_BASELINES, TextBaseline, fit_and_score
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "INDUCED_RULES",
    "TEXT_BASELINES",
    "TEXT_RIVALS",
    "USUAL_RIVALS",
    "ActivationSplits",
    "Effort",
    "Endpoint",
    "Fit",
    "InducedRules",
    "JudgedTexts",
    "NullsAndRivals",
    "Readings",
    "Rival",
    "Rows",
    "Rule",
    "RuleList",
    "TextBaseline",
    "Told",
    "activation_nulls",
    "answer_log_odds",
    "asking",
    "control_task",
    "embeddings",
    "fit_and_score",
    "judge_rivals",
    "monitor_at",
    "nulls_and_rivals",
    "perplexity",
    "put_question",
    "read_rules",
    "ruled",
    "shuffled_labels",
    "shuffled_partners",
    "shuffled_records",
    "surprise",
]
