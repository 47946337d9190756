"""Rows for dictionaries from what is on disk, divided so that no text is on both sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Shaped
from numpy.typing import NDArray

from tiltmeter.activations import ActivationStore
from tiltmeter.anatomy._dictionary_audit import DictionaryRows
from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import FileError, FormatError, SpecError
from tiltmeter.core.seeds import stream
from tiltmeter.core.site import Site


class OpenedRows(NamedTuple):
    """Rows to train and to judge on, and where they were read, if that is known."""

    rows: DictionaryRows
    site: Site | None


def open_rows(source: str | Path, *, site: str | None = None, test_share: float = 0.2, seed: int = 0) -> OpenedRows:
    """Open the rows of a store of activations at a site, or of a ``.npy`` file, and divide them.

    Groups of texts, or texts, are divided whole, and are what intervals are made over; of a file each row is its own.

    Parameters
    ----------
    source
        A folder as ``tiltmeter collect`` writes it, or a file of shape (n, d).
    site
        Which site of a store; not needed where there is one.
    test_share
        About which share of the groups is kept to judge on, above 0 and below 1.
    seed
        Of the division.

    Returns
    -------
    Rows, with the groups of both sides.

    Raises
    ------
    SpecError
        If the site is missing or not one of the store, or the share is not between 0 and 1 or leaves nothing on a side.
    FileError, FormatError
        If the source is not there, damaged or no array of rows.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "rows.npy"
    >>> np.save(path, np.eye(10))
    >>> opened = open_rows(path, test_share=0.3)
    >>> opened.rows.train.shape, opened.rows.test.shape
    ((7, 10), (3, 10))
    """
    if not 0 < test_share < 1:
        raise SpecError(f"The test share is {test_share:g}; it lies between 0 and 1.")
    path = Path(source)
    if path.is_file():
        if site is not None:
            raise SpecError(f"{path} is a file of rows and has no sites; leave out the site.")
        X, groups, found = _from_file(path), None, None
    else:
        acts = _from_store(path, site)
        X, groups, found = acts.X, _groups_of_rows(acts), acts.site
    held_out = _held_out(np.arange(len(X)) if groups is None else groups, share=test_share, seed=seed)
    if held_out.all() or not held_out.any():
        raise SpecError(f"A test share of {test_share:g} leaves one side without rows; there are too few groups.")
    sides = (None, None) if groups is None else (groups[~held_out], groups[held_out])
    return OpenedRows(DictionaryRows(X[~held_out], X[held_out], groups=sides[1], train_groups=sides[0]), found)


def _from_file(path: Path) -> NDArray[Any]:
    try:
        X = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise FormatError(f"{path} is no .npy file of numbers ({error}).") from error
    if not isinstance(X, np.ndarray) or X.ndim != 2 or X.dtype.kind != "f":
        raise FormatError(f"{path} must hold one array of floating-point rows, shape (n, d).")
    return X


def _from_store(path: Path, site: str | None) -> Activations:
    if not path.exists():
        raise FileError(f"{path} does not exist; give a store as tiltmeter collect writes it, or a .npy file.")
    store = ActivationStore.open(path)
    if site is None and len(store.sites) != 1:
        raise SpecError(f"{path} has the sites {', '.join(store.sites)}; name one of them.")
    return store.read(site or next(iter(store.sites)))


def _groups_of_rows(acts: Activations) -> Shaped[NDArray[Any], " n"]:
    groups = acts.ids if acts.groups is None else acts.groups
    return groups if acts.offsets is None else np.repeat(groups, np.diff(acts.offsets))


def _held_out(groups: Shaped[NDArray[Any], " n"], *, share: float, seed: int) -> Bool[NDArray[Any], " n"]:
    names, of_row = np.unique(groups, return_inverse=True)
    chosen = stream(seed, "dictionary rows").permutation(len(names))[: round(share * len(names))]
    return np.isin(of_row, chosen)
