"""How a monitor reads, what it was tested on, and when it raises an alarm: everything but its direction."""

from __future__ import annotations

from typing import Any, Literal

from tiltmeter.core.activations import Pooling
from tiltmeter.core.files import seal
from tiltmeter.core.records import Record, Threshold, Unavailable
from tiltmeter.data import Span
from tiltmeter.models import LongTexts


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
    parity_sha256: str | None = None
    sha256_of_the_rest: str = ""

    def digest(self) -> str:
        """Return the hash of everything in the card but this hash itself."""
        return seal(self.model_dump(mode="json"))

    def hash_now(self) -> str:
        """Return the hash by which the card is known: that of its file, or its own where it was changed or not saved.

        The file of an earlier release lacks keys that this one has; what was read from it is known by its hash.
        """
        if seal(self.model_dump(mode="json", exclude_unset=True)) == self.sha256_of_the_rest:
            return self.sha256_of_the_rest
        return self.digest()
