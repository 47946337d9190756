"""The texts of a study, split, and their activations at every site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tiltmeter.activations import collect
from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import SpecError
from tiltmeter.core.evidence import Distribution
from tiltmeter.data import TextSet, group_by_shared_words, require_two_classes, split_by_group
from tiltmeter.models import SubjectModel
from tiltmeter.studies._sources import open_texts
from tiltmeter.studies._spec import ReadSpec, StudySpec

SPLITS = ("train", "calibration", "test")
UNUSED = "unused"
Split = Literal["train", "calibration", "test"]


@dataclass(frozen=True, slots=True)
class Material:
    """Distributions by name: their texts, the split of each row, and (once collected) activations by site."""

    texts: dict[str, TextSet]
    splits: dict[str, NDArray[np.str_]]
    grouped_by: dict[str, str]
    activations: dict[str, dict[str, Activations]] = field(default_factory=dict)
    truncated: dict[str, int] = field(default_factory=dict)

    @property
    def sites(self) -> tuple[str, ...]:
        """Return the sites in the order in which they were collected."""
        return tuple(next(iter(self.activations.values())))

    def part(self, name: str, split: Split, site: str) -> Activations:
        """Return the rows of one split of one distribution at one site."""
        return self.activations[name][site].select(self.splits[name] == split)

    def rows(self, name: str, split: Split) -> TextSet:
        """Return the texts of one split of one distribution."""
        return self.texts[name].select(self.splits[name] == split)


def open_material(spec: StudySpec) -> Material:
    """Read and split the texts of a study, and refuse what cannot be judged before any model is loaded."""
    texts: dict[str, TextSet] = {}
    grouped_by: dict[str, str] = {}
    for name, where in spec.texts.items():
        opened = open_texts(where, distribution=name)
        require_two_classes(opened)
        if spec.read.span is not None:
            opened = replace(opened, span=spec.read.span)
        _check_nuisances(opened, name, spec)
        grouped_by[name] = "group" if opened.groups is not None else "pair" if opened.pairs is not None else "row"
        if opened.groups is None and spec.train.ungrouped == "shared_words":
            opened = replace(opened, groups=group_by_shared_words(opened).groups)
            grouped_by[name] = "shared words"
        texts[name] = opened
    splits = _split(texts, spec)
    for name, split in splits.items():
        for part in ("train", "calibration", "test"):
            labels = texts[name].y
            found = np.unique(labels[split == part]) if labels is not None else np.array([])
            if name == spec.train.distribution and len(found) < 2:
                raise SpecError(
                    f"The {part} split of {name} does not hold both labels; add groups or change train.fractions."
                )
    return Material(texts, splits, grouped_by)


def _split(texts: dict[str, TextSet], spec: StudySpec) -> dict[str, NDArray[np.str_]]:
    """Split what is fitted on; what is only judged is test text, unless its group is fitted on elsewhere."""
    fitted_on = {name: chosen for name, chosen in texts.items() if name not in spec.train.judge_only}
    splits = split_by_group(fitted_on, fractions=spec.train.fractions, seed=spec.seed)
    place = {
        unit: part
        for name, chosen in fitted_on.items()
        for unit, part in zip(independent_units(chosen).tolist(), splits[name].tolist(), strict=True)
    }
    for name in spec.train.judge_only:
        places = [place.get(unit, "test") for unit in independent_units(texts[name]).tolist()]
        splits[name] = np.array([part if part == "test" else UNUSED for part in places])
        if "test" not in splits[name]:
            raise SpecError(f"Every group of {name} stands in the train or calibration split of another distribution.")
    return splits


def collect_material(
    material: Material, subject: SubjectModel, read: ReadSpec, *, progress: Callable[[str], None]
) -> Material:
    """Read the activations of every distribution at the sites asked for."""
    activations: dict[str, dict[str, Activations]] = {}
    truncated: dict[str, int] = {}
    for name, texts in material.texts.items():
        progress(f"reading {len(texts)} texts of {name}")
        collected = collect(
            subject,
            texts,
            sites=read.sites if read.sites == "all" else list(read.sites),
            pooling=read.pooling,
            token_budget=read.token_budget,
            long_texts=read.long_texts,
        )
        units = independent_units(texts)
        activations[name] = {site: replace(acts, groups=units) for site, acts in collected.items()}
        truncated[name] = len(collected.truncated)
    return replace(material, activations=activations, truncated=truncated)


def independent_units(texts: TextSet) -> NDArray[np.str_]:
    """Return what is resampled and folded as one: groups, else pairs, else rows."""
    if texts.groups is not None:
        return texts.groups
    if texts.pairs is not None:
        return np.where(texts.pairs == "", np.char.add("row:", texts.ids), texts.pairs)
    return np.char.add("row:", texts.ids)


def describe(material: Material) -> tuple[Distribution, ...]:
    """Describe each distribution as it was used."""
    described = []
    for name, texts in material.texts.items():
        split, units = material.splits[name], independent_units(texts)
        labels = texts.y if texts.y is not None else np.zeros(len(texts), dtype=np.int64)
        described.append(
            Distribution(
                name=name,
                source=texts.source,
                fingerprint=texts.fingerprint(),
                rows={part: int((split == part).sum()) for part in SPLITS},
                groups={part: len(np.unique(units[split == part])) for part in SPLITS},
                positives={part: int(labels[split == part].sum()) for part in SPLITS},
                grouped_by=material.grouped_by[name],
                truncated=material.truncated.get(name, 0),
            )
        )
    return tuple(described)


def nuisance_values(texts: TextSet, nuisance: str) -> NDArray[np.int64]:
    """Return a two-valued column as 0 and 1, the larger value being 1."""
    values = [str(value) for value in texts.meta[nuisance]]
    return np.array([int(value == max(values)) for value in values])


def _check_nuisances(texts: TextSet, name: str, spec: StudySpec) -> None:
    for nuisance in spec.evidence.nuisances:
        if nuisance not in texts.meta:
            raise SpecError(f"evidence.nuisances names {nuisance!r}, which {name} has no column for.")
        found = len(set(map(str, texts.meta[nuisance])))
        if found != 2:
            raise SpecError(f"The nuisance {nuisance!r} has {found} values in {name}; it must have two.")
