"""Networks, couplings and ways of acting: what moves, what stays, and that one seed gives one agent."""

import numpy as np
import pytest
import torch
from planted_agents import Knows, shards
from pydantic import ValidationError
from scipy.special import softmax

from tiltmeter.agents import (
    AgentSpec,
    Coupling,
    Expert,
    all_states,
    choose,
    fidelity,
    gather_episodes,
    imitate,
    learn_value,
    lookahead,
    make_grid_world,
    new_agent,
    step,
    train_agent,
)
from tiltmeter.agents._by_layout import Correlation
from tiltmeter.agents._nets import GatedValue
from tiltmeter.core.errors import SpecError

SMALL = AgentSpec(d_state=16, d_hidden=32, imitation_steps=30, value_steps=20, batch_size=64)


def spec(kind="joint", head="mlp"):
    return SMALL.model_copy(update={"head": head, "coupling": Coupling(kind=kind)})


def weights(net):
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


@pytest.fixture(scope="module")
def world():
    return make_grid_world(0, side=4)


@pytest.fixture(scope="module")
def pupil(world):
    return imitate(world, SMALL, seed=0)


@pytest.fixture(scope="module")
def episodes(world):
    return gather_episodes(world, 100, seed=0)


@pytest.mark.parametrize(
    ("kind", "moves"),
    [
        ("frozen", (False, False)),
        ("stop_gradient", (True, True)),
        ("joint", (True, True)),
        ("value_alone", (True, False)),
    ],
)
def test_a_coupling_moves_what_it_says_and_never_the_agent_it_began_from(pupil, episodes, kind, moves):
    before = [weights(net).clone() for net in (pupil.encoder, pupil.decoder, pupil.head)]
    taught = learn_value(pupil, episodes, spec=spec(kind), seed=0)
    assert all(
        torch.equal(weights(net), old)
        for net, old in zip((pupil.encoder, pupil.decoder, pupil.head), before, strict=True)
    )
    assert (
        not torch.equal(weights(taught.encoder), before[0]),
        not torch.equal(weights(taught.decoder), before[1]),
    ) == moves
    assert not torch.equal(weights(taught.head), before[2])


def test_without_its_gradient_the_head_does_not_matter_to_the_encoder(pupil, episodes):
    for kind, is_same in (("stop_gradient", True), ("joint", False)):
        one, other = (learn_value(pupil, episodes, spec=spec(kind, head), seed=0) for head in ("mlp", "softmax"))
        assert torch.equal(weights(one.encoder), weights(other.encoder)) == is_same


def test_one_seed_gives_one_agent_and_the_global_generator_is_left_alone(world):
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    one = train_agent(world, SMALL, n_episodes=20, seed=3)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(6)
    same, other = (train_agent(world, SMALL, n_episodes=20, seed=seed) for seed in (3, 4))
    for net in ("encoder", "decoder", "head"):
        assert torch.equal(weights(getattr(one, net)), weights(getattr(same, net)))
        assert not torch.equal(weights(getattr(one, net)), weights(getattr(other, net)))


@pytest.mark.long
def test_imitation_brings_the_expert_nearer_and_value_the_true_return(world):
    longer = SMALL.model_copy(update={"imitation_steps": 500, "value_steps": 300, "d_hidden": 64, "batch_size": 256})
    untrained = fidelity(new_agent(world, longer, seed=0))
    found = fidelity(train_agent(world, longer, n_episodes=500, seed=0))
    assert found.imitation.value > 0.6 > untrained.imitation.value
    assert found.best_action.value >= found.imitation.value
    assert found.correlation.value > 0.3 > untrained.correlation.value


def test_fidelity_of_one_who_knows_is_perfect_and_counts_ties_by_hand(world):
    knows = Knows(world)
    found = fidelity(knows)
    assert found.imitation.value == found.best_action.value == 1.0
    assert found.correlation.value == pytest.approx(1.0)
    # another of the best actions, where there are several, is no imitation and still best
    expert = Expert(world)
    knows.logits = lambda states: np.eye(4)[3 - expert.best(states)[:, ::-1].argmax(axis=1)]
    found = fidelity(knows)
    assert found.best_action.value == 1.0 > found.imitation.value


