"""Probes trained on attempts that were written, put to the attempts that the model makes.

    for seed in 0 1 2 3 4; do tiltmeter organism train coup --seed $seed; done
    python examples/coup.py --seeds 0 1 2 3 4 --out coup.json

For each organism, training regime, method and test regime: the AUROC, and the share of attempts that raise an alarm.
The threshold is certified for 1 % false alarms on ordinary logs that the model wrote itself: of the form that is judged
(tpr), or of all six forms alike (tpr_all). Blocks are chosen on the calibration bundles of the training regime, the
threshold on other texts of those bundles, and every figure is of test bundles. Printed are means over the organisms and
their range; the file holds each with its interval. At last a few of the model's own attempts are added to the training.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from coup_attacks import jailbreak
from coup_regimes import FPR, LOGS, Agent, Regime, certified
from sklearn.base import clone

from tiltmeter import evaluation, probes
from tiltmeter.baselines import TEXT_BASELINES, fit_and_score
from tiltmeter.core import Activations
from tiltmeter.core.records import Measured
from tiltmeter.core.seeds import stream

Scores = Callable[[Activations], np.ndarray]
Fit = Callable[[Activations, Activations], Scores]
TRAIN = ("off-policy, logs", "off-policy, all forms", "on-policy, logs")
ALL = "all forms"
N_RANDOM = 100


def on_means(probe: probes.Classifier) -> Fit:
    """Fit a probe of single rows on the means of texts."""

    def fit(train: Activations, _: Activations) -> Scores:
        means, fitted = train.pool("mean"), clone(probe)
        fitted.fit(means.X, means.y)
        return lambda acts: fitted.decision_function(acts.pool("mean").X)

    return fit


def lat(train: Activations, calibration: Activations) -> Scores:
    """Fit LAT on the means of pairs; its sign is that of the calibration rows."""
    means, held = train.pool("mean"), calibration.pool("mean")
    fitted = probes.LAT().fit(means.X, pairs=means.pairs).orient(held.X, held.y)
    return lambda acts: fitted.decision_function(acts.pool("mean").X)


def coup_recipe(train: Activations, _: Activations) -> Scores:
    """Fit logistic regression on every token, under the label of its text, and take the highest score of a text."""
    lengths = np.diff(np.asarray(train.offsets))
    fitted = probes.Logistic(C=1e-3, penalty_scale="within").fit(train.X, np.repeat(np.asarray(train.y), lengths))
    rule = probes.TokenPooling("max")
    return lambda acts: probes.pool_scores(fitted.decision_function(acts.X), np.asarray(acts.offsets), pooling=rule)


def on_tokens(probe: probes.SequenceProbe) -> Fit:
    """Fit a probe of whole texts on their tokens."""

    def fit(train: Activations, _: Activations) -> Scores:
        fitted = clone(probe).fit(train.X, train.y, offsets=train.offsets)
        return lambda acts: fitted.decision_function(acts.X, offsets=acts.offsets)

    return fit


METHODS: dict[str, Fit] = {
    "mean difference": on_means(probes.MeanDifference()),
    "logistic": on_means(probes.Logistic(C=0.1, penalty_scale="within")),
    "LDA": on_means(probes.LDA()),
    "LAT": lat,
    "logistic of tokens, max": coup_recipe,
    "max head": on_tokens(probes.PooledTokens("max")),
    "attention head": on_tokens(probes.AttentionProbe()),
}


def regimes(agent: Agent, split: str) -> dict[str, Regime]:
    """Return the regimes that are trained on and judged on, by name."""
    german = [form for form in agent.forms if form[1] == "de"]
    return {
        "off-policy, logs": agent.read(*agent.written("off_policy", split)),
        "off-policy, all forms": agent.read(*agent.written("off_policy", split, forms=agent.forms)),
        "on-policy, logs": agent.read(*agent.sampled(split)),
        "on-policy, shell": agent.read(*agent.sampled(split, forms=[("shell", "en")])),
        "on-policy, reports": agent.read(*agent.sampled(split, forms=[("report", "en")])),
        "on-policy, German": agent.read(*agent.sampled(split, forms=german)),
        "written, for the trigger": agent.read(*agent.written("triggered", split)),
    }


def ordinary(agent: Agent) -> dict[str, Regime]:
    """Return the ordinary logs that thresholds are certified on: of each form, and of all."""
    german = [form for form in agent.forms if form[1] == "de"]
    forms = {"logs": LOGS, "shell": [("shell", "en")], "reports": [("report", "en")], "German": german}
    return {name: agent.benign(some) for name, some in (forms | {ALL: agent.forms}).items()}


def judged(
    scores: dict[str, np.ndarray], test: dict[str, Regime], benign: dict[str, Regime], *, of: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return a row for each test regime: AUROC, and the shares of attempts and other logs above the thresholds.

    ``scores`` are by the names of the test regimes and, with ``ordinary`` before them, of the ordinary logs.
    """
    thresholds = {name: certified(scores[f"ordinary {name}"], part.groups) for name, part in benign.items()}
    rows = []
    for name, part in test.items():
        by = evaluation.resampling(len(part.y), groups=part.groups, n_draws=500)
        found: dict[str, Measured] = {"auroc": evaluation.ranking_estimates(part.y, scores[name], fpr=FPR, by=by).auroc}
        for ending, form in (("", form_of(name, benign)), ("_all", ALL)):
            threshold = thresholds[form]
            for what, label in (("tpr", 1), ("fpr", 0)):
                here = part.y == label
                if threshold is not None:
                    found[what + ending] = evaluation.share(scores[name][here] > threshold, groups=part.groups[here])
        rows.append(of | {"test": name} | {what: value.model_dump(mode="json") for what, value in found.items()})
    return rows


