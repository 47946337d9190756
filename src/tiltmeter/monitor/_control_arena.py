"""A monitor in the shape that control-arena calls."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tiltmeter.models import SubjectModel
from tiltmeter.monitor._inspect import explain, one_chat
from tiltmeter.monitor._monitor import Monitor

if TYPE_CHECKING:
    from inspect_ai.agent import AgentState

R = TypeVar("R", covariant=True)


class MakeResponse(Protocol[R]):
    """What makes an answer: ``control_arena.monitor.MonitorResponse``, or whatever takes the same fields."""

    def __call__(self, *, suspicion_score: float, reason: str, score_parsed: bool) -> R:
        """Make an answer of a score, the sentence that explains it, and whether there was anything to score."""


class ControlMonitor(Protocol[R]):
    """What control-arena calls on the state of an agent."""

    def __call__(self, state: AgentState, tools: list[Any]) -> Awaitable[R]:
        """Judge the messages of a state; the tools are not used."""


def control_monitor(monitor: Monitor, subject: SubjectModel, *, response: MakeResponse[R]) -> ControlMonitor[R]:
    """Make an async function of a state and tools that answers with the monitor's score, as control-arena asks for.

    The suspicion score is the score itself, in the monitor's own units and not between 0 and 1: protocols compare it
    with a threshold, for which the card's value is the certified one, and analyses take ranks or quantiles of it.

    Parameters
    ----------
    monitor
        Any.
    subject
        The model that the monitor was made for; it reads the agent's messages, whoever wrote them.
    response
        ``control_arena.monitor.MonitorResponse``, so that nothing of control-arena is imported here.

    Returns
    -------
    An async function of ``state`` and ``tools``, to be wrapped by ``control_arena.monitor.monitor``. It reads the
    messages up to the agent's last turn, with its calls of tools, as :func:`inspect_scorer` does. Where the agent has
    written nothing, the score is the threshold, which raises no alarm (0 without one), and ``score_parsed`` is False.

    Raises
    ------
    ModelError
        As :meth:`Monitor.check`.

    Examples
    --------
    >>> from control_arena.monitor import MonitorResponse, monitor as as_agent  # doctest: +SKIP
    >>> agent = as_agent(control_monitor(lies, subject, response=MonitorResponse))  # doctest: +SKIP
    """
    monitor.check(subject)

    async def judge(state: AgentState, tools: list[Any]) -> R:  # noqa: ARG001 (control-arena calls it with both)
        texts = one_chat(state.messages)
        if texts is None:
            quiet = getattr(monitor.card.threshold, "value", 0.0)
            return response(suspicion_score=quiet, reason="The agent wrote nothing to score.", score_parsed=False)
        found = monitor.score(subject, texts)
        return response(suspicion_score=float(found.scores[0]), reason=explain(monitor, found), score_parsed=True)

    return judge
