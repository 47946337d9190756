"""Which models can be read, and whether one still can: said in one sentence, before plausible numbers come of it."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import PreTrainedModel

from tiltmeter.core.errors import ModelError
from tiltmeter.models._adapters import check_adapted, without_wrapper
from tiltmeter.models._families import family_of
from tiltmeter.models._family import Family


def readable_family(model: Any, *, name: str) -> Family:  # noqa: ANN401
    """Return the family of a model that can be read; ModelError if it cannot."""
    inner = without_wrapper(model)
    if isinstance(model, nn.Module):
        check_uncompiled(model, name=name)
    if not isinstance(inner, PreTrainedModel):
        raise ModelError(
            f"The model {name} is a {type(inner).__name__}, which is no model of transformers; "
            "bind the one inside it (of DataParallel its .module), or a PeftModel around one."
        )
    check_adapted(model, name=name)
    check_running(model, name=name)
    family = family_of(inner.config)
    if family.positions == "after_padding" and inner.config.get_text_config().pad_token_id is None:
        raise ModelError(
            f"The configuration of {name} has no pad_token_id, after which the positions of {family.name} models "
            "begin; set the one that it was trained with."
        )
    return family


def check_running(model: nn.Module, *, name: str) -> None:
    """Refuse training mode, in which dropout draws, and compiled modules, whose hooks are not run."""
    # one walk, for it is made before every forward
    for module in model.modules():
        if module.training:
            raise ModelError(
                f"The model {name} is in training mode, or a part of it (an adapter that was added), "
                "where dropout changes readings; call model.eval()."
            )
        _check_uncompiled(module, name=name)


def check_uncompiled(model: nn.Module, *, name: str) -> None:
    """Refuse a model of which any module is compiled."""
    for module in model.modules():
        _check_uncompiled(module, name=name)


def _check_uncompiled(module: nn.Module, *, name: str) -> None:
    # Compiled code runs the hooks that were there when it was made: none that come later, and those for ever.
    compiled = module._compiled_call_impl is not None
    if compiled or hasattr(vars(module).get("forward"), "_torchdynamo_orig_callable"):
        raise ModelError(
            f"The model {name} is compiled, and compiled code passes over what would be read; "
            "use it as it was before torch.compile, which keeps that as _orig_mod where it wraps."
        )
