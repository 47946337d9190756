"""Hooks that change nothing, and are gone when their ``with`` ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from tiltmeter.core.errors import ModelError
from tiltmeter.core.site import Site
from tiltmeter.models._family import Family, Tap
from tiltmeter.models._placement import is_dispatched

Reduce = Callable[[Tensor], Tensor]


class ReachedDeepestError(Exception):
    """Ends a forward once nothing that was asked for lies ahead; never leaves this package."""


class WholeTextsHook:
    """A hook that must be shown every position of a text, whatever a reading needs."""


@contextmanager
def hooked(
    blocks: nn.ModuleList,
    sites: Sequence[Site],
    *,
    family: Family,
    n_heads: int,
    reduce: Reduce | None = None,
    stop: bool = False,
    needed: Tensor | None = None,
) -> Iterator[dict[Site, Tensor]]:
    """Record ``reduce`` of what each site sees during forwards inside the block.

    ``stop`` raises :class:`ReachedDeepestError` out of the forward as soon as the deepest site has been recorded.
    ``needed``, shape (b, t), marks the positions of which ``reduce`` makes use, where the forward is stopped: the MLP
    of the deepest block is computed for them alone.
    """
    seen: dict[Site, Tensor] = {}
    # the heads of a block share a hook: a stop raised for one of them would leave the others unseen
    places: dict[Site, list[Site]] = {}
    for site in sites:
        places.setdefault(Site(site.layer, site.point), []).append(site)
    order = tuple(family.points)
    deepest = max(places, key=lambda place: (place.layer, order.index(place.point)))
    # accelerate takes a block's weights away again at its end, so the forward must not be left before it
    late = stop and is_dispatched(blocks[deepest.layer])
    sparse = None if late or "mlp_post" in {place.point for place in places if place.layer == deepest.layer} else needed
    if sparse is not None and family.mlp is not None and _is_watched(blocks[deepest.layer].get_submodule(family.mlp)):
        sparse = None
    with ExitStack() as stack:
        if sparse is not None and family.mlp is not None:
            # before those that record what leaves it
            stack.callback(
                blocks[deepest.layer].get_submodule(family.mlp).register_forward_hook(_spread(sparse)).remove
            )
        for place, members in places.items():
            block, tap = blocks[place.layer], family.points[place.point]
            shape = batch_shape(block, stack) if tap.flat else None
            record = _recorder(members, seen, tap=tap, shape=shape, n_heads=n_heads, reduce=reduce)
            if stop and not late and place == deepest:
                record = _then_stop(record)
            module = block.get_submodule(tap.module)
            if tap.side == "input":
                handle = module.register_forward_pre_hook(_on_input(record), with_kwargs=True)
            else:
                handle = module.register_forward_hook(_on_output(record))
            stack.callback(handle.remove)
        if sparse is not None and family.mlp is not None:
            # after those that record what enters it
            mlp = blocks[deepest.layer].get_submodule(family.mlp)
            stack.callback(mlp.register_forward_pre_hook(_gather(sparse)).remove)
        if late:
            stack.callback(blocks[deepest.layer].register_forward_hook(_on_output(_then_stop(lambda _: None))).remove)
        yield seen


def _recorder(
    members: Sequence[Site],
    seen: dict[Site, Tensor],
    *,
    tap: Tap,
    shape: Callable[[], tuple[int, ...]] | None,
    n_heads: int,
    reduce: Reduce | None,
) -> Callable[[object], None]:
    def record(value: object) -> None:
        if not isinstance(value, Tensor):
            raise ModelError(
                f"Site {members[0]} shows a {type(value).__name__}, not a tensor; its family's table is wrong."
            )
        whole = value if shape is None else value.reshape(*shape(), -1)
        if tap.overwritten:
            whole = whole.clone()
        for site in members:
            part = whole if site.head is None else whole.chunk(n_heads, dim=-1)[site.head]
            seen[site] = part if reduce is None else reduce(part)

    return record


def _then_stop(record: Callable[[object], None]) -> Callable[[object], None]:
    def last(value: object) -> None:
        record(value)
        raise ReachedDeepestError

    return last


def _is_watched(module: nn.Module) -> bool:
    """Whether a hook there must be shown whole texts."""
    return any(
        isinstance(hook, WholeTextsHook)
        for part in module.modules()
        for hook in (*part._forward_hooks.values(), *part._forward_pre_hooks.values())
    )


def _gather(needed: Tensor) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...]]:
    """Have a module see only the needed positions, as one long text."""

    def hook(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:  # noqa: ARG001
        return args[0][needed.to(args[0].device)][None], *args[1:]

    return hook


def _spread(needed: Tensor) -> Callable[[nn.Module, tuple[Any, ...], Any], Any]:
    """Put what a module made of the needed positions back where they were, among zeros."""

    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401, ARG001
        first = output[0] if isinstance(output, tuple) else output
        whole = first.new_zeros(*needed.shape, first.shape[-1])
        whole[needed.to(first.device)] = first[0]
        return (whole, *output[1:]) if isinstance(output, tuple) else whole

    return hook


def batch_shape(block: nn.Module, stack: ExitStack) -> Callable[[], tuple[int, ...]]:
    """Return a function that gives (b, t) of what entered the block last."""
    latest: list[tuple[int, ...]] = [()]

    def note(value: object) -> None:
        latest[0] = tuple(value.shape[:-1]) if isinstance(value, Tensor) else ()

    stack.callback(block.register_forward_pre_hook(_on_input(note), with_kwargs=True).remove)
    return lambda: latest[0]


def _on_input(record: Callable[[object], None]) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:  # noqa: ARG001  (torch calls it)
        record(args[0] if args else kwargs.get("hidden_states"))

    return hook


def _on_output(record: Callable[[object], None]) -> Callable[[nn.Module, tuple[Any, ...], object], None]:
    def hook(module: nn.Module, args: tuple[Any, ...], output: object) -> None:  # noqa: ARG001
        # by type and not by version: blocks return a bare tensor since transformers 5, a tuple before
        record(output[0] if isinstance(output, tuple) else output)

    return hook
