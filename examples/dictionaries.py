"""Sparse dictionaries of a small model, beside those of noise and of the same model untrained.

    python examples/dictionaries.py facts
    python examples/dictionaries.py path/to/a/small/model texts.jsonl --site 3.resid_post

Dictionaries of several sizes and two seeds, of all tokens of the texts, beside their nulls: random directions,
principal components, dictionaries trained on Gaussian noise of the same covariance, and dictionaries of the same model
with weights drawn at random. Then a probe for the label on latents of the last token beside probes on activations.
Texts are divided by group. Some two minutes of one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch

from tiltmeter import activations, anatomy, data, models, organisms
from tiltmeter.core.activations import Activations
from tiltmeter.core.dictionaries import Chance, DictionaryAudit, DictionaryRecipe, LatentProbes
from tiltmeter.core.records import Measured

SIZES, SEEDS = (64, 128, 256), (0, 1)


def figure(found: Measured, *, digits: int = 2) -> str:
    """Write a figure with its interval."""
    if found.kind == "unavailable":
        return "–"
    return f"{found.value:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def chance(found: Chance | None) -> str:
    """Write the mean of random draws."""
    return "–" if found is None else f"{found.mean:.2f}"


def divided(acts: Activations) -> tuple[Activations, Activations]:
    """Four fifths of the groups of texts, and the others."""
    groups = acts.ids if acts.groups is None else acts.groups
    names = np.unique(groups)
    held_out = np.random.default_rng(0).permutation(names)[: len(names) // 5]
    return acts.select(~np.isin(groups, held_out)), acts.select(np.isin(groups, held_out))


def audited(
    acts: Activations, recipe: DictionaryRecipe, sizes: Sequence[int]
) -> tuple[anatomy.Family, DictionaryAudit]:
    """Train all dictionaries on the tokens of some texts, and audit them on those of others."""
    train, test = divided(acts)
    known, fresh = (
        np.repeat(side.ids if side.groups is None else side.groups, np.diff(side.offsets)) for side in (train, test)
    )
    rows = anatomy.DictionaryRows(train.X, test.X, groups=fresh, train_groups=known)
    family = anatomy.train_family(rows, sizes, recipe=recipe, seeds=SEEDS, site=acts.site)
    return family, anatomy.audit_dictionaries(family.dictionaries, rows, trained_on_noise=family.on_noise)


def show(found: DictionaryAudit) -> None:
    """Print a table, a row a dictionary, and the conclusions."""
    print(f"{found.n_train:,} tokens to train on, {found.n_test:,} to judge on in {found.n_units} {found.unit}\n")
    print(
        "| dictionary | train FVU | test FVU | on noise | random | linear | L0 | live | to larger | turned | random |",
        end="",
    )
    print(" noise | other seed | turned |\n" + "| --- " * 14 + "|")
    for one in found.dictionaries:
        cells = [figure(one.train_fvu, digits=3), figure(one.test_fvu, digits=3)]
        cells += [figure(rival, digits=3) for rival in (one.noise_fvu, one.random_fvu, one.linear_fvu)]
        cells += [figure(one.l0, digits=1), f"{one.live}"]
        cells += [figure(one.larger), chance(one.larger_turned), chance(one.larger_chance), figure(one.larger_noise)]
        cells += [figure(one.twin), chance(one.twin_turned)]
        print(f"| {one.name} | {' | '.join(cells)} |")
    print("\n" + "\n".join(f"- {said}" for said in found.conclusions) + "\n", flush=True)


def read_label(family: anatomy.Family, acts: Activations) -> list[LatentProbes]:
    """Probes on the last token of each text, for the largest dictionary of each seed."""
    train, test = (
        anatomy.LabelledRows(one.X, one.y, one.groups if one.groups is not None else one.ids)
        for one in (part.pool("last") for part in divided(acts))
    )
    size = max(one.n_latents for one in family.dictionaries.values())
    names = [f"{size}-seed-{seed}" for seed in SEEDS]
    return [anatomy.latent_probes(family.dictionaries[name], train, test=test, name=name) for name in names]


def main() -> None:
    """Do both for the model as it is, and untrained."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="facts, or the folder of a model")
    parser.add_argument("texts", nargs="?", help="texts with labels, for a model of yours")
    parser.add_argument("--site", default="2.resid_post")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.model == "facts":
        subject, texts = models.load(str(organisms.load("facts").folder)), organisms.texts("facts", "affirmative")
    else:
        subject, texts = models.load(options.model), data.read_texts(options.texts)
    recipe = DictionaryRecipe(steps=options.steps)
    for one in (subject, models.untrained(subject)):
        encoded = models.encode(one, texts, long_texts="truncate_left")
        acts = activations.collect(one, encoded, sites=[options.site], pooling="all")[options.site]
        print(f"## {one.name}, {options.site}\n")
        family, found = audited(acts, recipe, options.sizes)
        show(found)
        print(
            "| dictionary | activations | latents | reconstruction | random latents | one latent | one random |",
            end="",
        )
        print(" latents − activations | latents − random latents | one − random |\n" + "| --- " * 10 + "|")
        for probes in read_label(family, acts):
            cells = (
                probes.activations, probes.latents, probes.reconstruction, probes.random_latents, probes.best_latent,
                probes.best_random, probes.gain, probes.random_gain, probes.best_gain,
            )  # fmt: skip
            print(f"| {probes.name} | {' | '.join(map(figure, cells))} |")
        print(flush=True)


if __name__ == "__main__":
    main()
