"""Encoder, action decoder and value head in a grid world: whether values are shards, and what imitation saves.

    python examples/agents.py FOLDER

makes what is missing of five seeds into FOLDER (some two minutes of processor time each; worlds, weights, episodes and
batches all hang on the seed), and prints the mean over seeds, the lowest and the highest seed, and each seed's figure:

* imitation of the expert and correlation with the true return, for each coupling and head;
* rewards in MiniGrid by each way of acting; what logistic regression reads from the encoder;
* the tests (a) to (d) of the page ``docs/explanation/agents.md``.

With ``--longer`` it prints instead whether an untrained encoder lacks episodes or steps: test (d) where value alone
teaches the encoder, with four times the steps (some two minutes of processor time a seed).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tiltmeter import agents
from tiltmeter.agents import Agent, AgentSpec, Coupling, Episodes
from tiltmeter.core.files import read_json, write_json
from tiltmeter.core.records import Record

HEADS = ("mlp", "softmax", "top1")
LEVELS = {"frozen": (0.7, 0.8), "value_alone": (0.8, 0.9), "joint": (0.8, 0.9)}
LONGER_SIZES = (256, 1024, 4096, 16384)
# what is wanted of each seed: figure, and the least that is enough
WANTED = {
    "fidelity.joint mlp.imitation": 0.95,
    "fidelity.joint mlp.correlation": 0.9,
    "fidelity.joint softmax.correlation": 0.9,
    "fidelity.joint top1.correlation": 0.9,
    "d.frozen 0.8.ratio": 2.0,
    "d.value_alone 0.9.ratio": 2.0,
    "d.joint 0.9.ratio": 2.0,
}


def measure(seed: int) -> dict[str, dict[str, Record]]:
    """Make the agents of a seed and measure everything."""
    world = agents.make_grid_world(seed)
    pupil = agents.imitate(world, AgentSpec(), seed=seed)
    untrained = agents.new_agent(world, AgentSpec(), seed=seed)
    episodes = agents.gather_episodes(world, 16384, seed=seed)
    some = episodes.first(4096)
    taught = {name: agents.learn_value(pupil, some, spec=spec, seed=seed) for name, spec in specs().items()}
    joint = {head: taught[f"joint {head}"] for head in HEADS}
    encoders = {"imitation": pupil, "joint mlp": joint["mlp"], "untrained": untrained}
    return {
        "fidelity": {name: agents.fidelity(agent) for name, agent in taught.items()},
        "play": {acting: agents.play(joint["mlp"], acting=acting) for acting in ("policy", "lookahead", "both")},
        "readings": {name: agents.encoder_readings(agent) for name, agent in encoders.items()},
        "a": {name: agents.context_dependence(agent) for name, agent in taught.items() if "value" not in name},
        "b": selectivity(taught),
        "c": gaps(pupil, taught),
        "d": efficiency(pupil, untrained, episodes, seed=seed),
    }


def specs() -> dict[str, AgentSpec]:
    """Return couplings and heads by name."""
    of = {f"{kind} {head}": (kind, head) for kind in ("frozen", "joint") for head in HEADS}
    of |= {f"{kind} mlp": (kind, "mlp") for kind in ("stop_gradient", "value_alone")}
    return {name: AgentSpec(head=head, coupling=Coupling(kind=kind)) for name, (kind, head) in of.items()}


def selectivity(taught: dict[str, Agent]) -> dict[str, Record]:
    """Take away gates of the gated heads, and gradient directions of all."""
    asked = [
        (f"{kind} {head}", part) for kind in ("frozen", "joint") for head in HEADS for part in ("gate", "direction")
    ]
    return {
        f"{name}, {part}": agents.ablation_selectivity(
            taught[name], part="gate" if part == "gate" else "gradient direction"
        )
        for name, part in asked
        if part == "direction" or not name.endswith("mlp")
    }


def gaps(pupil: Agent, taught: dict[str, Agent]) -> dict[str, Record]:
    """Foretell choices in conflict by either gated head and by the network, of one coupling each time."""
    return {
        f"{kind} {head}, {of}": agents.prediction_gap(pupil, (taught[f"{kind} mlp"], taught[f"{kind} {head}"]), of=of)
        for kind in ("frozen", "joint")
        for head in ("softmax", "top1")
        for of in ("imitation", "expert")
    }


def efficiency(pupil: Agent, untrained: Agent, episodes: Episodes, *, seed: int) -> dict[str, Record]:
    """Compare the beginnings under each coupling, at two levels."""
    found = {}
    for kind, levels in LEVELS.items():
        spec = AgentSpec(coupling=Coupling(kind=kind))
        curves = [agents.learning_curve(agent, episodes, spec=spec, seed=seed) for agent in (pupil, untrained)]
        for level in levels:
            found[f"{kind} {level}"] = agents.reward_efficiency(*curves, level=level)
    return found


def longer(seed: int) -> None:
    """Print test (d) where value alone teaches the encoder, with four times the steps."""
    world = agents.make_grid_world(seed)
    beginnings = (agents.imitate(world, AgentSpec(), seed=seed), agents.new_agent(world, AgentSpec(), seed=seed))
    episodes = agents.gather_episodes(world, 16384, seed=seed)
    spec = AgentSpec(coupling=Coupling(kind="value_alone"), value_steps=4 * AgentSpec().value_steps)
    curves = [agents.learning_curve(one, episodes, spec=spec, sizes=LONGER_SIZES, seed=seed) for one in beginnings]
    for level in LEVELS["value_alone"]:
        found = agents.reward_efficiency(*curves, level=level).model_dump(mode="json")
        for name, figure in flat({f"seed {seed}, level {level}": found}).items():
            print(f"{name:40} {shown(figure)}", flush=True)


def flat(found: dict[str, Any], *, under: str = "") -> dict[str, Any]:
    """Name every figure by its path; what is no estimate, and not unavailable, is left out."""
    rows: dict[str, Any] = {}
    for name, value in found.items():
        path = f"{under}.{name}" if under else name
        if isinstance(value, list) and all(isinstance(one, dict) for one in value):
            value = {str(number): one for number, one in enumerate(value)}
        if isinstance(value, dict) and value.get("kind") in ("estimate", "unavailable"):
            rows[path] = value
        elif isinstance(value, dict):
            rows |= flat(value, under=path)
        elif name == "null":
            rows |= {f"{path}.{what}": {"value": one} for what, one in zip(("mean", "best"), value, strict=True)}
    return rows


def shown(figure: dict[str, Any]) -> str:
    """Return a figure with its interval."""
    if figure.get("kind") == "unavailable":
        return "none"
    interval = f" [{figure['low']:.3g}, {figure['high']:.3g}]" if "low" in figure else ""
    return f"{figure['value']:.3g}{interval}"


def table(results: dict[int, dict[str, Any]]) -> None:
    """Print every figure: over seeds, and of each."""
    rows = {seed: flat(found) for seed, found in results.items()}
    for path in next(iter(rows.values())):
        each = [found[path] for found in rows.values()]
        values = [figure["value"] for figure in each if "value" in figure]
        over = f"{sum(values) / len(values):.3f} ({min(values):.3f} to {max(values):.3f})" if values else "none"
        print(f"{path:48} {over:30} {'; '.join(map(shown, each))}")
    print("\nseeds that fall short:")
    for path, least in WANTED.items():
        short = [seed for seed, found in rows.items() if not found[path].get("value", float("-inf")) >= least]
        print(f"  {path} below {least}: {len(short)} of {len(rows)} {short or ''}")


def main() -> None:
    """Measure what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--longer", action="store_true")
    options = parser.parse_args()
    if options.longer:
        for seed in options.seeds:
            longer(seed)
        return
    results = {}
    for seed in options.seeds:
        path = options.folder / f"seed-{seed}.json"
        if not path.exists():
            found = measure(seed)
            plain = {
                test: {name: one.model_dump(mode="json") for name, one in of.items()} for test, of in found.items()
            }
            write_json(path, plain)
        results[seed] = read_json(path)
    table(results)


if __name__ == "__main__":
    main()
