"""The rules of what the text alone gives, before any computation."""

from __future__ import annotations

from collections.abc import Iterable

from tiltmeter.core.evidence import Evidence, Statement
from tiltmeter.core.records import Estimate
from tiltmeter.core.rivals import CLAIMS
from tiltmeter.evaluation._chosen import CLEAR, failed, figure, listed
from tiltmeter.evaluation._rule import Rule

# Of several rivals one lies below chance by luck now and then: the upper end is moved this much farther out for that.
_SEVERAL = 1.5

_ADDS = "the paired AUROC difference to every text-only baseline lies above 0"
TEXT_ALONE = Rule(
    "text alone",
    _ADDS,
    reads=("advantages[].difference",),
    speaks={
        "for": "at home every interval lies above 0",
        "against": f"an interval reaches 0 where the smallest difference is below {CLEAR:g}, and the set is read",
        "note": "at home there is no difference to judge",
    },
)
TEXT_ALONE_UNCLEAR = Rule(
    "text alone, unclear",
    _ADDS,
    reads=("advantages[].difference",),
    speaks={
        "against": f"an interval reaches 0 although the smallest such difference is {CLEAR:g} or more: the texts are "
        "too few"
    },
)
GROUPING = Rule(
    "grouping",
    "no text baseline reads the opposite of the label on held-out texts of its own kind",
    reads=("baselines[].auroc",),
    speaks={"against": f"at home the interval of one, its upper end {_SEVERAL:g} times as far out, lies below 0.5"},
)
EMBEDDING = Rule(
    "embedding",
    "the same method on what enters the first block does not read the label as well",
    reads=("activation_nulls[].auroc", "activation_nulls[].difference"),
    speaks={
        "against": "at home it reads the label there, and the interval of the paired difference reaches 0, with a lead "
        f"below {CLEAR:g}"
    },
)
EMBEDDING_UNCLEAR = Rule(
    "embedding, unclear",
    EMBEDDING.condition,
    reads=EMBEDDING.reads,
    speaks={"against": f"the same, with a lead of {CLEAR:g} or more: the texts are too few"},
)


def text_alone(evidence: Evidence) -> Iterable[Statement]:
    """Say whether what reads the text only does as well."""
    told = failed(evidence)
    of_text = [advantage for advantage in evidence.advantages if CLAIMS[advantage.kind] == "text alone"]
    for test in dict.fromkeys((*(advantage.test for advantage in of_text), evidence.train)):
        rivals = [a for a in of_text if a.test == test and isinstance(a.difference, Estimate)]
        equal = [a for a in rivals if isinstance(a.difference, Estimate) and a.difference.low <= 0]
        # a large lead that the interval cannot hold is no sign that the text does as well
        close = [a for a in equal if isinstance(a.difference, Estimate) and a.difference.value < CLEAR]
        if equal and test not in told:
            worst = min(equal, key=lambda a: a.difference.value if isinstance(a.difference, Estimate) else 0.0)
            yield (TEXT_ALONE if close else TEXT_ALONE_UNCLEAR).say(
                "against",
                f"No better than {listed([a.baseline for a in close])} on {test}: the text alone does as well."
                if close
                else f"On {test} it cannot be told from {listed([a.baseline for a in equal])}: the texts are too few.",
                because=f"difference to {worst.baseline} {figure(worst.difference)}",
                test=test,
            )
        elif rivals and test == evidence.train:
            closest = min(rivals, key=lambda a: a.difference.value if isinstance(a.difference, Estimate) else 0.0)
            fair = next((b for b in evidence.best_rivals if (b.claim, b.test) == ("text alone", test)), None)
            chosen = (
                f"; to {fair.baseline}, the best on the calibration texts, {figure(fair.difference)}" if fair else ""
            )
            yield TEXT_ALONE.say(
                "for",
                f"On {test} the activations add to what the text alone gives.",
                because=f"difference to {closest.baseline}, the closest of {len(rivals)} rivals on these texts, "
                f"{figure(closest.difference)}{chosen}",
                test=test,
            )
        elif not rivals and test == evidence.train:
            yield TEXT_ALONE.say(
                "note",
                f"It was not compared with text-only baselines on {test}: what the words give away is not known.",
                because=next((figure(a.difference) for a in of_text if a.test == test), "no baseline"),
                test=test,
            )
    for baseline in evidence.baselines:
        auroc = baseline.auroc
        is_low = isinstance(auroc, Estimate) and auroc.value + _SEVERAL * (auroc.high - auroc.value) < 0.5
        below = baseline.kind == "text" and is_low
        if below and (baseline.train, baseline.test) == (evidence.train, evidence.train):
            yield GROUPING.say(
                "against",
                f"{baseline.name} reads the opposite of the label on held-out {evidence.train} texts: related "
                "texts seem to stand on both sides of the split.",
                because=f"AUROC {figure(baseline.auroc)}",
                test=evidence.train,
            )


def embedding(evidence: Evidence) -> Iterable[Statement]:
    """Say whether the chosen method on what enters the first block reads the label as well, on the same test rows."""
    for null in evidence.activation_nulls:
        difference = null.difference
        if (null.kind, null.test) != ("layer 0", evidence.train) or not isinstance(difference, Estimate):
            continue
        reads = isinstance(null.auroc, Estimate) and null.auroc.low > 0.5
        because = f"AUROC {figure(null.auroc)} at {null.site}, difference {figure(difference)}"
        if reads and difference.low <= 0 and difference.value < CLEAR:
            text = "The embeddings, before any computation, read the label as well."
            yield EMBEDDING.say("against", text, because=because, test=evidence.train)
        elif reads and difference.low <= 0:
            text = "It cannot be told from the embeddings, before any computation: the texts are too few."
            yield EMBEDDING_UNCLEAR.say("against", text, because=because, test=evidence.train)
