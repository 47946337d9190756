"""Fitted probes on disk: arrays as safetensors, everything else as JSON, never pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as from_safetensors
from safetensors.numpy import save as to_safetensors
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from tiltmeter.core.errors import ArrayError, FormatError
from tiltmeter.core.files import read_sealed, write_sealed
from tiltmeter.probes._attention_probe import AttentionProbe
from tiltmeter.probes._bss import BSS
from tiltmeter.probes._ccs import CCS
from tiltmeter.probes._contrast_logistic import ContrastLogistic
from tiltmeter.probes._crc import CRC
from tiltmeter.probes._kmeans import KMeansDifferences
from tiltmeter.probes._lat import LAT
from tiltmeter.probes._lda import LDA
from tiltmeter.probes._logistic import Logistic
from tiltmeter.probes._mean_difference import MeanDifference
from tiltmeter.probes._median_difference import MedianDifference
from tiltmeter.probes._mlp import MLP
from tiltmeter.probes._pooled_tokens import PooledTokens
from tiltmeter.probes._random_direction import RandomDirection
from tiltmeter.probes._ridge import Ridge
from tiltmeter.probes._svm import LinearSVM
from tiltmeter.probes._ttpd import TTPD

FORMAT_VERSION = 1

# every class that may be read back: a file names its class, and nothing else is ever made from one
CLASSES: tuple[type[Any], ...] = (
    AttentionProbe,
    BSS,
    CCS,
    CRC,
    ContrastLogistic,
    KMeansDifferences,
    LAT,
    LDA,
    LinearSVM,
    Logistic,
    MLP,
    MeanDifference,
    MedianDifference,
    PooledTokens,
    RandomDirection,
    Ridge,
    TTPD,
)


def save(probe: BaseEstimator, folder: str | Path, *, stem: str = "probe") -> None:
    """Write a fitted probe as ``stem.safetensors`` and, last, ``stem.json`` with the hash of the other.

    All that ``fit`` left is kept: arrays of numbers bit for bit, and hyperparameters, numbers and names as JSON. The
    evidence does not stand here; a ``Direction`` carries it.

    Parameters
    ----------
    probe
        A fitted probe of this package.
    folder
        Made if it is not there.
    stem
        Name of both files without their ending.

    Raises
    ------
    NotFittedError
        If the probe is not fitted.
    ArrayError
        If it is of a class of your own, which could not be read back, or holds what JSON cannot.

    Examples
    --------
    >>> import tempfile
    >>> from tiltmeter.probes import MeanDifference, load, save
    >>> X, y = np.array([[0.0, 1.0], [2.0, 1.0]]), np.array([0, 1])
    >>> folder = Path(tempfile.mkdtemp())
    >>> save(MeanDifference().fit(X, y), folder)
    >>> load(folder).predict(X).tolist()
    [0, 1]
    """
    if type(probe) not in CLASSES:
        raise ArrayError(f"{type(probe).__name__} is not a probe of Tiltmeter; save its direction with as_direction().")
    check_is_fitted(probe)
    state = {name: value for name, value in vars(probe).items() if name.endswith("_")}
    arrays = {name: value for name, value in state.items() if _is_numeric(value)}
    content = to_safetensors({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    head = {
        "probe": type(probe).__name__,
        "hyperparameters": {name: _plain(name, value) for name, value in probe.get_params(deep=False).items()},
        "fitted": {name: _plain(name, value) for name, value in state.items() if name not in arrays},
    }
    write_sealed(Path(folder), head, content=content, stem=stem, version=FORMAT_VERSION)


def load(folder: str | Path, *, stem: str = "probe") -> Any:  # noqa: ANN401  (the class stands in the file)
    """Read a probe that :func:`save` wrote; it scores as the saved one did, bit for bit.

    Raises
    ------
    FileError
        If one of the two files is not there.
    FormatError
        If they are of another version, damaged, changed, or of a class that this release does not have.

    Examples
    --------
    >>> import tempfile
    >>> from tiltmeter.probes import Ridge, load, save
    >>> folder = Path(tempfile.mkdtemp())
    >>> save(Ridge(alpha=2.0).fit(np.eye(4), np.array([0, 0, 1, 1])), folder, stem="ridge")
    >>> load(folder, stem="ridge")
    Ridge(alpha=2.0)
    """
    folder = Path(folder)
    path = folder / f"{stem}.json"
    head, content = read_sealed(folder, stem=stem, what="a probe", version=FORMAT_VERSION)
    known = {kind.__name__: kind for kind in CLASSES}
    kind = known.get(str(head.get("probe")))
    if kind is None:
        raise FormatError(
            f"{path} is a {head.get('probe')}, which this release does not know; use the one that wrote it."
        )
    try:
        probe = kind(**head["hyperparameters"])
        fitted = {name: _from_plain(value) for name, value in head["fitted"].items()} | from_safetensors(content)
        for name, value in fitted.items():
            if not name.endswith("_") or name.startswith("_"):
                raise ValueError(f"{name} is no fitted attribute")
            setattr(probe, name, value)
        check_is_fitted(probe)
    except (KeyError, TypeError, AttributeError, ValueError, SafetensorError) as error:
        raise FormatError(f"{path} lacks a part of a probe or holds a wrong one ({error}).") from error
    return probe


def _is_numeric(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "buif"


def _plain(name: str, value: object) -> Any:  # noqa: ANN401  (JSON is any)
    if isinstance(value, np.ndarray):  # of strings: the names of classes or features
        return {"array": value.tolist()}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ArrayError(f"{name} is a {type(value).__name__}, which a saved probe cannot hold.")


def _from_plain(value: Any) -> NDArray[Any] | Any:  # noqa: ANN401
    if isinstance(value, dict):
        names = value["array"]
        # feature names are objects, as scikit-learn keeps them
        return np.array(names)
    return value
