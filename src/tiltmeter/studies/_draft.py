"""A first spec for somebody's own texts, with what is known about them in its comments."""

from __future__ import annotations

import dataclasses
import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tiltmeter.core.errors import FileError
from tiltmeter.core.evidence import Leakage
from tiltmeter.core.files import write_text
from tiltmeter.data import (
    TextSet,
    find_leakage,
    join_near_copies,
    require_two_classes,
    write_texts,
)
from tiltmeter.evaluation import negatives_needed
from tiltmeter.studies._columns_of import AS_NAMED, ColumnsOf, open_own_texts
from tiltmeter.studies._material import Material, open_material, split_material
from tiltmeter.studies._sources import locate_model
from tiltmeter.studies._spec import StudySpec, parse_spec

# the first for which there are negatives enough is proposed; the last is hardly a monitor any more
_RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
_CONFIDENCE = 0.95
# a column of fewer values makes groups too few to divide
_FEWEST_GROUPS = 10
# a larger group leaves too little to divide: near copies are then told and not joined
_LARGEST_GROUP = 0.1


class Draft(NamedTuple):
    """A spec that was written.

    ``texts`` is the file that was written beside it, None where the texts could be used as they are; ``leakage`` holds
    the held-out texts that are (near) copies of training texts; ``notes`` are sentences to be told.
    """

    spec: Path
    texts: Path | None
    leakage: Leakage
    notes: tuple[str, ...]


def draft_spec(where: str, out: Path, *, model: str, name: str | None = None, columns: ColumnsOf = AS_NAMED) -> Draft:
    """Write a spec for a file of texts, which :func:`tiltmeter.studies.run_study` accepts.

    Columns that a study does not know by their names are taken over into a file of texts beside the spec. The texts are
    split as the study will split them; where texts of the training split stand in the others too and there are no
    groups, the spec has them split by the rare words that they share; where there are groups, those that hold near
    copies of each other are joined.

    Parameters
    ----------
    where
        The texts, as for :func:`open_texts`.
    out
        The spec to write, which must not exist.
    model
        As in a spec; it is not opened, but a folder must be there.
    name
        Of the study and of its distribution; None for the name of the file of texts.
    columns
        What is not guessed rightly by :func:`tiltmeter.data.guess_columns`.

    Raises
    ------
    TiltmeterError
        If a column cannot be told (the sentence names those there are), the texts are not as a study needs them, or a
        file is there already.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> draft = draft_spec("organism:facts/affirmative", folder / "facts.yaml", model="organism:facts")
    >>> draft.leakage.n_exact, "distribution: affirmative" in draft.spec.read_text()
    (0, True)
    """
    beside = out.with_name(f"{out.stem}.texts.jsonl")
    for path in (out, beside):
        if path.exists():
            raise FileError(f"{path} exists already; remove it first, or name another spec with --out.")
    _check_model(model)
    texts, changed = open_own_texts(where, columns, distribution=name, labels="guessed")
    named = _name(name or texts.distribution)
    asked: dict[str, Any] = {
        "name": named,
        "model": {"path": _from(out.parent, model)},
        "texts": {named: beside.name if changed else _from(out.parent, where)},
        "train": {"distribution": named},
    }
    return _draft(asked, out, own=texts if changed else None, beside=beside, notes=changed)


def _check_model(model: str) -> None:
    """Refuse an organism or a folder that is not there; whether a hub has a model only the study asks."""
    located = locate_model(model)
    if not located or (located.startswith((".", "/", "~")) and not Path(located).exists()):
        raise FileError(f"The model folder {model!r} does not exist; check the path.")


def _from(folder: Path, where: str) -> str:
    """Return a relative path as it reads from the folder of the spec; anything else as it is."""
    path = Path(where)
    if path.is_absolute() or not path.exists():
        return where
    # a link on the way is followed, for .. leads out of the folder that it points to
    return os.path.relpath(path.parent.resolve() / path.name, folder.resolve())


