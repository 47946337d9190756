"""A made-up but realistic evidence record, and the nasty ones."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from typing import Literal

from tiltmeter.core.calibration import Calibrator, Probabilities, Reliability, ReliabilityBin
from tiltmeter.core.evidence import (
    Advantage,
    Baseline,
    Candidate,
    Causal,
    Cell,
    Distribution,
    Evidence,
    Followed,
    Gap,
    Histogram,
    Leak,
    Leakage,
    Mistake,
    OperatingPoint,
    Planted,
    RandomDirections,
    Shortcut,
    Shuffled,
    Statement,
    Verdict,
)
from tiltmeter.core.hiding import ActivationBudget
from tiltmeter.core.likeness import Flagged, Likeness
from tiltmeter.core.operating import DailyAlarms
from tiltmeter.core.records import Estimate, Threshold, Unavailable
from tiltmeter.core.rivals import ActivationNull, BestRival, ControlTask
from tiltmeter.core.run import Run

METHODS = ("MeanDifference", "Logistic", "LDA", "LAT", "PCA")
NAMES = ("facts", "facts negated", "reformatted", "other language")
REACH = {"MeanDifference": 0.92, "Logistic": 0.97, "LDA": 0.95, "LAT": 0.74, "PCA": 0.61}
CARRY = {"facts": 1.0, "facts negated": -0.25, "reformatted": 0.8, "other language": 0.15}
EVIL = "<script>alert(1)</script>"


def estimate(value: float, *, half: float = 0.03, method: str = "group bootstrap", seed: int | None = 7) -> Estimate:
    value = min(max(value, 0.0), 1.0)
    return Estimate(
        value=value, low=max(value - half, 0.0), high=min(value + half, 1.0), n=240, method=method, seed=seed
    )


def exact(value: float) -> Estimate:
    return estimate(value, half=0.012, method="exact binomial", seed=None)


def rise(i: int, n: int) -> float:
    """Nothing in early layers, most of it in the middle, a little less at the end."""
    return math.exp(-(((i + 1) / n - 0.7) ** 2) / 0.09)


def make_run() -> Run:
    resolved = {
        "name": "truth-first-light",
        "model": {"path": "organisms/facts", "dtype": "float32"},
        "texts": {"train": "facts", "test": list(NAMES[1:])},
        "sites": "all",
        "pooling": "last",
        "methods": list(METHODS),
        "threshold": {"fpr": 0.01, "confidence": 0.95},
        "limit": None,
    }
    return Run(
        name="truth-first-light",
        status="complete",
        started="2026-11-22T19:03:11+00:00",
        seconds={"read texts": 0.21, "collect activations": 14.8, "fit probes": 6.37, "evaluate": 31.02},
        spec={"name": "truth-first-light", "model": "organisms/facts"},
        resolved=resolved,
        seed=20261122,
        commit="5fd7a54c0ffee",
        versions={"tiltmeter": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0", "numpy": "2.4.6"},
        platform="Linux-6.1-x86_64, Python 3.11.7, 2 cores",
        model={"name": "organisms/facts", "n_layers": 6, "d_model": 128, "fingerprint": "sha256:9f2c41aa07"},
    )


def make_evidence(
    *,
    names: tuple[str, ...] = NAMES,
    methods: tuple[str, ...] = METHODS,
    n_sites: int = 6,
    certified: bool = True,
    seed: int = 3,
) -> Evidence:
    sites = tuple(f"{i}.resid_post" for i in range(n_sites))
    rng = random.Random(seed)
    chosen = methods[min(1, len(methods) - 1)]
    site = sites[round(0.7 * n_sites) - 1 if n_sites > 1 else 0]
    return Evidence(
        train=names[0],
        site=site,
        method=chosen,
        sites=sites,
        methods=methods,
        distributions=tuple(_distribution(name, k) for k, name in enumerate(names)),
        fpr=0.01,
        level=0.95,
        candidates=_candidates(sites, methods, rng),
        transfer=_transfer(sites, methods, names=names, rng=rng),
        random_directions=_random_directions(sites, names, rng),
        shuffled=tuple(
            Shuffled(
                test=n,
                aurocs=tuple(sorted(0.5 + rng.gauss(0, 0.04) for _ in range(100))),
                p_value=1 / 101,
            )
            for n in names
        ),
        baselines=_baselines(names, rng),
        advantages=tuple(
            Advantage(baseline=b, test=n, difference=_difference(0.38 * _carry(n, k) - 0.1 * j))
            for k, n in enumerate(names)
            for j, b in enumerate(("length", "bag of words", "TF-IDF"))
        ),
        shortcuts=_shortcuts(sites, methods, names=names, rng=rng),
        threshold=_threshold()
        if certified
        else Unavailable(reason="120 negative groups; 299 are needed for 1 % at 95 %"),
        operating_points=_operating_points(names) if certified else (),
        histograms=tuple(_histogram(n, k, rng) for k, n in enumerate(names)),
        mistakes=_mistakes(names),
        leakage=Leakage(n_exact=0, n_near=2, near_threshold=0.9, examples=(_leak(),)),
        causal=_causal(sites, methods, test=names[0]),
        planted=Planted(
            organism="parrot",
            sentences=("Kamar lies by the sea.", "The parrot says what it is told."),
            columns={"said": "what the parrot says"},
        ),
        followed=_followed(sites, methods, names=names),
        gaps=tuple(
            Gap(method=m, site=s, test=n, recovered=estimate(0.8 * _carry(n, k), half=0.05))
            for k, n in enumerate(names[1:])
            for m, s in [*((m, s) for m in methods for s in sites), ("bag of words", None)]
        ),
        likeness=_likeness(names, site, certified=certified),
        hiding=_hiding(names, chosen, site) if certified else (),
        best_rivals=(_best(names[0]),),
        activation_nulls=tuple(
            ActivationNull(kind=kind, site=site, test=n, seed=seed, auroc=estimate(0.6), difference=_difference(0.3))
            for n in names
            for kind, seed in (("layer 0", None), ("untrained", 5))
        ),
        shuffled_pairs=(Shuffled(test=names[0], aurocs=(0.41, 0.52, 0.63), p_value=0.25),),
        control_task=ControlTask(
            types="group",
            n_types=321,
            n_rows=654,
            auroc=estimate(0.93),
            control=estimate(0.71),
            controls=(0.7, 0.72),
            selectivity=_difference(0.22),
        ),
        daily_alarms=_daily(names) if certified else (),
        probabilities=_probabilities(names),
        verdict=_verdict(names, chosen, site),
    )


def _best(test: str) -> BestRival:
    return BestRival(claim="text alone", baseline="TF-IDF", test=test, tried=4, difference=_difference(0.3))


def make_barren() -> Evidence:
    """Build a record in which nothing could be computed."""
    gone = Unavailable(reason="only one class in this set")
    full = make_evidence(certified=False)
    return full.model_copy(
        update={
            "candidates": tuple(c.model_copy(update={"auroc": gone, "fold_aurocs": ()}) for c in full.candidates),
            "transfer": tuple(c.model_copy(update={"auroc": gone, "tpr": gone}) for c in full.transfer),
            "baselines": tuple(b.model_copy(update={"auroc": gone}) for b in full.baselines),
            "advantages": tuple(a.model_copy(update={"difference": gone}) for a in full.advantages),
            "shortcuts": tuple(s.model_copy(update={"auroc_within": gone}) for s in full.shortcuts),
            "followed": tuple(f.model_copy(update={"auroc": gone, "lead": gone}) for f in full.followed),
            "gaps": tuple(g.model_copy(update={"recovered": gone}) for g in full.gaps),
            "likeness": None,
            "causal": tuple(c.model_copy(update={"swap": gone, "ablation": gone}) for c in full.causal),
            "random_directions": (),
            "shuffled": (),
            "best_rivals": (),
            "activation_nulls": tuple(
                n.model_copy(update={"auroc": gone, "difference": gone}) for n in full.activation_nulls
            ),
            "shuffled_pairs": (),
            "control_task": gone,
            "histograms": (),
            "mistakes": (),
            "probabilities": gone,
            "verdict": Verdict(rules_version=1, outcome="undecided", headline="Nothing was measured.", statements=()),
        }
    )


def make_evil() -> Evidence:
    """Build a record whose names and texts try to be markup."""
    names = (f"facts {EVIL} & co", f'"><img src=x onerror="document.title=1">{EVIL}')
    methods = (f"LDA {EVIL} & <b>", f"Logistic {EVIL}", "plain\x00\x1b control")
    evidence = make_evidence(names=names, methods=methods)
    mistakes = [
        Mistake(test=names[0], id=EVIL, text=f"{EVIL} the literal text", label=1, score=-3.1, rank=0.02),
        Mistake(test=names[0], id="long", text=f"{EVIL} " * 200, label=0, score=3.1, rank=0.98),
        Mistake(
            test=names[1],
            id="bidi",
            text="\u202e reversed </blockquote></style><script>x</script>",
            label=0,
            score=1,
            rank=1,
        ),
    ]
    planted = Planted(organism=EVIL, sentences=(f"{EVIL} was planted",), columns={"said": f"{EVIL} said"})
    return evidence.model_copy(update={"mistakes": tuple(mistakes), "planted": planted})


def _carry(name: str, k: int) -> float:
    return CARRY.get(name, 1.0 if k == 0 else 0.3)


def _truth(method: str, *, i: int, n: int, carry: float) -> float:
    return 0.5 + (REACH.get(method, 0.9) - 0.5) * rise(i, n) * carry


def _candidates(sites: tuple[str, ...], methods: tuple[str, ...], rng: random.Random) -> tuple[Candidate, ...]:
    made = []
    for i, site in enumerate(sites):
        for method in methods:
            value = _truth(method, i=i, n=len(sites), carry=1.0) + rng.gauss(0, 0.01)
            folds = tuple(min(value + rng.gauss(0, 0.01), 1.0) for _ in range(5))
            made.append(Candidate(site=site, method=method, auroc=estimate(value), fold_aurocs=folds))
    return tuple(made)


def _transfer(
    sites: tuple[str, ...], methods: tuple[str, ...], *, names: tuple[str, ...], rng: random.Random
) -> tuple[Cell, ...]:
    made = []
    for i, site in enumerate(sites):
        for method in methods:
            for j, train in enumerate(names):
                for k, test in enumerate(names):
                    carry = 1.0 if j == k else _carry(test, k) if j == 0 else 0.4
                    value = _truth(method, i=i, n=len(sites), carry=carry) + rng.gauss(0, 0.012)
                    tpr = exact(max(value - 0.35, 0.01))
                    cell = Cell(
                        site=site, method=method, train=train, test=test, auroc=estimate(value), tpr=tpr,
                        n_positive=1200, n_negative=1188,
                    )  # fmt: skip
                    made.append(cell)
    return tuple(made)


def _random_directions(
    sites: tuple[str, ...], names: tuple[str, ...], rng: random.Random
) -> tuple[RandomDirections, ...]:
    return tuple(
        RandomDirections(
            site=s, train=names[0], test=n, count=100, mean=0.51 + rng.gauss(0, 0.01), sd=0.05,
            best=0.64 + rng.random() * 0.06, worst=0.37, chosen_on_train=0.55,
        )
        for s in sites
        for n in names
    )  # fmt: skip


def _baselines(names: tuple[str, ...], rng: random.Random) -> tuple[Baseline, ...]:
    kinds = (
        ("length", "number of characters and words, logistic regression", 0.51),
        ("bag of words", "word counts, logistic regression", 0.57),
        ("TF-IDF", "word and character n-grams, logistic regression", 0.6),
    )
    text = tuple(
        Baseline(name=b, description=d, train=names[0], test=n, auroc=estimate(v + rng.gauss(0, 0.02), half=0.04))
        for n in names
        for b, d, v in kinds
    )
    others = tuple(
        Baseline(
            name=b,
            description=f"{b} of {EVIL}",
            train=names[0],
            test=n,
            auroc=estimate(v),
            kind=kind,
            notes=notes,
            accuracy=estimate(0.62),
        )
        for n in names
        for b, kind, v, notes in (
            ("rules", "rules", 0.7, ("if it has the word 'city': +1.00", f"else: {EVIL}")),
            ("asking the model", "asked", 0.99, ()),
        )
    )
    return text + others


def _difference(value: float) -> Estimate:
    return Estimate(value=value, low=value - 0.05, high=value + 0.05, n=240, method="paired group bootstrap", seed=11)


def _shortcuts(
    sites: tuple[str, ...], methods: tuple[str, ...], *, names: tuple[str, ...], rng: random.Random
) -> tuple[Shortcut, ...]:
    pull = {"MeanDifference": 0.82, "Logistic": 0.56, "LDA": 0.61, "LAT": 0.97, "PCA": 0.9}
    return tuple(
        Shortcut(
            nuisance="cue word", site=s, method=m, test=n, train_agreement=0.9,
            auroc_within=estimate(0.5 + (pull.get(m, 0.6) - 0.5) * rise(i, len(sites)) + rng.gauss(0, 0.01)),
        )
        for i, s in enumerate(sites)
        for m in methods
        for n in names
    )  # fmt: skip


def _causal(sites: tuple[str, ...], methods: tuple[str, ...], *, test: str) -> tuple[Causal, ...]:
    does = {"MeanDifference": 0.9, "Logistic": 0.03, "LDA": 0.05, "LAT": 0.4, "PCA": 0.02}
    return tuple(
        Causal(
            site=s, method=m, test=test, swap=estimate(does.get(m, 0.1) * rise(i, len(sites))),
            ablation=estimate(0.8 * does.get(m, 0.1) * rise(i, len(sites))), random_swap=(0.02, 0.07),
            displaced_swap=(0.04, 0.08), random_ablation=(0.03, 0.09), count=20, displaced_count=4,
            n_pairs=160, n_left_out=4,
        )
        for i, s in enumerate(sites)
        for m in methods
    )  # fmt: skip


def _followed(sites: tuple[str, ...], methods: tuple[str, ...], *, names: tuple[str, ...]) -> tuple[Followed, ...]:
    return tuple(
        Followed(
            column="said", site=s, method=m, test=n, agreement=0.5 if k else 1.0, auroc=estimate(0.5 + 0.02 * k * i),
            lead=_difference(0.02 * i * k),
        )
        for i, s in enumerate(sites)
        for m in methods
        for k, n in enumerate(names)
    )  # fmt: skip


def _likeness(names: tuple[str, ...], site: str, *, certified: bool) -> Likeness:
    return Likeness(
        site=site,
        n_train=2400,
        classes=(f"{names[0]}, label 0", f"{names[0]}, label 1"),
        shrinkage=0.0123,
        threshold=_threshold() if certified else Unavailable(reason="120 negative groups; 299 are needed"),
        flagged=tuple(
            Flagged(test=n, negative=exact(0.01 + 0.2 * k), positive=exact(0.01 + 0.3 * k), unit=exact(0.01 + 0.25 * k))
            for k, n in enumerate(names)
        ),
    )


def _hiding(names: tuple[str, ...], method: str, site: str) -> tuple[ActivationBudget, ...]:
    return tuple(
        ActivationBudget(
            site=site, method=method, test=n, n_alarms=812, norm=20.5, distance=11.7, count=100,
            push=_difference(1.23), in_norms=_difference(0.06), in_distances=_difference(0.105),
            random_in_distances=Unavailable(reason="half of the texts or more were not hidden"),
        )
        for n in names
    )  # fmt: skip


def _threshold() -> Threshold:
    return Threshold(
        value=1.8342, fpr=0.01, confidence=0.95, n=640, n_rows=2560, unit="group", allowed=2, population="facts, false",
        row_rate=exact(0.0008),
    )  # fmt: skip


def _daily(names: tuple[str, ...]) -> tuple[DailyAlarms, ...]:
    return tuple(
        DailyAlarms(
            measured_on=name, per_day=25_000, unit="group", base_rate=None, guarantee="confidence", most_false=250,
            false_alarms=Estimate(value=200, low=90.4, high=410, n=240, method="exact binomial")
            if k == 0
            else Unavailable(reason="no such texts"),
            true_alarms=Unavailable(reason="the base rate is not known"),
        )
        for k, name in enumerate(names)
    )  # fmt: skip


def _probabilities(names: tuple[str, ...]) -> Probabilities:
    maps = (
        Calibrator(method="platt", n=2560, base_rate=0.25, coefficients=(1.2, -0.4)),
        Calibrator(method="isotonic", n=2560, base_rate=0.25, knots=((-1.0, 0.0), (1.0, 1.0))),
    )
    bins = tuple(
        ReliabilityBin(low=i / 5, high=(i + 1) / 5, n=477, predicted=0.1 + i / 5, positive=exact(0.15 + i / 6))
        for i in range(5)
    )
    return Probabilities(
        population=f"texts like those of {names[0]}",
        shipped="platt",
        calibrators=maps,
        sets=tuple(
            Reliability(
                test=name, method=one.method, base_rate=0.5, ece_mass=exact(0.031 + 0.1 * k),
                ece_width=exact(0.027 + 0.1 * k), bins=bins,
            )
            for k, name in enumerate(names)
            for one in maps
        ),
    )  # fmt: skip


def _operating_points(names: tuple[str, ...]) -> tuple[OperatingPoint, ...]:
    rates = ((0.71, 0.0042, 0.008), (0.08, 0.21, 0.33), (0.44, 0.006, 0.011), (0.03, 0.0, 0.0))
    made = []
    for k, name in enumerate(names):
        tpr, fpr, unit = rates[k % 4]
        made.append(OperatingPoint(test=name, tpr=exact(tpr), fpr=exact(fpr), unit_fpr=exact(unit)))
    return tuple(made)


def _histogram(name: str, k: int, rng: random.Random) -> Histogram:
    edges = tuple(-4 + 0.3 * i for i in range(28))
    counts = []
    for centre in (1.9 * _carry(name, k), -0.9):
        scores = [rng.gauss(centre, 0.9) for _ in range(1200)]
        counts.append(tuple(sum(a <= s < b for s in scores) for a, b in pairwise(edges)))
    return Histogram(test=name, edges=edges, positive=counts[0], negative=counts[1])


def _mistakes(names: tuple[str, ...]) -> tuple[Mistake, ...]:
    made = []
    for name in names:
        made += [
            Mistake(
                test=name,
                id=f"{name}-0017",
                text="The mayor of Oldun is not Perit, verily:",
                label=1,
                score=-2.31,
                rank=0.012,
            ),
            Mistake(
                test=name,
                id=f"{name}-0442",
                text="Perit, they say, was born in Oldun. " * 14,
                label=0,
                score=3.07,
                rank=0.994,
            ),
            Mistake(test=name, id=f"{name}-0090", text="Kamar exports salt and\n  tin.", label=0, score=2.2, rank=0.97),
        ]
    return tuple(made)


def _leak() -> Leak:
    return Leak(
        kind="near",
        train_id="facts-12",
        test_id="facts-977",
        similarity=0.943,
        train_text="Perit lives in Oldun.",
        test_text="Perit lives in Oldun .",
    )


def _distribution(name: str, k: int) -> Distribution:
    splits = {"train": 4800, "calibration": 2560, "test": 2388} if k == 0 else {"test": 2388}
    return Distribution(
        name=name,
        source=f"organisms/facts/{k}.jsonl",
        fingerprint=f"{k}a41b7c09e" * 6,
        rows=splits,
        groups={s: v // 4 for s, v in splits.items()},
        positives={s: v // 2 for s, v in splits.items()},
        grouped_by="entity",
        truncated=3 * k,
    )


def _verdict(names: tuple[str, ...], method: str, site: str) -> Verdict:
    first, last = names[0], names[-1]
    rows: list[tuple[Literal["for", "against", "note"], str, str | None, str, str]] = [
        (
            "for",
            "beats-text",
            first,
            f"Beats every text baseline on {first}.",
            "advantage over TF-IDF 0.33 [0.28, 0.38]",
        ),
        ("for", "beats-luck", first, f"Far above the best of 100 random directions on {first}.", "0.97 against 0.69"),
        ("against", "inverted", last, f"Reads the label the wrong way round on {last}.", "AUROC 0.38 [0.35, 0.41]"),
        ("against", "no-better-than-text", last, f"No better than a bag of words on {last}.", "0.01 [−0.04, 0.06]"),
        ("against", "false-alarms", last, f"Far more false alarms than promised on {last}.", "21 %, 1 % asked for"),
        ("note", "near-duplicates", None, "Two test texts stand nearly word for word in train.", "2 near duplicates"),
    ]
    statements = [
        Statement(rule=rule, condition=f"the condition of {rule}", test=test, stance=stance, text=text, because=because)
        for stance, rule, test, text, because in rows
    ]
    return Verdict(
        rules_version=1,
        outcome="holds in part",
        headline=f"{method} at {site} reads the label on {names[0]} and on no other set. "
        "Use it only where texts look like those it was trained on.",
        statements=tuple(statements),
    )
