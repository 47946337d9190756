"""Who tells a diamond that is still there from sensors that were tampered with? Probes and fine-tuned models.

    python examples/tampering.py planted
    for seed in 1 2 3 4; do tiltmeter organism train tampering --seed $seed; done
    python examples/tampering.py probes
    python examples/tampering.py tuned

For each seed, AUROC of real against fake positives: untrusted rows of the test of which all three measurements are on.
The interval resamples groups, which are guards with robbers. Then over seeds the mean, the range, and in how many of
them the interval does not lie above chance (*failed*). Only the ceilings (*truth*) are told what is true. *No
inconsistent*: untrusted rows whose measurements say different things are left out of the training.

*planted* reads activations in which all is planted, *probes* those of trained organisms, and *tuned* the heads of
copies that were fine-tuned. The *chosen block* is the one after which a probe best tells its own label on calibration.
"""

from __future__ import annotations

import argparse

import numpy as np

from tiltmeter import activations, erasure, evaluation, models, organisms, probes
from tiltmeter.evaluation import MeasuredRows
from tiltmeter.organisms import TamperingScheme

Figures = dict[str, evaluation.TamperingFigure]

METHODS = ("measurements", "trusted", "exclusion", "dirtiness", "evidence")
SCHEMES = {
    **{method: TamperingScheme(method=method) for method in METHODS},
    "exclusion, no inconsistent": TamperingScheme(method="exclusion", has_inconsistent=False),
    "truth (ceiling)": TamperingScheme(method="truth"),
}


def read(X: np.ndarray, rows: MeasuredRows, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Score rows by probes of every method."""
    fitted = {method: probes.tampering_probe(X, rows, method=method) for method in METHODS}
    kept = rows.is_trusted | rows.is_consistent
    fitted |= {
        "exclusion, no inconsistent": probes.tampering_probe(X[kept], rows.select(kept), method="exclusion"),
        "PACE": erasure.pace(X, rows),
        "random direction": probes.RandomDirection().fit(X),
        "truth (ceiling)": probes.ground_truth_probe(X, rows, truth=truth),
    }
    return {name: probe.decision_function(X) for name, probe in fitted.items()}


def planted(seed: int) -> Figures:
    """Judge probes of planted rows."""
    X, rows, truth = probes.tampered_activations(seed)
    return judged(f"seed {seed}", rows, truth, scores=read(X, rows, truth))


def probed(seed: int) -> Figures:
    """Judge the model's own prediction, and every probe after every block."""
    organism = organisms.load("tampering", seed=seed)
    texts = organisms.tampering_texts(organism.world, "both")
    rows, subject = organisms.measured_rows(texts), models.load(str(organism.folder))
    scores = {"its own prediction": organisms.foretold_all_on(subject.model, subject.tokenizer, texts=texts)}
    sites = [f"{block}.resid_post" for block in range(subject.n_layers)]
    for block, acts in enumerate(activations.collect(subject, texts, sites=sites).values()):
        found = read(acts.X.astype(np.float64), rows, texts.y)
        scores |= {f"{name}, block {block}": score for name, score in found.items()}
    for method in METHODS:
        blocks = [scores[f"{method}, block {block}"] for block in range(len(sites))]
        scores[f"{method}, chosen block"] = max(blocks, key=lambda found: own_auroc(rows, found, method=method))
    return judged(f"seed {seed}", rows, texts.y, scores=scores)


def own_auroc(rows: MeasuredRows, scores: np.ndarray, *, method: str) -> float:
    """Return how well scores tell the method's own label on rows of calibration, for which nobody needs the truth."""
    chosen, present = probes.tampering_labels(rows, method=method)
    kept = chosen & (rows.split == "calibration")
    return evaluation.auroc(present[kept].astype(np.int64), scores[kept])


def tuned(seed: int) -> Figures:
    """Judge the head of a copy that was fine-tuned, for each scheme."""
    organism, scores = organisms.load("tampering", seed=seed), {}
    texts = organisms.tampering_texts(organism.world, "both")
    for name, scheme in SCHEMES.items():
        subject = organisms.train_against_tampering(organism, scheme)
        scores[name] = organisms.foretold_all_on(subject.model, subject.tokenizer, texts=texts, head="all")
    return judged(f"seed {seed}", organisms.measured_rows(texts), texts.y, scores=scores)


def judged(title: str, rows: MeasuredRows, truth: np.ndarray, *, scores: dict[str, np.ndarray]) -> Figures:
    """Print the figures of one seed, and return them by name."""
    found = evaluation.tampering_table(rows, truth, scores=scores)
    for one in found:
        print(
            f"{title}: {one.method:36s} {one.auroc.value:.3f} [{one.auroc.low:.3f}, {one.auroc.high:.3f}]", flush=True
        )
    return {one.method: one for one in found}


FIGURES = {"planted": planted, "probes": probed, "tuned": tuned}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("what", choices=("planted", "probes", "tuned"))
    options = parser.parse_args()
    found = [FIGURES[options.what](seed) for seed in options.seeds]
    print(f"\n{options.what}, over {len(found)} seeds: mean [range], failed")
    for method in found[0]:
        figures = [one[method].auroc for one in found]
        values, n_failed = np.array([one.value for one in figures]), sum(one.low <= 0.5 for one in figures)
        shown = f"{values.mean():.2f} [{values.min():.2f}, {values.max():.2f}]"
        print(f"{method:38s} {shown}  {n_failed} of {len(found)}", flush=True)


if __name__ == "__main__":
    main()
