"""Load a model and its tokenizer from a folder or a hub, or say in one sentence why not."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import torch
from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.errors import StrictDataclassError
from huggingface_hub.utils import logging as hub_logging
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForTextEncoding, AutoTokenizer, PreTrainedConfig
from transformers.utils import CONFIG_NAME
from transformers.utils import logging as transformers_logging

from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.core.files import expand_user, read_json
from tiltmeter.core.network import unknown_host
from tiltmeter.models._adapters import check_unquantized
from tiltmeter.models._families import check_model_type, family_of
from tiltmeter.models._family import Attention, Family
from tiltmeter.models._readable import readable_family
from tiltmeter.models._subject import DType, LoadedFrom, SubjectModel

_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
# what transformers and safetensors raise for files that are missing, damaged or do not fit
_LOADING = (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError, StrictDataclassError)
# under the names that transformers gives them in every family
_SIZES = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size",
    "vocab_size",
)  # fmt: skip


def load(
    path_or_name: str | Path,
    *,
    revision: str | None = None,
    dtype: DType = "float32",
    device: str = "cpu",
    attention: Attention | None = None,
) -> SubjectModel:
    """Load a model folder, or a model of the Hugging Face hub.

    Code that comes with a model is never run. Decoders are loaded with their language model head, encoders without;
    of an encoder-decoder (T5) the encoder alone.

    Parameters
    ----------
    path_or_name
        A folder that ``save_pretrained`` wrote, or a hub identifier such as ``"Qwen/Qwen2.5-0.5B"``.
    revision
        Branch, tag or commit on the hub; None for the main branch.
    dtype
        Weights are converted to it, but for those that ``transformers`` keeps in float32 (in float16 the last
        projection of T5's MLP, whose values would overflow).
    device
        As PyTorch names it, for example ``"cuda:0"``.
    attention
        Attention kernel; ``"eager"`` is the plain one, slower. None takes ``"sdpa"`` where ``transformers`` has it for
        the family, else ``"eager"`` (Gemma 2, GPT-J, gpt-oss).

    Raises
    ------
    ModelError
        If there is no such folder or model, its architecture is not known, its weights are quantized, missing or do not
        fit.
    SpecError
        If ``dtype`` or ``device`` is not one PyTorch has, or the family lacks the attention kernel.

    See Also
    --------
    bind : The same for a model that is in memory already.

    Examples
    --------
    >>> load("./no-such-model")
    Traceback (most recent call last):
    tiltmeter.core.errors.ModelError: The model folder no-such-model does not exist; check the path.
    """
    if dtype not in get_args(DType):
        raise SpecError(f"dtype is {dtype!r}; use one of {', '.join(get_args(DType))}.")
    try:
        place = torch.device(device)
    except RuntimeError:
        raise SpecError(f"device is {device!r}, which PyTorch does not know; use cpu or cuda, for example.") from None
    where = locate(path_or_name)
    with quiet(bars=not Path(where).is_dir()):
        family, commit = find_family(where, revision=revision)
        if attention is not None and attention not in family.attention:
            raise SpecError(
                f"attention is {attention!r}; for {family.name} models use {' or '.join(family.attention)}, or None."
            )
        attention = attention or family.attention[0]
        try:
            # before the weights, for it is quick to fail
            tokenizer = AutoTokenizer.from_pretrained(where, revision=revision, trust_remote_code=False)
        except _LOADING as error:
            raise ModelError(f"{where} has no tokenizer that could be loaded ({_cause(error)}).") from error
        kind = AutoModelForCausalLM if family.kind == "decoder" else AutoModelForTextEncoding
        try:
            model, info = kind.from_pretrained(
                where,
                revision=revision,
                dtype=getattr(torch, dtype),
                attn_implementation=attention,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except _LOADING as error:
            raise ModelError(f"The weights of {where} could not be loaded ({_cause(error)}).") from error
    _check_weights(where, info)
    try:
        model = model.eval().to(place)
    except (RuntimeError, AssertionError) as error:  # PyTorch without CUDA asserts
        raise ModelError(f"The model {where} could not be moved to {device} ({_cause(error)}).") from error
    source = LoadedFrom(path_or_name=str(path_or_name), revision=commit or revision, dtype=dtype, attention=attention)
    return SubjectModel(
        model,
        tokenizer,
        family=readable_family(model, name=where),
        name=str(path_or_name),
        revision=revision or commit,
        loaded_from=source,
    )


def locate(path_or_name: str | Path) -> str:
    """Return a folder that holds a configuration, or a name that a hub may know."""
    path, name = expand_user(path_or_name), str(path_or_name)
    if path.is_dir():
        if not (path / "config.json").is_file():
            if (path / "adapter_config.json").is_file():
                raise ModelError(
                    f"The folder {path} holds an adapter and no model; load its base model with transformers, put the "
                    "adapter on it with peft.PeftModel.from_pretrained, and bind that."
                )
            raise ModelError(f"The folder {path} has no config.json; give one that save_pretrained wrote.")
        return str(path)
    if path.exists():
        raise ModelError(f"{path} is a file; give the folder that holds config.json and the weights.")
    # a name with a slash may be a hub's, unless its first half is a folder here
    if isinstance(path_or_name, Path) or not _HUB_ID.fullmatch(name) or ("/" in name and path.parent.is_dir()):
        raise ModelError(f"The model folder {path} does not exist; check the path.")
    return name


def find_family(where: str, *, revision: str | None) -> tuple[Family, str | None]:
    """Return the family of a model by its configuration, and its commit on a hub; ModelError if it cannot be read."""
    if Path(where).is_dir():
        config, commit = read_json(Path(where) / "config.json"), None
    else:
        _check_network(where, revision=revision)
        try:
            config, _ = PreTrainedConfig.get_config_dict(where, revision=revision)
        except _LOADING as error:
            raise ModelError(f"{where} is neither a folder nor a model that the hub gave ({_cause(error)}).") from error
        commit = config.get("_commit_hash")
    model_type = config.get("model_type") if isinstance(config, dict) else None
    if not isinstance(model_type, str):
        raise ModelError(f"The config.json of {where} names no model_type; it is not a transformers model.")
    check_model_type(model_type)
    check_unquantized(config, name=where)
    try:
        whole = AutoConfig.from_pretrained(where, revision=revision, trust_remote_code=False)
    # heads of which there are none divide by zero
    except (*_LOADING, ArithmeticError) as error:
        raise ModelError(f"The config.json of {where} could not be read ({_cause(error)}).") from error
    _check_sizes(whole, name=where)
    return family_of(whole), commit


def _check_network(name: str, *, revision: str | None) -> None:
    """Refuse at once what would be asked for again and again: a model that is not kept here, without a network."""
    if constants.HF_HUB_OFFLINE or isinstance(try_to_load_from_cache(name, CONFIG_NAME, revision=revision), str):
        return
    if (host := unknown_host(constants.ENDPOINT)) is not None:
        raise ModelError(
            f"{name} is no folder and not in the Hub's cache here, and {host} cannot be reached, for its name is not "
            "known; check the path or the network."
        )


def _check_sizes(config: PreTrainedConfig, *, name: str) -> None:
    """Refuse sizes of nothing, of which transformers builds a model all the same."""
    for size in _SIZES:
        found = getattr(config.get_text_config(), size, None)
        if isinstance(found, int) and found < 1:
            raise ModelError(f"The config.json of {name} says that {size} is {found!r}; it must be 1 or more.")


def _check_weights(where: str, info: dict[str, Any]) -> None:
    """Refuse weights that transformers would have drawn at random, but for a pooler that no site reads."""
    missing = sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))
    problems = missing or sorted(map(str, info["mismatched_keys"]))
    if problems:
        what = "lacks" if missing else "has other shapes for"
        raise ModelError(
            f"{where} {what} {len(problems)} of the weights that its config.json calls for, first {problems[0]}."
        )


def _cause(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


@contextmanager
def quiet(*, bars: bool) -> Iterator[None]:
    """Hold back retries and advice while loading, for failures are raised; ``bars`` stay where a download is long."""
    verbosity, hub_verbosity = transformers_logging.get_verbosity(), hub_logging.get_verbosity()
    hide = transformers_logging.is_progress_bar_enabled() and not bars
    transformers_logging.set_verbosity(logging.ERROR)
    hub_logging.set_verbosity(logging.ERROR)
    if hide:
        transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        hub_logging.set_verbosity(hub_verbosity)
        if hide:
            transformers_logging.enable_progress_bar()
