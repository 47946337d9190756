"""The card of a monitor: made from its evidence, written beside it, and checked before anybody relies on it."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import ValidationError

from tiltmeter import __version__
from tiltmeter.core.errors import FileError, FormatError, SpecError
from tiltmeter.core.evidence import Evidence
from tiltmeter.core.files import read_json, seal, sha256, write_json, write_text
from tiltmeter.core.probe_card import ProbeCard
from tiltmeter.monitor._monitor import Monitor
from tiltmeter.report import render_card

README, CARD = "README.md", "card.json"

_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")


def write_card(
    folder: Path, *, out: Path | None = None, licence: str | None = None, base_model: str | None = None
) -> ProbeCard:
    """Write the card of a monitor, ``README.md`` and ``card.json``.

    Parameters
    ----------
    folder
        A monitor, which is checked whole.
    out
        Where to write; None: beside the monitor, in place of an earlier card.
    licence
        Of the probe, by the identifier that the Hugging Face Hub knows, such as ``apache-2.0``; None: none is stated.
    base_model
        The model's identifier on the Hugging Face Hub. None: what the model was loaded by, if the hub gave it; else
        none is stated.

    Returns
    -------
    The card, with the hashes of both files.

    Raises
    ------
    SpecError
        If the monitor has no evidence, or the licence or base model is no identifier.
    FileError, FormatError
        If the monitor is not whole.

    See Also
    --------
    read_card : Reads and checks what this writes.

    Examples
    --------
    >>> write_card(Path("nowhere"))
    Traceback (most recent call last):
    tiltmeter.core.errors.FileError: nowhere/monitor.json does not exist; check the path.
    """
    if licence is not None and not _LICENCE.fullmatch(licence):
        raise SpecError(f"licence is {licence!r}; give the Hub's identifier, such as apache-2.0, cc-by-4.0 or other.")
    if base_model is not None and not _HUB_ID.fullmatch(base_model):
        raise SpecError(f"base_model is {base_model!r}; give an identifier on the Hub, such as Qwen/Qwen3-0.6B.")
    card = _card(Monitor.load(folder), licence=licence, base_model=base_model)
    readme = render_card(card)
    card = card.model_copy(
        update={
            "monitor_sha256": sha256((folder / "monitor.json").read_bytes()),
            "readme_sha256": sha256(readme.encode()),
        }
    )
    card = card.model_copy(update={"sha256_of_the_rest": card.digest()})
    place = out or folder
    # the hashes last: if this stops between the two, the card is refused and not believed
    write_text(place / README, readme)
    write_json(place / CARD, card.model_dump(mode="json"))
    return card


def read_card(folder: Path) -> ProbeCard:
    """Read the card of a monitor folder, if it is whole and that of the monitor and the README beside it.

    Raises
    ------
    FileError
        If a file is not there.
    FormatError
        If the card is damaged or was changed, or is that of another monitor or another README.

    Examples
    --------
    >>> read_card(Path("nowhere"))
    Traceback (most recent call last):
    tiltmeter.core.errors.FileError: nowhere/card.json does not exist; write the card with tiltmeter card.
    """
    path = folder / CARD
    if not path.is_file():
        raise FileError(f"{path} does not exist; write the card with tiltmeter card.")
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format_version") != 1:
        raise FormatError(f"{path} is not a probe card of format version 1; write it again with tiltmeter card.")
    if seal(content) != content.get("sha256_of_the_rest"):
        raise FormatError(f"{path} does not match the hash that it holds; write it again with tiltmeter card.")
    try:
        card = ProbeCard.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise FormatError(f"{path} is not a whole probe card: {where}: {problem['msg']}.") from None
    for name, digest in ((README, card.readme_sha256), ("monitor.json", card.monitor_sha256)):
        if not (folder / name).is_file():
            raise FileError(f"{folder / name} does not exist; a published probe needs it.")
        if sha256((folder / name).read_bytes()) != digest:
            raise FormatError(
                f"{folder / name} does not match the hash in {CARD}; it was changed, so write the card again."
            )
    return card


def _card(monitor: Monitor, *, licence: str | None, base_model: str | None) -> ProbeCard:
    evidence, its = monitor.direction.evidence, monitor.card
    if not isinstance(evidence, Evidence):
        raise SpecError(f"The monitor {its.name} has no evidence ({evidence.reason}); a card needs that of a study.")
    from_hub = its.model_fingerprint.get("revision") is not None and _HUB_ID.fullmatch(its.model) is not None
    return ProbeCard(
        name=its.name,
        licence=licence,
        base_model=base_model or (its.model if from_hub else None),
        tiltmeter=__version__,
        model=its.model,
        revision=its.revision,
        model_fingerprint=its.model_fingerprint,
        reading=its.reading.model_dump(mode="json"),
        meaning=its.meaning,
        evidence=_of_the_chosen(evidence),
        n_texts=len(evidence.mistakes) + 2 * len(evidence.leakage.examples),
        n_reference=0 if monitor.reference is None else len(monitor.reference),
        monitor_sha256="",
    )


def _of_the_chosen(evidence: Evidence) -> Evidence:
    """Keep what was measured of the chosen probe, and nothing that quotes a text."""
    site, method, train = evidence.site, evidence.method, evidence.train
    return evidence.model_copy(
        update={
            "candidates": tuple(c for c in evidence.candidates if (c.site, c.method) == (site, method)),
            "transfer": tuple(c for c in evidence.transfer if (c.site, c.method, c.train) == (site, method, train)),
            "random_directions": tuple(r for r in evidence.random_directions if (r.site, r.train) == (site, train)),
            "baselines": tuple(b for b in evidence.baselines if b.train == train),
            "shortcuts": tuple(s for s in evidence.shortcuts if (s.site, s.method) == (site, method)),
            "causal": tuple(c for c in evidence.causal if (c.site, c.method) == (site, method)),
            "causal_candidates": (),
            "followed": tuple(f for f in evidence.followed if (f.site, f.method) == (site, method)),
            "gaps": tuple(g for g in evidence.gaps if (g.site, g.method) == (site, method)),
            "mistakes": (),
            "leakage": evidence.leakage.model_copy(update={"examples": ()}),
        }
    )
