"""How much of a probe's accuracy it would also have on labels that it can only have memorised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Measured
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import share
from tiltmeter.probes._feeding import fit_on, labels_of, one_row_a_text
from tiltmeter.probes._probe import Classifier, Probe


class Selectivity(NamedTuple):
    """Accuracy on the real labels, on r control tasks, and the mean of the difference.

    All are on the ``n_rows`` held-out rows whose type was seen in training; ``n_unseen`` rows were left out. The
    interval of ``accuracy`` counts types, not rows.
    """

    accuracy: Measured
    controls: Float[NDArray[Any], " r"]
    selectivity: float
    n_rows: int
    n_unseen: int


def selectivity(
    probe: Classifier,
    train: Activations,
    *,
    types: Shaped[NDArray[Any], " n"],
    test: Activations,
    types_test: Shaped[NDArray[Any], " m"],
    n_controls: int = 10,
    random_state: int = 0,
) -> Selectivity:
    """Compare a probe with itself on control tasks: each type of row gets a random label, in train and test alike.

    A control task can be solved on held-out rows only by remembering types. A probe that does it well has room to
    remember, and its real accuracy is then no evidence that the activations hold the concept.

    Parameters
    ----------
    probe
        Unfitted; it stays as it is.
    train
        One row a text, with labels.
    types
        The type of each row of train, such as its word, subject or template.
    test
        Fresh rows of the same site, with labels.
    types_test
        The type of each row of test. Rows whose type is not in train are left out of both accuracies: nobody can know
        their control label.
    n_controls
        Control tasks, 1 or more.
    random_state
        Seed.

    Raises
    ------
    ArrayError
        If labels are absent, lengths or widths differ, train has one type only, or no type of test is in train.
    SpecError
        If ``n_controls`` is below 1.

    Notes
    -----
    Selectivity is the accuracy on the real labels minus the mean accuracy on the controls. In a control as many types
    are positive as the share of positive rows in train says, one at least and all but one at most. Cost: 1 +
    ``n_controls`` fits.

    The real labels must not be a function of the type: where they are, as with the truth of a statement whose subject
    is its type, real task and control are of one kind, and selectivity is near 0 for any probe.

    References
    ----------
    Hewitt and Liang (2019), "Designing and interpreting probes with control tasks".

    Examples
    --------
    >>> from tiltmeter.probes import MeanDifference
    >>> rng = np.random.default_rng(0)
    >>> y, types = rng.integers(2, size=400), rng.integers(20, size=400)
    >>> X = rng.normal(size=(400, 5)) + 3 * y[:, None] * np.eye(5)[0]
    >>> rows = Activations(X, ids=np.arange(400).astype(str), y=y)
    >>> train, test = rows.select(np.arange(200)), rows.select(np.arange(200, 400))
    >>> found = selectivity(MeanDifference(), train, types=types[:200], test=test, types_test=types[200:])
    >>> found.selectivity > 0.3
    True
    """
    one_row_a_text(train)
    one_row_a_text(test, like=train)
    y = labels_of(train)
    if test.y is None:
        raise ArrayError("The test activations have no labels; give y there.")
    if len(types) != len(train) or len(types_test) != len(test):
        raise ArrayError(
            f"There are {len(types)} and {len(types_test)} types for {len(train)} train and {len(test)} test rows."
        )
    if n_controls < 1:
        raise SpecError(f"n_controls is {n_controls}; at least 1 is needed.")
    names, codes = np.unique(types, return_inverse=True)
    if len(names) < 2:
        raise ArrayError("train has one type only; a control task needs two or more.")
    seen = np.flatnonzero(np.isin(types_test, names))
    if not len(seen):
        raise ArrayError("No type of the test rows is in train, so that no control label can be known there.")
    codes_test = np.searchsorted(names, types_test[seen])
    held_out = test.X[seen]
    hits = _present(fit_on(probe, train), held_out) == (test.y[seen] == 1)
    n_positive = int(np.clip(round(float(y.mean()) * len(names)), 1, len(names) - 1))
    controls = np.empty(n_controls)
    for i in range(n_controls):
        of_types = stream(random_state, "control", i).permutation(np.arange(len(names)) < n_positive).astype(np.int64)
        fitted = fit_on(probe, replace(train, y=of_types[codes]))
        controls[i] = (_present(fitted, held_out) == (of_types[codes_test] == 1)).mean()
    real = share(hits, groups=types_test[seen])
    return Selectivity(real, controls, float(hits.mean() - controls.mean()), len(seen), len(test) - len(seen))


def _present(fitted: Probe, X: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(fitted.decision_function(X) > 0)
