"""Dictionaries that other libraries trained and saved: folders of SAELens and of dictionary_learning."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors

from tiltmeter.anatomy._dictionary import Dictionary
from tiltmeter.core.errors import FileError, FormatError
from tiltmeter.core.files import read_json, sha256

_Arrays = dict[str, NDArray[Any]]
# of dictionary_learning
_CLASSES = ("AutoEncoder", "AutoEncoderNew", "AutoEncoderTopK", "BatchTopKSAE", "JumpReluAutoEncoder")


def is_dictionary(folder: Path) -> bool:
    """Say whether a folder has the head of a dictionary, be it readable or not."""
    return any((folder / name).exists() for name in ("dictionary.json", "cfg.json", "config.json"))


def read_dictionary(folder: str | Path) -> Dictionary:
    """Read a dictionary that was trained here or elsewhere; what is in the folder says by whom.

    ``dictionary.json`` is Tiltmeter's, ``cfg.json`` with ``sae_weights.safetensors`` SAELens's, ``config.json`` with
    ``ae.pt`` that of dictionary_learning.

    Parameters
    ----------
    folder
        Where it is.

    Returns
    -------
    The dictionary as its own library encodes and decodes, to rounding, with what is known of it as provenance.

    Raises
    ------
    FileError
        If the folder or a file of it is not there.
    FormatError
        If it is of a kind that is not read (gated dictionaries, transcoders, SAELens's normalisations at run time),
        damaged, or none of the three.

    Notes
    -----
    Read are SAELens's architectures ``standard``, ``topk`` and ``jumprelu`` (also as versions before 6 wrote them), and
    of dictionary_learning ``AutoEncoder`` (with atoms of norm 1, as that library reads it), ``AutoEncoderNew``,
    ``AutoEncoderTopK``, ``JumpReluAutoEncoder`` and ``BatchTopKSAE``. Of ``ae.pt`` only tensors are read, and only from
    PyTorch's zip format: no code in it runs.

    Examples
    --------
    >>> read_dictionary("nowhere")
    Traceback (most recent call last):
    tiltmeter.core.errors.FileError: nowhere is no folder; give the folder of a dictionary.
    """
    path = Path(folder)
    if not path.is_dir():
        raise FileError(f"{path} is no folder; give the folder of a dictionary.")
    if (path / "dictionary.json").exists():
        return Dictionary.load(path)
    try:
        if (path / "cfg.json").exists():
            return _from_saelens(path)
        if (path / "config.json").exists():
            return _from_dictionary_learning(path)
    except FormatError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, SafetensorError) as error:
        raise FormatError(f"{path} lacks a part of a dictionary or holds a wrong one ({error}).") from error
    raise FormatError(f"{path} holds no dictionary.json, cfg.json (SAELens) or config.json (dictionary_learning).")


def _from_saelens(path: Path) -> Dictionary:
    told = read_json(path / "cfg.json")
    weights = path / "sae_weights.safetensors"
    if not weights.is_file():
        raise FileError(f"{weights} does not exist; a folder of SAELens needs it beside cfg.json.")
    content = weights.read_bytes()
    found = {name: tensor.float().numpy() for name, tensor in from_safetensors(content).items()}
    kind, k = _saelens_kind(told, path)
    norm = told.get("normalize_activations", "none")
    if norm not in ("none", None):
        raise FormatError(
            f"{path} normalises activations at run time ({norm}), which no fixed dictionary can; a constant factor can "
            "be folded in with SAELens and saved again."
        )
    encoder, decoder, bias = found["W_enc"].T, found["W_dec"], found["b_enc"]
    if told.get("apply_b_dec_to_input", True):
        bias = bias - encoder @ found["b_dec"]
    threshold = found["threshold"] if kind == "jumprelu" else None
    if kind == "topk" and told.get("rescale_acts_by_decoder_norm", False):
        encoder, bias, decoder = _of_unit_norm(encoder, bias, decoder)
    made = {"encoder": encoder, "encoder_bias": bias, "decoder": decoder, "decoder_bias": found["b_dec"]}
    hook = told.get("hook_name") or (told.get("metadata") or {}).get("hook_name")
    return _dictionary(made, kind=kind, k=k, threshold=threshold, facts={"from": "SAELens", "hook": hook}, of=content)


def _saelens_kind(told: Mapping[str, Any], path: Path) -> tuple[Any, int | None]:
    kind = told.get("architecture", "standard")
    # before version 6 TopK was an activation function of the standard architecture
    if kind == "standard" and str(told.get("activation_fn_str", told.get("activation_fn", "relu"))).startswith("topk"):
        kind, told = "topk", dict(told.get("activation_fn_kwargs", {}))
    if kind not in ("standard", "topk", "jumprelu"):
        raise FormatError(f"{path} is of the architecture {kind!r}; read are standard, topk and jumprelu.")
    return ("relu" if kind == "standard" else kind), (int(told["k"]) if kind == "topk" else None)


def _from_dictionary_learning(path: Path) -> Dictionary:
    told = read_json(path / "config.json")["trainer"]
    kind = told.get("dict_class", "AutoEncoder")
    if kind not in _CLASSES:
        raise FormatError(f"{path} is of the class {kind}; read are {', '.join(_CLASSES)}.")
    content, found = _tensors(path / "ae.pt")
    facts = {"from": "dictionary_learning", "class": kind, "layer": told.get("layer"), "seed": told.get("seed")}
    if kind == "JumpReluAutoEncoder":
        made = {
            "encoder": found["W_enc"].T, "encoder_bias": found["b_enc"], "decoder": found["W_dec"],
            "decoder_bias": found["b_dec"],
        }  # fmt: skip
        return _dictionary(made, kind="jumprelu", threshold=found["threshold"], facts=facts, of=content)
    encoder, bias, decoder = found["encoder.weight"], found["encoder.bias"], found["decoder.weight"].T
    if kind == "AutoEncoderNew":
        made = {"encoder": encoder, "encoder_bias": bias, "decoder": decoder, "decoder_bias": found["decoder.bias"]}
        return _dictionary(made, kind="relu", facts=facts, of=content)
    centre = found["bias" if kind == "AutoEncoder" else "b_dec"]
    if kind == "AutoEncoder":
        # as the library does on reading: atoms of norm 1, and latents in their units
        encoder, bias, decoder = _of_unit_norm(encoder, bias - encoder @ centre, decoder)
    else:
        bias = bias - encoder @ centre
    made = {"encoder": encoder, "encoder_bias": bias, "decoder": decoder, "decoder_bias": centre}
    if kind == "AutoEncoderTopK":
        return _dictionary(made, kind="topk", k=int(found["k"]), facts=facts, of=content)
    if kind == "BatchTopKSAE":
        # outside training a latent passes if it is above one threshold that all share
        shared = np.full(len(bias), float(found["threshold"]), dtype=np.float32)
        return _dictionary(made, kind="jumprelu", threshold=shared, facts=facts, of=content)
    return _dictionary(made, kind="relu", facts=facts, of=content)


def _of_unit_norm(
    encoder: NDArray[Any], bias: NDArray[Any], decoder: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Bring atoms to norm 1 and latents into their units; an atom of norm 0 becomes a latent that is never above it."""
    norms = np.linalg.norm(decoder, axis=1)
    return encoder * norms[:, None], bias * norms, decoder / np.where(norms > 0, norms, 1.0)[:, None]


def _tensors(path: Path) -> tuple[bytes, _Arrays]:
    if not path.is_file():
        raise FileError(f"{path} does not exist; a folder of dictionary_learning needs it beside config.json.")
    # the older format of PyTorch could run code even when asked for weights only
    if not zipfile.is_zipfile(path):
        raise FormatError(f"{path} is not in PyTorch's zip format; save it again with a PyTorch from 1.6 on.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # what its unpickler refuses with is an exception of a module that is never imported here
        raise FormatError(f"{path} holds more than tensors, or is damaged; only tensors are read.") from error
    # a run that was stopped leaves the state of its training in the same file
    weights = state.get("ae", state)
    return path.read_bytes(), {name: tensor.float().numpy() for name, tensor in weights.items()}


def _dictionary(
    made: _Arrays,
    *,
    kind: Any,  # noqa: ANN401  (checked by the dictionary)
    facts: dict[str, Any],
    of: bytes,
    k: int | None = None,
    threshold: NDArray[Any] | None = None,
) -> Dictionary:
    arrays = {name: np.ascontiguousarray(array) for name, array in made.items()}
    provenance = {name: value for name, value in facts.items() if value is not None} | {"sha256": sha256(of)}
    return Dictionary(
        arrays["encoder"],
        arrays["encoder_bias"],
        arrays["decoder"],
        arrays["decoder_bias"],
        kind=kind,
        k=k,
        threshold=threshold,
        provenance=provenance,
    )
