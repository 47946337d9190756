"""What makes two models the same for a probe: everything that can move an activation, by hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from itertools import chain, count
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from tiltmeter.core.records import Record
from tiltmeter.models._adapters import adapter_facts
from tiltmeter.models._placement import state_of

# hashed whole up to here (about a second); above it, evenly spaced elements of every tensor
_WHOLE_BYTES = 1 << 30
_SAMPLED_ELEMENTS = 1 << 16
# where a model came from, and the sum of the rest
_NOT_COMPARED = frozenset({"name", "revision", "digest"})
# facts of the copy on disk or of the library, not of the computation
_NOT_THE_MODEL = frozenset(
    {"_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version", "use_cache"}
)


class Fingerprint(Record):
    """Identifies a loaded model.

    ``digest`` sums up all other fields but ``name`` and ``revision``, which say where the model came from and not what
    it computes. ``padding_side`` is the side on which Tiltmeter pads, whatever the tokenizer's own setting.
    ``weights`` says whether all weights were hashed, or evenly spaced ones of every tensor (above 1 GiB); an adapter's
    are among them. ``adapter_sha256`` is the hash of the adapters' settings and of which are active; None without any.
    ``context`` is the most tokens that a text may have, where longer ones are cut; the tokenizer has a part in it.
    Where the weights are kept (one device, several, offloaded to memory or disk) does not matter.
    """

    name: str
    revision: str | None
    model_type: str
    dtype: str
    attention: str
    padding_side: Literal["right"] = "right"
    weights: Literal["all", "sampled"]
    weights_sha256: str
    config_sha256: str
    tokenizer_sha256: str
    chat_template_sha256: str | None
    adapter_sha256: str | None = None
    context: int
    digest: str

    def differences(self, other: Fingerprint) -> tuple[str, ...]:
        """Return the names of the fields in which two models differ; without any, they compute the same.

        ``name`` and ``revision`` say where a model came from and never count, nor does ``digest``, the sum of the rest.
        Models that differ may still read the same, for all weights count, whether a site depends on them or not: an
        adapter that is not active, or the head of a language model that the same model without head lacks.
        """
        return tuple(
            field
            for field in type(self).model_fields
            if field not in _NOT_COMPARED and getattr(self, field) != getattr(other, field)
        )


class FingerprintCache:
    """Keeps the latest fingerprint of one model, for as long as nothing shows that it was changed."""

    def __init__(self) -> None:
        # A number for each weight while it lives: another that replaces it may be given its address.
        self._numbers = WeakTensorKeyDictionary()
        self._counter = count()
        self._latest: tuple[object, Fingerprint] | None = None

    def get(
        self,
        model: Any,  # noqa: ANN401
        tokenizer: Any,  # noqa: ANN401
        *,
        name: str,
        revision: str | None,
        context: int,
    ) -> Fingerprint:
        """Return :func:`fingerprint_of` the arguments, computed if need be; ``model`` without a PEFT wrapper."""
        state = (
            self._weights(model),
            context,
            len(tokenizer),
            tokenizer.chat_template,
            model.config._attn_implementation,
        )
        # an adapter is merged and taken out again through .data, of which a weight's version tells nothing
        known = self._latest if adapter_facts(model) is None else None
        if known is not None and known[0] == state:
            return known[1]
        fingerprint = fingerprint_of(model, tokenizer, name=name, revision=revision, context=context)
        self._latest = state, fingerprint
        return fingerprint

    def _weights(self, model: nn.Module) -> tuple[tuple[object, ...], ...]:
        """Return what shows that a weight was replaced, moved, or written into."""
        return tuple(
            (
                self._numbers.setdefault(tensor, next(self._counter)),  # type: ignore[no-untyped-call]
                tensor.data_ptr(),
                # PyTorch counts no writes into what was made in inference mode
                None if tensor.is_inference() else tensor._version,
            )
            for tensor in chain(model.parameters(), model.buffers())
            # of an offloaded weight only the place is here, which is made anew after each forward
            if not tensor.is_meta
        )


def fingerprint_of(
    model: Any,  # noqa: ANN401
    tokenizer: Any,  # noqa: ANN401
    *,
    name: str,
    revision: str | None,
    context: int,
) -> Fingerprint:
    """Hash a Hugging Face model, without a PEFT wrapper, and its tokenizer."""
    size = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    whole = size <= _WHOLE_BYTES
    config = {key: value for key, value in model.config.to_diff_dict().items() if key not in _NOT_THE_MODEL}
    template, adapters = tokenizer.chat_template, adapter_facts(model)
    facts: dict[str, str | int | None] = {
        "model_type": model.config.model_type,
        "dtype": str(model.dtype).removeprefix("torch."),
        "attention": str(model.config._attn_implementation),
        "padding_side": "right",
        "weights": "all" if whole else "sampled",
        "weights_sha256": _weights_hash(state_of(model), whole=whole, dtypes={}),
        "config_sha256": _json_hash(config),
        "tokenizer_sha256": _json_hash(_tokenizer_facts(tokenizer)),
        "chat_template_sha256": None if template is None else _json_hash(template),
        "context": context,
    }
    if adapters is not None:
        facts["adapter_sha256"] = _json_hash(adapters)
    return Fingerprint.model_validate({"name": name, "revision": revision, **facts, "digest": _json_hash(facts)[:16]})


def _json_hash(value: Any) -> str:  # noqa: ANN401  (JSON is any)
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def weights_sha256_in(model: Any, dtype: torch.dtype) -> str:  # noqa: ANN401
    """Return what ``weights_sha256`` is of a model, without a PEFT wrapper, once it was converted to another dtype.

    As ``transformers`` converts weights when it loads them: floating ones, but for those that the architecture keeps in
    float32.
    """
    kept = model._get_dtype_plan(dtype)
    dtypes = {
        name: next((kept[part] for part in name.split(".") if part in kept), dtype)
        for name, tensor in model.state_dict().items()
        if tensor.is_floating_point()
    }
    size = sum(tensor.numel() * dtypes.get(name, tensor.dtype).itemsize for name, tensor in model.state_dict().items())
    return _weights_hash(state_of(model), whole=size <= _WHOLE_BYTES, dtypes=dtypes)


def _weights_hash(weights: Iterable[tuple[str, Tensor]], *, whole: bool, dtypes: Mapping[str, torch.dtype]) -> str:
    digest = hashlib.sha256()
    for name, tensor in weights:
        dtype = dtypes.get(name, tensor.dtype)
        digest.update(f"{name} {tuple(tensor.shape)} {dtype};".encode())
        flat = tensor.reshape(-1)
        if not whole and flat.numel() > _SAMPLED_ELEMENTS:
            flat = flat[:: flat.numel() // _SAMPLED_ELEMENTS]
        # NumPy lacks bfloat16, bytes it has
        digest.update(flat.to(dtype).cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _tokenizer_facts(tokenizer: Any) -> dict[str, Any]:  # noqa: ANN401
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return {"vocabulary": tokenizer.get_vocab(), "special": tokenizer.special_tokens_map}
    facts: dict[str, Any] = json.loads(backend.to_str())
    # how the last caller truncated and padded, not what the tokenizer is
    facts.pop("truncation", None)
    facts.pop("padding", None)
    return {"backend": facts, "special": tokenizer.special_tokens_map}
