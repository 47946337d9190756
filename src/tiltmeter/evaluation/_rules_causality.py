"""The rule of causes: whether the chosen direction does anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from tiltmeter.core.evidence import Causal, Evidence, Statement
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.evaluation._chosen import figure, home_auroc, listed

# An interchange along a direction "decides" the answer if at least this much of it follows; below, it has a part in it.
_DECIDES = 0.5
_CONDITION = (
    "an interchange along the direction decides at least a tenth of the model's answers, and more than along any "
    "random direction, also where that moves the activations as far"
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
        yield _statement(
            "Whether the direction causes anything in the model was not tested.", "no intervention was made", test=None
        )
    for one in chosen:
        if isinstance(one.swap, Unavailable):
            yield _statement(
                f"Whether the direction causes anything on {one.test} could not be told.",
                one.swap.reason,
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
            yield _statement(text, figures, test=one.test, stance="for")
            continue
        home = home_auroc(evidence)
        reads = "It reads the label and" if isinstance(home, Estimate) and home.low > 0.5 else "It"
        does, further = (
            ("does next to nothing", "hardly further than along")
            if _is_beyond_random(one)
            else ("does nothing", "no further than along")
        )
        yield _statement(
            f"{reads} {does}: on {one.test} an interchange along it moves the model's answers {further} random "
            "directions.",
            figures,
            test=one.test,
        )
        others = [
            (other.swap.value, f"{other.method} at {other.site} ({other.swap.value:.2f})")
            for other in evidence.causal
            if other.test == one.test and isinstance(other.swap, Estimate) and is_causal(other)
        ]
        if others:
            named = [name for _, name in sorted(others, reverse=True)[:3]]
            yield _statement(
                f"Of the other probes that were fitted on the same texts, {listed(named)} do change the answers.",
                f"{len(others)} of {sum(other.test == one.test for other in evidence.causal) - 1}",
                test=one.test,
            )


def _statement(text: str, because: str, *, test: str | None, stance: Literal["for", "note"] = "note") -> Statement:
    # never against: to monitor is to correlate, and a direction that does nothing may still be a good alarm
    return Statement(rule="causality", condition=_CONDITION, test=test, stance=stance, text=text, because=because)
