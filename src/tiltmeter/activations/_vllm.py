"""Hidden states that vLLM wrote while it served a model, read as if they had been collected here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, DataError, FileError, FormatError, SpecError
from tiltmeter.core.site import Site
from tiltmeter.data import TextSet
from tiltmeter.models import Encoded, SubjectModel, encoded_for, site_from

_TOKENS, _STATES = "token_ids", "hidden_states"


def read_vllm_states(
    paths: Sequence[str | Path],
    texts: TextSet | Encoded,
    *,
    subject: SubjectModel,
    site: Site | str,
    layers: Sequence[int],
) -> Activations:
    """Read the files of vLLM's hidden-state extraction: the rows that ``collect`` with ``pooling="all"`` would give.

    Which layers a file holds does not stand in it, so they must be given as vLLM was told them, and nothing here can
    find that they are one off: :meth:`tiltmeter.monitor.Monitor.parity` does.

    Parameters
    ----------
    paths
        One file a text, in the order of the texts, each written to its end.
    texts
        The texts, or what ``Monitor.encode`` or :func:`tiltmeter.models.encode` made of them; the tokens in the files
        must be theirs.
    subject
        The model that vLLM served.
    site
        The embedding, ``0.resid_pre``, or ``resid_post`` of a block.
    layers
        ``eagle_aux_hidden_state_layer_ids`` as vLLM was given them, rising.

    Returns
    -------
    Activations of the tokens that are read, with offsets: float32, whatever the dtype in the files.

    Raises
    ------
    SpecError
        If the layers do not rise, the model lacks one of them, or the site is at none of them.
    DataError
        If there is not one file a text, or a file holds other tokens than its text.
    ArrayError
        If a value that is read is not finite.
    FileError, FormatError
        If a file is missing, not whole, or not of this format, these layers and the width of the model.

    See Also
    --------
    tiltmeter.models.site_from : How vLLM numbers layers.

    Notes
    -----
    A file is a safetensors file of ``token_ids``, shape (tokens,), and ``hidden_states``, shape (tokens, layers,
    features). Layer 0 is the embedding, layer i the stream after block i - 1, the last one before the final norm. The
    models of vLLM write layers in the order of their forward, whatever the order in which they were asked for, which is
    why only a rising one is taken here.

    Examples
    --------
    >>> read_vllm_states(paths, encoded, subject=subject, site="17.resid_post", layers=[12, 18])  # doctest: +SKIP
    """
    encoded = encoded_for(subject, texts)
    if len(paths) != len(encoded):
        raise DataError(f"There are {len(paths)} files for {len(encoded)} texts; give one file a text, in their order.")
    (wanted,) = subject.resolve_sites([site])
    column = _column(wanted, layers=layers, subject=subject)
    shape = (len(layers), subject.width(wanted))
    rows = [
        _read(Path(path), encoded, i, column=column, shape=shape)
        for i, path in zip(range(len(encoded)), paths, strict=True)
    ]
    sizes = [len(part) for part in rows]
    texts = encoded.texts
    return Activations(
        np.concatenate([np.zeros((0, shape[1]), dtype=np.float32), *rows]),
        ids=encoded.ids,
        offsets=np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]),
        y=texts.y,
        pairs=texts.pairs,
        sides=texts.sides,
        groups=texts.groups,
        site=wanted,
    )


def _column(site: Site, *, layers: Sequence[int], subject: SubjectModel) -> int:
    if not all(one < other for one, other in pairwise(layers)):
        raise SpecError(
            f"The layers are {list(layers)}; vLLM's models write them in rising order whatever was asked for, so ask "
            f"for {sorted(set(layers))} and give these."
        )
    held = [site_from(layer, dialect="vllm", subject=subject) for layer in layers]
    if site not in held:
        raise SpecError(
            f"The site {site} is at none of the layers {list(layers)}, which are {', '.join(map(str, held))}; extract "
            "it, remembering that vLLM numbers the stream after block i as layer i + 1."
        )
    return held.index(site)


def _read(
    path: Path, encoded: Encoded, i: int, *, column: int, shape: tuple[int, int]
) -> Float[NDArray[np.float32], "r d"]:
    """Return the rows of a text's tokens that are read; ``shape``: layers and features."""
    tokens, read = encoded.row(i)
    if not path.is_file():
        raise FileError(f"There is no file {path}, for the text {encoded.ids[i]}; extract it first.")
    try:
        with safe_open(path, framework="pt") as file:
            absent = {_TOKENS, _STATES} - set(file.keys())
            if absent:
                raise FormatError(f"{path} holds no {' and no '.join(sorted(absent))}; it is no extraction of vLLM's.")
            states = file.get_slice(_STATES)
            found = tuple(states.get_shape())
            given = file.get_tensor(_TOKENS).numpy()
            if found != (len(given), *shape):
                raise FormatError(
                    f"{path} holds {_STATES} of shape {found}, and {(len(given), *shape)} is needed: tokens, the "
                    "layers that were asked for, the width of the model."
                )
            _check_tokens(path, given, tokens, name=str(encoded.ids[i]))
            values: torch.Tensor = states[:, column, :]
    except SafetensorError as error:
        raise FormatError(
            f"{path} is no whole safetensors file ({error}); wait until vLLM has written it, or extract it again."
        ) from error
    rows: NDArray[np.float32] = values.float().numpy()[read]
    if not np.isfinite(rows).all():
        raise ArrayError(
            f"{path} holds a value that is not finite in layer {column + 1} of {shape[0]}; extract it again."
        )
    return rows


def _check_tokens(
    path: Path, given: Int[NDArray[np.int64], " t"], tokens: Int[NDArray[np.int32], " u"], *, name: str
) -> None:
    if np.array_equal(given, tokens):
        return
    shared = min(len(given), len(tokens))
    differ = np.flatnonzero(given[:shared] != tokens[:shared])
    where = f"the first to differ is token {differ[0]}" if len(differ) else "one goes on where the other ends"
    raise DataError(
        f"{path} holds {len(given)} tokens that are not the {len(tokens)} of the text {name} ({where}); give vLLM the "
        "tokens themselves, as prompt_token_ids."
    )
