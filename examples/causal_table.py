"""Which direction decides what a model says? Methods × layers, by swap and by ablation, with seeds; and at what cost.

    python examples/causal_table.py facts
    python examples/causal_table.py gender path/to/a/small/model

``facts``: the bundled organism, pairs of a true and a false statement about one fact; methods are fitted on pairs of
training entities, where a cue word goes with truth, and judged on pairs of others, where it does not. One row more is
the direction of that cue. ``gender``: a model of yours, pronouns in simple stories; fitted and judged on other
templates and other names.

After the table: how well each direction reads which prompt is which, what taking it away does to text that has nothing
to do with the concept, and at which tokens it works. Some ten minutes with the defaults, twice that with ``--rlace``,
the original RLACE.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np

from tiltmeter import activations, evaluation, interventions, models, organisms, probes
from tiltmeter.core import Direction
from tiltmeter.core.records import Measured

_FEW = 5
# what a swap at one token does is not listed below this
_LEAST = 0.01
STORIES = (
    "Once upon a time there was a big dog. The dog liked to run in the park.",
    "The sun was hot. The cat sat under a tree and slept all day.",
    "One day, it rained a lot. The water ran down the road and into the river.",
    "There was a red ball on the grass. A bird came and looked at it.",
    "The bear was hungry. It went into the forest to find some honey.",
    "They had a lot of fun. They played with the blocks and made a tall tower.",
    "The little fish lived in the sea. It liked to swim with the other fish.",
    "It was a cold day. The snow was white and the trees were sleeping.",
    "The frog jumped on a rock. It was wet, and the frog fell into the water.",
    "We went to the zoo. We saw a lion, a monkey and a very big elephant.",
    "The train was late. All the people had to wait for a long time.",
    "A mouse found some cheese in the kitchen. It ate and ate until it was full.",
)


class Question(NamedTuple):
    """A model, pairs to fit and to judge on, methods, and texts that have nothing to do with it."""

    subject: models.SubjectModel
    train: interventions.EncodedPairs
    test: interventions.EncodedPairs
    methods: tuple[interventions.CausalMethod, ...]
    neutral: object


def facts(n_pairs: int) -> Question:
    """Pairs of statements about the organism's world, and the direction of its cue as one more method."""
    organism = organisms.load("facts")
    subject, world = models.load(str(organism.folder)), organism.world
    apart = organisms.statements(world, "affirmative", agreement=0.5)
    apart = apart.select(np.asarray(apart.split) == "train")

    def cue(rows: interventions.PairRows) -> np.ndarray:
        site = f"{rows.layer}.resid_post"
        acts = activations.collect(subject, apart, sites=[site])[site]
        return probes.mean_difference(acts.X, np.asarray(apart.meta["cue"])).vector

    sides = [organisms.statement_pairs(world, "affirmative", split=split) for split in ("train", "test")]
    train, test = (pairs.select(np.random.default_rng(0).permutation(len(pairs))[:n_pairs]) for pairs in sides)
    neutral = organisms.statements(world, "affirmative")
    return Question(
        subject,
        interventions.encode_pairs(subject, train),
        interventions.encode_pairs(subject, test),
        (interventions.CausalMethod("the cue", cue),),
        neutral.select(np.flatnonzero(np.asarray(neutral.split) == "calibration")[:64]),
    )


def gender(folder: str, n_pairs: int) -> Question:
    """Pairs of stories about a girl and a boy."""
    subject = models.load(folder)
    train, test = (
        interventions.encode_pairs(
            subject, interventions.sample_pairs(family, n_pairs, subject=subject, groups="name").pairs
        )
        for family in ("stories-train", "stories-easy")
    )
    return Question(subject, train, test, (), list(STORIES))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("facts", "gender"))
    parser.add_argument("model", nargs="?", help="a folder, for gender")
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rlace", action="store_true")
    options = parser.parse_args()
    if options.what == "gender" and options.model is None:
        parser.error("gender needs the folder of a model.")
    asked = facts(options.pairs) if options.what == "facts" else gender(options.model, options.pairs)
    baselines = [one for one in interventions.CAUSAL_BASELINES if options.rlace or one.name != "rlace_sgd"]
    methods = (interventions.cde_method(), *baselines, *asked.methods)
    # all blocks of a shallow model, five depths of others
    layers = range(asked.subject.n_layers) if asked.subject.n_layers <= _FEW else None
    found = interventions.effects_by_layer(
        asked.subject, asked.train, test=asked.test, methods=methods, seeds=range(options.seeds), layers=layers
    )
    print(found.table(), "\n", flush=True)
    for method in found.methods:
        lows = [found.at(method, layer).lowest_agreement for layer in found.layers]
        print(method, "least |cosine| of two seeds:", [low if isinstance(low, float) else "one run" for low in lows])
    for layer in found.layers:
        # of the methods with seeds, the first one's direction
        directions = interventions.causal_baselines(
            asked.subject, asked.train, layer=layer, methods=[one for one in methods if one.name != "rlace_sgd"]
        )
        known = {name: one for name, one in directions.items() if isinstance(one, Direction)}
        print_costs(asked, known, layer=layer)
        print_places(asked, {name: known[name] for name in ("cde", "mean_difference")}, layer=layer)


def print_costs(asked: Question, directions: dict[str, Direction], *, layer: int) -> None:
    """Print what each direction reads, and what is left of unrelated text without it."""
    print(
        f"\nblock {layer}: AUROC at the last token of training and test prompts; unrelated text without the direction"
    )
    reads = [last_tokens(asked.subject, pairs, layer=layer) for pairs in (asked.train, asked.test)]
    for name, direction in directions.items():
        ranked = (evaluation.auroc(sides, rows @ direction.vector) for rows, sides in reads)
        edit = interventions.Ablate(f"{layer}.resid_post", directions=direction)
        cost = interventions.fluency(asked.subject, asked.neutral, edits=[edit])
        print(
            f"  {name:30}{' '.join(f'{one:.2f}' for one in ranked)}   KL {shown(cost.kl)} nats a token, "
            f"perplexity times {shown(cost.ratio)}"
        )


def last_tokens(
    subject: models.SubjectModel, encoded: interventions.EncodedPairs, *, layer: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the activations at the last token of every prompt, and its side."""
    states = interventions.clean_runs(subject, encoded, layers=[layer]).states[layer].cpu().numpy()
    rows = states[np.arange(len(states)), :, encoded.lengths - 1]
    return rows.reshape(-1, rows.shape[-1]), np.tile([1, 0], len(rows))


def print_places(asked: Question, directions: dict[str, Direction], *, layer: int) -> None:
    """Print the success of swaps at one token alone."""
    places = range(-1, -1 - int(asked.test.lengths.min()), -1)
    one = interventions.Controls(n_random=1)
    clean = interventions.clean_runs(asked.subject, asked.test, layers=[layer])
    for name, direction in directions.items():
        scores = {
            at: interventions.swap_effects(
                asked.subject, asked.test, directions=direction, layer=layer, positions=[at], clean=clean, controls=one
            ).score
            for at in places
        }
        counted = [f"{at}: {shown(s)}" for at, s in scores.items() if s.kind == "estimate" and s.value >= _LEAST]
        print(f"  swaps of {name} at one token alone, from the end:", ", ".join(counted) or f"under {_LEAST} at each")


def shown(measured: Measured) -> str:
    """Return a figure and its interval."""
    if measured.kind == "unavailable":
        return "not available"
    return f"{measured.value:.2g} [{measured.low:.2g}, {measured.high:.2g}]"


if __name__ == "__main__":
    main()
