"""Fitting one method on one split: what is fitted on, and what gives the sign."""

from __future__ import annotations

import numpy as np

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import DataError
from tiltmeter.probes import LAT, LDA, Logistic, MeanDifference, Probe, SupervisedProbe, UnsupervisedProbe
from tiltmeter.studies._material import Material
from tiltmeter.studies._spec import Method, StudySpec

# the order in which ties are broken: the simplest first
METHODS: tuple[Method, ...] = ("mean_difference", "lat", "lda", "logistic")


def build(method: Method, *, C: float) -> SupervisedProbe | UnsupervisedProbe:
    """Return an unfitted probe. ``C`` is relative to the within-class variance, and for ``logistic`` only."""
    match method:
        case "mean_difference":
            return MeanDifference()
        case "lat":
            return LAT()
        case "lda":
            return LDA()
        case "logistic":
            return Logistic(C=C, penalty_scale="within")


def fit(method: Method, train: Activations, *, C: float, orient_on: Activations) -> Probe:
    """Fit on ``train``; an unsupervised probe gets its sign, and nothing else, from the labels of ``orient_on``."""
    if train.y is None or orient_on.y is None:
        raise DataError("A probe is fitted and oriented on labelled texts.")
    probe = build(method, C=C)
    if isinstance(probe, SupervisedProbe):
        return probe.fit(train.X, train.y)
    if train.pairs is None:
        raise DataError(f"{method} needs pairs, and these texts have none.")
    paired = train.pairs != ""
    return probe.fit(train.X[paired], pairs=train.pairs[paired]).orient(orient_on.X, orient_on.y)


def methods_for(spec: StudySpec, material: Material) -> tuple[Method, ...]:
    """Return the methods to try, in order; DataError if one that was asked for needs pairs that are not there."""
    home = spec.train.distribution
    pairs = material.texts[home].pairs
    has_pairs = pairs is not None and bool((pairs[material.splits[home] == "train"] != "").any())
    if spec.probes.methods is None:
        return tuple(method for method in METHODS if method != "lat" or has_pairs)
    if "lat" in spec.probes.methods and not has_pairs:
        raise DataError(f"probes.methods asks for lat, but {home} has no pairs; add a pair column or leave lat out.")
    return tuple(method for method in METHODS if method in spec.probes.methods)


def can_fit(method: Method, train: Activations) -> bool:
    """Tell whether a distribution has what a method needs: pairs, and both labels."""
    has_pairs = train.pairs is not None and bool((train.pairs != "").any())
    return (method != "lat" or has_pairs) and train.y is not None and len(np.unique(train.y)) == 2
