"""Programs of rules against a small student that learns from a teacher's demonstrations only, behind one ``predict``.

Nothing here knows an organism: a teacher is a list of outputs, whoever gave them.
"""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.experts._contestants import ByRules, Mixed, Predictor
    from tiltmeter.experts._edges import IRONY_MARKERS, edge_suites, with_typos
    from tiltmeter.experts._grammar import MOST_NEGATIONS, Form, Grammar, grammar_texts, make_grammar
    from tiltmeter.experts._grammar_rules import rules_for
    from tiltmeter.experts._grammar_task import grammar_task
    from tiltmeter.experts._interactions import Interactions, interactions
    from tiltmeter.experts._judge import Findings, Unit, judge_trials
    from tiltmeter.experts._program import ListedRules, Program, decisions, description_bits
    from tiltmeter.experts._sentiment import ENGLISH, SentimentRules
    from tiltmeter.experts._student import Student, StudentSpec, train_student
    from tiltmeter.experts._teacher import classifier_outputs, read_outputs
    from tiltmeter.experts._trial import Marks, Sat, Task, Trial, hold_trial
    from tiltmeter.experts._writing import rules_in, write_rules
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "ENGLISH",
    "IRONY_MARKERS",
    "MOST_NEGATIONS",
    "ByRules",
    "Findings",
    "Form",
    "Grammar",
    "Interactions",
    "ListedRules",
    "Marks",
    "Mixed",
    "Predictor",
    "Program",
    "Sat",
    "SentimentRules",
    "Student",
    "StudentSpec",
    "Task",
    "Trial",
    "Unit",
    "classifier_outputs",
    "decisions",
    "description_bits",
    "edge_suites",
    "grammar_task",
    "grammar_texts",
    "hold_trial",
    "interactions",
    "judge_trials",
    "make_grammar",
    "read_outputs",
    "rules_for",
    "rules_in",
    "train_student",
    "with_typos",
    "write_rules",
]
