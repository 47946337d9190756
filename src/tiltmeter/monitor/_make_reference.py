"""A reference for a monitor: chosen, read on the model that the monitor was made for, and put into its folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError, ModelError, SpecError
from tiltmeter.core.files import read_json, seal, sha256, write_json
from tiltmeter.core.records import Threshold
from tiltmeter.data import TextSet
from tiltmeter.models import SubjectModel
from tiltmeter.monitor._monitor import Monitor
from tiltmeter.monitor._probe_card import CARD, read_card, write_card
from tiltmeter.monitor._reference import STEM, Reference, near_and_far, origin_of
from tiltmeter.monitor._replay import encode_again, read_rows
from tiltmeter.monitor._same_model import differing

_LEAST = 8
_ROUNDING = 1e-5


def make_reference(
    monitor: Monitor,
    subject: SubjectModel,
    *,
    texts: TextSet,
    drawn_from: str,
    scores: Float[NDArray[Any], " m"] | None = None,
) -> Reference:
    """Choose reference texts near to the threshold and far from it, and read them.

    Half of the texts (12 at most) have the scores nearest to the threshold on either side, the others are spread over
    all scores. They should be texts that the probe was not fitted on.

    Parameters
    ----------
    monitor
        The monitor.
    subject
        The model that it was made for, in the dtype and with the attention kernel of its card.
    texts
        The texts to choose among; 8 or more.
    drawn_from
        What they are, in words.
    scores
        The monitor's score of each, shape (m,); None: they are read here.

    Raises
    ------
    ModelError
        If it is another model.
    DataError
        If there are fewer than 8 texts, or their scores are all alike.

    See Also
    --------
    write_reference : Puts it into the folder of a monitor.

    Examples
    --------
    >>> from tiltmeter.monitor import Monitor
    >>> make_reference(Monitor.load(Path("nowhere")), None, texts=None, drawn_from="")
    Traceback (most recent call last):
    tiltmeter.core.errors.FileError: nowhere/monitor.json does not exist; check the path.
    """
    card, reading = monitor.card, monitor.card.reading
    facts = differing(card, subject, reference=None)
    if facts.hard:
        raise ModelError(
            f"A reference is read on the model that the monitor was made for, and {subject.name} is another: "
            f"{facts.sentence}."
        )
    if len(texts) < _LEAST:
        raise DataError(f"{texts.distribution} holds {len(texts)} texts; give {_LEAST} or more to choose among.")
    texts = replace(texts, span=reading.span)
    if scores is None:
        encoded = monitor.encode(subject, texts)
        scores = monitor.direction.score(
            read_rows(subject, encoded, sites=[reading.site], reading=reading)[reading.site]
        )
    # equal texts differ by rounding, where their batches do
    if float(np.ptp(scores)) <= _ROUNDING * float(np.abs(scores).max()):
        raise DataError(f"The {len(texts)} texts of {texts.distribution} all have the same score; give others.")
    threshold = card.threshold.value if isinstance(card.threshold, Threshold) else 0.0
    chosen = texts.select(near_and_far(scores, threshold=threshold))
    # what is kept is read of these alone, as it will be each time that they are replayed
    encoded = encode_again(subject, chosen, reading)
    rows = read_rows(subject, encoded, sites=[reading.site], reading=reading)[reading.site]
    return Reference(
        texts=TextSet(
            chosen.ids,
            texts=chosen.texts,
            messages=chosen.messages,
            span=chosen.span,
            spans=chosen.spans,
            distribution=chosen.distribution,
        ),
        tokens=encoded.tokens,
        read=encoded.read,
        offsets=encoded.offsets,
        rows=rows.astype(np.float32),
        scores=monitor.direction.score(rows).astype(np.float64),
        population=np.asarray(scores, dtype=np.float64),
        origin=origin_of(subject, drawn_from=drawn_from),
    )


def write_reference(folder: Path, reference: Reference) -> None:
    """Put a reference into a monitor's folder, in place of one that is there.

    ``monitor.json`` is written last; wherever it stops, the folder is a whole monitor, with the new reference or
    without any. A card is written again, with the licence and base model that it states.

    Parameters
    ----------
    folder
        A monitor.
    reference
        Made for it.

    Raises
    ------
    SpecError
        If the reference is not one of this monitor's direction.
    FileError, FormatError
        If the monitor, or a card beside it, is not whole.

    See Also
    --------
    make_reference : Makes one.

    Examples
    --------
    >>> write_reference(Path("nowhere"), None)
    Traceback (most recent call last):
    tiltmeter.core.errors.FileError: nowhere/monitor.json does not exist; check the path.
    """
    monitor = Monitor.load(folder)
    if not np.array_equal(monitor.direction.score(reference.rows), reference.scores):
        raise SpecError(
            f"The reference was not made for {folder}: its scores are not those of the monitor's direction."
        )
    card = read_card(folder) if (folder / CARD).is_file() else None
    _name_reference(folder, None)
    reference.save(folder)
    _name_reference(folder, sha256((folder / f"{STEM}.json").read_bytes()))
    if card is not None:
        write_card(folder, licence=card.licence, base_model=card.base_model)


def _name_reference(folder: Path, digest: str | None) -> None:
    """Write the hash of the reference, or that there is none, into ``monitor.json``."""
    content = read_json(folder / "monitor.json") | {f"{STEM}_sha256": digest}
    write_json(folder / "monitor.json", content | {"sha256_of_the_rest": seal(content)})
