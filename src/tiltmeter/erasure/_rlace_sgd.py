"""RLACE as published: alternating stochastic gradient steps of a predictor and of a relaxed projection."""

from __future__ import annotations

import time
import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning as SklearnConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from torch.nn import functional

from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.erasure._arguments import check_count
from tiltmeter.erasure._class_fitter import check_codes

_BISECTIONS = 100


class SGDSettings(NamedTuple):
    """Learning rate and weight decay of both players, rows a step, steps between judgements, and when to stop.

    It stops when the accuracy of a fresh classifier is within ``stop_margin`` of the majority share. The defaults are
    those of the publication's code.
    """

    learning_rate: float = 0.005
    weight_decay: float = 1e-4
    batch_size: int = 128
    evaluated_every: int = 1000
    n_classifiers: int = 3
    stop_margin: float = 0.0015


class RLACESGDFit(NamedTuple):
    """The directions removed, shape (k, d), orthonormal; the loss and accuracy of fresh classifiers; steps taken.

    ``loss`` is that of the best of the fresh classifiers for the projection that was kept; ``is_stopped`` that the
    margin was reached, rather than the steps or the time used up.
    """

    directions: Float[NDArray[np.float64], "k d"]
    loss: float
    accuracy: float
    n_steps: int
    is_stopped: bool


