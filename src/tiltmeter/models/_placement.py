"""Where a model's weights are: on one device, spread over several, or kept elsewhere until a module needs them.

``accelerate`` hangs a hook on each module, which moves what enters it and, where weights are kept in memory or on disk,
brings them in before the module runs and takes them away after it. Such parameters are on the meta device meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from tiltmeter.core.errors import ModelError


def is_dispatched(block: nn.Module) -> bool:
    """Whether ``accelerate`` looks after any module of the block."""
    return any("_hf_hook" in vars(module) for module in block.modules())


def comes_whole(modules: Iterable[nn.Module]) -> bool:
    """Whether ``accelerate`` brings in all that one of the modules holds before it runs, and takes it away after."""
    return any(_brings_all(hook) for module in modules for hook in _hooks(module))


def input_device(stack: Any, *, around: Iterable[nn.Module]) -> torch.device:  # noqa: ANN401
    """Return the device on which a stack looks up its embedding; ModelError if its weights are nowhere.

    ``around`` are the modules whose weights may be brought in together with the embedding's.
    """
    embedding = stack.get_input_embeddings()
    together = (hook for module in around for hook in _hooks(module) if _brings_all(hook))
    for hook in chain(_hooks(embedding), together):
        device = getattr(hook, "execution_device", None)
        if device is not None:
            return torch.device(device)
    device = embedding.weight.device
    if device.type == "meta":
        raise ModelError(
            f"The weights of the {type(stack).__name__} are on the meta device, where there are no values; "
            "load them, or dispatch the model with accelerate."
        )
    return torch.device(device)


def state_of(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield name and value of each weight and persistent buffer, by name; offloaded ones are fetched one at a time."""
    state: dict[str, Tensor] = model.state_dict()
    for name in sorted(state):
        tensor = state[name].detach()
        yield name, _offloaded(model, name) if tensor.is_meta else tensor


def _offloaded(model: nn.Module, name: str) -> Tensor:
    path = name.split(".")
    # the weight's own module first; a hook may also hold the weights of the modules inside its own
    for depth in range(len(path) - 1, -1, -1):
        for hook in _hooks(model.get_submodule(".".join(path[:depth]))):
            kept = getattr(hook, "weights_map", None)
            value: Tensor | None = None if kept is None else kept.get(".".join(path[depth:]))
            if value is not None:
                return value
    raise ModelError(f"The weight {name} is on the meta device and nothing keeps its values; load the model's weights.")


def _brings_all(hook: Any) -> bool:  # noqa: ANN401
    return bool(getattr(hook, "place_submodules", False))


def _hooks(module: nn.Module) -> Iterator[Any]:
    # not getattr, which is slow where a module lacks the name, and this is asked of every module of a block
    hook = vars(module).get("_hf_hook")
    if hook is not None:
        yield from getattr(hook, "hooks", (hook,))
