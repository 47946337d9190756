"""The XOR control: whether a probe reads a combination of two attributes that nobody put there."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Measured
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import ranking_estimates, resampling
from tiltmeter.probes._feeding import fit_on
from tiltmeter.probes._probe import Classifier


class XorReadout(NamedTuple):
    """AUROC on fresh rows of probes for two attributes and for their XOR, with intervals.

    ``n_train`` and ``n_test`` rows were used, as many of each of the four combinations.
    """

    first: Measured
    second: Measured
    xor: Measured
    n_train: int
    n_test: int


def xor_probe(
    probe: Classifier,
    X: Float[NDArray[Any], "n d"],
    *,
    attributes: Int[NDArray[Any], "n 2"],
    X_test: Float[NDArray[Any], "m d"],
    attributes_test: Int[NDArray[Any], "m 2"],
    groups_test: Shaped[NDArray[Any], " m"] | None = None,
    random_state: int = 0,
) -> XorReadout:
    """Fit a probe for each of two unrelated attributes and for their XOR, and judge all three on fresh rows.

    Nobody means the XOR of two unrelated attributes by anything. Where it is read about as well as a concept that one
    claims, that claim shows no more than that the activations, or the probe, mix what they hold. Take attributes that
    are as easy to read as the ingredients of the claimed concept.

    Parameters
    ----------
    probe
        Unfitted; it stays as it is. It must need labels only.
    X
        Rows to fit on.
    attributes
        Two attributes of each row, 0 or 1. All four combinations must be there.
    X_test, attributes_test
        Fresh rows, and theirs.
    groups_test
        Groups of the fresh rows: what the bootstrap resamples. None for rows.
    random_state
        Seed of the choice of rows and of the intervals.

    Raises
    ------
    ArrayError
        If lengths differ, an attribute is not 0 or 1, or a combination is missing.
    SpecError
        If the probe needs pairs or sides.

    Notes
    -----
    Both sets are cut to as many rows of each combination as the rarest has. Otherwise a rare attribute makes the XOR
    nearly the other one, and it would be "read" without any mixing.

    References
    ----------
    Roger, in the discussion of how models represent XORs of arbitrary features (2024).

    Examples
    --------
    >>> from tiltmeter.probes import MeanDifference
    >>> rng = np.random.default_rng(0)
    >>> a = rng.integers(2, size=(800, 2))
    >>> X = np.concatenate([a, rng.normal(size=(800, 3))], axis=1)
    >>> found = xor_probe(MeanDifference(), X[:400], attributes=a[:400], X_test=X[400:], attributes_test=a[400:])
    >>> found.first.value, found.xor.value < 0.6
    (1.0, True)
    """
    if probe.needs_pairs or probe.needs_sides:
        raise SpecError(f"{type(probe).__name__} needs pairs; the XOR control takes probes that need labels only.")
    train = _balanced(X, attributes, stream(random_state, "xor", "train"))
    test = _balanced(X_test, attributes_test, stream(random_state, "xor", "test"))
    by = resampling(len(test), groups=None if groups_test is None else groups_test[test], seed=random_state)
    measured = []
    for name in ("first", "second", "xor"):
        y, y_test = _label(attributes[train], name), _label(attributes_test[test], name)
        fitted = fit_on(probe, Activations(X[train], ids=np.arange(len(train)).astype(str), y=y))
        scores = np.asarray(fitted.decision_function(X_test[test]), dtype=np.float64)
        # the true-positive rate is not asked for; at 1 it can always be had
        measured.append(ranking_estimates(y_test, scores, fpr=1.0, by=by).auroc)
    return XorReadout(measured[0], measured[1], measured[2], len(train), len(test))


def random_mlp_activations(
    features: Int[NDArray[Any], "n k"],
    *,
    copies: int = 1,
    n_layers: int = 2,
    width: int | None = None,
    random_state: int = 0,
) -> Float[NDArray[Any], "n d"]:
    """Return what a random residual ReLU network makes of canonical features: a null that computes nothing on purpose.

    Each of the k features stands on ``copies`` coordinates of its own, so d = k · copies; then each layer adds a random
    ReLU MLP of the normalised rows. Nothing is trained. With many features on one coordinate each, the XOR of two of
    them is hardly readable; where few features fill the same width, each of them redundantly, it is.

    Parameters
    ----------
    features
        Entries −1 and 1.
    copies
        Coordinates a feature, 1 or more.
    n_layers
        Layers; 0 gives the coordinates themselves.
    width
        Hidden units of a layer; None for 4 d.
    random_state
        Seed of the weights: the same seed is the same network, for train and fresh rows alike.

    Raises
    ------
    ArrayError
        If an entry is neither −1 nor 1.
    SpecError
        If ``copies`` or ``width`` is below 1, or ``n_layers`` below 0.

    Notes
    -----
    x ← x + V ReLU(W x / rms(x) + b), with W, b and V of independent normal entries: W of variance 1/d, b of variance 1,
    V of variance 2/width, so that a layer adds about as much as the features have.

    References
    ----------
    Roger, in the discussion of how models represent XORs of arbitrary features (2024).

    Examples
    --------
    >>> bits = np.array([[1, -1], [-1, -1], [1, 1]])
    >>> random_mlp_activations(bits, copies=3).shape
    (3, 6)
    """
    if not np.isin(features, (-1, 1)).all():
        raise ArrayError("features must be -1 and 1.")
    x = np.repeat(features.astype(np.float64), max(copies, 1), axis=1)
    d = x.shape[1]
    hidden = 4 * d if width is None else width
    if copies < 1 or hidden < 1 or n_layers < 0:
        raise SpecError(f"copies is {copies}, width {hidden} and n_layers {n_layers}; 1, 1 and 0 are the least.")
    rng = np.random.default_rng(random_state)
    for _ in range(n_layers):
        into, bias = rng.normal(size=(d, hidden)) / np.sqrt(d), rng.normal(size=hidden)
        out = rng.normal(size=(hidden, d)) * np.sqrt(2 / hidden)
        scale = np.sqrt((x**2).mean(axis=1, keepdims=True))
        x = x + np.maximum(x / scale @ into + bias, 0) @ out
    return x


def _balanced(
    X: Float[NDArray[Any], "n d"], attributes: Int[NDArray[Any], "n 2"], rng: np.random.Generator
) -> Int[NDArray[Any], " m"]:
    """Return rows in their order, as many of each combination as the rarest has."""
    if len(X) != len(attributes):
        raise ArrayError(f"There are {len(X)} rows and {len(attributes)} pairs of attributes; give one a row.")
    if not np.isin(attributes, (0, 1)).all():
        raise ArrayError(f"attributes hold {np.unique(attributes)[:5].tolist()}; they must be 0 and 1.")
    cells = 2 * attributes[:, 0] + attributes[:, 1]
    sizes = np.bincount(cells, minlength=4)
    if not sizes.min():
        raise ArrayError(f"The combinations 00, 01, 10, 11 have {sizes.tolist()} rows; all four are needed.")
    chosen = [rng.choice(np.flatnonzero(cells == cell), size=sizes.min(), replace=False) for cell in range(4)]
    return np.sort(np.concatenate(chosen))


def _label(attributes: Int[NDArray[Any], "n 2"], name: str) -> Int[NDArray[Any], " n"]:
    first, second = attributes[:, 0].astype(np.int64), attributes[:, 1].astype(np.int64)
    return {"first": first, "second": second, "xor": first ^ second}[name]