def test_sizes_that_differ_and_weights_of_nothing_are_refused(pupil, episodes):
    with pytest.raises(SpecError, match=r"layers of \(8, 32\), and the agent has \(16, 32\)"):
        learn_value(pupil, episodes, spec=SMALL.model_copy(update={"d_state": 8}), seed=0)
    with pytest.raises(ValidationError, match="greater than 0"):
        Coupling(kind="joint", weight=0.0)


@pytest.mark.parametrize("kind", ["softmax", "top1"])
def test_the_gated_value_is_the_sum_of_gates_times_linear_parts(kind):
    rng = np.random.default_rng(0)
    head = GatedValue(6, 3, kind=kind, rng=rng)
    head.eval()
    z = rng.normal(size=(5, 6)).astype(np.float32)
    gate, parts = (layer.weight.detach().numpy() for layer in (head.gate, head.parts))
    for row, value in zip(z, head(torch.from_numpy(z)).tolist(), strict=True):
        gates = softmax(gate @ row) if kind == "softmax" else np.eye(3)[(gate @ row).argmax()]
        assert value == pytest.approx(sum(gates[k] * (parts[k] @ row) for k in range(3)), rel=1e-4, abs=1e-6)


def test_the_largest_gate_is_the_only_one_and_learns_by_the_softmax():
    head = GatedValue(4, 3, kind="top1", rng=np.random.default_rng(1))
    z = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    head.eval()
    used = head.gates(z)
    assert set(used.flatten().tolist()) == {0.0, 1.0} and torch.equal(used.sum(dim=1), torch.ones(8))
    head(z).sum().backward()
    assert head.gate.weight.grad is None
    head.train()
    assert torch.allclose(head.gates(z), used)
    head(z).sum().backward()
    assert head.gate.weight.grad.abs().max() > 0


def test_acting_by_both_weighs_the_decoder_by_the_value_after_the_action(world):
    agent = new_agent(world, SMALL, seed=1)
    states = all_states(world, split="test").pick(slice(0, 400, 7))
    values = np.stack([agent.values(step(states, np.full(len(states.at), a), side=4)) for a in range(4)], axis=1)
    assert np.allclose(lookahead(agent, states), values)
    assert np.array_equal(choose(agent, states, acting="lookahead"), values.argmax(axis=1))
    assert np.array_equal(choose(agent, states), agent.logits(states).argmax(axis=1))
    both = (softmax(agent.logits(states), axis=1) * np.exp(values)).argmax(axis=1)
    assert np.array_equal(choose(agent, states, acting="both"), both)
    with pytest.raises(SpecError, match="no way of acting 'tree'"):
        choose(agent, states, acting="tree")


def test_one_who_knows_the_values_acts_as_well_by_lookahead_as_the_expert(world):
    knows, states = Knows(world), all_states(world, split="test")
    best = knows.expert.best(states)
    assert best[np.arange(len(best)), choose(knows, states, acting="lookahead")].all()


def test_correlations_under_weights_are_those_of_repeated_layouts(world):
    rng = np.random.default_rng(0)
    x, layout = rng.normal(size=60), np.arange(60) % 6
    y = x + rng.normal(size=60) + 1000
    drawn = rng.integers(0, 3, size=(4, 6))
    for weight, found in zip(drawn, Correlation(x, y, layout)(drawn.astype(float)), strict=True):
        rows = np.repeat(np.arange(60), weight[layout])
        assert found == pytest.approx(np.corrcoef(x[rows], y[rows])[0, 1])
    assert np.isnan(Correlation(x, np.ones(60), layout)(np.ones((1, 6)))).all()


def test_a_planted_agent_sees_with_its_own_eyes(world):
    agent, states = shards(world), all_states(world, split="test").pick(slice(50))
    assert np.array_equal(agent.encode(states), agent.see(states).numpy())


@pytest.mark.slow
def test_the_usual_agent_meets_its_figures():
    found = fidelity(train_agent(make_grid_world(0), seed=0))
    assert found.imitation.value > 0.95 and found.correlation.value > 0.9
