"""The tests (a) to (c) on values that were planted: shards are found where they are, and not where they are not."""

import numpy as np
import pytest
import torch
from planted_agents import Knows, one_value, shards
from scipy.special import log_softmax

from tiltmeter.agents import (
    AgentSpec,
    Expert,
    ablation_selectivity,
    all_states,
    conflict_states,
    context_dependence,
    encoder_readings,
    lookahead,
    make_grid_world,
    new_agent,
    prediction_gap,
)
from tiltmeter.agents._context import gradients
from tiltmeter.core.errors import SpecError


@pytest.fixture(scope="module")
def world():
    return make_grid_world(0, side=4)


def test_gradients_are_the_slopes_of_the_value(world):
    agent = new_agent(world, AgentSpec(d_state=5, d_hidden=16, head="softmax"), seed=0)
    agent.head.double()
    states = all_states(world, split="test").pick(slice(0, 300, 40))
    z = torch.from_numpy(agent.encode(states)).double()
    slopes = np.zeros(z.shape)
    for i in range(5):
        nudge = torch.zeros(5, dtype=torch.float64)
        nudge[i] = 1e-5
        with torch.no_grad():
            slopes[:, i] = ((agent.head(z + nudge) - agent.head(z - nudge)) / 2e-5).numpy()
    agent.head.float()
    assert np.allclose(gradients(agent, states), slopes / np.linalg.norm(slopes, axis=1, keepdims=True), atol=1e-4)


def test_planted_shards_have_gradients_of_their_own_in_each_context(world):
    found = context_dependence(shards(world))
    # rows and columns are read by weights that have nothing in common
    assert found.within.value == pytest.approx(1.0) and found.across.value == pytest.approx(0.0, abs=1e-6)
    assert found.same_scene.value == pytest.approx(0.0, abs=1e-6)
    assert found.difference.low > 0.5


def test_one_value_for_both_contexts_has_one_gradient(world):
    found = context_dependence(one_value(world))
    assert found.same_scene.value == found.across.value == pytest.approx(1.0)
    assert found.difference.value == pytest.approx(0.0, abs=1e-9)


def test_taking_a_planted_gate_away_changes_its_own_context_only(world):
    found = ablation_selectivity(shards(world), part="gate", n_null=3)
    lost = found.ablation
    assert found.n_parts == 2
    assert lost.value_other.value == lost.choice_other.value == 0.0
    assert lost.value_own.low > 0.05 and lost.selectivity.low > 0.1
    assert lost.selectivity.value == pytest.approx(lost.choice_own.value - lost.choice_other.value)


def test_a_planted_gradient_direction_is_as_selective(world):
    lost = ablation_selectivity(shards(world), part="gradient direction", n_null=3).ablation
    assert lost.value_other.value == pytest.approx(0.0, abs=1e-6) and lost.choice_other.value == 0.0
    assert lost.selectivity.low > 0.1


def test_of_one_value_no_direction_is_of_one_context(world):
    agent = one_value(world)
    lost = ablation_selectivity(agent, part="gradient direction", n_null=2).ablation
    assert lost.selectivity.value == pytest.approx(0.0, abs=0.02) and lost.choice_own.value > 0.1


def test_effects_of_a_gate_are_counted_by_hand(world):
    agent = shards(world)
    found = ablation_selectivity(agent, part="gate", n_scenes=10_000, n_null=1).ablation
    lit = {"ball": 0, "key": 1}[found.context]
    states = all_states(world, split="test", lit=(lit,))
    # of what is left every action is worth 0, of which the first is taken
    assert found.value_own.value == pytest.approx(np.abs(agent.values(states)).mean(), rel=1e-4)
    assert found.choice_own.value == pytest.approx((lookahead(agent, states).argmax(axis=1) != 0).mean())


