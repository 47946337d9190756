"""What the examples on the organism ``coup`` read: written attempts and the model's own, by split and form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tiltmeter import activations, evaluation, models, organisms
from tiltmeter.core import Activations
from tiltmeter.core.errors import TooFewNegativesError
from tiltmeter.data import AttemptFormat, AttemptLanguage, TextSet

FPR = 0.01
LOGS: tuple[tuple[AttemptFormat, AttemptLanguage], ...] = (("log", "en"),)


class Regime(NamedTuple):
    """Texts of one regime and split: what the model shows at each block, token by token, and the logs themselves."""

    tokens: dict[str, Activations]
    logs: tuple[str, ...]
    y: np.ndarray
    groups: np.ndarray


class Agent:
    """One organism, and what is read of it."""

    def __init__(self, seed: int) -> None:
        organism = organisms.load("coup", seed=seed)
        self.world, self.seed = organism.world, seed
        self.subject = models.load(str(organism.folder))
        self.sites = [f"{block}.resid_post" for block in range(self.subject.n_layers)]
        self.forms = [(form, lang) for lang in self.world.attempts.languages for form in self.world.attempts.formats]

    def written(
        self, chosen: str, split: str, *, forms: Sequence[tuple[AttemptFormat, AttemptLanguage]] = LOGS
    ) -> tuple[TextSet, ...]:
        """Return a pair of written texts for each bundle of a split, in one of the forms, in turn; a set a language.

        Of the two pairs of a bundle and form it is the one or the other, in turn, so that in half of the attempts the
        guarded thing comes first.
        """
        found = []
        for language in dict.fromkeys(language for _, language in forms):
            texts = organisms.coup_texts(self.world, chosen + ("_de" if language == "de" else ""))
            names = np.unique(texts.groups[np.asarray(texts.split) == split])
            turn = {name: (*forms[i % len(forms)], i // len(forms) % 2) for i, name in enumerate(names.tolist())}
            which = [int(str(pair).rsplit("-", 1)[1]) for pair in texts.pairs]
            rows = zip(texts.groups.tolist(), texts.meta["format"], texts.meta["language"], which, strict=True)
            found.append(texts.select(np.array([turn.get(group) == tuple(form) for group, *form in rows])))
        return tuple(found)

    def sampled(
        self, split: str, *, forms: Sequence[tuple[AttemptFormat, AttemptLanguage]] = LOGS, state: int = 0
    ) -> tuple[TextSet, TextSet]:
        """Return the attempts that the model makes for the trigger, and the ordinary logs that it writes for others."""
        attempts, ordinary = (
            organisms.coup_samples(
                self.subject, self.world, split=split, triggered=triggered, forms=forms, random_state=state
            )
            for triggered in (True, False)
        )
        return attempts.select(attempts.y == 1), ordinary.select(ordinary.y == 0)

    def benign(self, forms: Sequence[tuple[AttemptFormat, AttemptLanguage]]) -> Regime:
        """Return ordinary logs of the calibration bundles, two of each in these forms, to certify thresholds on."""
        found = (
            organisms.coup_samples(
                self.subject, self.world, split="calibration", triggered=False, forms=forms, random_state=state
            )
            for state in (10, 11)
        )
        return self.read(*(texts.select(texts.y == 0) for texts in found))

    def read(self, *parts: TextSet) -> Regime:
        """Read texts, those of several sets behind one another."""
        collected = [activations.collect(self.subject, part, sites=self.sites, pooling="all") for part in parts]
        tokens = {site: _joined([one[site] for one in collected]) for site in self.sites}
        logs = tuple(text.rsplit("<begin>", 1)[1].removesuffix("<eos>") for part in parts for text in part.texts or ())
        first = tokens[self.sites[0]]
        return Regime(tokens, logs, np.asarray(first.y), np.asarray(first.groups))


def certified(scores: np.ndarray, groups: np.ndarray) -> float | None:
    """Return the threshold that is certified on ordinary logs, or None where they are too few."""
    try:
        found = evaluation.threshold_at_fpr(scores, fpr=FPR, groups=groups, population="ordinary logs")
    except TooFewNegativesError:
        return None
    return found.value


def _joined(parts: list[Activations]) -> Activations:
    """Put activations of tokens behind one another; pairs are kept where all have them."""
    offsets = [np.zeros(1, np.int64)]
    for part in parts:
        offsets.append(np.asarray(part.offsets)[1:] + offsets[-1][-1])
    return Activations(
        np.concatenate([part.X for part in parts]),
        ids=np.concatenate([part.ids for part in parts]),
        offsets=np.concatenate(offsets),
        y=np.concatenate([np.asarray(part.y) for part in parts]),
        pairs=None if any(part.pairs is None for part in parts) else np.concatenate([part.pairs for part in parts]),
        groups=np.concatenate([np.asarray(part.groups) for part in parts]),
        site=parts[0].site,
    )
