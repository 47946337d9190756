"""The rules of what else would do: asking the model, other models, no training, learning by heart, no pairs."""

from __future__ import annotations

from collections.abc import Iterable

from tiltmeter.core.evidence import Evidence, Statement
from tiltmeter.core.records import Estimate
from tiltmeter.core.rivals import BestRival, ControlTask
from tiltmeter.evaluation._chosen import figure

# A lead of this size, if its interval contains 0, says that the texts are few.
_CLEAR = 0.1
# Refits as good as the probe in more than this share of cases: what was taken from them was not needed.
_LUCK = 0.05

_WHO = {"asking": "asking the model", "other models": "another model that reads the text"}


def readers(evidence: Evidence) -> Iterable[Statement]:
    """Say what the activations add to asking the model, and to other models that read the text.

    A rival that does as well is no fault of the probe, which may be cheaper to run: that is a note. One that does
    better is an objection, on any test set.
    """
    for best in evidence.best_rivals:
        if best.claim not in _WHO or not isinstance(best.difference, Estimate):
            continue
        found = _of_reader(best, best.difference, is_home=best.test == evidence.train)
        if found is not None:
            yield found


def _of_reader(best: BestRival, difference: Estimate, *, is_home: bool) -> Statement | None:
    who, test = _WHO[best.claim], best.test
    chosen = f", the best of {best.tried} on the calibration texts," if best.tried > 1 else ""
    said = Statement(
        rule=best.claim,
        condition=f"the paired AUROC difference to {who} lies above 0",
        test=test,
        stance="note",
        text="",
        because=f"difference to {best.baseline}{chosen} {figure(difference)}",
    )
    if difference.high < 0:
        text = f"On {test} {who} tells the label better than the probe does."
        return said.model_copy(update={"stance": "against", "text": text})
    if not is_home:
        return None
    if difference.low > 0:
        text = f"On {test} the activations add to what {who} gives."
        return said.model_copy(update={"stance": "for", "text": text})
    text = f"On {test} {who} does as well: the activations add nothing to it."
    if difference.value >= _CLEAR:
        text = f"On {test} it cannot be told from {who}: the texts are too few."
    return said.model_copy(update={"text": text})


def training(evidence: Evidence) -> Iterable[Statement]:
    """Say whether the same architecture reads the label without training."""
    for null in evidence.activation_nulls:
        if (null.kind, null.test) != ("untrained", evidence.train) or not isinstance(null.difference, Estimate):
            continue
        said = Statement(
            rule="untrained",
            condition="the paired AUROC difference to the same model without training lies above 0",
            test=null.test,
            stance="for",
            text="The same model without training reads less.",
            because=f"AUROC {figure(null.auroc)} at {null.site} of random weights, difference "
            f"{figure(null.difference)}",
        )
        if null.difference.low <= 0:
            reads = isinstance(null.auroc, Estimate) and null.auroc.low > 0.5
            rule, text = said.rule, "The same model without training reads the label as well."
            if not reads or null.difference.value >= _CLEAR:
                rule = "untrained, unclear"
                text = "It cannot be told from the same model without training: the texts are too few."
            said = said.model_copy(update={"stance": "against", "text": text, "rule": rule})
        yield said


def by_heart(evidence: Evidence) -> Iterable[Statement]:
    """Say whether the method can learn by heart what it is credited with."""
    task = evidence.control_task
    if not isinstance(task, ControlTask) or not isinstance(task.selectivity, Estimate):
        return
    said = Statement(
        rule="control task",
        condition="the method does better on the label than on random labels of each type of row",
        test=evidence.train,
        stance="for",
        text=f"It does better on the label than on random labels of each {task.types}, which can only be learned by "
        "heart.",
        because=f"selectivity {figure(task.selectivity)}: AUROC {figure(task.auroc)} against {figure(task.control)} on "
        f"{len(task.controls)} control tasks, {task.n_types} types",
    )
    if task.selectivity.low <= 0 and task.selectivity.value >= _CLEAR:
        text = (
            f"Whether it learns random labels of each {task.types} as well as the label cannot be told: too few types."
        )
        said = said.model_copy(update={"stance": "note", "text": text})
    elif task.selectivity.low <= 0:
        text = f"It learns random labels of each {task.types} as well as the label: it has room to learn them by heart."
        # no test text is of a group that was fitted on
        is_apart = task.types == "group"
        text += " Test texts are of other groups, so that this explains none of its figures." if is_apart else ""
        said = said.model_copy(update={"stance": "note" if is_apart else "against", "text": text})
    yield said


def pairing(evidence: Evidence) -> Iterable[Statement]:
    """Say whether a method on pairs needs its pairs."""
    for null in evidence.shuffled_pairs:
        if null.test != evidence.train:
            continue
        as_well = null.p_value > _LUCK
        yield Statement(
            rule="shuffled pairs",
            condition="with partners drawn anew, at most 5 % of refits do as well",
            test=null.test,
            stance="note" if as_well else "for",
            text="With partners drawn anew it does as well: it follows what varies most, not what parts the pairs."
            if as_well
            else "With partners drawn anew the same method finds less.",
            because=f"p = {null.p_value:.3g} over {len(null.aurocs)} draws, best {max(null.aurocs):.2f}",
        )
