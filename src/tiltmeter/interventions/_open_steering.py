"""What to steer along, from whatever file it stands in."""

from __future__ import annotations

from pathlib import Path

from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import FileError, FormatError
from tiltmeter.core.files import read_json
from tiltmeter.interventions._gguf import read_gguf
from tiltmeter.interventions._steering_vectors import SteeringVectors


def open_steering(path: Path) -> Direction | SteeringVectors:
    """Read a direction or steering vectors.

    Parameters
    ----------
    path
        A ``.gguf`` control vector; a ``.safetensors`` file with its ``.json``, of a direction or of steering vectors;
        the same without an ending, as ``RUN/probes/3.resid_post/lda``; or a folder that holds one such pair.

    Raises
    ------
    FileError
        If nothing of the kind is there, or a folder holds several.
    FormatError
        If a file is neither, damaged, or changed.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> Direction(np.array([0.6, 0.8]), method="hand", sign=1).save(folder)
    >>> open_steering(folder).method
    'hand'
    """
    if path.suffix == ".gguf":
        return read_gguf(path)
    if path.is_dir():
        stems = sorted(file.stem for file in path.glob("*.safetensors"))
        if len(stems) != 1:
            found = f"{len(stems)} ({', '.join(stems)})" if stems else "none"
            raise FileError(f"{path} should hold one direction or set of vectors, and holds {found}; name the file.")
        folder, stem = path, stems[0]
    else:
        # a stem may hold dots itself, so only a known ending is taken off
        name = path.name.removesuffix(".safetensors").removesuffix(".json")
        folder, stem = path.parent, name
    head = folder / f"{stem}.json"
    if not head.exists() and not (folder / f"{stem}.safetensors").exists():
        raise FileError(f"{path} is neither a direction nor steering vectors; name a folder, .safetensors or .gguf.")
    content = read_json(head)
    if not isinstance(content, dict):
        raise FormatError(f"{head} is neither a direction's nor that of steering vectors; it is damaged or foreign.")
    if content.get("kind") == "steering vectors":
        return SteeringVectors.load(folder, stem=stem)
    return Direction.load(folder, stem=stem)
