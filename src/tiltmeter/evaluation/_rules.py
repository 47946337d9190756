"""The rules of the verdict: each turns figures of the evidence into sentences, for, against or to be noted.

``RULES`` lists them in the order in which they are read. Change a rule and ``RULES_VERSION`` rises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from tiltmeter.core.evidence import Evidence, Statement
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.evaluation._causality import causality
from tiltmeter.evaluation._chosen import chosen_cells, fate, figure, home_auroc, listed
from tiltmeter.evaluation._planted import planted_truth

RULES_VERSION = 4

# A score "follows" a nuisance if, with the label held fixed, it reads it at least this far from 0.5.
_FOLLOWS = 0.1
# A shuffled refit as good as the probe in more than this share of cases: the figure is luck.
_LUCK = 0.05
# Random directions that read the label this well on average do so because it dominates the activations, not by luck.
_DOMINATES = 0.6
# A probe below this AUROC at home is of no use, however certain it is that it is not chance.
_FAINT = 0.6
# A lead over a text baseline of this size, if the interval contains 0, says that the texts are few.
_CLEAR = 0.1
# Below this many independent units an interval is a rough guide.
_FEW_UNITS = 50

Rule = Callable[[Evidence], Iterable[Statement]]


def _in_distribution(evidence: Evidence) -> Iterable[Statement]:
    home = home_auroc(evidence)
    if isinstance(home, Unavailable):
        stance: Literal["for", "against", "note"] = "note"
        text = f"It could not be judged on held-out {evidence.train} texts."
    elif home.low > 0.5 and home.value < _FAINT:
        stance, text = "against", f"It reads the label on held-out {evidence.train} texts only faintly."
    elif home.low > 0.5:
        stance, text = "for", f"It reads the label on held-out {evidence.train} texts."
    elif home.high < 0.5:
        stance, text = "against", f"It reads the opposite of the label on held-out {evidence.train} texts."
    else:
        stance, text = "against", f"On held-out {evidence.train} texts it cannot be told from chance."
    yield Statement(
        rule="in distribution",
        condition="the AUROC interval on held-out texts lies above 0.5",
        test=evidence.train,
        stance=stance,
        text=text,
        because=figure(home),
    )


def _choice(evidence: Evidence) -> Iterable[Statement]:
    if evidence.chosen_by == "cause":
        best = evidence.causal_candidates[0]
        yield Statement(
            rule="choice",
            condition="site and method are chosen by AUROC on the training folds",
            test=None,
            stance="note",
            text="Site and method were chosen by what they cause, not by how well they read the label.",
            because=f"swap success {figure(best.swap)} on a fold of the training texts, the highest of "
            f"{len(evidence.causal_candidates)}",
        )
        return
    values = [c.auroc.value for c in evidence.candidates if isinstance(c.auroc, Estimate)]
    tied = sum(value >= max(values) - 1e-9 for value in values)
    if tied > 1:
        yield Statement(
            rule="choice",
            condition="one site and method is the best on the training folds",
            test=None,
            stance="note",
            text=(
                f"{tied} of the {len(values)} pairs of site and method that could be judged tie on the training folds; "
                "of these, the earliest site and the simplest method was taken."
            ),
            because=f"validation AUROC {max(values):.3f} each",
        )


def _elsewhere(evidence: Evidence) -> Iterable[Statement]:
    home = home_auroc(evidence)
    if isinstance(home, Estimate) and home.low <= 0.5:
        return  # nothing was read at home that could carry over
    words: dict[str, tuple[Literal["for", "against", "note"], str]] = {
        "carries": ("for", "It carries over to {}."),
        "weakens": ("against", "It still reads the label on {}, but lost more than a fifth of its lead over chance."),
        "fails": ("against", "On {} it cannot be told from chance."),
        "inverts": ("against", "On {} it reads the opposite of the label."),
        "unclear": ("against", "The texts of {} are too few to tell it from chance."),
        "unknown": ("note", "It could not be judged on {}."),
    }
    for cell in chosen_cells(evidence):
        if cell.test != evidence.train:
            stance, text = words[fate(cell, home)]
            yield Statement(
                rule="transfer",
                condition="the AUROC interval lies above 0.5 and at least 80 % of the lead over chance is kept",
                test=cell.test,
                stance=stance,
                text=text.format(cell.test),
                because=f"AUROC {figure(cell.auroc)} against {figure(home)} at home",
            )


def _others(evidence: Evidence) -> Iterable[Statement]:
    """Name a probe that does hold where the chosen one does not."""
    home = home_auroc(evidence)
    for cell in chosen_cells(evidence):
        if cell.test == evidence.train or fate(cell, home) in ("carries", "unknown"):
            continue
        others = [
            (other.auroc.low, other.auroc.value, other)
            for other in evidence.transfer
            if (other.train, other.test) == (evidence.train, cell.test) and isinstance(other.auroc, Estimate)
        ]
        best = max(others, key=lambda found: found[:2], default=None)
        if best is not None and isinstance(cell.auroc, Estimate) and best[0] > max(0.5, cell.auroc.high):
            other = best[2]
            yield Statement(
                rule="others",
                condition="where the chosen probe fails, no other that was fitted on the same texts does well",
                test=cell.test,
                stance="note",
                text=f"{other.method} at {other.site}, fitted on the same texts, does read {cell.test}; it was found "
                "by looking at that test set, so try it on fresh texts.",
                because=f"AUROC {figure(other.auroc)}",
            )


def _luck(evidence: Evidence) -> Iterable[Statement]:
    cells, failed = {cell.test: cell.auroc for cell in chosen_cells(evidence)}, _failed(evidence)
    for null in evidence.random_directions:
        value = cells.get(null.test)
        if (null.site, null.train) != (evidence.site, evidence.train) or not isinstance(value, Estimate):
            continue
        if null.test in failed:
            continue
        dominates = null.mean >= _DOMINATES
        figures = f"AUROC {value.value:.3f} against {null.best:.3f} (mean {null.mean:.2f}, sd {null.sd:.2f})"
        everywhere = "the label dominates the activations here, and most directions read it"
        stance: Literal["for", "against", "note"]
        if value.value <= null.best:
            stance = "against"
            text = f"On {null.test} it is no better than the best of {null.count} random directions"
            text += f": {everywhere}." if dominates else "."
        elif null.test != evidence.train:
            continue
        else:
            stance = "note" if dominates else "for"
            text = f"It beats all of {null.count} random directions on {null.test}"
            text += f", but {everywhere}." if dominates else "."
        yield Statement(
            rule="dominant label" if dominates else "random directions",
            condition="the probe beats the best of the random directions on every test set",
            test=null.test,
            stance=stance,
            text=text,
            because=figures,
        )
    for shuffled in evidence.shuffled:
        if shuffled.test == evidence.train:
            is_luck = shuffled.p_value > _LUCK
            best = max(shuffled.aurocs)
            yield Statement(
                rule="shuffled",
                condition="on labels shuffled in every split, at most 5 % of refits do as well",
                test=shuffled.test,
                stance="against" if is_luck else "for",
                text=(
                    "On shuffled labels the same procedure does as well too often to exclude luck."
                    if is_luck
                    else "On shuffled labels the same procedure finds less."
                ),
                because=f"p = {shuffled.p_value:.3g} over {len(shuffled.aurocs)} shuffles, best {best:.2f}",
            )


def _failed(evidence: Evidence) -> set[str]:
    """Return the test sets of which it is said already that nothing is read there."""
    home = home_auroc(evidence)
    return {
        cell.test
        for cell in chosen_cells(evidence)
        if cell.test != evidence.train and fate(cell, home) in ("fails", "inverts", "unclear")
    }


def _text_alone(evidence: Evidence) -> Iterable[Statement]:
    failed = _failed(evidence)
    for test in dict.fromkeys(advantage.test for advantage in evidence.advantages):
        rivals = [a for a in evidence.advantages if a.test == test and isinstance(a.difference, Estimate)]
        equal = [a for a in rivals if isinstance(a.difference, Estimate) and a.difference.low <= 0]
        condition = "the paired AUROC difference to every text-only baseline lies above 0"
        if equal and test not in failed:
            worst = min(equal, key=lambda a: a.difference.value if isinstance(a.difference, Estimate) else 0.0)
            # a large lead that the interval cannot hold is no sign that the text does as well
            unclear = isinstance(worst.difference, Estimate) and worst.difference.value >= _CLEAR
            yield Statement(
                rule="text alone, unclear" if unclear else "text alone",
                condition=condition,
                test=test,
                stance="against",
                text=f"On {test} it cannot be told from {listed([a.baseline for a in equal])}: the texts are too few."
                if unclear
                else f"No better than {listed([a.baseline for a in equal])} on {test}: the text alone does as well.",
                because=f"difference to {worst.baseline} {figure(worst.difference)}",
            )
        elif rivals and test == evidence.train:
            closest = min(rivals, key=lambda a: a.difference.value if isinstance(a.difference, Estimate) else 0.0)
            yield Statement(
                rule="text alone",
                condition=condition,
                test=test,
                stance="for",
                text=f"On {test} the activations add to what the text alone gives.",
                because=f"difference to {closest.baseline}, the best rival, {figure(closest.difference)}",
            )
        elif not rivals and test == evidence.train:
            yield Statement(
                rule="text alone",
                condition=condition,
                test=test,
                stance="note",
                text=f"It could not be compared with text-only baselines on {test}.",
                because=next((figure(a.difference) for a in evidence.advantages if a.test == test), "no baseline"),
            )
    for baseline in evidence.baselines:
        below = isinstance(baseline.auroc, Estimate) and baseline.auroc.high < 0.5
        if below and (baseline.train, baseline.test) == (evidence.train, evidence.train):
            yield Statement(
                rule="grouping",
                condition="no text baseline reads the opposite of the label on held-out texts of its own kind",
                test=evidence.train,
                stance="against",
                text=f"{baseline.name} reads the opposite of the label on held-out {evidence.train} texts: related "
                "texts seem to stand on both sides of the split.",
                because=f"AUROC {figure(baseline.auroc)}",
            )


def _embedding(evidence: Evidence) -> Iterable[Statement]:
    first = evidence.sites[0]
    home = home_auroc(evidence)
    if evidence.site == first or not first.endswith("resid_pre") or isinstance(home, Unavailable):
        return
    cells = [c.auroc for c in evidence.transfer if (c.site, c.train, c.test) == (first, evidence.train, evidence.train)]
    best = max((c for c in cells if isinstance(c, Estimate)), key=lambda c: c.value, default=None)
    if best is not None and best.high >= home.value and best.low > 0.5:
        yield Statement(
            rule="embedding",
            condition="the input of the first block does not read the label as well as the chosen site",
            test=evidence.train,
            stance="against",
            text="The embeddings, before any computation, read the label as well.",
            because=f"AUROC {figure(best)} at {first}",
        )


def _shortcuts(evidence: Evidence) -> Iterable[Statement]:
    condition = "with the label fixed, the score reads no nuisance beyond 0.5 ± 0.1"
    for shortcut in evidence.shortcuts:
        if (shortcut.site, shortcut.method) != (evidence.site, evidence.method):
            continue
        within, at_home = shortcut.auroc_within, shortcut.test == evidence.train
        coupling = f"in training {shortcut.nuisance} agreed with the label in {shortcut.train_agreement:.0%} of texts"
        if isinstance(within, Unavailable):
            if at_home:
                yield Statement(
                    rule="shortcut",
                    condition=condition,
                    test=shortcut.test,
                    stance="against",
                    text=f"Whether its score follows {shortcut.nuisance} instead of the label cannot be told.",
                    because=f"{within.reason}; {coupling}",
                )
            continue
        follows = (within.low > 0.5 or within.high < 0.5) and abs(within.value - 0.5) >= _FOLLOWS
        if follows or at_home:
            yield Statement(
                rule="shortcut",
                condition=condition,
                test=shortcut.test,
                stance="against" if follows else "for",
                text=f"With the label fixed, its score {'also' if follows else 'hardly'} follows {shortcut.nuisance} "
                f"on {shortcut.test}.",
                because=f"AUROC for {shortcut.nuisance} {figure(within)}; {coupling}",
            )


def _followers(evidence: Evidence) -> Iterable[Statement]:
    """Name the other probes, fitted on the same texts, that follow a nuisance at home: the farthest site a method."""
    for nuisance in dict.fromkeys(shortcut.nuisance for shortcut in evidence.shortcuts):
        farthest: dict[str, tuple[float, str]] = {}
        for shortcut in evidence.shortcuts:
            within = shortcut.auroc_within
            is_chosen = (shortcut.site, shortcut.method) == (evidence.site, evidence.method)
            if (shortcut.nuisance, shortcut.test) != (nuisance, evidence.train) or is_chosen:
                continue
            if isinstance(within, Estimate) and (within.low > 0.5 or within.high < 0.5):
                reach = abs(within.value - 0.5)
                if reach >= max(_FOLLOWS, farthest.get(shortcut.method, (0.0, ""))[0]):
                    farthest[shortcut.method] = reach, f"{shortcut.method} at {shortcut.site}"
        if farthest:
            ranked = sorted(farthest.values(), key=lambda found: -found[0])
            yield Statement(
                rule="followers",
                condition="no other probe that was fitted on the same texts follows a nuisance",
                test=evidence.train,
                stance="note",
                text=f"Of the other probes, {listed([name for _, name in ranked])} follow{'s' * (len(ranked) == 1)} "
                f"{nuisance} with the label fixed.",
                because="AUROC " + ", ".join(f"0.5 ± {reach:.2f}" for reach, _ in ranked),
            )


def _alarms(evidence: Evidence) -> Iterable[Statement]:
    threshold = evidence.threshold
    if isinstance(threshold, Unavailable):
        yield Statement(
            rule="threshold",
            condition="certified from calibration negatives",
            test=None,
            stance="against",
            text=f"No threshold can be certified at {evidence.fpr:.2%} false alarms.",
            because=threshold.reason,
        )
        return
    yield Statement(
        rule="threshold",
        condition="certified from calibration negatives",
        test=None,
        stance="for",
        text=(
            f"Its threshold holds false alarms at or below {threshold.fpr:.2%} per {threshold.unit} with "
            f"{threshold.confidence:.0%} confidence, on {threshold.population} and nowhere else."
        ),
        because=f"{threshold.n} calibration {threshold.unit}s, {threshold.allowed} of them above the threshold",
    )
    for point in evidence.operating_points:
        if isinstance(point.unit_fpr, Estimate) and point.unit_fpr.low > threshold.fpr:
            yield Statement(
                rule="false alarms",
                condition="the interval of the false-alarm rate does not lie above the certified rate",
                test=point.test,
                stance="against",
                text=f"On {point.test} the threshold raises more false alarms than it was certified for.",
                because=f"{figure(point.unit_fpr)} against {threshold.fpr:g}",
            )
        if point.test == evidence.train and isinstance(point.tpr, Estimate):
            yield Statement(
                rule="caught",
                condition="at the certified threshold at least half of the positives raise an alarm",
                test=point.test,
                stance="for" if point.tpr.low >= 0.5 else "against",
                text=f"At that threshold it catches {point.tpr.value:.0%} of the positives on held-out {point.test}.",
                because=figure(point.tpr),
            )


def _data(evidence: Evidence) -> Iterable[Statement]:
    for part in evidence.leakage.by_set:
        if part.n_exact or part.n_near:
            yield Statement(
                rule="leakage",
                condition="no test or calibration text stands in the training texts",
                test=evidence.train if part.test == "calibration" else part.test,
                stance="against",
                text=f"Texts of {part.test} stand, exactly or nearly, in the training texts too.",
                because=f"{part.n_exact} exact and {part.n_near} near copies among {part.n_rows} texts",
            )
    home = home_auroc(evidence)
    if isinstance(home, Estimate) and home.n < _FEW_UNITS:
        yield Statement(
            rule="size",
            condition="intervals rest on at least 50 independent units",
            test=evidence.train,
            stance="note",
            text="The intervals rest on few independent units.",
            because=f"{home.n} units",
        )
    for distribution in evidence.distributions:
        if distribution.grouped_by == "row":
            yield Statement(
                rule="groups",
                condition="texts come with groups that a split must not divide",
                test=distribution.name,
                stance="note",
                text=f"{distribution.name} came without groups: related texts may stand on both sides of the split.",
                because="each row is its own group",
            )
        if distribution.truncated:
            yield Statement(
                rule="truncation",
                condition="every text fits the model's context",
                test=distribution.name,
                stance="note",
                text=f"Texts of {distribution.name} were truncated to the model's context.",
                because=f"{distribution.truncated} texts",
            )


RULES: tuple[Rule, ...] = (
    _in_distribution,
    _choice,
    _elsewhere,
    _others,
    _luck,
    _text_alone,
    _embedding,
    _shortcuts,
    _followers,
    _alarms,
    _data,
    causality,
    planted_truth,
)
