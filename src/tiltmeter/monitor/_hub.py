"""Monitors to and from the Hugging Face Hub, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from huggingface_hub import HfApi, ModelInfo, constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from tiltmeter.core.errors import FileError, SpecError
from tiltmeter.core.files import expand_user, new_folder, read_json
from tiltmeter.core.network import unknown_host
from tiltmeter.monitor._monitor import Monitor
from tiltmeter.monitor._probe_card import CARD, README, read_card

_FOLDER = "file:"
_HASH = "_sha256"
# records, arrays and the page: whatever else stands in a repository stays there
_BROUGHT = ["*.json", "*.safetensors", README]
# the hub's own errors derive from those of its transport, which differs between its releases; what it says of a name
# that cannot be is a ValueError
_TRANSPORT = tuple(kind for kind in HfHubHTTPError.__bases__ if issubclass(kind, Exception))
_FAILURES: tuple[type[Exception], ...] = (*_TRANSPORT, OSError, ValueError)


def publish(folder: Path, target: str, *, private: bool = False, revision: str | None = None) -> str:
    """Publish a monitor with its card: to a repository on the Hugging Face Hub, or to a folder.

    Every hash is checked on the copy that is sent. If one does not match, nothing is sent.

    Parameters
    ----------
    folder
        A monitor with its card.
    target
        ``OWNER/NAME`` on the Hub, made if it is not there, or ``file:FOLDER`` for a new folder.
    private
        Make the repository private; one that is public already is refused.
    revision
        Branch of the repository, made if it is not there; None for its main branch.

    Returns
    -------
    Where it stands: the address of the commit, or the folder.

    Raises
    ------
    FileError, FormatError
        If the monitor or its card is not whole, or holds a file that no hash covers; if the Hub refuses or cannot be
        reached.
    SpecError
        If ``private`` is asked of a public repository, or ``private`` or ``revision`` of a folder, or the repository
        holds something else than a monitor.

    See Also
    --------
    fetch : Brings what this published.

    Examples
    --------
    >>> publish(Path("nowhere"), "me/probe")
    Traceback (most recent call last):
    tiltmeter.core.errors.FileError: nowhere is not a monitor folder; give one such as RUN/monitors/best.
    """
    if not (folder / "monitor.json").is_file():
        raise FileError(f"{folder} is not a monitor folder; give one such as RUN/monitors/best.")
    files = _covered(folder)
    strays = sorted(path.name for path in folder.iterdir() if path.name not in files)
    if strays:
        raise FileError(f"{folder} holds {strays[0]}, which no hash covers; move it away before publishing.")
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "monitor"
        _copy_checked(folder, copy, files)
        if target.startswith(_FOLDER):
            if private or revision is not None:
                raise SpecError("A folder has no revision and is not private; leave out revision and private.")
            place = expand_user(target.removeprefix(_FOLDER))
            with new_folder(place) as made:
                shutil.copytree(copy, made, dirs_exist_ok=True)
            return str(place)
        return _upload(copy, target, private=private, revision=revision)


def _covered(folder: Path) -> tuple[str, ...]:
    """Name the files of a monitor that a hash covers: ``monitor.json`` holds that of each part, and the card its own.

    A part is a record whose hash stands in ``monitor.json`` under its name, such as ``direction_sha256``, and the
    arrays whose hash stands in the record.
    """
    content = read_json(folder / "monitor.json")
    held = content.items() if isinstance(content, dict) else ()
    parts = [key.removesuffix(_HASH) for key, value in held if key.endswith(_HASH) and value]
    return ("monitor.json", *(f"{part}.{kind}" for part in parts for kind in ("json", "safetensors")), CARD, README)


def _copy_checked(folder: Path, copy: Path, files: tuple[str, ...]) -> None:
    """Copy what is published, and check the copy: what is sent is what was checked."""
    copy.mkdir()
    for name in files:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, copy / name)
    Monitor.load(copy)
    read_card(copy)


def _upload(copy: Path, repo: str, *, private: bool, revision: str | None) -> str:
    api = HfApi(library_name="tiltmeter")
    try:
        api.create_repo(repo, private=private or None, repo_type="model", exist_ok=True)
        # making what is there already changes nothing of it, its visibility included
        _check_room(api.model_info(repo), repo=repo, private=private)
        if revision is not None:
            api.create_branch(repo, branch=revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=copy,
            repo_type="model",
            revision=revision,
            commit_message="A probe with its evidence",
        )
    except SpecError:
        raise
    except _FAILURES as error:
        raise FileError(f"The Hub did not take {repo} ({_cause(error)}).") from error
    return str(commit.commit_url)


def _check_room(there: ModelInfo, *, repo: str, private: bool) -> None:
    """Refuse a repository that all the world would see, or that holds something else, whose README would be lost."""
    if private and not there.private:
        raise SpecError(f"{repo} is public already; make it private on the Hub first, or leave out private.")
    names = {file.rfilename for file in there.siblings or ()} - {".gitattributes"}
    if names and "monitor.json" not in names:
        raise SpecError(f"{repo} holds {sorted(names)[0]} and no monitor; publish to a repository of the probe's own.")


def fetch(repo: str, *, revision: str | None = None) -> Path:
    """Bring a published monitor onto this machine, and return its folder in the Hub's cache.

    Only the files of a monitor are brought. They are not checked here: :meth:`Monitor.load` does that.

    Parameters
    ----------
    repo
        ``OWNER/NAME`` on the Hugging Face Hub.
    revision
        Branch, tag or commit; None for the main branch.

    Raises
    ------
    FileError
        If there is no such repository or revision, it holds no monitor, or the Hub cannot be reached and the cache
        does not hold it.

    Examples
    --------
    >>> fetch("no//name")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    tiltmeter.core.errors.FileError: The Hub did not give no//name (...).
    """
    unknown = unknown_host(constants.ENDPOINT)
    try:
        folder = Path(
            snapshot_download(
                repo,
                revision=revision,
                allow_patterns=_BROUGHT,
                library_name="tiltmeter",
                local_files_only=unknown is not None,
            )
        )
    except _FAILURES as error:
        if isinstance(error, LocalEntryNotFoundError) and unknown is not None:
            raise FileError(
                f"{repo} is not in the Hub's cache here, and {unknown} cannot be reached, for its name is not known; "
                "check the network, or give a folder."
            ) from error
        raise FileError(f"The Hub did not give {repo} ({_cause(error)}).") from error
    if not (folder / "monitor.json").is_file():
        raise FileError(f"{repo} holds no monitor.json; it is not a monitor of Tiltmeter.")
    return folder


def _cause(error: BaseException) -> str:
    # of what the Hub answers, the first line is the status and the second the reason
    lines = [line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()]
    return ": ".join(lines[:2]) or type(error).__name__
