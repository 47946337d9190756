"""Fitting one method on one split: what is fitted on, and what gives the sign."""

from __future__ import annotations

from hashlib import sha256
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import DataError
from tiltmeter.probes import (
    BSS,
    CCS,
    CRC,
    LAT,
    LDA,
    ContrastLogistic,
    KMeansDifferences,
    LinearProbe,
    LinearSVM,
    Logistic,
    MeanDifference,
    MedianDifference,
    Ridge,
    SupervisedProbe,
    UnsupervisedProbe,
)
from tiltmeter.studies._material import Material
from tiltmeter.studies._spec import Method, StudySpec

# the order in which ties are broken: the simplest first
METHODS: tuple[Method, ...] = get_args(Method)
# what is tried where the spec names nothing: one of each kind, all cheap
USUAL: tuple[Method, ...] = ("mean_difference", "lat", "lda", "logistic")


def build(method: Method, *, C: float) -> SupervisedProbe | UnsupervisedProbe | ContrastLogistic:
    """Return an unfitted probe. ``C`` is relative to the within-class variance; see ``ProbeSpec``."""
    match method:
        case "mean_difference":
            return MeanDifference()
        case "median_difference":
            return MedianDifference()
        case "lat":
            return LAT()
        case "crc":
            return CRC()
        case "kmeans":
            return KMeansDifferences()
        case "bss":
            return BSS()
        case "ccs":
            return CCS()
        case "ridge":
            return Ridge()
        case "lda":
            return LDA()
        case "svm":
            return LinearSVM(C=C, penalty_scale="within")
        case "logistic":
            return Logistic(C=C, penalty_scale="within")
        case "contrast_logistic":
            return ContrastLogistic(C=C, penalty_scale="within")


def fit(method: Method, train: Activations, *, C: float, orient_on: Activations) -> LinearProbe:
    """Fit on ``train``; an unsupervised probe gets its sign, and nothing else, from the labels of ``orient_on``.

    Where the texts do not say which half of its pair each is, or where the side of every one is its label (or the
    opposite), a coin decides: methods that centre the halves apart would lose the concept.
    """
    if train.y is None or orient_on.y is None:
        raise DataError("A probe is fitted and oriented on labelled texts.")
    probe = build(method, C=C)
    if isinstance(probe, SupervisedProbe):
        return probe.fit(train.X, train.y)
    if train.pairs is None:
        raise DataError(f"{method} needs pairs, and these texts have none.")
    paired = train.pairs != ""
    X, y, pairs = train.X[paired], train.y[paired], train.pairs[paired]
    is_told = train.sides is not None and len(np.unique(train.sides[paired] == y)) == 2
    sides = train.sides[paired] if train.sides is not None and is_told else tossed_sides(pairs)
    if isinstance(probe, ContrastLogistic):
        return probe.fit(X, y, pairs=pairs, sides=sides)
    return probe.fit(X, pairs=pairs, sides=sides).orient(orient_on.X, orient_on.y)


def tossed_sides(pairs: NDArray[np.str_]) -> NDArray[np.int64]:
    """Give the two rows of each pair sides 0 and 1 by a coin that depends on the pair's identifier alone.

    Examples
    --------
    >>> sides = tossed_sides(np.array(["a", "a", "b", "b"]))
    >>> (sides[::2] + sides[1::2]).tolist()
    [1, 1]
    """
    names, first, which = np.unique(pairs, return_index=True, return_inverse=True)
    coins = np.array([sha256(name.encode()).digest()[0] & 1 for name in names.tolist()], dtype=np.int64)
    is_first = np.arange(len(pairs)) == first[which]
    return np.where(is_first, coins[which], 1 - coins[which])


def methods_for(spec: StudySpec, material: Material) -> tuple[Method, ...]:
    """Return the methods to try, in order; DataError if one that was asked for needs pairs that are not there."""
    home = spec.train.distribution
    pairs = material.texts[home].pairs
    has_pairs = pairs is not None and bool((pairs[material.splits[home] == "train"] != "").any())
    asked = asked_methods(spec)
    needing = [method for method in asked if needs_pairs(method)]
    if needing and not has_pairs:
        if isinstance(spec.probes.methods, tuple):
            raise DataError(
                f"probes.methods asks for {needing[0]}, but {home} has no pairs; add a pair column or leave it out."
            )
        return tuple(method for method in asked if method not in needing)
    return asked


def asked_methods(spec: StudySpec) -> tuple[Method, ...]:
    """Return the methods that a spec names, or stands for, in order, whether the texts allow them or not."""
    chosen = spec.probes.methods
    if chosen is None:
        return USUAL
    return METHODS if chosen == "all" else tuple(method for method in METHODS if method in chosen)


def needs_pairs(method: Method) -> bool:
    """Tell whether a method can only be fitted on pairs."""
    return build(method, C=1.0).needs_pairs


def can_fit(method: Method, train: Activations) -> bool:
    """Tell whether a distribution has what a method needs: pairs, and both labels."""
    has_pairs = train.pairs is not None and bool((train.pairs != "").any())
    return (has_pairs or not needs_pairs(method)) and train.y is not None and len(np.unique(train.y)) == 2
