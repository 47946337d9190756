"""The rule of luck: random directions and shuffled labels."""

from __future__ import annotations

from collections.abc import Iterable

from tiltmeter.core.evidence import Evidence, Stance, Statement
from tiltmeter.core.records import Estimate
from tiltmeter.evaluation._chosen import LUCK, chosen_cells, failed
from tiltmeter.evaluation._rule import Rule

# Random directions that read the label this well on average do so because it dominates the activations, not by luck.
_DOMINATES = 0.6

_BEATS = "the probe beats the best of the random directions on every test set"
_LUCKY = "the AUROC of the probe is at most that of the best random direction, where it is read at all"
RANDOM_DIRECTIONS = Rule(
    "random directions",
    _BEATS,
    reads=("random_directions[].best", "transfer[].auroc"),
    speaks={"for": "the AUROC at home is above that of the best random direction", "against": _LUCKY},
)
DOMINANT_LABEL = Rule(
    "dominant label",
    f"{_BEATS}, or the label dominates the activations: random directions have a mean AUROC of {_DOMINATES:g} or more",
    reads=("random_directions[].best", "random_directions[].mean", "transfer[].auroc"),
    speaks={
        "note": f"the mean is {_DOMINATES:g} or more, and the AUROC at home is above that of the best",
        "against": f"the mean is {_DOMINATES:g} or more, and {_LUCKY}: then this rule speaks in place of the one above",
    },
)
SHUFFLED = Rule(
    "shuffled",
    f"on labels shuffled in every split, at most {LUCK:.0%} of refits do as well",
    reads=("shuffled[].p_value",),
    speaks={
        "for": f"p at home is at most {LUCK:g}",
        "against": f"p at home is above {LUCK:g}, and more than one refit does as well",
        "note": f"p at home is above {LUCK:g} because of a single refit among few",
    },
)


def luck(evidence: Evidence) -> Iterable[Statement]:
    """Say whether random directions or shuffled labels do as well."""
    cells, told = {cell.test: cell.auroc for cell in chosen_cells(evidence)}, failed(evidence)
    for null in evidence.random_directions:
        value = cells.get(null.test)
        if (null.site, null.train) != (evidence.site, evidence.train) or not isinstance(value, Estimate):
            continue
        if null.test in told:
            continue
        dominates = null.mean >= _DOMINATES
        figures = f"AUROC {value.value:.3f} against {null.best:.3f} (mean {null.mean:.2f}, sd {null.sd:.2f})"
        everywhere = "the label dominates the activations here, and most directions read it"
        stance: Stance
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
        yield (DOMINANT_LABEL if dominates else RANDOM_DIRECTIONS).say(stance, text, because=figures, test=null.test)
    for shuffled in evidence.shuffled:
        if shuffled.test == evidence.train:
            is_luck = shuffled.p_value > LUCK
            best = max(shuffled.aurocs)
            # one refit alone that does as well, and few were made
            is_few = is_luck and shuffled.p_value * (1 + len(shuffled.aurocs)) < 2.5
            luck_text = "On shuffled labels the same procedure does as well too often to exclude luck."
            few_text = "One refit on shuffled labels does as well: make more of them (evidence.shuffles) to tell."
            yield SHUFFLED.say(
                "note" if is_few else "against" if is_luck else "for",
                few_text if is_few else luck_text if is_luck else "On shuffled labels the same procedure finds less.",
                because=f"p = {shuffled.p_value:.3g} over {len(shuffled.aurocs)} shuffles, best {best:.2f}",
                test=shuffled.test,
            )
