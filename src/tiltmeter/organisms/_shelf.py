"""Where organisms stand: those that come with Tiltmeter, and those that were trained into the cache."""

from __future__ import annotations

import os
from pathlib import Path

from tiltmeter.core.errors import FileError
from tiltmeter.data import TextSet
from tiltmeter.organisms._kinds import KINDS, kind_of
from tiltmeter.organisms._organism import Organism, read_organism

BUNDLED = ("facts", "quirky", "pupil", "elections-hidden", "tampering", "coup", "deceiver")
_CACHE = "TILTMETER_CACHE"


def names() -> tuple[str, ...]:
    """Name the organisms.

    Returns
    -------
    Names that :func:`load`, :func:`texts` and :func:`train` take.

    Examples
    --------
    >>> "facts" in names()
    True
    """
    return tuple(KINDS)


def shelf_line(name: str) -> str:
    """Say in one line what an organism is, and whether it comes along, was trained, or is to be trained.

    Parameters
    ----------
    name
        One of :func:`names`.

    Raises
    ------
    SpecError
        If there is no such organism.

    Examples
    --------
    >>> shelf_line("facts").split(":")[0]
    'facts'
    """
    if comes_along(name, seed=0):
        where = "comes with Tiltmeter"
    else:
        where = "trained" if cached(name, seed=0).exists() else "not trained yet"
    return f"{name}: {kind_of(name).about} ({where})"


def load(name: str, *, seed: int = 0) -> Organism:
    """Open an organism; its weights are read by :func:`tiltmeter.models.load`, given its folder.

    Parameters
    ----------
    name
        One of :func:`names`.
    seed
        Of its training; what comes with Tiltmeter has seed 0.

    Returns
    -------
    Its folder, world and card.

    Raises
    ------
    SpecError
        If there is no such organism; the message lists those there are.
    FileError
        If it does not come with Tiltmeter and was not trained; the message says how.

    Examples
    --------
    >>> load("facts").card.n_parameters < 2_000_000
    True
    """
    kind_of(name)
    if comes_along(name, seed=seed):
        return read_organism(Path(__file__).parent / name)
    place = cached(name, seed=seed)
    if not place.exists():
        raise FileError(
            f"The organism {name} of seed {seed} was not trained yet; tiltmeter organism train {name} --seed {seed} "
            f"puts it into {place}."
        )
    return read_organism(place)


def comes_along(name: str, *, seed: int) -> bool:
    """Return whether an organism comes with Tiltmeter."""
    return name in BUNDLED and seed == 0


def cached(name: str, *, seed: int) -> Path:
    """Return where an organism that is trained on demand stands: under TILTMETER_CACHE, or the user's cache."""
    root = os.environ.get(_CACHE)
    if root is None:
        root = str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tiltmeter")
    return Path(root) / "organisms" / f"{name}-seed{seed}"


def texts(name: str, chosen: str, *, distribution: str | None = None, seed: int = 0) -> TextSet:
    """Return a set of texts about the world of an organism.

    Parameters
    ----------
    name
        One of :func:`names`.
    chosen
        One of its sets; :func:`describe` lists them.
    distribution
        What the set is called in a study; None for the name it has here.
    seed
        Of the organism.

    Returns
    -------
    Texts with labels, groups and splits.

    Raises
    ------
    SpecError
        If there is no such organism or set.
    FileError
        If the organism was not trained.

    Examples
    --------
    >>> texts("facts", "negated").distribution
    'negated'
    """
    return load(name, seed=seed).texts(chosen, distribution=distribution)
