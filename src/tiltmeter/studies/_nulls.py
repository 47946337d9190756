"""The chosen procedure where it can know less: before any block, without training, without pairs, by heart."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tiltmeter.activations import collect
from tiltmeter.baselines import (
    ActivationSplits,
    JudgedTexts,
    activation_nulls,
    control_task,
    shuffled_partners,
    shuffled_records,
)
from tiltmeter.core.activations import Activations
from tiltmeter.core.evidence import Shuffled
from tiltmeter.core.records import Unavailable
from tiltmeter.core.rivals import ActivationNull, ControlTask
from tiltmeter.evaluation import HeldOut
from tiltmeter.models import SubjectModel, encode, untrained
from tiltmeter.studies._controls import chosen_aurocs, procedure, splits_at
from tiltmeter.studies._fitting import needs_pairs
from tiltmeter.studies._material import ENTERING, Material
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._transfer import Fitted, test_scores

# up to so many weights a second reading of the texts costs little beside the rest of a study
_CHEAP = 50_000_000
# the fewest with which a figure can lie outside the middle 95 %
_PARTNERS = 19


class Lesser(NamedTuple):
    """What the chosen procedure reaches there; fields are named as those of the evidence."""

    activation_nulls: tuple[ActivationNull, ...]
    shuffled_pairs: tuple[Shuffled, ...]
    control_task: ControlTask | Unavailable


def lesser_knowledge(
    spec: StudySpec, material: Material, tests: dict[str, HeldOut], *, chosen: Fitted, reader: object
) -> Lesser:
    """Run the chosen procedure on layer 0, on a model without training, on redrawn pairs and on control tasks."""
    # a probe of what enters the first block is that null itself
    before = () if chosen.site == ENTERING else _layer_zero(spec, material, tests, chosen)
    without = _without_training(spec, material, tests, chosen, reader=reader)
    return Lesser((*before, *without), _redrawn_pairs(spec, material, tests, chosen), _control(spec, material, chosen))


def _layer_zero(
    spec: StudySpec, material: Material, tests: dict[str, HeldOut], chosen: Fitted
) -> tuple[ActivationNull, ...]:
    """Fit the chosen method on what enters the first block, whether that is among the sites or not."""
    data = _splits(material.entering, material, chosen.train, tests)
    return activation_nulls("layer 0", procedure(spec, chosen), data=data, tests=_judged(material, tests, chosen))


def _without_training(
    spec: StudySpec, material: Material, tests: dict[str, HeldOut], chosen: Fitted, *, reader: object
) -> tuple[ActivationNull, ...]:
    """Fit the chosen method at the chosen site of a model without training; nothing where that is not asked for."""
    wanted = spec.evidence.rivals.untrained
    if not isinstance(reader, SubjectModel):
        return ()
    if not (sum(weight.numel() for weight in reader.model.parameters()) <= _CHEAP if wanted is None else wanted):
        return ()
    new = untrained(reader, random_state=spec.seed)
    found: dict[str, Activations] = {}
    for name in dict.fromkeys((chosen.train, *tests)):
        encoded = encode(new, material.texts[name], long_texts=spec.read.long_texts, skip_first=spec.read.skip_first)
        (acts,) = collect(
            new, encoded, sites=[chosen.site], pooling=spec.read.pooling, token_budget=spec.read.token_budget
        ).values()
        found[name] = replace(acts, groups=material.units[name])
    return activation_nulls(
        "untrained",
        procedure(spec, chosen),
        data=_splits(found, material, chosen.train, tests),
        tests=_judged(material, tests, chosen),
        seed=spec.seed,
    )


def _redrawn_pairs(
    spec: StudySpec, material: Material, tests: dict[str, HeldOut], chosen: Fitted
) -> tuple[Shuffled, ...]:
    """Run a chosen method on pairs with partners drawn anew; nothing for others."""
    # of contrast_logistic every pair needs one row of each label, which drawn partners have not
    if not needs_pairs(chosen.method) or chosen.method == "contrast_logistic":
        return ()
    found = shuffled_partners(
        procedure(spec, chosen),
        splits_at(material, chosen.train, tests, site=chosen.site),
        draws=_PARTNERS,
        seed=spec.seed,
    )
    return shuffled_records(found, chosen_aurocs(material, tests, chosen))


def _control(spec: StudySpec, material: Material, chosen: Fitted) -> ControlTask | Unavailable:
    """Run the chosen method on control tasks, in which each group, or each value of a column, has a random label."""
    if needs_pairs(chosen.method):
        return Unavailable(reason=f"{chosen.method} is fitted on pairs, whose rows a control task would part")
    home, column = chosen.train, spec.evidence.rivals.types
    own = material.splits[home] == "train"
    types = material.units[home]
    if column is not None:
        values = material.texts[home].meta[column]
        types = np.array(["" if value is None else str(value) for value in values])
        own &= types != ""  # a row without a type has none in common with another
    return control_task(
        procedure(spec, chosen),
        material.activations[home][chosen.site].select(own),
        types=types[own],
        of="group" if column is None else column,
        n_draws=spec.evidence.bootstrap,
        level=spec.evidence.level,
        seed=spec.seed,
    )


def _judged(material: Material, tests: dict[str, HeldOut], chosen: Fitted) -> dict[str, JudgedTexts]:
    scores = test_scores(chosen, material, tests)
    return {
        name: JudgedTexts(material.rows(name, "test"), test.y, test.by, scores[name]) for name, test in tests.items()
    }


def _splits(
    found: dict[str, Activations], material: Material, home: str, tests: dict[str, HeldOut]
) -> ActivationSplits:
    own = material.splits[home]
    return ActivationSplits(
        found[home].select(own == "train"),
        found[home].select(own == "calibration"),
        {name: found[name].select(material.splits[name] == "test") for name in tests},
    )
