"""How a figure of the next token's logits changes with what a site sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from tiltmeter.core.errors import ModelError
from tiltmeter.core.site import Site
from tiltmeter.models._adapters import without_wrapper
from tiltmeter.models._capture import Reduce
from tiltmeter.models._family import Tap
from tiltmeter.models._logits import frozen_weights, keep_position
from tiltmeter.models._readable import check_running
from tiltmeter.models._subject import Sites, SubjectModel
from tiltmeter.models._unembedding import output_embedding


def gradients(
    subject: SubjectModel,
    tokens: Int[Tensor, "b t"],
    *,
    sites: Sites,
    at: Int[Tensor, " b"] | None,
    objective: Callable[[Tensor], Tensor],
    mask: Bool[Tensor, "b t"] | None = None,
    reduce: Reduce | None = None,
) -> dict[Site, Tensor]:
    """Differentiate a figure of the logits by what the sites see, in one forward and one backward for all of them.

    The graph begins at the earliest site: nothing below it is kept, no gradient of a weight is computed, and none is
    left on one. The model computes what it would compute by itself, bit for bit, and afterwards no hook remains and
    every weight requires a gradient as it did before.

    Parameters
    ----------
    subject
        A decoder with its unembedding (as ``AutoModelForCausalLM`` loads it).
    tokens
        Token identifiers, on any device.
    sites
        ``"all"`` or a list; see :meth:`SubjectModel.resolve_sites`.
    at
        The position of each text at which the next token is predicted. Logits are computed there alone. None for all
        positions.
    objective
        Turns the logits at that position, shape (b, v), or those at all, shape (b, t, v), into one number a text, shape
        (b,); no text may have a part in another's.
    mask
        False at padding, which may be on either side; None if there is none.
    reduce
        Applied to each gradient, shape (b, t, d), so that only its result is kept.

    Returns
    -------
    The gradient at each site, of all positions, in the model's dtype: all that follows from a change there is counted,
    along the residual stream, too.

    Raises
    ------
    SpecError
        If a site is absent.
    ModelError
        If the model has no unembedding, was put into training mode or compiled, or never reached a site.

    Notes
    -----
    Weights are made not to require gradients while it runs: do not train the model in another thread meanwhile.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> found = gradients(
    ...     subject,
    ...     torch.tensor([[1, 2, 3]]),
    ...     sites=["1.resid_post"],
    ...     at=torch.tensor([1]),
    ...     objective=lambda logits: logits[:, 3],
    ... )
    >>> [bool(row.any()) for row in found[Site(1, "resid_post")][0]]
    [False, True, False]
    """
    wanted, model = subject.resolve_sites(sites), without_wrapper(subject.model)
    check_running(model, name=subject.name)
    head = output_embedding(subject)
    places = tuple(dict.fromkeys(Site(site.layer, site.point) for site in wanted))
    with torch.inference_mode(mode=False), torch.enable_grad(), frozen_weights(subject), ExitStack() as stack:
        # what was made in inference mode has no part in a graph, tokens and masks neither
        tokens, mask = tokens.clone(), None if mask is None else mask.clone()
        if at is not None:
            stack.callback(head.register_forward_pre_hook(keep_position(at.clone())).remove)
        seen = stack.enter_context(_tracked(subject._blocks, places, points=subject.family.points))
        logits = model(**subject._inputs(tokens, mask), use_cache=False, return_dict=True).logits
        for place in places:
            if place not in seen:
                raise ModelError(
                    f"Site {place} of {subject.name} was never reached by a forward; has a module's forward been "
                    "replaced?"
                )
        figures = objective(logits if at is None else logits[:, 0])
        found = torch.autograd.grad(figures.sum(), [seen[place] for place in places], allow_unused=True)
    whole = {
        place: (torch.zeros_like(seen[place]) if gradient is None else gradient).reshape(*tokens.shape, -1).detach()
        for place, gradient in zip(places, found, strict=True)
    }
    results = {}
    for site in wanted:
        gradient = whole[Site(site.layer, site.point)]
        part = gradient if site.head is None else gradient.chunk(subject.n_heads, dim=-1)[site.head]
        results[site] = part if reduce is None else reduce(part)
    return results


@contextmanager
def _tracked(blocks: nn.ModuleList, places: Sequence[Site], *, points: Any) -> Iterator[dict[Site, Tensor]]:  # noqa: ANN401
    """Record the very tensors that pass each place, and make those that need it the start of a graph.

    Not copies in their place: what enters a norm also goes past it, along the residual stream, and a copy given to the
    norm alone would lose that way.
    """
    seen: dict[Site, Tensor] = {}
    with ExitStack() as stack:
        for place in places:
            tap: Tap = points[place.point]
            module = blocks[place.layer].get_submodule(tap.module)
            if tap.side == "input":
                handle = module.register_forward_pre_hook(_on_input(seen, place), with_kwargs=True)
            else:
                handle = module.register_forward_hook(_on_output(seen, place, tap=tap))
            stack.callback(handle.remove)
        yield seen


def _track(value: object, seen: dict[Site, Tensor], place: Site) -> Tensor:
    if not isinstance(value, Tensor):
        raise ModelError(f"Site {place} shows a {type(value).__name__}, not a tensor; its family's table is wrong.")
    if not value.requires_grad:
        value.requires_grad_()
    seen[place] = value
    return value


def _on_input(seen: dict[Site, Tensor], place: Site) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:  # noqa: ARG001  (torch calls it)
        _track(args[0] if args else kwargs.get("hidden_states"), seen, place)

    return hook


def _on_output(seen: dict[Site, Tensor], place: Site, *, tap: Tap) -> Callable[[nn.Module, tuple[Any, ...], Any], Any]:
    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401, ARG001
        first = output[0] if isinstance(output, tuple) else output
        value = _track(first, seen, place)
        if not tap.overwritten:
            return None
        # the block writes into what it gets: it must not be the tensor by which we differentiate
        copy = value.clone()
        return (copy, *output[1:]) if isinstance(output, tuple) else copy

    return hook
