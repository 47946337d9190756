"""A direction made ready for use: where it reads, when it raises an alarm, and the evidence it was shipped with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from pydantic import ValidationError

from tiltmeter.activations import collect
from tiltmeter.core.activations import Activations
from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import FormatError, ModelError, SpecError
from tiltmeter.core.files import new_folder, read_json, seal, sha256, write_json
from tiltmeter.core.parity import Parity, Tolerance
from tiltmeter.core.records import Threshold, Unavailable
from tiltmeter.data import TextSet
from tiltmeter.evaluation import MahalanobisDetector
from tiltmeter.models import Encoded, Fingerprint, SubjectModel
from tiltmeter.monitor._card import Card
from tiltmeter.monitor._causes import find_causes
from tiltmeter.monitor._reference import Reference
from tiltmeter.monitor._replay import encode_as_read, judge, replay
from tiltmeter.monitor._same_model import differing

_TOLERANCE = Tolerance()


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
    reference
        Texts with what was read of them, to be replayed through a model before it is trusted; None where there are
        none, as in monitors of earlier releases.

    Raises
    ------
    SpecError
        If the direction has no sign, or its site is not the card's, or the detector has no threshold.
    """

    direction: Direction
    card: Card
    detector: MahalanobisDetector | None = None
    reference: Reference | None = None
    # what was found of each model that was checked, so that scoring in many calls replays once
    _checked: WeakKeyDictionary[SubjectModel, tuple[Fingerprint, Parity | None]] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False, compare=False
    )

    def __reduce__(self) -> tuple[type[Monitor], tuple[object, ...]]:
        # what was found of models here is of no use to another process
        return Monitor, (self.direction, self.card, self.detector, self.reference)

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
            As :meth:`check`.
        """
        self.check(subject)
        reading = self.card.reading
        encoded = self.encode(subject, texts)
        acts = collect(subject, encoded, sites=[reading.site], pooling=reading.pooling)[reading.site]
        return self.score_activations(acts)

    def encode(self, subject: SubjectModel, texts: TextSet) -> Encoded:
        """Tokenize texts as they were in training: the tokens that another engine is to be given.

        Raises
        ------
        DataError, ModelError
            As :func:`tiltmeter.models.encode`.
        """
        return encode_as_read(subject, texts, self.card.reading)

    def score_activations(self, acts: Activations) -> Scores:
        """Score what was read already, here or by another engine; :meth:`parity` says whether that reads the same.

        Parameters
        ----------
        acts
            At the monitor's site: of the tokens that are read, or pooled as the card says.

        Raises
        ------
        SpecError
            If the activations are of another site, or of none that is known.
        ArrayError
            If they are of another width.
        """
        if str(acts.site) != self.card.reading.site:
            raise SpecError(
                f"The activations were read at {acts.site}, and the monitor {self.card.name} reads at "
                f"{self.card.reading.site}; read them there."
            )
        rows = acts.pool(self.card.reading.pooling).X
        scores = self.direction.score(rows)
        threshold = self.card.threshold
        return Scores(
            scores,
            alarms=scores > threshold.value if isinstance(threshold, Threshold) else None,
            unlike=None if self.detector is None else self.detector.is_unlike(rows),
        )

    def check(self, subject: SubjectModel) -> Parity | None:
        """Refuse a model that is not the one the monitor was made for, or does not give what that one gave.

        With a reference, its texts are replayed, once for a model; another dtype, attention kernel, device or library
        is then accepted within the tolerance. Without one, another dtype or attention kernel is refused.

        Returns
        -------
        What the replay showed; None without a reference.

        Raises
        ------
        ModelError
            If weights, tokenizer, chat template or context differ, or the replay is beyond the tolerance or changes an
            alarm; the message lists what differs.
        """
        fingerprint = subject.fingerprint
        known = self._checked.get(subject)
        if known is not None and known[0] == fingerprint:
            return known[1]
        facts = differing(self.card, subject, reference=self.reference)
        if facts.hard:
            raise ModelError(f"The monitor {self.card.name} was made for another model: {facts.sentence}.")
        found = None if self.reference is None else self.parity(subject)
        if found is not None and found.outcome == "refused":
            raise ModelError(
                f"The monitor {self.card.name} does not read from {subject.name} what it was tested on: "
                f"{'; '.join(found.reasons)}. {found.sentence} tiltmeter monitor parity shows each text."
            )
        self._checked[subject] = fingerprint, found
        return found

    def parity(
        self,
        subject: SubjectModel,
        *,
        rows: Float[NDArray[Any], "n d"] | None = None,
        tolerance: Tolerance = _TOLERANCE,
        explain: bool = False,
    ) -> Parity:
        """Replay the reference texts through a model, and say what differs and why.

        The same model on the same machine gives errors of exactly 0.

        Parameters
        ----------
        subject
            The model at hand.
        rows
            Shape (n, d): what another engine that runs this model showed of the reference's texts, in their order and
            pooled; judged in place of what is read here.
        tolerance
            Errors beyond it are refused.
        explain
            Load the model again with the dtype, and with the attention kernel, that the monitor was made on, and see
            whether the error goes. Takes the memory of a second model.

        Returns
        -------
        Errors, alarms that changed, the outcome, and the causes in order of likelihood.

        Raises
        ------
        SpecError
            If the monitor holds no reference.
        ArrayError
            If the rows are not of the reference's shape, or not finite.
        ModelError, DataError
            If the model cannot read the texts at all.
        """
        reference = self.require_reference()
        replayed = replay(subject, direction=self.direction, card=self.card, reference=reference, rows=rows)
        causes = find_causes(replayed, tolerance=tolerance, is_foreign=rows is not None, explain=explain)
        return judge(replayed, causes=causes, tolerance=tolerance)

    def require_reference(self) -> Reference:
        """Return the reference; SpecError if the monitor holds none, as those of earlier releases."""
        if self.reference is None:
            raise SpecError(
                f"The monitor {self.card.name} holds no reference texts, so that nothing can be replayed; make some "
                "with tiltmeter monitor reference, on the model that it was made for."
            )
        return self.reference

    def save(self, folder: str | Path) -> None:
        """Write ``monitor.json`` and the two files each of its parts into a new folder, or nothing."""
        with new_folder(Path(folder)) as temporary:
            self.direction.save(temporary)
            hashes: dict[str, str | None] = {
                "direction_sha256": sha256((temporary / "direction.json").read_bytes()),
                "likeness_sha256": None,
                "parity_sha256": None,
            }
            if self.detector is not None:
                self.detector.save(temporary)
                hashes["likeness_sha256"] = sha256((temporary / "likeness.json").read_bytes())
            if self.reference is not None:
                self.reference.save(temporary)
                hashes["parity_sha256"] = sha256((temporary / "parity.json").read_bytes())
            card = self.card.model_copy(update=hashes)
            card = card.model_copy(update={"sha256_of_the_rest": card.digest()})
            write_json(temporary / "monitor.json", card.model_dump(mode="json"))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what :meth:`save` wrote; FormatError if a file is damaged, of another version, or was changed."""
        folder = Path(folder)
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
        _check_hash(folder / "direction.json", card.direction_sha256)
        # a card of before there were detectors or references names none
        detector = reference = None
        if card.likeness_sha256 is not None:
            detector = MahalanobisDetector.load(folder)
            _check_hash(folder / "likeness.json", card.likeness_sha256)
        if card.parity_sha256 is not None:
            reference = Reference.load(folder, span=card.reading.span)
            _check_hash(folder / "parity.json", card.parity_sha256)
        return cls(direction, card, detector, reference)


def _check_hash(path: Path, digest: str) -> None:
    if sha256(path.read_bytes()) != digest:
        raise FormatError(f"{path} does not match the hash in monitor.json; it was changed.")
