"""The rules of what else would do: asking the model, other models, no training, learning by heart, no pairs."""

from __future__ import annotations

from collections.abc import Iterable

from tiltmeter.core.evidence import Evidence, Stance, Statement
from tiltmeter.core.records import Estimate
from tiltmeter.core.rivals import ControlTask
from tiltmeter.evaluation._chosen import CLEAR, LUCK, figure
from tiltmeter.evaluation._rule import Rule

_SPEAKS: dict[Stance, str] = {
    "for": "at home, the interval of the difference lies above 0",
    "against": "on any test set, it lies below 0",
    "note": f"at home, it contains 0; from a difference of {CLEAR:g} on, the texts are called too few",
}
_WHO = {"asking": "asking the model", "other models": "another model that reads the text"}
ASKING = Rule(
    "asking",
    f"the paired AUROC difference to {_WHO['asking']} lies above 0",
    reads=("best_rivals[].difference",),
    speaks=_SPEAKS,
)
OTHER_MODELS = Rule(
    "other models",
    f"the paired AUROC difference to {_WHO['other models']} lies above 0",
    reads=("best_rivals[].difference",),
    speaks=_SPEAKS,
)
UNTRAINED = Rule(
    "untrained",
    "the paired AUROC difference to the same model without training lies above 0",
    reads=("activation_nulls[].auroc", "activation_nulls[].difference"),
    speaks={
        "for": "the interval of the difference lies above 0",
        "against": "it does not, and the model without training reads the label",
    },
)
UNTRAINED_UNCLEAR = Rule(
    "untrained, unclear",
    UNTRAINED.condition,
    reads=UNTRAINED.reads,
    speaks={
        "against": "the interval of the difference reaches 0, but the model without training is at chance, or the "
        f"difference is {CLEAR:g} or more"
    },
)
CONTROL_TASK = Rule(
    "control task",
    "the method does better on the label than on random labels of each type of row",
    reads=("control_task.selectivity",),
    speaks={
        "for": "the interval of the selectivity lies above 0",
        "note": f"it does not, and is {CLEAR:g} or more, or types are groups, which splits keep apart",
        "against": "it does not, and rows of one type stand on both sides of the split",
    },
)
SHUFFLED_PAIRS = Rule(
    "shuffled pairs",
    f"with partners drawn anew, at most {LUCK:.0%} of refits do as well",
    reads=("shuffled_pairs[].aurocs", "shuffled_pairs[].p_value"),
    speaks={"for": "that is so at home", "note": "it is not"},
)


_RULES = {rule.name: rule for rule in (ASKING, OTHER_MODELS)}


def readers(evidence: Evidence) -> Iterable[Statement]:
    """Say what the activations add to asking the model, and to other models that read the text.

    A rival that does as well is no fault of the probe, which may be cheaper to run: that is a note. One that does
    better is an objection, on any test set.
    """
    for best in evidence.best_rivals:
        rule, difference = _RULES.get(best.claim), best.difference
        if rule is None or not isinstance(difference, Estimate):
            continue
        who, test = _WHO[best.claim], best.test
        chosen = f", the best of {best.tried} on the calibration texts," if best.tried > 1 else ""
        because = f"difference to {best.baseline}{chosen} {figure(difference)}"
        if difference.high < 0:
            text = f"On {test} {who} tells the label better than the probe does."
            yield rule.say("against", text, because=because, test=test)
        elif test != evidence.train:
            continue
        elif difference.low > 0:
            text = f"On {test} the activations add to what {who} gives."
            yield rule.say("for", text, because=because, test=test)
        else:
            text = f"On {test} {who} does as well: the activations add nothing to it."
            if difference.value >= CLEAR:
                text = f"On {test} it cannot be told from {who}: the texts are too few."
            yield rule.say("note", text, because=because, test=test)


def training(evidence: Evidence) -> Iterable[Statement]:
    """Say whether the same architecture reads the label without training."""
    for null in evidence.activation_nulls:
        difference = null.difference
        if (null.kind, null.test) != ("untrained", evidence.train) or not isinstance(difference, Estimate):
            continue
        because = f"AUROC {figure(null.auroc)} at {null.site} of random weights, difference {figure(difference)}"
        reads = isinstance(null.auroc, Estimate) and null.auroc.low > 0.5
        if difference.low > 0:
            text = "The same model without training reads less."
            yield UNTRAINED.say("for", text, because=because, test=null.test)
        elif reads and difference.value < CLEAR:
            text = "The same model without training reads the label as well."
            yield UNTRAINED.say("against", text, because=because, test=null.test)
        else:
            text = "It cannot be told from the same model without training: the texts are too few."
            yield UNTRAINED_UNCLEAR.say("against", text, because=because, test=null.test)


def by_heart(evidence: Evidence) -> Iterable[Statement]:
    """Say whether the method can learn by heart what it is credited with."""
    task = evidence.control_task
    if not isinstance(task, ControlTask) or not isinstance(task.selectivity, Estimate):
        return
    because = (
        f"selectivity {figure(task.selectivity)}: AUROC {figure(task.auroc)} against {figure(task.control)} on "
        f"{len(task.controls)} control tasks, {task.n_types} types"
    )
    if task.selectivity.low > 0:
        text = f"It does better on the label than on random labels, learned by heart, of each {task.types}."
        yield CONTROL_TASK.say("for", text, because=because, test=evidence.train)
    elif task.selectivity.value >= CLEAR:
        text = f"Too few types to tell whether it learns random labels of each {task.types} as well as the label."
        yield CONTROL_TASK.say("note", text, because=because, test=evidence.train)
    else:
        # no test text is of a group that was fitted on
        is_apart = task.types == "group"
        text = f"It learns random labels of each {task.types} as well as the label: it has room to learn them by heart."
        text += " Test texts are of other groups, so that this explains none of its figures." if is_apart else ""
        yield CONTROL_TASK.say("note" if is_apart else "against", text, because=because, test=evidence.train)


def pairing(evidence: Evidence) -> Iterable[Statement]:
    """Say whether a method on pairs needs its pairs."""
    for null in evidence.shuffled_pairs:
        if null.test != evidence.train:
            continue
        as_well = null.p_value > LUCK
        yield SHUFFLED_PAIRS.say(
            "note" if as_well else "for",
            "With partners drawn anew it does as well: it follows what varies most, not what parts the pairs."
            if as_well
            else "With partners drawn anew the same method finds less.",
            because=f"p = {null.p_value:.3g} over {len(null.aurocs)} draws, best {max(null.aurocs):.2f}",
            test=null.test,
        )
