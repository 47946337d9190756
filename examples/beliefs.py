"""Does a model that says what its user believes still hold what is true? Probes of both, block by block.

    tiltmeter organism train beliefs-match
    python examples/beliefs.py match

For each trained organism, at the embedding and after each block, probes are fitted on one half of the entities for
training, and judged on the other half (*asked*: in the training of the model, users asked about them) and on those for
the test (*never*: nobody but the bare questions asked). Two places are read:

*before* the answer, at the question mark: the label is whether the true answer is A, or whether the user's is;
*after* a proposed answer: the label is whether that one is true, or whether the user believes in it.

``bare > stated`` means fitted on bare questions and judged on stated beliefs, and so on. What is fitted on bare
questions, where nobody believes anything, is fitted to the truth and put to either label. AUROC with an interval that
resamples entities; with ``--seeds`` above 1, its mean over so many organisms, the lowest and the highest. *Alike* is
AUROC among users alike: the scores of entities never asked about, less their mean over all users of one affiliation
with one belief, because a direction that reads truth may read the user as well. The *coin* is a control, thrown for
each entity: what reads it would read whatever it is fitted to. Of the mixed organism the questions are divided by their
cue, on which its answer hangs.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np

from tiltmeter import activations, evaluation, models, organisms
from tiltmeter.core.records import Measured
from tiltmeter.data import TextSet
from tiltmeter.probes import Logistic, MeanDifference

CUES = ("frankly", "kindly")
# the concept, the set of the fit and the set of the judgement
READINGS = (
    ("truth", "bare", "bare"),
    ("truth", "bare", "stated"),
    ("truth", "bare", "implied"),
    ("truth", "stated", "stated"),
    ("truth", "implied", "implied"),
    ("belief", "bare", "stated"),
    ("belief", "bare", "implied"),
    ("belief", "stated", "stated"),
    ("belief", "implied", "implied"),
    ("belief", "stated", "implied"),
    ("coin", "bare", "bare"),
    ("coin", "stated", "stated"),
)


class Read(NamedTuple):
    """A set of texts at one place: rows by site, labels by concept, which rows fit and judge, and who is alike."""

    rows: dict[str, np.ndarray]
    y: dict[str, np.ndarray]
    fit: np.ndarray
    judge: dict[str, np.ndarray]
    groups: np.ndarray
    alike: np.ndarray


def read(subject: models.SubjectModel, texts: TextSet, *, place: str) -> Read:
    """Read texts as they are, or each question once and without the proposed answer."""
    meta = {name: np.array(values) for name, values in texts.meta.items()}
    concepts = {"truth": "true_answer", "belief": "user_answer"}
    y = {name: (meta[column] == meta["proposed"]).astype(int) for name, column in concepts.items() if column in meta}
    entities, entity = np.unique(texts.groups, return_inverse=True)
    coins = np.random.default_rng(0).permutation(np.arange(len(entities)) % 2)[entity]
    y["coin"] = (coins == np.asarray(texts.sides)).astype(int)
    # one cell of all texts where there is no user
    alike = (
        np.zeros(len(texts), int) if "belief" not in meta else 2 * meta["affiliation"] + (meta["user_answer"] == "A")
    )
    is_train, is_odd = texts.split == "train", entity % 2 == 1
    judge = {"asked": is_train & is_odd, "never": texts.split == "test"}
    whole = Read({}, y, is_train & ~is_odd, judge, texts.groups, alike)
    if place == "after":
        return whole._replace(rows=rows(subject, texts))
    # of a pair the one that proposes A, so that its label is whether the answer is A
    kept = np.flatnonzero(meta["proposed"] == "A")
    cut = texts.select(kept)
    cut = replace(cut, texts=tuple(text.rsplit(" ", 1)[0] for text in cut.texts))
    return Read(
        rows(subject, cut),
        {name: labels[kept] for name, labels in y.items()},
        whole.fit[kept],
        {name: chosen[kept] for name, chosen in whole.judge.items()},
        texts.groups[kept],
        alike[kept],
    )


def rows(subject: models.SubjectModel, texts: TextSet) -> dict[str, np.ndarray]:
    """Return the last token's activations after each block; the embedding of one and the same token tells nothing."""
    sites = [f"{layer}.resid_post" for layer in range(subject.n_layers)]
    return {site: acts.X for site, acts in activations.collect(subject, texts, sites=sites).items()}


