"""Logistic regressions for all sites, folds and penalties at little more than the price of one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError, ConvergenceWarning
from tiltmeter.probes._logistic import within_scale
from tiltmeter.probes._margins import fit_margins
from tiltmeter.probes._probe import one_of


class LogisticFits(NamedTuple):
    """The fits of one site: f folds by c penalties.

    ``objectives`` are Σ log-loss + penalty, summed in float64; ``is_converged`` tells where the last step promised
    less than the tolerance.
    """

    weights: Float[NDArray[Any], "f c d"]
    intercepts: Float[NDArray[Any], "f c"]
    objectives: Float[NDArray[Any], "f c"]
    is_converged: Bool[NDArray[Any], "f c"]
    n_steps: Int[NDArray[Any], "f c"]

    def scores(self, X: Float[NDArray[Any], "n d"]) -> Float[NDArray[Any], "f c n"]:
        """Score rows by every fit."""
        return np.asarray(self.weights @ X.T + self.intercepts[:, :, None])


def logistic_sweep(
    sites: Mapping[str, Float[NDArray[Any], "n d"]],
    y: Int[NDArray[Any], " n"],
    *,
    C: Sequence[float],
    train: Bool[NDArray[Any], "f n"] | None = None,
    penalty_scale: Literal["raw", "within"] = "raw",
    device: str = "cpu",
    tol: float = 1e-8,
) -> dict[str, LogisticFits]:
    """Minimise Σ log-loss + |w|² / (2C) over w and a free intercept, for every site, fold and C.

    The problems of a site share each product with its rows, in single precision; objectives are summed in double. All
    strengths are solved side by side, each from its own first Newton step, rather than one after the other along the
    path.

    Parameters
    ----------
    sites
        Rows by the name of their site, all with the same n. Each is looked up once and let go before the next, so a
        mapping that reads from disk needs the memory of one site. That is, in 4-byte numbers: three copies of the rows,
        d² twice for their Gram matrix (in 8 bytes), four n × problems, and 25 d × problems.
    y
        Labels 0 and 1.
    C
        Inverse strengths, positive.
    train
        Shape (f, n): the rows that each fold is fitted on; None for one fit on all.
    penalty_scale
        ``"raw"``: scikit-learn's objective. ``"within"``: relative to the mean within-class variance s² of the rows
        that are fitted on, in which case C stands for a raw C of C / s²; see :func:`tiltmeter.probes.logistic`.
    device
        Where to compute, such as ``"cuda"``.
    tol
        Relative: a problem is solved when its next step promises to lower the objective by less than this share.

    Raises
    ------
    ArrayError
        If a fold lacks a class, C is not positive, shapes disagree or rows are not finite.

    Warns
    -----
    ConvergenceWarning
        If problems did not converge; the message says how many of which site.

    Notes
    -----
    In the coordinates of the principal components of the rows the Hessian of a strongly penalised problem is diagonal,
    which makes L-BFGS there a quasi-Newton method with the right first guess. Cost of a site: O(min(n, d)² max(n, d))
    once, and O(n min(n, d)) for each step of each problem.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 2
    >>> X = rng.normal(size=(60, 3)) + y[:, None]
    >>> fits = logistic_sweep({"0.resid_post": X}, y, C=[0.01, 1.0])["0.resid_post"]
    >>> fits.weights.shape, bool(fits.is_converged.all())
    ((1, 2, 3), True)
    """
    strengths = np.asarray(C, dtype=np.float64)
    if strengths.ndim != 1 or not len(strengths) or not ((strengths > 0) & np.isfinite(strengths)).all():
        raise ArrayError(f"C is {C}; give one or more positive, finite inverse strengths.")
    one_of("penalty_scale", penalty_scale, ("raw", "within"))
    folds = np.ones((1, len(y)), dtype=np.bool_) if train is None else train
    if folds.dtype != np.bool_:  # whole numbers would be taken for the numbers of rows
        raise ArrayError(f"train has dtype {folds.dtype}; it must be boolean, True where a fold is fitted on a row.")
    if not np.isin(y, (0, 1)).all():
        raise ArrayError(f"y holds {np.unique(y)[:5].tolist()}; labels must be 0 and 1.")
    if folds.shape != (len(folds), len(y)):
        raise ArrayError(f"train has shape {folds.shape} for {len(y)} labels; it must have one row a fold.")
    for fold, rows in enumerate(folds):
        if len(np.unique(y[rows])) < 2:
            raise ArrayError(f"Fold {fold} is fitted on one class only; every fold needs rows of both.")
    fits = {}
    for site, X in sites.items():
        if X.ndim != 2 or len(X) != len(y):
            raise ArrayError(f"The rows of {site} have shape {X.shape} for {len(y)} labels.")
        if not np.isfinite(X).all():
            raise ArrayError(f"The rows of {site} hold NaN or infinity; leave those out.")
        raw = np.tile(strengths, (len(folds), 1))
        if penalty_scale == "within":
            raw /= np.array([[within_scale(X[fold], y[fold], None) ** 2] for fold in folds])
        fits[site] = _fit_site(X, y, C=raw, folds=folds, device=device, tol=tol)
        if n_left := int((~fits[site].is_converged).sum()):
            warnings.warn(
                f"{n_left} of {raw.size} logistic regressions at {site} did not converge; use a smaller C, or read "
                "objectives and n_steps.",
                ConvergenceWarning,
                stacklevel=2,
            )
    return fits


def _fit_site(
    X: Float[NDArray[Any], "n d"],
    y: Int[NDArray[Any], " n"],
    *,
    C: Float[NDArray[Any], "f c"],
    folds: Bool[NDArray[Any], "f n"],
    device: str,
    tol: float,
) -> LogisticFits:
    # about the mean and to unit scale, so that single precision neither loses digits to an offset that all rows share
    # nor overflows; the penalty is scaled along
    center = X.mean(axis=0, dtype=np.float64)
    centred = X - center
    scale = float(np.sqrt(np.mean(centred**2))) or 1.0
    rows = torch.from_numpy(centred / scale).to(device)
    found = fit_margins(
        rows,
        torch.from_numpy(np.array(y[:, None], dtype=np.int64)).to(device),
        row_weights=torch.from_numpy(np.repeat(folds, C.shape[1], axis=0).T.astype(np.float32)).to(device),
        C=torch.from_numpy(C.ravel() * scale**2).to(device),
        dtype=torch.float32,
        tol=tol,
    )
    weights = found.weights.cpu().numpy().reshape(*C.shape, -1) / scale
    return LogisticFits(
        weights,
        found.intercepts.cpu().numpy().reshape(C.shape) - weights @ center,
        found.objectives.cpu().numpy().reshape(C.shape),
        found.is_converged.cpu().numpy().reshape(C.shape),
        found.n_steps.cpu().numpy().reshape(C.shape),
    )