def project_on_fantope(matrix: Float[NDArray[Any], "d d"], *, rank: int) -> Float[NDArray[np.float64], "d d"]:
    """Return the nearest symmetric matrix, in Frobenius norm, with eigenvalues in [0, 1] and trace ``rank``.

    Parameters
    ----------
    matrix
        Finite; its symmetric part is projected.
    rank
        Between 0 and d.

    Raises
    ------
    ArrayError
        If the matrix is not square or not finite.
    SpecError
        If the rank is below 0 or above d.

    Notes
    -----
    Eigenvectors stay; the eigenvalues λ become clip(λ − θ, 0, 1), with θ such that they sum to the rank, found by
    bisection.

    References
    ----------
    Vu et al., "Fantope projection and selection", NeurIPS 2013, lemma 4.1.

    Examples
    --------
    >>> project_on_fantope(np.diag([3.0, 0.5, 0.5]), rank=1).round(6).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    if matrix.shape[0] != matrix.shape[1] or not np.isfinite(matrix).all():
        raise ArrayError(f"The matrix has shape {matrix.shape} and must be square, with finite numbers.")
    if not 0 <= rank <= len(matrix):
        raise SpecError(f"rank is {rank}; it must lie between 0 and {len(matrix)}, the width of the matrix.")
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    clipped = clip_to_sum(values.astype(np.float64), rank)
    return np.asarray((vectors * clipped) @ vectors.T)


def clip_to_sum(values: Float[NDArray[np.float64], " d"], rank: int) -> Float[NDArray[np.float64], " d"]:
    # the sum falls from d to 0 as θ goes from the least value less one to the greatest
    low, high = values.min() - 1.0, values.max()
    for _ in range(_BISECTIONS):
        theta = (low + high) / 2
        if np.clip(values - theta, 0.0, 1.0).sum() > rank:
            low = theta
        else:
            high = theta
    return np.asarray(np.clip(values - (low + high) / 2, 0.0, 1.0))


def rlace_sgd(
    X: Float[NDArray[Any], "n d"],
    z: Int[NDArray[Any], " n"],
    *,
    rank: int,
    n_steps: int = 75_000,
    max_seconds: float | None = None,
    settings: SGDSettings | None = None,
    random_state: int = 0,
) -> RLACESGDFit:
    """Play RLACE's game as published, to see how its answer changes from run to run.

    Each step moves the relaxed projection up the loss of the present predictor on a batch, projects it onto the
    Fantope, and moves the predictor down the loss on another batch. Every so often, and after the last step, fresh
    classifiers are fitted, and the projection that left the best of them the highest loss is kept; its leading
    eigenvectors are the result.

    Parameters
    ----------
    X
        Rows, used in single precision as they are: the procedure depends on their scale, and does not centre them.
    z
        Class numbers 0, 1, …, each present.
    rank
        Directions to remove, from 1 to d.
    n_steps
        Most steps of both players.
    max_seconds
        Most time, looked at after each step; None for no limit.
    settings
        Of the players and of the judgement; None for the publication's.
    random_state
        Seed of the first projection and predictor, of the batches and of the fresh classifiers.

    Raises
    ------
    SpecError
        If the rank is no whole number from 1 to d, or there are no steps.
    ArrayError
        If a class is missing.

    Notes
    -----
    Each step costs an eigendecomposition, O(d³). Nothing is guaranteed of the result, and it is not warned of either:
    see :func:`rlace`.

    References
    ----------
    Ravfogel et al., "Linear adversarial concept erasure", arXiv 2201.12091, section 4.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = np.arange(200) % 2
    >>> X = rng.normal(size=(200, 3)) + 4 * z[:, None] * np.eye(3)[0]
    >>> rlace_sgd(X, z, rank=1, n_steps=20).directions.shape
    (1, 3)
    """
    n_classes = check_codes(z, n=len(X))
    n, d = X.shape
    check_count("rank", rank, most=d)
    check_count("n_steps", n_steps)
    settings = SGDSettings() if settings is None else settings
    players = _Players(X, z, n_classes=n_classes, settings=settings, seed=random_state)
    majority = float(np.bincount(z).max() / n)
    kept = RLACESGDFit(np.zeros((rank, d)), -np.inf, 1.0, 0, is_stopped=False)
    nearest = 1.0
    deadline = None if max_seconds is None else time.perf_counter() + max_seconds
    for i in range(n_steps):
        players.step(rank)
        is_last = i == n_steps - 1 or (deadline is not None and time.perf_counter() >= deadline)
        if i % settings.evaluated_every == 0 or is_last:
            directions = players.directions(rank)
            loss, accuracy = _judge(X - (X @ directions.T) @ directions, z, settings, random_state + i)
            if loss > kept.loss:
                kept = kept._replace(directions=directions, loss=loss, accuracy=accuracy)
            nearest = min(nearest, abs(accuracy - majority))
        if is_last or (i > 1 and nearest < settings.stop_margin):
            break
    return kept._replace(n_steps=i + 1, is_stopped=nearest < settings.stop_margin)


class _Players:
    """The relaxed projection and the predictor, in single precision, and the steps that they take in turn."""

    def __init__(
        self,
        X: Float[NDArray[Any], "n d"],
        z: Int[NDArray[Any], " n"],
        *,
        n_classes: int,
        settings: SGDSettings,
        seed: int,
    ) -> None:
        d = X.shape[1]
        self.rows, self.classes = torch.from_numpy(X.astype(np.float32)), torch.from_numpy(z.astype(np.int64))
        self.batch_size, self.n_outputs = settings.batch_size, 1 if n_classes == 2 else n_classes
        self.generator = torch.Generator().manual_seed(seed)
        # uniform within ± 1/√d, as torch draws a linear layer; the last row is the intercept
        first = (2 * torch.rand(d + 1, self.n_outputs, generator=self.generator) - 1) / d**0.5
        self.predictor = first.requires_grad_()
        self.P = (0.1 * torch.randn(d, d, generator=self.generator)).requires_grad_()
        self.of_P, self.of_predictor = (
            torch.optim.SGD([part], lr=settings.learning_rate, weight_decay=settings.weight_decay)
            for part in (self.P, self.predictor)
        )

    def step(self, rank: int) -> None:
        self.of_P.zero_grad()
        (-self.batch_loss()).backward()  # type: ignore[no-untyped-call]
        self.of_P.step()
        with torch.no_grad():
            self.P.copy_(torch.from_numpy(project_on_fantope(self.P.numpy(), rank=rank)))
        self.of_predictor.zero_grad()
        self.batch_loss().backward()  # type: ignore[no-untyped-call]
        self.of_predictor.step()

    def batch_loss(self) -> torch.Tensor:
        chosen = torch.randperm(len(self.rows), generator=self.generator)[: self.batch_size]
        batch = self.rows[chosen]
        left = batch - batch @ ((self.P + self.P.T) / 2)
        scores = left @ self.predictor[:-1] + self.predictor[-1]
        if self.n_outputs == 1:
            return functional.binary_cross_entropy_with_logits(scores[:, 0], self.classes[chosen].float())
        return functional.cross_entropy(scores, self.classes[chosen])

    def directions(self, rank: int) -> Float[NDArray[np.float64], "k d"]:
        relaxed = self.P.detach().numpy().astype(np.float64)
        return np.asarray(np.linalg.eigh(relaxed)[1][:, -rank:].T)


def _judge(
    X: Float[NDArray[Any], "n d"], z: Int[NDArray[Any], " n"], settings: SGDSettings, seed: int
) -> tuple[float, float]:
    """Return the lowest loss of a few fresh classifiers on the rows they were fitted on, and its accuracy."""
    judged = []
    for k in range(settings.n_classifiers):
        model = SGDClassifier(
            loss="log_loss", alpha=1e-4, tol=1e-4, n_iter_no_change=15, max_iter=25_000, random_state=seed * 10 + k
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SklearnConvergenceWarning)
            model.fit(X, z)
        judged.append((float(log_loss(z, model.predict_proba(X))), float(model.score(X, z))))
    return min(judged)
