"""Which direction decides what a model says? Methods × layers, by swap and by ablation, with seeds.

    python examples/causal_table.py facts
    python examples/causal_table.py gender path/to/a/small/model

``facts``: the bundled organism, pairs of a true and a false statement about one fact; methods are fitted on pairs of
training entities and judged on pairs of others. ``gender``: a model of yours, pronouns in simple stories; fitted and
judged on other templates and other names. Some twenty minutes on
two cores with the defaults, an hour more with ``--rlace``, the original RLACE.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from tiltmeter import interventions, models, organisms


def main() -> None:
    """Print the table, and how far seeds agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("facts", "gender"))
    parser.add_argument("model", nargs="?", help="a folder, for gender")
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rlace", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(2)
    if options.what == "facts":
        organism = organisms.load("facts")
        subject = models.load(str(organism.folder))
        sides = [organisms.statement_pairs(organism.world, "affirmative", split=split) for split in ("train", "test")]
        sides = [pairs.select(np.random.default_rng(0).permutation(len(pairs))[: options.pairs]) for pairs in sides]
    else:
        subject = models.load(options.model)
        sides = [
            interventions.sample_pairs(family, options.pairs, subject=subject, groups="name").pairs
            for family in ("stories-train", "stories-easy")
        ]
    train, test = (interventions.encode_pairs(subject, pairs) for pairs in sides)
    methods = (interventions.cde_method(), *interventions.CAUSAL_BASELINES)
    if not options.rlace:
        methods = tuple(method for method in methods if method.name != "rlace_sgd")
    found = interventions.effects_by_layer(subject, train, test=test, methods=methods, seeds=range(options.seeds))
    print(found.table())
    print()
    for method in found.methods:
        lows = [found.at(method, layer).lowest_agreement for layer in found.layers]
        print(method, "least |cosine| of two seeds:", [low if isinstance(low, float) else "one run" for low in lows])


if __name__ == "__main__":
    main()
