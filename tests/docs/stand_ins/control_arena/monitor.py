"""In control-arena's place: the fields of its answer, and a decorator that leaves a monitor as it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class MonitorResponse:
    """What version 20.1.1 has."""

    suspicion_score: float
    reason: str
    model_usage: None = None
    score_parsed: bool = True


def monitor(judge: Callable[..., Any]) -> Callable[..., Any]:
    """Return the monitor."""
    return judge
