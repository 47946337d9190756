"""The rule of causes: whether the chosen direction does anything."""

from __future__ import annotations

from collections.abc import Iterable

from tiltmeter.core.evidence import LEAST_CAUSE, Causal, Evidence, Statement
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.evaluation._chosen import figure, home_auroc, listed
from tiltmeter.evaluation._rule import Rule

# An interchange along a direction "decides" the answer if at least this much of it follows; below, it has a part in it.
_DECIDES = 0.5

# never against: to monitor is to correlate, and a direction that does nothing may still be a good alarm
CAUSALITY = Rule(
    "causality",
    f"an interchange along the direction decides at least {LEAST_CAUSE:.0%} of the model's answers, and more than "
    "along any random direction, also where that moves the activations as far",
    reads=("causal[].swap", "causal[].random_swap", "causal[].displaced_swap"),
    speaks={
        "for": f"the interval of the swap success lies above {LEAST_CAUSE:g} and above every random direction; from "
        f"{_DECIDES:g} on it is said to decide the answer, below to have a part in it",
        "note": "it does not, or nothing was measured; other probes of the same texts for which it does are named",
    },
)


def is_causal(causal: Causal) -> bool:
    """Whether the interval of a direction's swaps lies above a tenth, and above every random direction."""
    return isinstance(causal.swap, Estimate) and causal.swap.low > causal.least_swap


def how_far(causal: Causal) -> str:
    """Return how the model's answers relate to a direction, as a verb."""
    if is_causal(causal):
        return "follow" if _decides(causal) else "partly follow"
    return "hardly follow" if _is_beyond_random(causal) else "do not follow"


def _decides(causal: Causal) -> bool:
    return isinstance(causal.swap, Estimate) and causal.swap.value >= _DECIDES


def _is_beyond_random(causal: Causal) -> bool:
    return isinstance(causal.swap, Estimate) and causal.swap.low > causal.random_swap[1]


def chosen_causal(evidence: Evidence) -> list[Causal]:
    """Return what the chosen direction does, one entry a test set."""
    return [one for one in evidence.causal if (one.site, one.method) == (evidence.site, evidence.method)]


def causality(evidence: Evidence) -> Iterable[Statement]:
    """Say whether the chosen direction was found to do anything, and name those that do where it does not."""
    chosen = chosen_causal(evidence)
    if not chosen:
        yield CAUSALITY.say(
            "note",
            "Whether the direction causes anything in the model was not tested.",
            because="no intervention was made",
        )
    for one in chosen:
        if isinstance(one.swap, Unavailable):
            yield CAUSALITY.say(
                "note",
                f"Whether the direction causes anything on {one.test} could not be told.",
                because=one.swap.reason,
                test=one.test,
            )
            continue
        figures = (
            f"swap success {figure(one.swap)}, of {one.count} random directions at most {one.random_swap[1]:.2f}, and "
            f"{one.displaced_swap[1]:.2f} of {one.displaced_count} that move as far; ablation {figure(one.ablation)}; "
            f"{one.n_pairs} pairs"
        )
        if is_causal(one):
            does = "decides" if _decides(one) else "has a part in"
            text = f"It is causal: what lies along it {does} the model's answer on {one.test}."
            yield CAUSALITY.say("for", text, because=figures, test=one.test)
            continue
        home = home_auroc(evidence)
        reads = "It reads the label and" if isinstance(home, Estimate) and home.low > 0.5 else "It"
        does, further = (
            ("does next to nothing", "hardly further than along")
            if _is_beyond_random(one)
            else ("does nothing", "no further than along")
        )
        yield CAUSALITY.say(
            "note",
            f"{reads} {does}: on {one.test} an interchange along it moves the model's answers {further} random "
            "directions.",
            because=figures,
            test=one.test,
        )
        others = [
            (other.swap.value, f"{other.method} at {other.site} ({other.swap.value:.2f})")
            for other in evidence.causal
            if other.test == one.test and isinstance(other.swap, Estimate) and is_causal(other)
        ]
        if others:
            named = [name for _, name in sorted(others, reverse=True)[:3]]
            yield CAUSALITY.say(
                "note",
                f"Of the other probes that were fitted on the same texts, {listed(named)} do change the answers.",
                because=f"{len(others)} of {sum(other.test == one.test for other in evidence.causal) - 1}",
                test=one.test,
            )
