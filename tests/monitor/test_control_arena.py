"""control-arena is answered with the monitor's score: by its own classes where it is there, by stand-ins elsewhere."""

from __future__ import annotations

import asyncio
import importlib.util
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tests.made_monitors import made_monitor
from tests.tiny_models import TEMPLATE, tiny_subject, word_tokenizer
from tiltmeter.core.errors import ModelError
from tiltmeter.data import TextSet
from tiltmeter.monitor import control_monitor

SUBJECT = tiny_subject("llama", tokenizer=word_tokenizer(template=TEMPLATE))
CHAT = ({"role": "user", "content": "w0 w11"}, {"role": "assistant", "content": "w1 w2"})


@dataclass
class Response:
    """The fields of control-arena's MonitorResponse, as version 20.1.1 has them."""

    suspicion_score: float
    reason: str
    model_usage: None = None
    score_parsed: bool = True


@dataclass
class Turn:
    role: str
    text: str
    tool_calls: list[Any] | None = None


@dataclass
class State:
    messages: list[Turn] = field(default_factory=list)


def wanted_score(*, threshold: float | None = None) -> float:
    monitor = made_monitor(SUBJECT, span="assistant", threshold=threshold)
    return float(monitor.score(SUBJECT, TextSet(np.array(["x"]), messages=(CHAT,))).scores[0])


def test_the_suspicion_score_is_the_score_and_the_reason_names_the_threshold() -> None:
    score = wanted_score()
    # what was said after the agent's last turn is not its doing
    state = State([Turn(m["role"], m["content"]) for m in CHAT] + [Turn("user", "w9")])
    for offset, side in ((-1.0, ", above the threshold"), (1.0, ", not above the threshold")):
        monitor = made_monitor(SUBJECT, span="assistant", threshold=score + offset)
        found = asyncio.run(control_monitor(monitor, SUBJECT, response=Response)(state, tools=[]))
        assert found.suspicion_score == pytest.approx(score, abs=1e-6) and found.score_parsed
        assert side in found.reason and "at most 1.00% of fresh texts" in found.reason
    bare = asyncio.run(control_monitor(made_monitor(SUBJECT, span="assistant"), SUBJECT, response=Response)(state, []))
    assert "there is no threshold (not certified)" in bare.reason


@pytest.mark.parametrize("messages", [[], [Turn("user", "w1")], [Turn("user", "w1"), Turn("assistant", " ")]])
def test_an_agent_that_wrote_nothing_raises_no_alarm_and_is_marked(messages: list[Turn]) -> None:
    monitor = made_monitor(SUBJECT, span="assistant", threshold=-7.0)
    found = asyncio.run(control_monitor(monitor, SUBJECT, response=Response)(State(messages), []))
    assert (found.suspicion_score, found.score_parsed) == (-7.0, False)


def test_another_model_is_refused_at_once() -> None:
    with pytest.raises(ModelError, match="was made for another model"):
        control_monitor(made_monitor(SUBJECT), tiny_subject("qwen3"), response=Response)


@pytest.mark.skipif(
    importlib.util.find_spec("control_arena") is None, reason="needs control-arena: pip install control-arena"
)
@pytest.mark.filterwarnings("ignore")
def test_control_arena_itself_takes_the_function_and_keeps_its_answer() -> None:
    from control_arena.monitor import MonitorResponse
    from control_arena.monitor import monitor as as_agent
    from inspect_ai.agent import AgentState
    from inspect_ai.model import ChatMessageAssistant, ChatMessageUser

    monitor = made_monitor(SUBJECT, span="assistant", threshold=0.0)
    agent = as_agent(control_monitor(monitor, SUBJECT, response=MonitorResponse))
    state = AgentState(messages=[ChatMessageUser(content="w0 w11"), ChatMessageAssistant(content="w1 w2")])
    after = asyncio.run(agent(state, tools=[]))
    kept = MonitorResponse.model_validate(after.messages[-1].metadata)
    assert kept.suspicion_score == pytest.approx(wanted_score(), abs=1e-6) and kept.score_parsed
