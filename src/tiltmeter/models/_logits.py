"""Logits of the next token: at every position, at one of each text, or from what a block gave before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from tiltmeter.core.errors import ArrayError, ModelError, SpecError
from tiltmeter.models._adapters import without_wrapper
from tiltmeter.models._placement import is_dispatched
from tiltmeter.models._readable import check_running
from tiltmeter.models._subject import SubjectModel
from tiltmeter.models._unembedding import output_embedding


def text_logits(
    subject: SubjectModel, tokens: Int[Tensor, "b t"], *, mask: Bool[Tensor, "b t"] | None = None
) -> Float[Tensor, "b t v"]:
    """Return the logits of what follows every position; inside :func:`edited`, those of the edited model.

    Parameters
    ----------
    subject
        A decoder with its unembedding.
    tokens
        Token identifiers, on any device.
    mask
        False at padding, where the logits mean nothing; None if there is none.

    Raises
    ------
    ModelError
        If the model has no unembedding, or was put into training mode or compiled.

    See Also
    --------
    next_logits : At one position of each text, for a fraction of the memory.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> tuple(text_logits(subject, torch.tensor([[1, 2, 3]])).shape)
    (1, 3, 4)
    """
    model = without_wrapper(subject.model)
    check_running(model, name=subject.name)
    # refuses a model without one
    output_embedding(subject)
    with torch.inference_mode():
        logits: Tensor = model(**subject._inputs(tokens, mask), use_cache=False, return_dict=True).logits
    return logits


def next_logits(
    subject: SubjectModel, tokens: Int[Tensor, "b t"], *, at: Int[Tensor, " b"], mask: Bool[Tensor, "b t"] | None = None
) -> Float[Tensor, "b v"]:
    """Return the logits of what follows one position of each text; inside :func:`edited`, those of the edited model.

    Parameters
    ----------
    subject
        A decoder with its unembedding.
    tokens
        Token identifiers, on any device.
    at
        The position, in the row of tokens, at which the next token is predicted. Logits are computed there alone.
    mask
        False at padding, which may be on either side; None if there is none.

    Raises
    ------
    ModelError
        If the model has no unembedding, or was put into training mode or compiled.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> tuple(next_logits(subject, torch.tensor([[1, 2, 3]]), at=torch.tensor([2])).shape)
    (1, 4)
    """
    check_running(without_wrapper(subject.model), name=subject.name)
    with torch.inference_mode():
        return _forward(subject, tokens, at=at, mask=mask)


def logits_from(
    subject: SubjectModel,
    states: Float[Tensor, "b t d"],
    *,
    tokens: Int[Tensor, "b t"],
    layer: int,
    at: Int[Tensor, " b"],
    mask: Bool[Tensor, "b t"] | None = None,
) -> Float[Tensor, "b v"]:
    """Go on from what block ``layer`` gave, as if it had given ``states``, to the logits of one position of each text.

    The blocks up to that one are not computed: only what they share with the others is (masks, rotations). It is
    differentiable in ``states``, and no gradient of a weight is asked for as long as none requires one; see
    :func:`frozen_weights`.

    Parameters
    ----------
    subject
        A decoder with its unembedding.
    states
        ``resid_post`` of the block, edited or not, of the model's dtype.
    tokens
        The texts: the model is told how long they are, and nothing else of them is used.
    layer
        The block whose result is given, from 0.
    at, mask
        As in :func:`next_logits`.

    Raises
    ------
    SpecError
        If there is no such block.
    ArrayError
        If the states are not those of the tokens' shape.
    ModelError
        As :func:`next_logits`.

    Notes
    -----
    While it runs the blocks before are stood in for by functions that pass their input on; they are themselves again
    when it ends, even by an exception. Blocks that ``accelerate`` looks after are computed as ever.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> tokens, at = torch.tensor([[1, 2, 3]]), torch.tensor([2])
    >>> (states,) = subject.read(tokens, sites=["0.resid_post"]).values()
    >>> again = logits_from(subject, states, tokens=tokens, layer=0, at=at)
    >>> torch.equal(again, next_logits(subject, tokens, at=at))
    True
    """
    check_running(without_wrapper(subject.model), name=subject.name)
    # leaving inference mode would turn gradients on, asked for or not
    is_wanted = torch.is_grad_enabled() and states.requires_grad
    with (
        torch.inference_mode(mode=False),
        torch.set_grad_enabled(is_wanted),
        given(subject, layer, states, tokens=tokens),
    ):
        return _forward(subject, tokens, at=at, mask=mask)


@contextmanager
def frozen_weights(subject: SubjectModel) -> Iterator[None]:
    """Have no weight require a gradient inside the ``with``, so that nothing is kept for one; then all as before.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> with frozen_weights(subject):
    ...     any(weight.requires_grad for weight in subject.model.parameters())
    False
    >>> all(weight.requires_grad for weight in subject.model.parameters())
    True
    """
    model = without_wrapper(subject.model)
    # by name: accelerate puts another parameter in the place of one that it brings in or takes away
    trained = {name for name, weight in model.named_parameters(remove_duplicate=False) if weight.requires_grad}
    for weight in model.parameters():
        weight.requires_grad = False
    try:
        yield
    finally:
        for name, weight in model.named_parameters(remove_duplicate=False):
            if name in trained:
                weight.requires_grad = True


def keep_position(at: Tensor) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...]]:
    """Have the unembedding see one position a text: the logits of all would be the largest tensor by far."""

    def hook(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:  # noqa: ARG001
        states = args[0]
        rows = torch.arange(len(states), device=states.device)
        return states[rows, at.to(states.device)][:, None], *args[1:]

    return hook


def _forward(subject: SubjectModel, tokens: Tensor, *, at: Tensor, mask: Tensor | None) -> Tensor:
    head, model = output_embedding(subject), without_wrapper(subject.model)
    hook = head.register_forward_pre_hook(keep_position(at))
    try:
        logits: Tensor = model(**subject._inputs(tokens, mask), use_cache=False, return_dict=True).logits
    finally:
        hook.remove()
    return logits[:, 0]


@contextmanager
def given(subject: SubjectModel, layer: int, states: Tensor, *, tokens: Tensor) -> Iterator[None]:
    """Have a block give ``states`` in forwards of the tokens, and those before it pass their input on.

    SpecError if there is no such block; ArrayError if the states are not those of the tokens' shape.
    """
    if not 0 <= layer < subject.n_layers:
        raise SpecError(f"layer is {layer}; {subject.name} has blocks 0 to {subject.n_layers - 1}.")
    if states.shape != (*tokens.shape, subject.d_model):
        raise ArrayError(
            f"states have shape {tuple(states.shape)} for tokens {tuple(tokens.shape)}; "
            f"give (b, t, {subject.d_model}), what the block shows for all of these tokens."
        )
    blocks = subject._blocks
    # relative positions (T5) are worked out by the first block, which hands them on to all others
    is_needed = subject.family.positions == "relative"
    with ExitStack() as stack:
        for block in blocks[: layer + 1]:
            if not (is_needed or is_dispatched(block)):
                stack.enter_context(_passing_on(block, gives_tuple=subject.family.gives_tuple))

        def give(module: nn.Module, args: tuple[Any, ...], output: object) -> object:  # noqa: ARG001  (torch calls it)
            return (states, *output[1:]) if isinstance(output, tuple) else states

        # before any other hook there, such as an edit's, which is to see what was given
        stack.callback(blocks[layer].register_forward_hook(give, prepend=True).remove)
        yield


@contextmanager
def _passing_on(block: nn.Module, *, gives_tuple: bool) -> Iterator[None]:
    own = vars(block).get("forward")
    if own is not None:
        raise ModelError(
            f"The forward of a {type(block).__name__} has been replaced; states can only be given to models as they "
            "were loaded."
        )

    def forward(hidden_states: Tensor, *args: object, **kwargs: object) -> object:  # noqa: ARG001
        return (hidden_states, None) if gives_tuple else hidden_states

    block.forward = forward
    try:
        yield
    finally:
        del block.forward
