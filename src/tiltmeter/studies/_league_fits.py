"""Every method of the league behind one form: fitted at a site, it scores rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ConvergenceWarning, NoDirectionError
from tiltmeter.core.evidence import Candidate
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.data import group_folds
from tiltmeter.evaluation import auroc, choose, fold_estimate
from tiltmeter.probes import MLP, AttentionProbe, LinearProbe, PooledTokens
from tiltmeter.studies._fitting import can_fit, fit
from tiltmeter.studies._league_open import Opened
from tiltmeter.studies._spec import Method

LINEAR: tuple[Method, ...] = get_args(Method)
SEQUENCE = ("max_head", "attention_head")
READERS: tuple[str, ...] = (*LINEAR, "mlp", *SEQUENCE)

Score = Callable[[Activations], NDArray[Any]]


class Placing(NamedTuple):
    """A method at the site that its training folds chose, fitted there; or the reason why there is none.

    ``probe`` is None unless the method names a direction.
    """

    method: str
    folds: Measured
    site: str | None
    score: Score | None
    probe: LinearProbe | None


class _Fitted(NamedTuple):
    score: Score
    probe: LinearProbe | None


def place(opened: Opened, method: str, *, train: dict[str, Activations], orient_on: dict[str, Activations]) -> Placing:
    """Fit a method at every site on folds of the training rows, choose the site, and fit it there on all of them.

    Parameters
    ----------
    opened
        The task.
    method
        One of ``READERS``.
    train, orient_on
        Train and calibration rows of the training distribution, by site; tokens for sequence probes.

    Notes
    -----
    A sequence probe is judged on the first of the folds alone, for its fits are many times dearer. Inside a fold an
    unsupervised probe has its sign from the fold's own training rows.
    """
    sites = list(train)
    first = train[sites[0]]
    if method in LINEAR and not can_fit(method, first):
        return Placing(method, Unavailable(reason="it needs pairs, and these texts have none"), None, None, None)
    groups = first.groups if first.groups is not None else first.ids
    folds = group_folds(groups, np.asarray(first.y), n_folds=opened.settings.n_folds, seed=opened.settings.seed)[
        : 1 if method in SEQUENCE else None
    ]
    judged = []
    for site in sites:
        figure: Measured
        areas: list[float] = []
        try:
            for fold in folds:
                inside, outside = train[site].select(fold.train), train[site].select(fold.test)
                fitted = _fit(method, inside, orient_on=inside, C=opened.spec.probes.C)
                areas.append(auroc(np.asarray(outside.y), fitted.score(outside)))
            figure = _folds(areas, level=opened.settings.level)
        except NoDirectionError as error:
            figure = Unavailable(reason=str(error))
        judged.append(Candidate(site=site, method=method, auroc=figure, fold_aurocs=tuple(areas)))
    if not any(isinstance(one.auroc, Estimate) for one in judged):
        return Placing(method, judged[0].auroc, None, None, None)
    best = choose(judged)
    try:
        found = _fit(method, train[best.site], orient_on=orient_on[best.site], C=opened.spec.probes.C)
    except NoDirectionError as error:
        return Placing(method, Unavailable(reason=str(error)), None, None, None)
    return Placing(method, best.auroc, best.site, found.score, found.probe)


def _folds(areas: list[float], *, level: float) -> Measured:
    if len(areas) > 1:
        return fold_estimate(np.array(areas), level=level)
    # one fold ranks sites, and bounds nothing
    return Estimate(value=areas[0], low=0.0, high=1.0, level=level, n=1, method="one fold, which bounds nothing")


def _fit(method: str, train: Activations, *, orient_on: Activations, C: float) -> _Fitted:
    with warnings.catch_warnings():
        # a fit that stopped early is judged like any other
        warnings.simplefilter("ignore", ConvergenceWarning)
        y = np.asarray(train.y)
        if method == "mlp":
            network = MLP().fit(train.X, y)
            return _Fitted(lambda acts: np.asarray(network.decision_function(acts.X)), None)
        if method in SEQUENCE:
            head = (PooledTokens("max") if method == "max_head" else AttentionProbe()).fit(
                train.X, y, offsets=train.offsets
            )
            return _Fitted(lambda acts: np.asarray(head.decision_function(acts.X, offsets=acts.offsets)), None)
        probe = fit(as_linear(method), train, C=C, orient_on=orient_on)
        return _Fitted(lambda acts: np.asarray(probe.decision_function(acts.X)), probe)


def as_linear(method: str) -> Method:
    """Return the name of a method that names a direction, as a study knows it."""
    return next(one for one in LINEAR if one == method)
