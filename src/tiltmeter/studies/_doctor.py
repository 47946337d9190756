"""What is installed here, what it may run on, and whether a model can be read."""

from __future__ import annotations

import os
import platform
import re
import shutil
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import torch

from tiltmeter.activations import available_bytes
from tiltmeter.models import Support, model_support
from tiltmeter.studies._sources import locate_model

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+).*?(?:extra\s*==\s*['\"]([a-z]+)['\"])?$")
# for those who work on Tiltmeter
_OURS = ("dev", "docs", "bench")


class Extra(NamedTuple):
    """An extra of the package: its name, and those of its distributions that are absent."""

    name: str
    absent: tuple[str, ...]


class Environment(NamedTuple):
    """What :func:`examine` found.

    ``versions`` are of the packages that Tiltmeter needs, None where one is absent. ``devices`` are as PyTorch names
    them, with the bytes that are free on each; ``disk`` likewise by folder.
    """

    tiltmeter: str
    python: str
    platform: str
    versions: dict[str, str | None]
    extras: tuple[Extra, ...]
    threads: int
    devices: dict[str, int]
    disk: dict[str, int]
    model: Support | None


def examine(model: str | None = None) -> Environment:
    """Look at this machine and this installation, and at the configuration of a model.

    Parameters
    ----------
    model
        A folder, a hub id or ``organism:NAME``; None for none.

    Raises
    ------
    SpecError
        If there is no such organism.

    Examples
    --------
    >>> found = examine("organism:facts")
    >>> found.model.family, found.model.size.n_layers, found.versions["torch"] is not None
    ('Llama', 4, True)
    """
    needed, extras = _requirements()
    disk = {"here": Path.cwd(), "hub cache": _cache()}
    return Environment(
        tiltmeter=metadata.version("tiltmeter"),
        python=platform.python_version(),
        platform=platform.platform(),
        versions={name: _version(name) for name in needed},
        extras=tuple(
            Extra(name, tuple(one for one in packages if _version(one) is None)) for name, packages in extras.items()
        ),
        threads=torch.get_num_threads(),
        devices=_devices(),
        disk={name: shutil.disk_usage(folder).free for name, folder in disk.items()},
        model=None if model is None else model_support(locate_model(model))._replace(name=model),
    )


def _requirements() -> tuple[list[str], dict[str, list[str]]]:
    """Read from the package what it needs, and what each of its extras brings."""
    needed: list[str] = []
    extras: dict[str, list[str]] = {}
    for line in metadata.requires("tiltmeter") or ():
        found = _REQUIREMENT.match(line)
        if found is None or found[2] in _OURS:
            continue
        # ray[data] is the distribution ray
        (needed if found[2] is None else extras.setdefault(found[2], [])).append(found[1])
    return needed, extras


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> dict[str, int]:
    found = {"cpu": available_bytes(torch.device("cpu"))}
    for number in range(torch.cuda.device_count()):
        found[f"cuda:{number} ({torch.cuda.get_device_name(number)})"] = available_bytes(torch.device("cuda", number))
    return found


def _cache() -> Path:
    """Return the folder of the hub's cache, or the nearest above it that is there."""
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    return next(one for one in (home, *home.parents) if one.is_dir())
