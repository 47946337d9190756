"""An agent on disk is the same agent, and what was changed is refused."""

import json

import numpy as np
import pytest

from tiltmeter.agents import AgentSpec, Coupling, all_states, make_grid_world, new_agent, read_agent, save_agent
from tiltmeter.core.errors import FileError, FormatError


@pytest.fixture
def agent():
    spec = AgentSpec(d_state=8, d_hidden=16, head="top1", coupling=Coupling(kind="frozen"))
    return new_agent(make_grid_world(2, side=4), spec, seed=1)


def test_a_saved_agent_acts_and_values_bit_for_bit(agent, tmp_path):
    save_agent(agent, tmp_path / "agent")
    found = read_agent(tmp_path / "agent")
    states = all_states(agent.world, split="test")
    assert found.world == agent.world and found.spec == agent.spec
    assert np.array_equal(found.values(states), agent.values(states))
    assert np.array_equal(found.logits(states), agent.logits(states))
    assert sorted(path.name for path in (tmp_path / "agent").iterdir()) == ["agent.json", "agent.safetensors"]


def test_what_is_there_is_not_overwritten_and_what_is_not_is_named(agent, tmp_path):
    save_agent(agent, tmp_path / "agent")
    with pytest.raises(FileError, match="exists already"):
        save_agent(agent, tmp_path / "agent")
    with pytest.raises(FileError, match="does not exist"):
        read_agent(tmp_path / "other")


def test_a_changed_agent_is_refused(agent, tmp_path):
    save_agent(agent, tmp_path / "agent")
    path = tmp_path / "agent" / "agent.json"
    head = json.loads(path.read_text())
    head["spec"]["d_state"] = 9
    path.write_text(json.dumps(head))
    with pytest.raises(FormatError, match="does not match the hash"):
        read_agent(tmp_path / "agent")
    weights = tmp_path / "agent" / "agent.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(FormatError):
        read_agent(tmp_path / "agent")
