"""The rules of what the surface of the texts gives away: words, counterfactual pairs, relatives, a rare class."""

from __future__ import annotations

from collections.abc import Iterable

from tiltmeter.core.evidence import Evidence, Statement
from tiltmeter.core.records import Estimate
from tiltmeter.evaluation._chosen import chosen_cells, failed, figure, listed
from tiltmeter.evaluation._rule import Rule

# A word that stands in this much more of the texts of one label gives the label away by itself.
_TELLING = 0.5
# Kinship gives labels away where at least this share of the test texts has relatives, and their labels read so far.
_RELATED = 0.2
_FOLLOWS = 0.1
# With fewer texts of one label than this, a figure is that of these texts.
_RARE = 10
# A share of pairs that a useful probe orders right; an interval that holds both this and one half tells nothing.
_KNOWS = 0.75

VOCABULARY = Rule(
    "vocabulary",
    f"no word stands in {_TELLING:.0%} more of the training units of one label than of the other",
    reads=("label_words[].in_positive", "label_words[].in_negative"),
    speaks={"note": "a word does"},
)
COUNTERFACTUAL_PAIRS = Rule(
    "counterfactual pairs",
    "of the two texts of a pair the positive one scores higher more often than not",
    reads=("pair_orders[].right",),
    speaks={
        "for": "at home, the interval lies above 0.5",
        "against": f"on any test set, where the label is read at all, it reaches 0.5 and lies below {_KNOWS:g}",
        "note": "it reaches both",
    },
)
KINSHIP = Rule(
    "kinship",
    "where no groups are given, training texts that share rare words with a text do not tell its label",
    reads=("kinships[].n_related", "kinships[].n_rows", "kinships[].auroc"),
    speaks={
        "against": f"at least {_RELATED:.0%} of the test texts have such relatives, and the AUROC of their mean label "
        f"is {_FOLLOWS:g} or more from 0.5, with 0.5 outside its interval"
    },
)
RARE_CLASS = Rule(
    "rare class",
    f"at least {_RARE} test texts of each label",
    reads=("transfer[].n_positive", "transfer[].n_negative"),
    speaks={"against": f"a test set has fewer than {_RARE} of one label"},
)


def surface(evidence: Evidence) -> Iterable[Statement]:
    """Say what gives labels away on the surface, and whether a probe orders the two texts of a pair."""
    telling = [
        word for word in evidence.label_words if abs(word.in_positive.value - word.in_negative.value) >= _TELLING
    ]
    if telling:
        yield VOCABULARY.say(
            "note",
            "Single words give the label away in the training texts: "
            + listed([repr(word.word) for word in telling[:3]] + ["others"] * (len(telling) > 3))
            + ".",
            because=f"{telling[0].word!r} stands in {figure(telling[0].in_positive)} of the units with positive texts "
            f"and in {figure(telling[0].in_negative)} of those with negative ones",
            test=evidence.train,
        )
    yield from _pairs(evidence)
    for kin in evidence.kinships:
        read = kin.auroc
        if (
            isinstance(read, Estimate)
            and kin.n_related >= _RELATED * kin.n_rows
            and (read.low > 0.5 or read.high < 0.5)
            and abs(read.value - 0.5) >= _FOLLOWS
        ):
            yield KINSHIP.say(
                "against",
                f"Texts of {kin.test} have relatives among the training texts, which share rare words with them and "
                f"have {'the same' if read.value > 0.5 else 'the other'} label: give groups, or set train.ungrouped to "
                "shared_words.",
                because=f"{kin.n_related} of {kin.n_rows} test texts have relatives, whose mean label reads theirs at "
                f"AUROC {figure(read)}",
                test=kin.test,
            )


def _pairs(evidence: Evidence) -> Iterable[Statement]:
    told = failed(evidence)
    for test in dict.fromkeys(one.test for one in evidence.pair_orders):
        here = {one.reader: one.right for one in evidence.pair_orders if one.test == test}
        ours = here.pop("probe")
        if not isinstance(ours, Estimate) or test in told or (ours.low > 0.5 and test != evidence.train):
            continue
        others = {name: right for name, right in here.items() if isinstance(right, Estimate)}
        best = max(others, key=lambda name: others[name].value, default=None)
        beside = f"; {best}, the best rival, {figure(others[best])}" if best is not None else ""
        knows = ours.low > 0.5
        unclear = not knows and ours.high >= _KNOWS
        does = "it cannot be told whether it knows the positive one" if unclear else "it does not know the positive one"
        yield COUNTERFACTUAL_PAIRS.say(
            "for" if knows else "note" if unclear else "against",
            f"Of the two texts of a pair of {test} {'the positive one scores higher' if knows else does}.",
            because=f"right in {figure(ours)} of pairs{beside}",
            test=test,
        )


def rare(evidence: Evidence) -> Iterable[Statement]:
    """Say where a class is so rare that figures are those of a few texts."""
    for cell in chosen_cells(evidence):
        fewest = min(cell.n_positive, cell.n_negative)
        if fewest < _RARE:
            which = "positive" if cell.n_positive <= cell.n_negative else "negative"
            yield RARE_CLASS.say(
                "against",
                f"{cell.test} has {fewest} {which} test texts: its figures are those of these few.",
                because=f"{cell.n_positive} positive and {cell.n_negative} negative texts",
                test=cell.test,
            )
