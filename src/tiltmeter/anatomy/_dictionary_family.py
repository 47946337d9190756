"""Dictionaries of several sizes and seeds in one folder, and their twins trained on noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.anatomy._dictionary import Dictionary
from tiltmeter.anatomy._dictionary_audit import DictionaryRows, check_rows
from tiltmeter.anatomy._dictionary_metrics import gaussian_like
from tiltmeter.anatomy._foreign_dictionaries import is_dictionary, read_dictionary
from tiltmeter.anatomy._sparse_autoencoder import rows_hash, train_dictionary, training_identity
from tiltmeter.core.dictionaries import DictionaryRecipe
from tiltmeter.core.errors import FormatError, SpecError
from tiltmeter.core.site import Site

OnFamily = Callable[[str, int, int, float], None]

# before the name of a twin's folder
_NOISE = "noise-"


class Family(NamedTuple):
    """Dictionaries by name, such as ``64-seed-0``, and those that were trained alike on Gaussian noise."""

    dictionaries: dict[str, Dictionary]
    on_noise: dict[str, Dictionary]


def train_family(
    rows: DictionaryRows,
    sizes: Sequence[int],
    *,
    recipe: DictionaryRecipe,
    out: str | Path | None = None,
    seeds: Sequence[int] = (0,),
    site: Site | None = None,
    progress: OnFamily | None = None,
) -> Family:
    """Train dictionaries of several sizes and seeds on the training rows, and each again on noise of their covariance.

    Parameters
    ----------
    rows
        Of which ``train`` is learned from, and nothing else is looked at.
    sizes
        Numbers of latents; for MMCS to the next larger dictionary two or more.
    recipe
        The same for all.
    out
        A folder, in which each dictionary is kept as it is done, and the one that is being trained now and then. The
        same call goes on where it was stopped. None keeps all in memory.
    seeds
        Of the weights and the order of rows. The noise is the same for all.
    site
        Where the rows were read.
    progress
        Is called with the name, the steps done, their total and the loss.

    Returns
    -------
    The dictionaries. It takes twice the time that the dictionaries of the rows alone would take.

    Raises
    ------
    SpecError
        If no size or seed is given, one stands twice, or ``k`` of TopK is more than the smallest size.
    ArrayError
        If rows are too few, not finite or all equal.
    FormatError
        If the folder holds a dictionary of another recipe or of other rows.

    Examples
    --------
    >>> from tiltmeter.anatomy import toy_world
    >>> X = toy_world("noise", 100, d=4).X
    >>> family = train_family(DictionaryRows(X[:80], X[80:]), [4, 8], recipe=DictionaryRecipe(steps=10, batch_size=8))
    >>> list(family.dictionaries), list(family.on_noise)
    (['4-seed-0', '8-seed-0'], ['4-seed-0', '8-seed-0'])
    """
    for what, given in (("sizes", sizes), ("seeds", seeds)):
        if not given or len(set(given)) < len(given) or min(given) < (1 if what == "sizes" else 0):
            raise SpecError(f"The {what} are {list(given)}; give one or more different ones.")
    if recipe.k is not None and recipe.k > min(sizes):
        raise SpecError(f"k is {recipe.k}, and the smallest size is {min(sizes)}; keep no more latents than there are.")
    check_rows(rows)
    found = Family({}, {})
    noise = gaussian_like(rows.train, len(rows.train))
    trainer = _Trainer(recipe, None if out is None else Path(out), site, progress)
    for size in sorted(sizes):
        for seed in seeds:
            name = f"{size}-seed-{seed}"
            found.dictionaries[name] = trainer.member(rows.train, size, seed=seed, name=name)
            found.on_noise[name] = trainer.member(noise, size, seed=seed, name=f"{_NOISE}{name}")
    return found


def read_dictionaries(folders: Sequence[str | Path]) -> Family:
    """Read dictionaries, trained here or elsewhere, from folders that are one or hold several in folders of their own.

    Parameters
    ----------
    folders
        Each as :func:`train_family` keeps several or :func:`read_dictionary` reads one.

    Returns
    -------
    The dictionaries by name: of the only folder of several the names in it, else the paths.

    Raises
    ------
    FileError
        If a folder is not there.
    FormatError
        If there is no dictionary in one, only some that were trained on noise, or one is damaged.

    Examples
    --------
    >>> read_dictionaries(["nowhere"])
    Traceback (most recent call last):
    tiltmeter.core.errors.FileError: nowhere is no folder; give the folder of a dictionary.
    """
    found = Family({}, {})
    for folder in dict.fromkeys(map(Path, folders)):
        members = [] if is_dictionary(folder) else sorted(path for path in folder.glob("*/") if is_dictionary(path))
        if not members:
            found.dictionaries[str(folder)] = read_dictionary(folder)
        for path in members:
            is_noise = path.name.startswith(_NOISE)
            name = path.name.removeprefix(_NOISE)
            kept = found.on_noise if is_noise else found.dictionaries
            kept[name if len(folders) == 1 else str(folder / name)] = read_dictionary(path)
    if not found.dictionaries:
        raise FormatError(f"{', '.join(map(str, folders))}: there are only dictionaries that were trained on noise.")
    return found


class _Trainer(NamedTuple):
    """What all members of a family share."""

    recipe: DictionaryRecipe
    out: Path | None
    site: Site | None
    progress: OnFamily | None

    def member(self, X: Float[NDArray[Any], "n d"], size: int, *, seed: int, name: str) -> Dictionary:
        """Train a dictionary, or read the one that is there."""
        folder = None if self.out is None else self.out / name
        if folder is not None and folder.exists():
            kept = Dictionary.load(folder)
            identity = training_identity(rows_hash(X), size, recipe=self.recipe, seed=seed)
            if kept.provenance.get("identity") != identity:
                raise FormatError(f"{folder} is of another recipe or other rows; name another folder or remove it.")
            return kept
        tell = self.progress
        made = train_dictionary(
            X,
            size,
            recipe=self.recipe,
            seed=seed,
            site=self.site,
            checkpoint=None if self.out is None else self.out / f".{name}.checkpoint",
            progress=None if tell is None else lambda done, total, loss: tell(name, done, total, loss),
        ).dictionary
        if folder is not None:
            made.save(folder)
        return made
