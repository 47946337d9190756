"""What earlier studies left behind: run directories, their monitors, and the evidence in either."""

from __future__ import annotations

from pathlib import Path

from tiltmeter.core.errors import FileError, SpecError
from tiltmeter.core.evidence import Evidence
from tiltmeter.core.files import expand_user, read_record
from tiltmeter.monitor import Monitor, fetch

_HUB = "hub:"


def locate_monitor(where: str) -> Path:
    """Return the folder of a monitor: one as it is, that of a run, or one of the Hugging Face Hub, brought here.

    Parameters
    ----------
    where
        A monitor folder, a run directory (its ``monitors/best``), or ``hub:OWNER/NAME``, to which ``@REVISION`` may be
        added.

    Raises
    ------
    FileError
        If there is no monitor there.

    See Also
    --------
    tiltmeter.monitor.Monitor.load : Reads it, and checks every hash.

    Examples
    --------
    >>> locate_monitor("nowhere")
    Traceback (most recent call last):
    tiltmeter.core.errors.FileError: nowhere is neither a monitor nor a run with one; check the path.
    """
    if where.startswith(_HUB):
        repo, is_given, revision = where.removeprefix(_HUB).partition("@")
        if not repo or (is_given and not revision):
            raise SpecError(f"{where!r} names no repository; write hub:OWNER/NAME or hub:OWNER/NAME@REVISION.")
        return fetch(repo, revision=revision or None)
    folder = expand_user(where)
    for place in (folder, folder / "monitors" / "best"):
        if (place / "monitor.json").exists():
            return place
    if (folder / "evidence.json").exists():
        raise FileError(f"{where} is a run without a monitor: it read ready vectors, and no model is watched.")
    raise FileError(f"{where} is neither a monitor nor a run with one; check the path.")


def read_run(run: Path) -> Evidence:
    """Read the evidence of a run directory; FileError if it is none, FormatError if the record is damaged."""
    if not (run / "evidence.json").is_file():
        raise FileError(f"{run} is not a run directory; give one as made by tiltmeter study.")
    return read_record(run / "evidence.json", Evidence)


def open_evidence(where: str) -> Evidence:
    """Read the evidence of a run, or that which a monitor was shipped with.

    Parameters
    ----------
    where
        A run directory, or a monitor as for :func:`locate_monitor`.

    Raises
    ------
    FileError
        If there is neither.
    FormatError
        If the record or the monitor is not whole.
    SpecError
        If the monitor was not assessed.

    Examples
    --------
    >>> open_evidence("nowhere")
    Traceback (most recent call last):
    tiltmeter.core.errors.FileError: nowhere is neither a monitor nor a run with one; check the path.
    """
    path = expand_user(where) / "evidence.json"
    if path.exists():
        return read_record(path, Evidence)
    evidence = Monitor.load(locate_monitor(where)).direction.evidence
    if not isinstance(evidence, Evidence):
        raise SpecError(f"The monitor {where} has no evidence ({evidence.reason}).")
    return evidence