def _draft(asked: dict[str, Any], out: Path, *, own: TextSet | None, beside: Path, notes: tuple[str, ...]) -> Draft:
    """Write the spec, and ``own`` beside it: texts that the study will read in place of those that it cannot."""
    name = asked["name"]
    material, leakage = _looked_at(asked, out.parent, own=own)
    if leakage.by_set and _n_leaked(leakage) and material.grouped_by[name] == "row":
        kept = {**asked, "train": {"distribution": name, "ungrouped": "shared_words"}}
        again, left = _looked_at(kept, out.parent, own=own)
        if _n_leaked(left) < _n_leaked(leakage):
            mended = (
                f"{_n_leaked(leakage)} held-out texts were copies or near copies of training texts; texts that share "
                f"rare words now stay in one split, which leaves {_n_leaked(left)}"
            )
            notes = (*notes, mended)
            asked, material, leakage = kept, again, left
    elif _n_leaked(leakage) and (joined := _joined(material.texts[name])) is not None:
        own = joined
        asked["texts"] = {name: beside.name}
        material, left = _looked_at(asked, out.parent, own=own)
        notes = (
            *notes,
            f"{_n_leaked(leakage)} held-out texts were copies or near copies of training texts; groups that hold such "
            f"texts are one now, which leaves {_n_leaked(left)}",
        )
        leakage = left
    asked["threshold"] = {"fpr": _rate(material, name)}
    parse_spec(asked, source=str(out))
    if own is not None:
        write_texts(own, beside)
    try:
        write_text(out, _yaml(asked, material, leakage=leakage))
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return Draft(out, None if own is None else beside, leakage, (*notes, *_told(material, name, leakage, asked)))


def _joined(texts: TextSet) -> TextSet | None:
    """Join groups that hold near copies; None where rows are divided already, or too many of them would be one."""
    if texts.split is not None:
        return None
    groups = join_near_copies(texts)
    largest = max(Counter(groups.tolist()).values())
    return dataclasses.replace(texts, groups=groups) if largest <= _LARGEST_GROUP * len(texts) else None


def _looked_at(asked: Mapping[str, Any], folder: Path, *, own: TextSet | None) -> tuple[Material, Leakage]:
    """Split the texts as the study will, and look for those of the training split in the others."""
    spec: StudySpec = parse_spec(asked)
    name, where = next(iter(spec.texts.items()))
    if own is not None:
        material = split_material({name: own}, spec)
    else:
        # folders that are yet to be made hold no way back up
        there = Path(os.path.normpath(folder.resolve() / where))
        material = open_material(spec.model_copy(update={"texts": {name: str(there) if there.exists() else where}}))
    require_two_classes(material.texts[name])
    chosen = material.splits[name]
    return material, find_leakage(material.rows(name, "train"), material.texts[name].select(chosen != "train"))


def _n_leaked(leakage: Leakage) -> int:
    return sum(one.n_exact + one.n_near for one in leakage.by_set)


def _n_units(material: Material, name: str) -> int:
    """Count the units with negatives in the calibration split, by which a threshold is certified."""
    y = material.texts[name].y
    chosen = (material.splits[name] == "calibration") & (y == 0) if y is not None else []
    return len(set(material.units[name][chosen].tolist()))


def _could_group(texts: TextSet) -> str:
    """Name the columns of which rows have values in common, with how many values there are."""
    n_values = {column: len({str(value) for value in values}) for column, values in texts.meta.items()}
    return ", ".join(
        f"{column} ({n:,} values)" for column, n in n_values.items() if _FEWEST_GROUPS <= n <= len(texts) / 2
    )


def _rate(material: Material, name: str) -> float:
    n = _n_units(material, name)
    return next((rate for rate in _RATES if n >= negatives_needed(rate, _CONFIDENCE)), _RATES[0])


