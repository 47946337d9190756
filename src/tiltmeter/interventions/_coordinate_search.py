"""Greedy coordinate search: words that, put into texts, bring a loss down, one place at a time by its gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import SpecError
from tiltmeter.models import SubjectModel, frozen_weights, output_embedding

TokenLoss = Callable[[Tensor], Tensor]
"""From the tokens of b texts, shape (b, t), to one number each, by a forward of the model."""


class CoordinateSearch(NamedTuple):
    """How long it is searched: steps, the tokens that each place keeps by their gradient, and how many are tried.

    At each step ``n_tried`` times a place is drawn, and one of its ``n_kept`` tokens.
    """

    n_steps: int = 50
    n_kept: int = 32
    n_tried: int = 64


class FoundTokens(NamedTuple):
    """The tokens (k,), and the mean loss with them at the start and after each step: it never rises.

    ``path``, shape (n_steps + 1, k): the tokens at the start and after each step.
    """

    tokens: Int[Tensor, " k"]
    losses: tuple[float, ...]
    path: Int[Tensor, "s k"]


_SEARCH = CoordinateSearch()


def coordinate_search(
    subject: SubjectModel,
    texts: Int[Tensor, "n t"],
    *,
    slots: Sequence[int],
    loss: TokenLoss,
    allowed: Int[Tensor, " a"] | None = None,
    search: CoordinateSearch = _SEARCH,
    random_state: int = 0,
) -> FoundTokens:
    """Find tokens for the ``slots`` of all texts, the same in each, that make the mean loss small.

    The gradient of the loss by the embeddings at the slots ranks the tokens of each slot. Of the best, some are tried
    one change at a time, and the change with the lowest loss is made if it is lower than what there was. That a loss
    stays high shows only that this search did not bring it down.

    Parameters
    ----------
    subject
        Any model whose input is embedded.
    texts
        Token identifiers of n texts of one length; what stands in the slots of the first is where the search begins.
    slots
        k positions.
    loss
        Such as :func:`continuation_loss` or :func:`score_loss`.
    allowed
        Which tokens may stand in a slot; None for the whole vocabulary.
    search
        How long it is searched.
    random_state
        Seed of what is tried.

    Returns
    -------
    The tokens, and the losses on the way.

    Raises
    ------
    SpecError
        If a slot is not in the texts or there is none, no token is allowed or one that is none, or a count is below 1.

    References
    ----------
    Zou et al. (2023), "Universal and Transferable Adversarial Attacks on Aligned Language Models", algorithm 1, which
    makes the best change even where it is worse than what there was.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old and new but not grey")
    >>> texts = torch.tensor([[1, 2, 3, 4], [5, 2, 3, 4]])
    >>> found = coordinate_search(subject, texts, slots=[1, 2], loss=continuation_loss(subject, n_last=1))
    >>> found.losses[-1] < found.losses[0]
    True
    """
    weights = subject.model.get_input_embeddings().weight
    usable = torch.arange(len(weights)) if allowed is None else allowed.cpu()
    places = torch.as_tensor([int(slot) for slot in slots])
    _check(texts, places, usable, search=search, n_tokens=len(weights))
    generator = torch.Generator().manual_seed(random_state)
    tokens = texts[0, places].clone().cpu()
    losses, path = [float(_losses(texts, places, tokens[None], loss)[0])], [tokens]
    for _ in range(search.n_steps):
        gradient = _gradient(subject, _filled(texts, places, tokens), places, loss)
        # the loss falls fastest, to first order, towards the tokens with the lowest product
        products = (gradient @ weights.detach().float().T).cpu()[:, usable]
        kept = usable[products.topk(min(search.n_kept, len(usable)), dim=1, largest=False).indices]
        slot = torch.randint(len(places), (search.n_tried,), generator=generator)
        which = torch.randint(kept.shape[1], (search.n_tried,), generator=generator)
        tried = tokens.repeat(search.n_tried, 1)
        tried[torch.arange(search.n_tried), slot] = kept[slot, which]
        found = _losses(texts, places, tried, loss)
        best = int(found.argmin())
        if float(found[best]) < losses[-1]:
            tokens = tried[best]
        losses.append(min(float(found[best]), losses[-1]))
        path.append(tokens)
    return FoundTokens(tokens, tuple(losses), torch.stack(path))


def continuation_loss(subject: SubjectModel, *, n_last: int) -> TokenLoss:
    """Return the loss that is small where a model would itself write the last tokens of texts, after all before them.

    It is −log p of the last ``n_last`` tokens, in nats, summed.

    Raises
    ------
    ModelError
        If the model has no unembedding.
    SpecError
        If ``n_last`` is below 1; when it is used, if a text is no longer than that.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old and new but not grey")
    >>> bool(continuation_loss(subject, n_last=2)(torch.tensor([[1, 2, 3]])) > 0)
    True
    """
    output_embedding(subject)
    if n_last < 1:
        raise SpecError(f"n_last is {n_last}; at least one token must be written.")

    def loss(tokens: Tensor) -> Tensor:
        if n_last >= tokens.shape[1]:
            raise SpecError(f"n_last is {n_last} for texts of {tokens.shape[1]} tokens; something must come before.")
        logits = _forward(subject, tokens)[:, -n_last - 1 : -1].float()
        wanted = tokens[:, -n_last:].to(logits.device)
        return -logits.log_softmax(-1).gather(2, wanted[..., None]).sum((1, 2))

    return loss


def score_loss(
    subject: SubjectModel, direction: Direction, *, positions: Sequence[int], pooling: Literal["max", "mean"] = "max"
) -> TokenLoss:
    """Return the loss that is small where a monitor sees little: the score of a direction at its site, pooled.

    Parameters
    ----------
    subject
        The model.
    direction
        With a site of this model and a sign.
    positions
        Which tokens are read.
    pooling
        Their highest score, or their mean.

    Raises
    ------
    SpecError
        If the direction has no site or no sign, or the model lacks the site.

    Examples
    --------
    >>> import numpy as np
    >>> from tiltmeter.core import Site
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old and new but not grey")
    >>> direction = Direction(np.eye(8)[0], site=Site(1, "resid_post"), sign=1)
    >>> score_loss(subject, direction, positions=[0, 2])(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1])
    """
    if direction.site is None or direction.sign == "unknown":
        raise SpecError("The direction has no site or no sign; give one that a probe has been fitted and oriented for.")
    (site,) = subject.resolve_sites([direction.site])
    read = torch.as_tensor(list(positions))
    vector = torch.as_tensor(direction.vector, dtype=torch.float32) * direction.sign

    def loss(tokens: Tensor) -> Tensor:
        with subject.capture([site]) as seen:
            _forward(subject, tokens)
        rows = seen[site][:, read.to(seen[site].device)].float()
        scores = rows @ vector.to(rows.device)
        return scores.amax(1) if pooling == "max" else scores.mean(1)

    return loss


def _check(texts: Tensor, places: Tensor, usable: Tensor, *, search: CoordinateSearch, n_tokens: int) -> None:
    n, length = texts.shape
    if not n or not len(places) or int(places.min()) < 0 or int(places.max()) >= length:
        raise SpecError(f"slots are {places.tolist()} for {n} texts of {length} tokens; name positions from 0 in them.")
    if not len(usable) or int(usable.min()) < 0 or int(usable.max()) >= n_tokens:
        raise SpecError(f"allowed must name at least one token, and each from 0 to {n_tokens - 1}.")
    if min(search) < 1:
        raise SpecError(f"The search is {search}; every count must be at least 1.")


def _filled(texts: Tensor, places: Tensor, tokens: Tensor) -> Tensor:
    filled = texts.clone()
    filled[:, places.to(texts.device)] = tokens.to(texts.device)
    return filled


def _losses(texts: Tensor, places: Tensor, tried: Tensor, loss: TokenLoss) -> Float[Tensor, " c"]:
    """Return the mean loss over the texts with each of the tried tokens, shape (c, k) to (c,)."""
    with torch.no_grad():
        return torch.stack([loss(_filled(texts, places, tokens)).mean().cpu() for tokens in tried])


def _gradient(subject: SubjectModel, texts: Tensor, places: Tensor, loss: TokenLoss) -> Float[Tensor, "k d"]:
    """Differentiate the mean loss by the embeddings at the slots, summed over the texts."""
    with torch.enable_grad(), frozen_weights(subject), _embedded(subject) as seen:
        found = torch.autograd.grad(loss(texts).mean(), seen)
    # a loss may run the model more than once
    return torch.stack([gradient[:, places.to(gradient.device)].float().sum(0) for gradient in found]).sum(0)


@contextmanager
def _embedded(subject: SubjectModel) -> Iterator[list[Tensor]]:
    """Record what the embedding gives in forwards inside, and make it the start of a graph."""
    seen: list[Tensor] = []

    def hook(module: object, args: object, output: Tensor) -> None:  # noqa: ARG001  (torch calls it)
        seen.append(output.requires_grad_())

    handle = subject.model.get_input_embeddings().register_forward_hook(hook)
    try:
        yield seen
    finally:
        handle.remove()


def _forward(subject: SubjectModel, tokens: Tensor) -> Tensor:
    logits: Tensor = subject.model(input_ids=tokens.to(subject.input_device), use_cache=False).logits
    return logits