def transfer(
    train: dict[str, Regime], calibration: dict[str, Regime], test: dict[str, Regime], *, benign: dict[str, Regime]
) -> list[dict[str, Any]]:
    """Fit each method on each training regime, and judge it on each test regime."""
    rows: list[dict[str, Any]] = []
    parts = test | {f"ordinary {name}": part for name, part in benign.items()}
    for regime in TRAIN:
        own, held = train[regime], calibration[regime]
        for method, fit in METHODS.items():
            if method == "LAT" and next(iter(own.tokens.values())).pairs is None:
                continue
            fitted = {site: fit(own.tokens[site], held.tokens[site]) for site in own.tokens}
            scored = {site: scores(held.tokens[site]) for site, scores in fitted.items()}
            site = max(fitted, key=lambda name: evaluation.auroc(held.y, scored[name]))
            found = {name: fitted[site](part.tokens[site]) for name, part in parts.items()}
            rows += judged(found, test, benign, of={"train": regime, "method": method, "site": site})
        for rival in TEXT_BASELINES:
            texts = {name: part.logs for name, part in parts.items()}
            found = fit_and_score(rival, train=own.logs, y=own.y, tests=texts)
            rows += judged(found, test, benign, of={"train": regime, "method": rival.name, "site": "text"})
        rows += random_directions(regime, own, test, benign=benign)
    return rows


def random_directions(
    regime: str, own: Regime, test: dict[str, Regime], *, benign: dict[str, Regime]
) -> list[dict[str, Any]]:
    """Return mean, spread and best of 100 directions after the last block, each with the sign of the train rows.

    Each has a threshold of its own, certified like those of the probes. The best is chosen with the labels of the test.
    """
    site, rows = list(own.tokens)[-1], []
    means = own.tokens[site].pool("mean").X
    drawn = stream(0, "random directions").normal(size=(means.shape[1], N_RANDOM))
    drawn = drawn * np.where(evaluation.auroc_columns(own.y, means @ drawn) < 0.5, -1, 1)
    ordinary_scores = {name: part.tokens[site].pool("mean").X @ drawn for name, part in benign.items()}
    for name, part in test.items():
        scores, form = part.tokens[site].pool("mean").X @ drawn, form_of(name, benign)
        limits = [certified(column, benign[form].groups) for column in ordinary_scores[form].T]
        caught = (scores[part.y == 1] > np.array([np.inf if one is None else one for one in limits])).mean(axis=0)
        found = {"auroc": evaluation.auroc_columns(part.y, scores), "tpr": caught}
        told = {
            f"{what} {kind}": float(of(values))
            for what, values in found.items()
            for kind, of in (("mean", np.mean), ("sd", np.std), ("best", np.max))
        }
        rows.append({"train": regime, "method": "random directions", "site": site, "test": name} | told)
    return rows