def _told(material: Material, name: str, leakage: Leakage, asked: Mapping[str, Any]) -> tuple[str, ...]:
    n, rate, by = _n_units(material, name), asked["threshold"]["fpr"], material.grouped_by[name]
    needed = negatives_needed(_RATES[0], _CONFIDENCE)
    told = []
    if by == "row":
        told.append(
            "There are no groups: texts by one author or about one thing may stand in training and test, and flatter "
            "the probe; add a column group if you can"
        )
    if by in ("row", "shared words") and (columns := _could_group(material.texts[name])):
        told.append(f"If one of these columns says what belongs together, name it with --group: {columns}")
    if n_leaked := _n_leaked(leakage):
        worst = next(iter(leakage.examples))
        told.append(
            f"{n_leaked} held-out texts are copies or near copies of training texts, such as {worst.test_id} and "
            f"{worst.train_id} ({worst.test_text[:60]!r}); give both the same group"
        )
    if n < negatives_needed(rate, _CONFIDENCE):
        told.append(
            f"The calibration split has {n} negatives to count, too few to certify any threshold; the monitor will "
            "score without alarms"
        )
    elif rate > _RATES[0]:
        told.append(
            f"The calibration split has {n} negatives to count, enough to certify {rate:g} false alarms; {_RATES[0]:g} "
            f"needs {needed}"
        )
    return tuple(told)


def _yaml(asked: Mapping[str, Any], material: Material, *, leakage: Leakage) -> str:
    name, texts = asked["name"], material.texts[asked["name"]]
    rows = {part: int((material.splits[name] == part).sum()) for part in ("train", "calibration", "test")}
    counts = ", ".join(f"{n:,} {part}" for part, n in rows.items())
    ungrouped = asked["train"].get("ungrouped")
    n_positive = 0 if texts.y is None else int(texts.y.sum())
    lines = [
        f"# {name}: does a probe read label 1, and may it be trusted? Run with: tiltmeter study THIS_FILE",
        f"name: {_plain(name)}",
        "model:",
        "  # a folder, a hub id, or organism:NAME",
        f"  path: {_plain(asked['model']['path'])}",
        "  # of the weights: float32, bfloat16 or float16; and where they go: cpu, cuda:0",
        "  dtype: float32",
        "  device: cpu",
        "texts:",
        f"  # {len(texts):,} texts, {n_positive:,} of them label 1. Add other sets to see whether the probe still",
        "  # holds there: other topics, other formats, harder cases. Paths are looked up beside this file.",
        f"  {_plain(name)}: {_plain(asked['texts'][name])}",
        "train:",
        f"  distribution: {_plain(name)}",
        f"  # split by {material.grouped_by[name]}: {counts}. {_leaked(leakage)}",
        f"  ungrouped: {ungrouped}" if ungrouped else "  # ungrouped: shared_words",
        "read:",
        "  # every block is tried, and the training folds choose; or a list, such as [12.resid_post, -1.resid_post]",
        "  sites: all",
        "  # what is kept of the tokens: last, mean, max or first",
        "  pooling: last",
        "  # texts longer than the model's context: refuse, truncate_left or truncate_right",
        "  long_texts: refuse",
        "threshold:",
        "  # share of texts with label 0 that may raise an alarm, kept with 95 % confidence",
        f"  fpr: {asked['threshold']['fpr']:g}",
        "# what else a study can ask: evidence.nuisances (columns the score should not follow), evidence.answers (what",
        "# the model says next), evidence.rivals (words, rules, other models); examples/ holds specs with each.",
    ]
    return "\n".join(lines) + "\n"


def _leaked(leakage: Leakage) -> str:
    n = _n_leaked(leakage)
    return f"{n} held-out texts are (near) copies of training texts." if n else "No held-out text is in training."


def _plain(value: str) -> str:
    """Write a string as YAML, in quotation marks only where it needs them."""
    return yaml.safe_dump([value], allow_unicode=True, width=math.inf).removeprefix("- ").rstrip("\n")


def _name(given: str) -> str:
    # a letter without its accent is still a name
    bare = "".join(one for one in unicodedata.normalize("NFKD", given) if not unicodedata.combining(one))
    cleaned = re.sub(r"[^A-Za-z0-9 ._-]+", "-", bare).strip(" -._")
    return cleaned or "study"
