"""Directions that a model itself names: what of an activation makes one answer likelier than another.

No labelled rows are needed, and none are looked at.
"""

from tiltmeter.interventions._answer_gradient import Positions, answer_gradient, answer_gradients
from tiltmeter.interventions._answers import Answer, Answers
from tiltmeter.interventions._unembedding_difference import unembedding_difference

__all__ = [
    "Answer",
    "Answers",
    "Positions",
    "answer_gradient",
    "answer_gradients",
    "unembedding_difference",
]
