"""A direction made ready for use: where it reads, when it raises an alarm, and the evidence it was shipped with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from tiltmeter.activations import collect
from tiltmeter.core.activations import Pooling
from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import FormatError, ModelError, SpecError
from tiltmeter.core.files import new_folder, read_json, seal, sha256, write_json
from tiltmeter.core.records import Record, Threshold, Unavailable
from tiltmeter.data import Span, TextSet
from tiltmeter.evaluation import MahalanobisDetector
from tiltmeter.models import LongTexts, SubjectModel, encode


class Reading(Record):
    """How the activations were read when the probe was fitted, and so how they must be read again."""

    site: str
    layer_convention: str = "0-based block index; resid_post of the last block is before the final norm"
    pooling: Pooling
    span: Span
    long_texts: LongTexts
    skip_first: int = 0
    dtype: str
    chat_template_sha256: str | None


class Card(Record):
    """``monitor.json``: everything about a monitor but its direction, whose files it names by hash.

    ``threshold`` is for the score of a whole text. ``running``, None until :func:`certify_running` was asked, is for
    the highest running score of a text, where alarms are raised while it grows.
    """

    format_version: Literal[1] = 1
    name: str
    model: str
    revision: str | None
    model_fingerprint: dict[str, Any]
    reading: Reading
    meaning: str
    polarity: Literal["an alarm is a score strictly above the threshold"] = (
        "an alarm is a score strictly above the threshold"
    )
    threshold: Threshold | Unavailable
    running: Threshold | None = None
    data: dict[str, str]
    direction_sha256: str = ""
    likeness_sha256: str | None = None
    sha256_of_the_rest: str = ""

    def digest(self) -> str:
        """Return the hash of everything in the card but this hash itself."""
        return seal(self.model_dump(mode="json"))


class Scores(NamedTuple):
    """Score per text, shape (n,), and whether it raises an alarm; None where no threshold was certified.

    ``unlike``: whether the text is unlike those that the threshold was certified on, so that its rate is not promised;
    None where the monitor cannot tell.
    """

    scores: NDArray[Any]
    alarms: NDArray[np.bool_] | None
    unlike: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Monitor:
    """A direction bound to a reading of one model, with its threshold and its evidence.

    Parameters
    ----------
    direction
        With a sign, a site, and the evidence that it was shipped with.
    card
        What else must be known to use it.
    detector
        Tells which texts are unlike those that the threshold was certified on; None where nothing does.

    Raises
    ------
    SpecError
        If the direction has no sign, or its site is not the card's, or the detector has no threshold.
    """

    direction: Direction
    card: Card
    detector: MahalanobisDetector | None = None

    def __post_init__(self) -> None:
        if self.direction.sign == "unknown":
            raise SpecError("A monitor needs a direction with a sign; orient the probe on calibration labels.")
        if str(self.direction.site) != self.card.reading.site:
            raise SpecError(
                f"The direction was found at {self.direction.site}, but the card reads {self.card.reading.site}."
            )
        if self.detector is not None and isinstance(self.detector.threshold, Unavailable):
            raise SpecError("A monitor needs a detector with a threshold; certify it on calibration rows.")

    def score(self, subject: SubjectModel, texts: TextSet) -> Scores:
        """Read the model on each text as it was read in training, and score.

        Raises
        ------
        ModelError
            If the model, its dtype, tokenizer or chat template is not the one that the monitor was made for; the
            message lists what differs.
        """
        self.check(subject)
        reading = self.card.reading
        texts = replace(texts, span=reading.span)
        encoded = encode(subject, texts, long_texts=reading.long_texts, skip_first=reading.skip_first)
        acts = collect(subject, encoded, sites=[reading.site], pooling=reading.pooling)[reading.site]
        scores = self.direction.score(acts.X)
        threshold = self.card.threshold
        return Scores(
            scores,
            alarms=scores > threshold.value if isinstance(threshold, Threshold) else None,
            unlike=None if self.detector is None else self.detector.is_unlike(acts.X),
        )

    def check(self, subject: SubjectModel) -> None:
        """Refuse a model that is not the one the monitor was made for; ModelError lists what differs."""
        theirs = subject.fingerprint.model_dump(mode="json")
        # a card that was written before contexts were kept says nothing of it
        ours = {"context": theirs["context"], **self.card.model_fingerprint}
        # the name and revision say where the model came from; what it computes must be the same
        differing = [
            key for key in sorted({*ours, *theirs} - {"name", "revision", "digest"}) if ours.get(key) != theirs.get(key)
        ]
        if differing:
            facts = "; ".join(f"{key} was {ours.get(key)!r}, is {theirs.get(key)!r}" for key in differing)
            raise ModelError(f"The monitor {self.card.name} was made for another model: {facts}.")

    def save(self, folder: Path) -> None:
        """Write ``monitor.json`` and the two files each of direction and detector into a new folder, or nothing."""
        with new_folder(folder) as temporary:
            self.direction.save(temporary)
            hashes: dict[str, str | None] = {
                "direction_sha256": sha256((temporary / "direction.json").read_bytes()),
                "likeness_sha256": None,
            }
            if self.detector is not None:
                self.detector.save(temporary)
                hashes["likeness_sha256"] = sha256((temporary / "likeness.json").read_bytes())
            card = self.card.model_copy(update=hashes)
            card = card.model_copy(update={"sha256_of_the_rest": card.digest()})
            write_json(temporary / "monitor.json", card.model_dump(mode="json"))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote; FormatError if a file is damaged, of another version, or was changed."""
        path = folder / "monitor.json"
        content = read_json(path)
        if not isinstance(content, dict) or content.get("format_version") != 1:
            raise FormatError(f"{path} is not a monitor of format version 1; make it again with this release.")
        try:
            card = Card.model_validate(content)
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            raise FormatError(f"{path} is not a whole monitor: {where}: {problem['msg']}.") from None
        # of what the file holds, not of the card: one that lacks a key of a later release is whole
        if seal(content) != card.sha256_of_the_rest:
            raise FormatError(f"{path} does not match the hash that it holds; it was changed after it was saved.")
        direction = Direction.load(folder)
        if sha256((folder / "direction.json").read_bytes()) != card.direction_sha256:
            raise FormatError(f"{folder / 'direction.json'} does not match the hash in monitor.json; it was changed.")
        if card.likeness_sha256 is None:  # as in every card of before there were detectors
            return cls(direction, card)
        detector = MahalanobisDetector.load(folder)
        if sha256((folder / "likeness.json").read_bytes()) != card.likeness_sha256:
            raise FormatError(f"{folder / 'likeness.json'} does not match the hash in monitor.json; it was changed.")
        return cls(direction, card, detector)