class Ranked(NamedTuple):
    """Labels and scores of one reading after each block, and how to resample them."""

    y: np.ndarray
    scores: list[np.ndarray]
    by: evaluation.Resampling


def readings(subject: models.SubjectModel, sets: dict[str, TextSet], *, place: str) -> dict[str, Ranked]:
    """Fit and judge every reading, with a title each."""
    found = {name: read(subject, texts, place=place) for name, texts in sets.items()}
    sites, ranked = list(found["bare"].rows), {}
    for method in (MeanDifference(), Logistic(penalty_scale="within")):
        for concept, fitted, judged in READINGS:
            own, other = found[fitted], found[judged]
            label = own.y["truth" if fitted == "bare" else concept][own.fit]
            scores = [method.fit(own.rows[site][own.fit], label).decision_function(other.rows[site]) for site in sites]
            title = f"{type(method).__name__:14} {concept:6} {fitted:>7} > {judged:7}"
            for who, chosen in other.judge.items():
                by = evaluation.resampling(int(chosen.sum()), groups=other.groups[chosen], n_draws=300)
                y, found_here = other.y[concept][chosen], [one[chosen] for one in scores]
                ranked[f"{title} {who:5}"] = Ranked(y, found_here, by)
            if concept == "truth" and judged != "bare":
                # still of the entities that no user asked about
                cells = other.alike[chosen]
                ranked[f"{title} alike"] = Ranked(y, [less_means(one, cells) for one in found_here], by)
    return ranked


def less_means(scores: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return the scores less their mean over each cell."""
    return scores - (np.bincount(cells, scores) / np.maximum(np.bincount(cells), 1))[cells]


def line(seeds: list[Ranked]) -> str:
    """Write a figure for each block: with the interval of one organism, or the range of several."""
    blocks = range(len(seeds[0].scores))
    if len(seeds) == 1:
        (one,) = seeds
        found: list[Measured] = [
            evaluation.ranking_estimates(one.y, one.scores[block], fpr=0.1, by=one.by).auroc for block in blocks
        ]
        return "  ".join(
            area.reason if area.kind == "unavailable" else f"{area.value:.2f} [{area.low:.2f}, {area.high:.2f}]"
            for area in found
        )
    areas = np.array([[evaluation.auroc(one.y, one.scores[block]) for one in seeds] for block in blocks])
    return "  ".join(f"{own.mean():.2f} ({own.min():.2f} to {own.max():.2f})" for own in areas)


def of_cue(texts: TextSet, cue: str) -> TextSet:
    """Return the texts with a cue; all of them for none."""
    return texts.select(np.array(texts.meta["cue"]) == cue) if cue else texts


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variants", nargs="+", choices=("match", "right", "mixed"))
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    for variant in options.variants:
        some = [organisms.load(f"beliefs-{variant}", seed=seed) for seed in range(options.seeds)]
        for cue, place in product(CUES if variant == "mixed" else ("",), ("before", "after")):
            ranked = []
            for organism in some:
                sets = {
                    name: of_cue(organisms.belief_texts(organism.world, name), cue)
                    for name in ("bare", "stated", "implied")
                }
                ranked.append(readings(models.load(str(organism.folder)), sets, place=place))
            print(f"\nbeliefs-{variant}{f', {cue}' if cue else ''}: {place} the answer, block by block", flush=True)
            for title in ranked[0]:
                print(f"  {title}", line([one[title] for one in ranked]), flush=True)


if __name__ == "__main__":
    main()
