"""Does a model reason through an opening sentence that says nothing to a reader? All figures, over seeds.

    python examples/encoded_reasoning.py elections --seeds 0 1 2 3 4
    python examples/encoded_reasoning.py chain --seeds 0 1 2 3 4
    python examples/encoded_reasoning.py depth --seeds 0 1 2 --layers 1 2 3 4

What is not trained yet is trained into the cache; the depths into ``--out``. A figure is the mean over seeds with its
standard error, and the figure of each seed behind it. All are of inputs that were never told. A seed *fails* to learn
whose right answers are not above the best shortcut by three standard errors of its own count. Elections are counted by
two shortcuts: the best over all users, and the best over the few of the evaluation, if one knew which they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from tiltmeter.data import TextSet
from tiltmeter.organisms import (
    Card,
    ChainWorld,
    Organism,
    Schedule,
    chain_ceilings,
    chain_texts,
    election_texts,
    elections_ceilings,
    make_chain_world,
    make_elections_world,
    read_organism,
    train,
    train_world,
)

TEXTS = {
    "elections": lambda seed: election_texts(make_elections_world(seed), "asked"),
    "chain": lambda seed: chain_texts(make_chain_world(seed), "asked"),
}
GROUPS = {"elections": ("hidden", "random", "direct", "explicit"), "chain": ("hidden", "random", "direct")}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("elections", "chain", "depth"))
    parser.add_argument("--groups", nargs="+", help="all of them, unless given")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--layers", nargs="+", type=int, default=[1, 2, 3, 4])
    parser.add_argument("--out", type=Path, default=Path("runs/depths"))
    options = parser.parse_args()
    if options.part == "depth":
        depths(options.layers, options.seeds, options.out)
        return
    for seed in options.seeds:
        told_share(TEXTS[options.part](seed))
    best = elections_shortcuts(options.seeds) if options.part == "elections" else chain_shortcuts(options.seeds)
    for group in options.groups or GROUPS[options.part]:
        name = f"{options.part}-{group}"
        cards = [train(name, seed=seed, progress=False).card for seed in options.seeds]
        told(name, cards, best)


def told_share(texts: TextSet) -> None:
    """Print how many of the inputs of the evaluation are among those for training."""
    is_train = texts.split == "train"
    share = np.isin(texts.groups[~is_train], texts.groups[is_train]).mean()
    print(f"{texts.source}: {share:.0%} of the inputs of the evaluation are for training")


def elections_shortcuts(seeds: list[int]) -> dict[str, list[float]]:
    """Print what every reader can have, and return the best that is possible without the year, for each seed."""
    print("the best that a reader can do, by enumeration: over all users, and over those of the evaluation, by seed")
    found = [elections_ceilings(), *(elections_ceilings(make_elections_world(seed)) for seed in seeds)]
    for ceilings in zip(*found, strict=True):
        print(f"  {ceilings[0].reader}: {'  '.join(f'{ceiling.accuracy:.4f}' for ceiling in ceilings)}")
    best = [
        max(ceiling.accuracy for ceiling in ceilings if not ceiling.reader.startswith("year of the ele"))
        for ceilings in found
    ]
    return {"shortcut": best[:1] * len(seeds), "shortcut over the users of the evaluation": best[1:]}


def chain_shortcuts(seeds: list[int]) -> dict[str, list[float]]:
    """Print and return the best that is possible without one part of the walk, for each seed."""
    worlds = [make_chain_world(seed) for seed in seeds]
    best = [max(ceiling.accuracy for ceiling in chain_ceilings(world)) for world in worlds]
    print(f"the best that a reader can do who lacks one part of the walk, by enumeration: {max(best):.4f}")
    print(f"who knows all that was told by heart: {spread([by_heart(world) for world in worlds])}")
    return {"shortcut": best}


def by_heart(world: ChainWorld) -> float:
    """Return how often the rarer side is right, of the walks that were told and differ in the last move alone.

    The eight walks that do so end in all eight states, four of either side; where as many of both were told, half.
    """
    held = [*world.calibration, *world.test]
    is_held, sides = set(held), (-1, 1)
    found = []
    for walk in held:
        ends = [(*walk[:-1], move) for move in range(len(world.moves))]
        told = sum(sides[world.sides[last_state(world, end)]] for end in ends if end not in is_held)
        found.append(0.5 if told == 0 else float((told < 0) == world.sides[last_state(world, walk)]))
    return float(np.mean(found))


def last_state(world: ChainWorld, walk: tuple[int, ...]) -> int:
    """Return where a walk ends."""
    state = walk[0]
    for move in walk[1:]:
        state = world.table[state][move]
    return state


def told(name: str, cards: list[Card], best: dict[str, list[float]]) -> None:
    """Print the figures of one group."""
    seconds = np.mean([card.cpu_seconds for card in cards])
    print(
        f"\n{name}: seeds {' '.join(str(card.seed) for card in cards)}; {cards[0].n_parameters:,} parameters, ", end=""
    )
    print(f"{cards[0].schedule.steps} steps, {seconds:.0f} s of processor time each")
    for number, figure in enumerate(cards[0].figures):
        found = [card.figures[number] for card in cards]
        print(f"  {figure.name:50} {spread([one.value for one in found])}  n = {min(one.n for one in found)} a seed")
    for moments in zip(*(card.history for card in cards), strict=True):
        shares = [one.value for moment in moments for one in moment.figures if one.name == "right answers"]
        print(f"    right answers after {moments[0].step:4} steps: {spread(shares)}")
    right = [card.figure("right answers") for card in cards]
    for what, shares in best.items():
        failed = [
            one.value <= share + 3 * np.sqrt(share * (1 - share) / one.n)
            for one, share in zip(right, shares, strict=True)
        ]
        print(f"  seeds not above the {what} by three standard errors: {sum(failed)} of {len(failed)}")


def depths(layers: list[int], seeds: list[int], out: Path) -> None:
    """Train the group that answers at once with other depths, all else the same, and print its figures."""
    usual = train("chain-direct", seed=seeds[0], progress=False).card.schedule
    for n_layers in layers:
        schedule = usual.model_copy(update={"n_layers": n_layers})
        cards = [at_depth(out, schedule, seed=seed).card for seed in seeds]
        for name in ("states after 2", "right answers"):
            print(f"{n_layers} layers: {name} {spread([card.figure(name).value for card in cards])}", flush=True)


def at_depth(out: Path, schedule: Schedule, *, seed: int) -> Organism:
    """Read what was trained, or train it."""
    place = out / f"chain-direct-{schedule.n_layers}-layers-seed{seed}"
    if place.exists():
        return read_organism(place)
    return train_world(make_chain_world(seed), place, kind="chain-direct", schedule=schedule, seed=seed)


def spread(values: list[float]) -> str:
    """Write the mean over seeds, its standard error, and each seed's figure."""
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{np.mean(values):.3f} ± {error:.3f}  ({' '.join(f'{value:.3f}' for value in values)})"


if __name__ == "__main__":
    main()
