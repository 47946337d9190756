"""Whether a model can be read, and how large it is, from its configuration alone."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForTextEncoding, PreTrainedConfig

from tiltmeter.core.errors import FormatError, ModelError
from tiltmeter.core.files import read_json
from tiltmeter.models._families import family_of
from tiltmeter.models._load import find_family, locate, quiet


class Size(NamedTuple):
    """The size of a model: parameters (shared ones once), blocks, and the width of the residual stream."""

    n_parameters: int
    n_layers: int
    d_model: int

    def weight_bytes(self, bytes_each: int) -> int:
        """Return what the weights take at so many bytes each: 4 in float32, 2 in bfloat16 and float16."""
        return self.n_parameters * bytes_each

    def row_bytes(self, n_sites: int | None = None) -> int:
        """Return what one row takes in memory, in float32, at so many sites; None for every block and the embedding."""
        return 4 * self.d_model * (self.n_layers + 1 if n_sites is None else n_sites)


class Support(NamedTuple):
    """Whether :func:`tiltmeter.models.load` knows a model: its family and size, or the problem, one of them None."""

    name: str
    family: str | None
    size: Size | None
    problem: str | None


def model_support(path_or_name: str | Path) -> Support:
    """Look at the configuration of a model, and say whether it can be read; no weights are opened.

    Of a folder the files of the weights must be there.

    Parameters
    ----------
    path_or_name
        As for :func:`tiltmeter.models.load`.

    Examples
    --------
    >>> model_support("./no-such-model").problem
    'The model folder no-such-model does not exist; check the path.'
    """
    name = str(path_or_name)
    try:
        where = locate(path_or_name)
        with quiet(bars=False):
            family, _ = find_family(where, revision=None)
            config = AutoConfig.from_pretrained(where, trust_remote_code=False)
            size = _size_of(config, name=where)
        if Path(where).is_dir():
            _check_files(Path(where))
    except (ModelError, FormatError) as error:
        return Support(name, None, None, str(error))
    return Support(name, family.name, size, None)


def _size_of(config: PreTrainedConfig, *, name: str) -> Size:
    try:
        return model_size(config)
    except (ValueError, TypeError, ArithmeticError, RuntimeError) as error:  # of values that no model can have
        reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
        raise ModelError(f"No model can be built as the config.json of {name} says ({reason}).") from error


def _check_files(folder: Path) -> None:
    """Refuse a folder that lacks the weights or some of their shards, as one does that was copied halfway."""
    index = next(folder.glob("*.index.json"), None)
    named = read_json(index).get("weight_map", {}) if index is not None else {}
    if absent := sorted(shard for shard in set(named.values()) if not (folder / shard).is_file()):
        raise ModelError(f"The folder {folder} lacks {absent[0]}, which {index} names; copy the weights again.")
    if not any(any(folder.glob(pattern)) for pattern in ("*.safetensors", "*.bin")):
        raise ModelError(f"The folder {folder} has a configuration and no weights; copy model.safetensors there too.")


def model_size(config: PreTrainedConfig) -> Size:
    """Count the parameters that a configuration calls for; nothing is allocated.

    Of an encoder-decoder its encoder is counted, which is what is read.

    Parameters
    ----------
    config
        Of a known family.

    Raises
    ------
    ModelError
        If the family is not known.

    Examples
    --------
    >>> from transformers import LlamaConfig
    >>> sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    >>> model_size(LlamaConfig(vocab_size=4, **sizes))
    Size(n_parameters=1000, n_layers=2, d_model=8)
    """
    kind = AutoModelForCausalLM if family_of(config).kind == "decoder" else AutoModelForTextEncoding
    with torch.device("meta"):
        model = kind.from_config(config)
    inner = config.get_text_config()
    return Size(sum(one.numel() for one in model.parameters()), inner.num_hidden_layers, inner.hidden_size)
