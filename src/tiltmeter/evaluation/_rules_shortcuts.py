"""The rules of nuisances that a score should not follow."""

from __future__ import annotations

from collections.abc import Iterable

from tiltmeter.core.evidence import Evidence, Statement
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.evaluation._chosen import figure, listed
from tiltmeter.evaluation._rule import Rule

# A score "follows" a nuisance if, with the label held fixed, it reads it at least this far from 0.5.
_FOLLOWS = 0.1

SHORTCUT = Rule(
    "shortcut",
    f"with the label fixed, the score reads no nuisance beyond 0.5 ± {_FOLLOWS:g}",
    reads=("shortcuts[].auroc_within",),
    speaks={
        "for": f"at home the interval contains 0.5, or the AUROC is nearer to 0.5 than {_FOLLOWS:g}",
        "against": f"on any test set the interval does not contain 0.5 and the AUROC is {_FOLLOWS:g} or more from 0.5; "
        "at home also where it could not be told",
    },
)
FOLLOWERS = Rule(
    "followers",
    "no other probe that was fitted on the same texts follows a nuisance",
    reads=("shortcuts[].auroc_within",),
    speaks={"note": f"at home one does, its AUROC {_FOLLOWS:g} or more from 0.5 and its interval without 0.5"},
)


def shortcuts(evidence: Evidence) -> Iterable[Statement]:
    """Say which nuisances the chosen score follows with the label held fixed."""
    for shortcut in evidence.shortcuts:
        if (shortcut.site, shortcut.method) != (evidence.site, evidence.method):
            continue
        within, at_home = shortcut.auroc_within, shortcut.test == evidence.train
        coupling = f"in training {shortcut.nuisance} agreed with the label in {shortcut.train_agreement:.0%} of texts"
        if isinstance(within, Unavailable):
            if at_home:
                yield SHORTCUT.say(
                    "against",
                    f"Whether its score follows {shortcut.nuisance} instead of the label cannot be told.",
                    because=f"{within.reason}; {coupling}",
                    test=shortcut.test,
                )
            continue
        is_far = abs(within.value - 0.5) >= _FOLLOWS
        follows = (within.low > 0.5 or within.high < 0.5) and is_far
        if is_far and not follows:
            yield SHORTCUT.say(
                "against",
                f"The texts of {shortcut.test} are too few to tell whether, with the label fixed, its score follows "
                f"{shortcut.nuisance}.",
                because=f"AUROC for {shortcut.nuisance} {figure(within)}; {coupling}",
                test=shortcut.test,
            )
        elif follows or at_home:
            yield SHORTCUT.say(
                "against" if follows else "for",
                f"With the label fixed, its score {'also' if follows else 'hardly'} follows {shortcut.nuisance} "
                f"on {shortcut.test}.",
                because=f"AUROC for {shortcut.nuisance} {figure(within)}; {coupling}",
                test=shortcut.test,
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
            yield FOLLOWERS.say(
                "note",
                f"Of the other probes, {listed([name for _, name in ranked])} follow{'s' * (len(ranked) == 1)} "
                f"{nuisance} with the label fixed.",
                because="AUROC " + ", ".join(f"0.5 ± {reach:.2f}" for reach, _ in ranked),
                test=evidence.train,
            )
