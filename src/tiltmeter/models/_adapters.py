"""Models that are not as their configuration alone says: with adapters (PEFT), or with quantized weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from tiltmeter.core.errors import ModelError

# where an adapter came from and what for, not what it computes
_NOT_THE_ADAPTER = frozenset(
    {"auto_mapping", "base_model_name_or_path", "inference_mode", "peft_version", "revision", "task_type"}
)


def check_unquantized(config: object, *, name: str) -> None:
    """Refuse quantized weights, which are not those that ``load`` would read; ``config`` may be a mapping."""
    for part in (config, _setting(config, "text_config")):
        quantization = _setting(part, "quantization_config")
        if quantization:
            _refuse_quantized(name, _setting(quantization, "quant_method"))


def _setting(config: object, key: str) -> object:
    return config.get(key) if isinstance(config, Mapping) else getattr(config, key, None)


def check_adapted(model: Any, *, name: str) -> None:  # noqa: ANN401
    """Refuse quantized weights, and adapters other than LoRA's; ModelError says what to do instead."""
    check_unquantized(model.config, name=name)
    if getattr(model, "is_quantized", False):
        _refuse_quantized(name, getattr(model, "quantization_method", None))
    for module in model.modules():
        # torch's own kind, which leaves no word of it in the configuration
        if type(module).__module__.startswith("torch.ao."):
            _refuse_quantized(name, type(module).__name__)
    for adapter, config in (getattr(model, "peft_config", None) or {}).items():
        # Prompts and prefixes are added by the outermost forward, which reading goes past, and invocation tokens are
        # found by it.
        kind = str(getattr(config.peft_type, "value", config.peft_type))
        if kind != "LORA" or getattr(config, "alora_invocation_tokens", None):
            kind = kind if kind != "LORA" else "activated LORA"
            raise ModelError(
                f"The model {name} has the adapter {adapter!r} of kind {kind}, and only LORA can be read; "
                "bind the model without it, or with the adapter merged into the weights if its kind allows that."
            )


def _refuse_quantized(name: str, method: object) -> None:
    how = f" ({getattr(method, 'value', method)})" if method else ""
    raise ModelError(f"The weights of {name} are quantized{how}, which is not supported: load it in bfloat16.")


def without_wrapper(model: Any) -> Any:  # noqa: ANN401
    """Return the ``transformers`` model inside a ``PeftModel``, whose modules hold the adapters; else the model.

    Examples
    --------
    >>> from torch import nn
    >>> without_wrapper(nn.Linear(2, 3))
    Linear(in_features=2, out_features=3, bias=True)
    """
    inner = getattr(model, "get_base_model", None)
    return model if inner is None else inner()


def adapter_facts(model: nn.Module) -> dict[str, Any] | None:
    """Return what the adapters in a model do at present, but for their weights; None if it has none."""
    configs = getattr(model, "peft_config", None)
    if not configs:
        return None
    layers = {
        name: {
            "active": list(module.active_adapters),
            "disabled": bool(module.disable_adapters),
            "merged": list(module.merged_adapters),
            "scaling": dict(getattr(module, "scaling", {})),
        }
        for name, module in model.named_modules()
        if hasattr(module, "merged_adapters")
    }
    settings = {name: _settings(config.to_dict()) for name, config in configs.items()}
    return {"configs": settings, "layers": layers}


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    # sets have another order in each process
    return {
        key: sorted(map(str, value)) if isinstance(value, set | frozenset) else value
        for key, value in config.items()
        if key not in _NOT_THE_ADAPTER
    }