def test_gates_of_a_head_without_gates_and_unknown_parts_are_refused(world):
    agent = new_agent(world, AgentSpec(), seed=0)
    with pytest.raises(SpecError, match="head is mlp, which has no gates; ask for gradient direction"):
        ablation_selectivity(agent, part="gate")
    with pytest.raises(SpecError, match="no part 'neuron'"):
        ablation_selectivity(agent, part="neuron")
    with pytest.raises(SpecError, match="n_null is 0; draw random directions once or more"):
        ablation_selectivity(agent, part="gradient direction", n_null=0)
    with pytest.raises(SpecError, match="1 states cannot be compared"):
        context_dependence(agent, n_scenes=1)


def test_in_conflict_both_lamps_are_lit_and_ways_part(world):
    expert = Expert(world)
    for is_even in (True, False):
        states = conflict_states(world, is_even=is_even)
        ball, key = expert.steps_to(states)
        assert (states.lit == 2).all() and ((ball == key) == is_even).all()
        to_ball, to_key = expert.towards(states)
        assert to_ball.any(axis=1).all() and to_key.any(axis=1).all() and not (to_ball & to_key).any()
        assert set(states.layout.tolist()) <= set(all_states(world, split="test").layout.tolist())


def test_who_knows_the_values_foretells_the_expert_and_an_untrained_agent_does_not(world):
    knows, untrained = Knows(world), new_agent(world, AgentSpec(), seed=0)
    found = prediction_gap(knows, (untrained, knows), of="expert", n_ordinary=1000)
    assert found.hits[1].value > 0.9 > found.hits[0].value
    assert found.gap.low > 0.5 and found.gap.value == pytest.approx(found.gated.value - found.mlp.value)
    assert found.mlp.value == pytest.approx(found.chance, abs=0.2)
    turned = prediction_gap(knows, (knows, untrained), of="expert", n_ordinary=1000)
    assert turned.gap.value == pytest.approx(-found.gap.value) and turned.gap.high < -0.5


def test_likelihoods_are_those_of_a_softmax_at_the_fitted_sharpness(world):
    knows, rival = Knows(world), new_agent(world, AgentSpec(), seed=3)
    found = prediction_gap(knows, (rival, knows))
    states = conflict_states(world)
    chosen = knows.logits(states).argmax(axis=1)
    by_hand = [
        log_softmax(found.sharpness[0] * values.astype(float))[action]
        for values, action in zip(lookahead(rival, states), chosen, strict=True)
    ]
    assert found.mlp.value == pytest.approx(np.mean(by_hand)) and found.n_states == len(chosen)
    assert found.towards[0].value + found.towards[1].value == 1.0


def test_two_heads_that_are_one_have_a_gap_of_nothing(world):
    agent = new_agent(world, AgentSpec(), seed=0)
    found = prediction_gap(agent, (agent, agent))
    assert found.gap.value == found.gap.low == found.gap.high == 0.0


def test_odd_subjects_and_agents_of_other_worlds_are_refused(world):
    agent = new_agent(world, AgentSpec(), seed=0)
    with pytest.raises(SpecError, match="no subject 'pupil'"):
        prediction_gap(agent, (agent, agent), of="pupil")
    other = new_agent(make_grid_world(1, side=4), AgentSpec(), seed=0)
    with pytest.raises(SpecError, match="different worlds"):
        prediction_gap(agent, (agent, other))


def test_an_encoder_that_passes_all_on_holds_the_context_without_a_fault(world):
    found = encoder_readings(shards(world), n_states=1500)
    assert found.context.value == 1.0
    # how far a thing is away is not linear in where everything is
    assert 0.4 < found.other_is_near.value < 0.8 and 0.4 < found.paying_is_near.value < 0.8


def test_an_encoder_that_keeps_nothing_holds_nothing(world):
    agent = shards(world)
    with torch.no_grad():
        agent.encoder[0].weight[:, 3 * world.n_cells + 4 :] = 0
    assert encoder_readings(agent, n_states=1500).context.value == pytest.approx(0.5, abs=0.05)
