"""The card that a probe is published with."""

from __future__ import annotations

from typing import Any, Literal

from tiltmeter.core.evidence import Evidence
from tiltmeter.core.files import seal
from tiltmeter.core.records import Record


class ProbeCard(Record):
    """``card.json``: what a stranger needs to know of a probe, beside the ``README.md`` that is written from it.

    ``model``, ``revision``, ``model_fingerprint``, ``reading`` and ``meaning`` are as in ``monitor.json``. ``evidence``
    is that of the chosen probe alone, without texts of the data: all test sets, nulls, rivals and the whole verdict,
    but no other probe. ``n_texts`` counts the texts of the data (mistakes and leaks) that stand in ``direction.json``,
    ``n_reference`` those that stand in ``parity.json`` to be replayed.
    ``licence`` and ``base_model``, an identifier on the Hugging Face Hub, are None where nobody gave them. The hashes
    are those of the files beside it, and of all else in the card.
    """

    format_version: Literal[1] = 1
    name: str
    licence: str | None
    base_model: str | None
    tiltmeter: str
    model: str
    revision: str | None
    model_fingerprint: dict[str, Any]
    reading: dict[str, Any]
    meaning: str
    evidence: Evidence
    n_texts: int
    n_reference: int = 0
    monitor_sha256: str
    readme_sha256: str = ""
    sha256_of_the_rest: str = ""

    def digest(self) -> str:
        """Return the hash of everything in the card but this hash itself."""
        return seal(self.model_dump(mode="json"))
