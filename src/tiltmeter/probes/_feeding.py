"""Feeding any probe from a set of activations: what it needs of them, and an error where that is missing."""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.probes._probe import Classifier, Probe, UnsupervisedProbe


def fit_on(probe: Probe, data: Activations) -> Probe:
    """Return a fitted copy, given labels where it is supervised, and pairs and sides where it needs them.

    An unsupervised probe is fitted without labels and has no sign yet. The probe that was given stays as it is.

    Raises
    ------
    ArrayError
        If labels, pairs or sides are needed and absent, or rows are tokens.
    SpecError
        If it is neither a classifier nor unsupervised.
    """
    one_row_a_text(data)
    name = type(probe).__name__
    if not isinstance(probe, Classifier | UnsupervisedProbe):
        raise SpecError(f"{name} is fitted on no rows of single texts; give a classifier or an unsupervised probe.")
    if "is_negated" in signature(probe.fit).parameters:
        raise SpecError(f"{name} needs to be told which statements are negated, which is not asked for here.")
    more: dict[str, Any] = {}
    for field, is_needed in (("pairs", probe.needs_pairs), ("sides", probe.needs_sides)):
        if is_needed:
            if getattr(data, field) is None:
                raise ArrayError(f"{name} needs {field}, which the activations have not; give them there.")
            more[field] = getattr(data, field)
    copy: Any = clone(probe)
    fitted: Probe
    if isinstance(probe, Classifier):
        fitted = copy.fit(data.X, labels_of(data), **more)
    else:
        fitted = copy.fit(data.X, **more)
    return fitted


def fit_with_sign(probe: Probe, data: Activations) -> Probe:
    """Return :func:`fit_on`'s copy; an unsupervised one gets its sign from the labels of the same rows."""
    fitted: Any = fit_on(probe, data)
    if isinstance(fitted, UnsupervisedProbe):
        fitted.orient(data.X, labels_of(data))
    return fitted  # type: ignore[no-any-return]


def labels_of(data: Activations) -> NDArray[np.int64]:
    """Return the labels of a set that must have them, of both kinds."""
    if data.y is None:
        raise ArrayError("The activations have no labels; give y there.")
    if len(np.unique(data.y)) < 2:
        raise ArrayError("y has one class only; rows of both are needed.")
    return data.y


def one_row_a_text(data: Activations, *, like: Activations | None = None) -> None:
    """Raise ArrayError where rows are tokens, or where the width differs from that of another set."""
    if data.offsets is not None:
        raise ArrayError("The rows of these activations are tokens; pool them to one row a text first.")
    if like is not None and data.X.shape[1] != like.X.shape[1]:
        raise ArrayError(f"One set has {like.X.shape[1]} features, another {data.X.shape[1]}; give sets of one site.")
