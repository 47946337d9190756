"""The texts of a study, split, and their activations at every site."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tiltmeter.activations import collect
from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import SpecError
from tiltmeter.core.evidence import Distribution
from tiltmeter.data import (
    TextSet,
    group_by_shared_words,
    independent_units,
    plain_texts,
    require_two_classes,
    select_where,
    split_by_group,
)
from tiltmeter.models import SubjectModel, encode
from tiltmeter.studies._sources import open_texts
from tiltmeter.studies._spec import ReadSpec, StudySpec
from tiltmeter.studies._vectors import Vectors, look_up

SPLITS = ("train", "calibration", "test")
ENTERING = "0.resid_pre"
UNUSED = "unused"
Split = Literal["train", "calibration", "test"]


@dataclass(frozen=True, slots=True)
class Material:
    """Distributions by name: their texts, units, the split of each row, and (once collected) activations by site.

    A unit is what is split, folded and resampled as one. ``entering`` is what enters the first block, which is read
    whether it is among the sites or not.
    """

    texts: dict[str, TextSet]
    units: dict[str, NDArray[np.str_]]
    splits: dict[str, NDArray[np.str_]]
    grouped_by: dict[str, str]
    activations: dict[str, dict[str, Activations]] = field(default_factory=dict)
    entering: dict[str, Activations] = field(default_factory=dict)
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
    return split_material({name: open_texts(where, distribution=name) for name, where in spec.texts.items()}, spec)


def split_material(given: Mapping[str, TextSet], spec: StudySpec) -> Material:
    """Split texts as a study does that has read them, and refuse what cannot be judged."""
    texts: dict[str, TextSet] = {}
    grouped_by: dict[str, str] = {}
    for name, opened in given.items():
        if name in spec.rows:
            opened = select_where(opened, spec.rows[name])
        require_two_classes(opened)
        if spec.read.span is not None:
            opened = replace(opened, span=spec.read.span)
        if spec.train.pairs == "groups":
            opened = _paired_by_group(opened)
        _check_columns(opened, name, spec)
        grouped_by[name] = "group" if opened.groups is not None else "pair" if opened.pairs is not None else "row"
        texts[name] = opened
    if spec.train.ungrouped == "shared_words":
        texts, grouped_by = _group_by_words(texts, grouped_by)
    units = independent_units(texts)
    splits = _split(texts, units, spec)
    home = spec.train.distribution
    for part in SPLITS:
        labels = texts[home].y
        if labels is None or len(np.unique(labels[splits[home] == part])) < 2:
            raise SpecError(
                f"The {part} split of {home} does not hold both labels; add groups or change train.fractions."
            )
    return Material(texts, units, splits, grouped_by)


def _paired_by_group(texts: TextSet) -> TextSet:
    """Take every group of two texts, one of each label, for a pair; other texts have none."""
    if texts.pairs is not None or texts.groups is None or texts.y is None:
        return texts
    names, which, counts = np.unique(texts.groups, return_inverse=True, return_counts=True)
    is_pair = (names != "") & (counts == 2) & (np.bincount(which, weights=texts.y) == 1)
    return replace(texts, pairs=np.where(is_pair[which], texts.groups, ""))


def _group_by_words(texts: dict[str, TextSet], grouped_by: dict[str, str]) -> tuple[dict[str, TextSet], dict[str, str]]:
    """Group the sets that come without groups by the rare words that they share, within and between them."""
    bare = {name: chosen for name, chosen in texts.items() if chosen.groups is None}
    if not bare:
        return texts, grouped_by
    strings = tuple(text for chosen in bare.values() for text in plain_texts(chosen))
    together = TextSet(np.arange(len(strings)).astype(np.str_), texts=strings, distribution="all texts")
    groups = np.split(group_by_shared_words(together).groups, np.cumsum([len(chosen) for chosen in bare.values()])[:-1])
    grouped = {name: replace(bare[name], groups=found) for name, found in zip(bare, groups, strict=True)}
    return {**texts, **grouped}, {**grouped_by, **dict.fromkeys(bare, "shared words")}


def _split(
    texts: dict[str, TextSet], units: dict[str, NDArray[np.str_]], spec: StudySpec
) -> dict[str, NDArray[np.str_]]:
    """Split what is fitted on; what is only judged is test text, unless its unit is fitted on elsewhere."""
    fitted_on = {
        # the units of all sets, so that a row that is only judged can join two that are fitted on
        name: replace(chosen, groups=units[name], pairs=None)
        for name, chosen in texts.items()
        if name not in spec.train.judge_only
    }
    splits = split_by_group(fitted_on, fractions=spec.train.fractions, seed=spec.seed)
    place = {
        unit: part for name in fitted_on for unit, part in zip(units[name].tolist(), splits[name].tolist(), strict=True)
    }
    for name in spec.train.judge_only:
        places = [place.get(unit, "test") for unit in units[name].tolist()]
        splits[name] = np.array([part if part == "test" else UNUSED for part in places])
        if "test" not in splits[name]:
            raise SpecError(f"Every group of {name} stands in the train or calibration split of another distribution.")
    return splits


def collect_material(
    material: Material, subject: SubjectModel | Vectors, read: ReadSpec, *, progress: Callable[[str], None]
) -> Material:
    """Read the activations of every distribution at the sites asked for, or look its vectors up."""
    if isinstance(subject, Vectors):
        found = {name: look_up(subject, texts, name=name) for name, texts in material.texts.items()}
        looked_up = {
            name: {site: replace(acts, groups=material.units[name]) for site, acts in by_site.items()}
            for name, by_site in found.items()
        }
        words = {name: by_site[ENTERING] for name, by_site in looked_up.items()}
        return replace(material, activations=looked_up, entering=words)
    activations: dict[str, dict[str, Activations]] = {}
    entering: dict[str, Activations] = {}
    sites = [str(site) for site in subject.resolve_sites(read.sites)]
    truncated: dict[str, int] = {}
    for name, texts in material.texts.items():
        progress(f"reading {len(texts)} texts of {name}")
        collected = collect(
            subject,
            encode(subject, texts, long_texts=read.long_texts, skip_first=read.skip_first),
            sites=sites_of(subject, read),
            pooling=read.pooling,
            token_budget=read.token_budget,
        )
        of_all = {site: replace(acts, groups=material.units[name]) for site, acts in collected.items()}
        activations[name], entering[name] = {site: of_all[site] for site in sites}, of_all[ENTERING]
        truncated[name] = len(collected.truncated)
    return replace(material, activations=activations, entering=entering, truncated=truncated)


def sites_of(subject: SubjectModel, read: ReadSpec) -> list[str]:
    """Return the sites asked for, and what enters the first block."""
    return list(dict.fromkeys([*(str(site) for site in subject.resolve_sites(read.sites)), ENTERING]))


def describe(material: Material) -> tuple[Distribution, ...]:
    """Describe each distribution as it was used."""
    described = []
    for name, texts in material.texts.items():
        split, units = material.splits[name], material.units[name]
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
    """Return a two-valued column as 0 and 1, the larger value being 1; numbers count as numbers."""
    values = texts.meta[nuisance]
    larger = max(set(values), key=lambda value: (isinstance(value, str), value if value is not None else -1))
    return np.array([int(value == larger) for value in values])


def _check_columns(texts: TextSet, name: str, spec: StudySpec) -> None:
    types = spec.evidence.rivals.types
    if types is not None and name == spec.train.distribution and types not in texts.meta:
        raise SpecError(f"evidence.rivals.types names {types!r}, which {name} has no column for.")
    for nuisance in spec.evidence.nuisances:
        if nuisance not in texts.meta:
            raise SpecError(f"evidence.nuisances names {nuisance!r}, which {name} has no column for.")
        found, at_home = len(set(texts.meta[nuisance])), name == spec.train.distribution
        # where a column is constant there is nothing to follow; in training it would say nothing of the coupling
        if found > 2 or (found < 2 and at_home):
            where = " in the training texts" if at_home else ", or one where it is to be left out"
            raise SpecError(f"The nuisance {nuisance!r} has {found} values in {name}; it must have two{where}.")
