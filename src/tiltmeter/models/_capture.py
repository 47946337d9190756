"""Hooks that copy nothing, change nothing, and are gone when their ``with`` ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from tiltmeter.core.errors import ModelError
from tiltmeter.core.site import Site
from tiltmeter.models._family import Family

Reduce = Callable[[Tensor], Tensor]


class ReachedDeepestError(Exception):
    """Ends a forward once nothing that was asked for lies ahead; never leaves this package."""


@contextmanager
def hooked(
    blocks: nn.ModuleList, sites: Sequence[Site], *, family: Family, reduce: Reduce | None = None, stop: bool = False
) -> Iterator[dict[Site, Tensor]]:
    """Record ``reduce`` of what each site sees during forwards inside the block.

    ``stop`` raises :class:`ReachedDeepestError` out of the forward as soon as the deepest site has been recorded.
    """
    seen: dict[Site, Tensor] = {}
    order = tuple(family.points)
    last = max(sites, key=lambda site: (site.layer, order.index(site.point)))
    with ExitStack() as stack:
        for site in sites:
            record = _recorder(site, seen, reduce=reduce, stop=stop and site == last)
            tap = family.points[site.point]
            module = blocks[site.layer].get_submodule(tap.module)
            if tap.side == "input":
                handle = module.register_forward_pre_hook(_on_input(record), with_kwargs=True)
            else:
                handle = module.register_forward_hook(_on_output(record))
            stack.callback(handle.remove)
        yield seen


def _recorder(site: Site, seen: dict[Site, Tensor], *, reduce: Reduce | None, stop: bool) -> Callable[[object], None]:
    def record(value: object) -> None:
        if not isinstance(value, Tensor):
            raise ModelError(f"Site {site} shows a {type(value).__name__}, not a tensor; its family's table is wrong.")
        seen[site] = value if reduce is None else reduce(value)
        if stop:
            raise ReachedDeepestError

    return record


def _on_input(record: Callable[[object], None]) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:  # noqa: ARG001  (torch calls it)
        record(args[0] if args else kwargs.get("hidden_states"))

    return hook


def _on_output(record: Callable[[object], None]) -> Callable[[nn.Module, tuple[Any, ...], object], None]:
    def hook(module: nn.Module, args: tuple[Any, ...], output: object) -> None:  # noqa: ARG001
        # by type and not by version: blocks return a bare tensor since transformers 5, a tuple before
        record(output[0] if isinstance(output, tuple) else output)

    return hook
