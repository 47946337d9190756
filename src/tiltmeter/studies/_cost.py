"""What a study would read, before it is run."""

from __future__ import annotations

from typing import NamedTuple

from tiltmeter.activations import CollectionCost, collection_cost
from tiltmeter.core.errors import SpecError
from tiltmeter.core.evidence import Distribution
from tiltmeter.models import encode
from tiltmeter.studies._causes import check_causes
from tiltmeter.studies._fitting import methods_for
from tiltmeter.studies._material import describe, open_material, sites_of
from tiltmeter.studies._sources import open_model
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._vectors import is_vectors


class StudyCost(NamedTuple):
    """How the texts of a study are split, and what reading each set costs.

    ``asks_again`` names what runs the model beyond that, which is not measured.
    """

    distributions: tuple[Distribution, ...]
    by_set: dict[str, CollectionCost]
    asks_again: tuple[str, ...]


def study_cost(spec: StudySpec) -> StudyCost:
    """Open the texts and the model of a study, read a few batches, and say what reading them all would cost.

    What would be refused before the activations are collected is refused here. Nothing is written.

    Parameters
    ----------
    spec
        The study.

    Raises
    ------
    TiltmeterError
        If the spec, the texts or the model are not as needed, or no model is read.

    Examples
    --------
    >>> from tiltmeter.studies import parse_spec
    >>> spec = parse_spec({
    ...     "name": "facts", "model": {"path": "organism:facts"}, "texts": {"said": "organism:facts/affirmative"},
    ...     "train": {"distribution": "said"}, "read": {"sites": ["-1.resid_post"]},
    ... })
    >>> study_cost(spec).by_set["said"].n_tokens > 1000
    True
    """
    if is_vectors(spec):
        raise SpecError("The study reads ready vectors and no model, so there is nothing to wait for; just run it.")
    material = open_material(spec)
    methods_for(spec, material)
    subject = open_model(spec.model)
    check_causes(spec, material, subject)
    by_set = {
        name: collection_cost(
            subject,
            encode(subject, texts, long_texts=spec.read.long_texts, skip_first=spec.read.skip_first),
            sites=sites_of(subject, spec.read),
            pooling=spec.read.pooling,
            token_budget=spec.read.token_budget,
        )
        for name, texts in material.texts.items()
    }
    rivals = spec.evidence.rivals
    again = {
        "evidence.answers": spec.evidence.answers is not None,
        "rivals.question": rivals.question is not None,
        "rivals.perplexity": rivals.perplexity,
        "rivals.embedder": rivals.embedder is not None,
        "rivals.monitor": rivals.monitor is not None,
        "rivals.untrained": bool(rivals.untrained),
    }
    return StudyCost(describe(material), by_set, tuple(name for name, is_asked in again.items() if is_asked))
