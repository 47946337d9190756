"""The rules of nuisances that a score should not follow."""

from __future__ import annotations

from collections.abc import Iterable

from tiltmeter.core.evidence import Evidence, Statement
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.evaluation._chosen import figure, listed

# A score "follows" a nuisance if, with the label held fixed, it reads it at least this far from 0.5.
_FOLLOWS = 0.1


def shortcuts(evidence: Evidence) -> Iterable[Statement]:
    """Say which nuisances the chosen score follows with the label held fixed."""
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
        is_far = abs(within.value - 0.5) >= _FOLLOWS
        follows = (within.low > 0.5 or within.high < 0.5) and is_far
        if is_far and not follows:
            yield Statement(
                rule="shortcut",
                condition=condition,
                test=shortcut.test,
                stance="against",
                text=f"The texts of {shortcut.test} are too few to tell whether, with the label fixed, its score "
                f"follows {shortcut.nuisance}.",
                because=f"AUROC for {shortcut.nuisance} {figure(within)}; {coupling}",
            )
        elif follows or at_home:
            yield Statement(
                rule="shortcut",
                condition=condition,
                test=shortcut.test,
                stance="against" if follows else "for",
                text=f"With the label fixed, its score {'also' if follows else 'hardly'} follows {shortcut.nuisance} "
                f"on {shortcut.test}.",
                because=f"AUROC for {shortcut.nuisance} {figure(within)}; {coupling}",
            )


def followers(evidence: Evidence) -> Iterable[Statement]:
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
