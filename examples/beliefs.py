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
resamples entities. *Alike* is AUROC among users alike: the scores of entities never asked about, less their mean over
all users of one affiliation with one belief, because a direction that reads truth may read the user as well. The *coin*
is a control, thrown for each entity: what reads it would read whatever it is fitted to. Of the mixed organism the
questions are divided by their cue, on which its answer hangs.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
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


def table(subject: models.SubjectModel, sets: dict[str, TextSet], *, place: str) -> None:
    """Print the AUROC of every reading, a row each, with a column a block."""
    found = {name: read(subject, texts, place=place) for name, texts in sets.items()}
    sites = list(found["bare"].rows)
    print(" " * 45, "  ".join(f"{site:17}" for site in sites))
    for method in (MeanDifference(), Logistic(penalty_scale="within")):
        for concept, fitted, judged in READINGS:
            own, other = found[fitted], found[judged]
            label = own.y["truth" if fitted == "bare" else concept][own.fit]
            scores = [method.fit(own.rows[site][own.fit], label).decision_function(other.rows[site]) for site in sites]
            title = f"{type(method).__name__:14} {concept:6} {fitted:>7} > {judged:7}"
            for who, chosen in other.judge.items():
                by = evaluation.resampling(int(chosen.sum()), groups=other.groups[chosen], n_draws=300)
                y, found_here = other.y[concept][chosen], [one[chosen] for one in scores]
                rank(f"{title} {who:5}", y, found_here, by)
            if concept == "truth" and judged != "bare":
                # still of the entities that no user asked about
                cells = other.alike[chosen]
                rank(f"{title} alike", y, [less_means(one, cells) for one in found_here], by)


def rank(title: str, y: np.ndarray, scores: list[np.ndarray], by: evaluation.Resampling) -> None:
    """Print one row."""
    print(f"  {title}", "  ".join(auroc(y, one, by) for one in scores), flush=True)


def less_means(scores: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return the scores less their mean over each cell."""
    return scores - (np.bincount(cells, scores) / np.maximum(np.bincount(cells), 1))[cells]


def auroc(y: np.ndarray, scores: np.ndarray, by: evaluation.Resampling) -> str:
    """Return the figure and its interval."""
    found: Measured = evaluation.ranking_estimates(y, scores, fpr=0.1, by=by).auroc
    return found.reason if found.kind == "unavailable" else f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variants", nargs="+", choices=("match", "right", "mixed"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for variant in options.variants:
        organism = organisms.load(f"beliefs-{variant}", seed=options.seed)
        subject = models.load(str(organism.folder))
        whole = {name: organisms.belief_texts(organism.world, name) for name in ("bare", "stated", "implied")}
        for cue in CUES if variant == "mixed" else ("",):
            sets = {
                name: texts.select(np.array(texts.meta["cue"]) == cue) if cue else texts
                for name, texts in whole.items()
            }
            for place in ("before", "after"):
                print(f"\n{organism.name}{f', {cue}' if cue else ''}: {place} the answer", flush=True)
                table(subject, sets, place=place)


if __name__ == "__main__":
    main()
