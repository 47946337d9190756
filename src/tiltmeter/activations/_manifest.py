"""The manifest of a store: what it holds, by file and hash; the one file that is ever replaced."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from tiltmeter.activations._pool import Reading
from tiltmeter.core.errors import FileError, FormatError, SpecError
from tiltmeter.core.files import sha256, write_bytes
from tiltmeter.core.records import Record
from tiltmeter.models import EncodingRule, Fingerprint

MANIFEST = "manifest.json"
_NO_HASH = b"0" * 64
# the manifest's own hash is its last field, over all its bytes with zeros in the hash's place
_OWN_HASH = re.compile(rb'"sha256": "([0-9a-f]{64})"\n}\n\Z')


class NotWrittenError(FileError):
    """A file of a store could not be written; leaves this package as a FileError that says how to go on."""


class StoredFile(Record):
    """A file of the store: its path from the store's folder, its size and its hash."""

    file: str = Field(pattern=r"^[0-9]{3,}/(plan|labels-[0-9a-f]{12}|shard-[0-9]{5,})\.safetensors$")
    bytes: int
    sha256: str


class Shard(Record):
    """Shard ``index`` of a part."""

    index: int
    stored: StoredFile


class Part(Record):
    """Texts that were read at the same sites by one plan; complete when all its shards are named.

    ``is_closed``: no more shards will come, since the texts that they would hold were not asked for again.
    """

    name: str
    sites: dict[str, int]
    n_texts: int
    n_rows: int
    n_tokens: int
    n_batches: int
    n_shards: int
    token_budget: int
    padding: Literal["right"] = "right"
    plan: StoredFile
    labels: StoredFile
    shards: tuple[Shard, ...] = ()
    is_closed: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether every shard is there."""
        return len(self.shards) == self.n_shards


class StoreSpec(Record):
    """How every row of a store was made: by which model, from which tokens, pooled how."""

    model: Fingerprint
    encoding: EncodingRule
    pooling: Reading


class Manifest(Record):
    """All that a store holds."""

    format: Literal["tiltmeter activations"] = "tiltmeter activations"
    format_version: Literal[1] = 1
    spec: StoreSpec
    parts: tuple[Part, ...] = ()

    def files(self) -> tuple[StoredFile, ...]:
        """Return every file that is named."""
        return tuple(
            stored for part in self.parts for stored in (part.plan, part.labels, *(s.stored for s in part.shards))
        )

    def part(self, name: str) -> Part:
        """Return the part of that name."""
        return next(part for part in self.parts if part.name == name)

    def with_part(self, part: Part) -> Manifest:
        """Return the manifest with this part in the place of the one of its name, or after the others."""
        parts = {known.name: known for known in self.parts} | {part.name: part}
        return self.model_copy(update={"parts": tuple(parts.values())})


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest atomically."""
    body = manifest.model_dump_json(indent=2).encode()
    with_room = body.removesuffix(b"\n}") + b',\n  "sha256": "' + _NO_HASH + b'"\n}\n'
    try:
        write_bytes(folder / MANIFEST, with_room.replace(_NO_HASH, sha256(with_room).encode()))
    except FileError as error:
        raise NotWrittenError(str(error)) from error


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest; FileError if there is no store, FormatError if it is damaged or of another kind."""
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise FileError(f"{folder} is no activation store: it has no {MANIFEST}; check the path.") from None
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror or error}).") from error
    own = _OWN_HASH.search(content)
    if own is None or sha256(content[: own.start(1)] + _NO_HASH + content[own.end(1) :]) != own[1].decode():
        raise FormatError(_problem(path, content))
    fields = json.loads(content)
    fields.pop("sha256")
    try:
        return Manifest.model_validate(fields)
    except ValidationError as error:
        raise FormatError(
            f"{path} is sound but not of a kind that this release reads (format version 1): {error.errors()[0]['msg']}."
        ) from error


def fingerprint_of(spec: StoreSpec) -> str:
    """Return a short hash of what made rows: the model, the rule for tokens, and pooling."""
    facts = [spec.model.digest, spec.encoding.model_dump(mode="json"), spec.pooling]
    return sha256(json.dumps(facts, sort_keys=True).encode())[:16]


def require_same(ours: StoreSpec, theirs: StoreSpec, *, folder: Path) -> None:
    """SpecError listing every field in which what is asked for differs from how the store was made."""
    asked, stored = _flat(ours.model_dump(mode="json")), _flat(theirs.model_dump(mode="json"))
    # where a model came from is no part of what it computes, and its digest sums up the other fields
    ignored = {"model.name", "model.revision", "model.digest"}
    differing = [name for name in asked.keys() | stored.keys() if asked.get(name) != stored.get(name)]
    listed = sorted(name for name in differing if name not in ignored)
    if listed:
        facts = "; ".join(
            f"{name} is {_short(stored.get(name))}, asked for {_short(asked.get(name))}" for name in listed
        )
        raise SpecError(f"The store {folder} was made otherwise: {facts}. Use the same settings, or another folder.")


def _flat(spec: dict[str, Any]) -> dict[str, Any]:
    """Name each field of the model and of the encoding by its path."""
    return {"pooling": spec["pooling"]} | {
        f"{group}.{name}": value for group in ("model", "encoding") for name, value in spec[group].items()
    }


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:12]}…"


def _problem(path: Path, content: bytes) -> str:
    what = "is cut off" if not content.endswith(b"}\n") else "does not agree with its own hash"
    return (
        f"{path} {what}; it is damaged. The shards beside it may be sound, but what they hold is written in this file: "
        "restore it from a copy, or collect again into another folder."
    )