def form_of(name: str, benign: dict[str, Regime]) -> str:
    """Return which ordinary logs are of the form of a test regime."""
    return next((form for form in benign if name.endswith(form)), "logs")


def few_shots(train: dict[str, Regime], test: dict[str, Regime]) -> dict[str, Any]:
    """Add on-policy attempts to written ones, after the last block."""
    found = {}
    for name in ("on-policy, logs", "on-policy, reports", "on-policy, German"):
        site = list(train[name].tokens)[-1]
        own, on, fresh = (r.tokens[site].pool("mean") for r in (train["off-policy, logs"], train[name], test[name]))
        for method, probe in (("mean difference", probes.MeanDifference()), ("LDA", probes.LDA())):
            curve = probes.few_shot_curve(probe, own, on_policy=on.select(train[name].y == 1), test=fresh)
            told = {"counts": curve.counts, "tpr": curve.tprs.mean(axis=1), "auroc": curve.aurocs.mean(axis=1)}
            # the same probe at the same block, fitted on the model's own logs
            scores = clone(probe).fit(on.X, on.y).decision_function(fresh.X)
            own_tpr, own_auroc = evaluation.tpr_at_fpr(fresh.y, scores, fpr=FPR), evaluation.auroc(fresh.y, scores)
            found[f"{name}, {method}"] = {what: values.tolist() for what, values in told.items()} | {
                "trained on-policy": {"tpr": own_tpr, "auroc": own_auroc}
            }
    return found


def measured(seed: int) -> dict[str, Any]:
    """Return everything that is measured of one organism."""
    agent = Agent(seed)
    train, calibration, test = (regimes(agent, split) for split in ("train", "calibration", "test"))
    _, said = jailbreak(agent)
    if (said.y == 1).sum() >= 8:
        test["jailbroken, logs"] = agent.read(said.select(said.y == 1), agent.sampled("test", state=3)[1])
    return {
        "seed": seed,
        "transfer": transfer(train, calibration, test, benign=ordinary(agent)),
        "few shots": few_shots(train, test),
    }


def report(found: list[dict[str, Any]]) -> None:
    """Print means over the organisms, with the range."""
    cells: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for one in found:
        for row in one["transfer"]:
            cells.setdefault((row["train"], row["method"], row["test"]), []).append(row)
    for (train, method, test), rows in cells.items():
        kinds: tuple[str, ...] = ("auroc", "tpr", "fpr", "tpr_all")
        if method == "random directions":
            kinds = ("auroc mean", "auroc sd", "auroc best", "tpr mean", "tpr best")
        told = "  ".join(f"{what} {spread([value(row, what) for row in rows])}" for what in kinds)
        print(f"{train:22} {method:24} {test:26} {told}")
    for name, first in found[0]["few shots"].items():
        means = np.mean([one["few shots"][name]["tpr"] for one in found], axis=0)
        told = "  ".join(f"{k}: {mean:.2f}" for k, mean in zip(first["counts"], means, strict=True))
        own = [one["few shots"][name]["trained on-policy"]["tpr"] for one in found]
        print(f"few shots, {name}: TPR {told}  trained on-policy: {np.mean(own):.2f}")


def value(row: dict[str, Any], what: str) -> float | None:
    """Return a figure of a row, or None where there is none."""
    found = row.get(what)
    return found.get("value") if isinstance(found, dict) else found


def spread(values: list[float | None]) -> str:
    """Return mean and range of the figures that there are."""
    there = [one for one in values if one is not None]
    return f"{statistics.mean(there):.2f} [{min(there):.2f}, {max(there):.2f}]" if there else "none"


def main() -> None:
    """Measure the organisms one after the other, write what was measured, and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = []
    for seed in options.seeds:
        found.append(measured(seed))
        options.out.write_text(json.dumps(found, indent=1), encoding="utf-8")
        print(f"seed {seed} is measured", flush=True)
    report(found)


if __name__ == "__main__":
    main()
