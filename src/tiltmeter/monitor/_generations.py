"""Knowing when a model begins to generate, what ends a text, and reading the token that generation leaves unread."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from transformers import StaticCache, StoppingCriteriaList

from tiltmeter.core.errors import SpecError
from tiltmeter.models import SubjectModel


class Beginning(NamedTuple):
    """``n_prompt``: columns of the prompts, padding included. ``ends``: identifiers that end a text."""

    n_prompt: int
    ends: frozenset[int]


class Onlooker(Protocol):
    """Who is told of generations."""

    def begin(self, beginning: Beginning, /) -> None:
        """Before the first forward."""

    def stopped(self) -> Tensor | None:
        """Which texts are to end with the token just chosen, shape (b,); None for none."""

    def end(self, tokens: Tensor, kept: Any, /) -> None:  # noqa: ANN401
        """After the last, with all tokens (b, t), and the keys and values of all but the last."""

    def leave(self) -> None:
        """At the end, however it came."""


@contextmanager
def watching_generate(subject: SubjectModel, onlooker: Onlooker) -> Iterator[None]:
    """Tell an onlooker of every ``subject.model.generate`` inside the ``with``; afterwards it is the model's own."""
    model = subject.model
    # of a watch around this one; a model's own is its class's
    outer, bare = vars(model).get("generate"), model.generate

    def generate(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        return _watched(subject, bare, onlooker, args, kwargs)

    model.generate = generate
    try:
        yield
    finally:
        if outer is None:
            del model.generate
        else:
            model.generate = outer


def _watched(
    subject: SubjectModel,
    bare: Callable[..., Any],
    onlooker: Onlooker,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:  # noqa: ANN401
    # a watch around this one takes what is named only
    given = dict(zip(inspect.signature(type(subject.model).generate).parameters, (None, *args), strict=False)) | kwargs
    given.pop("self", None)
    config = _settled(subject, given)
    tokens = given.get("inputs", given.get("input_ids"))
    onlooker.begin(Beginning(1 if tokens is None else int(tokens.shape[1]), _ends(config, given=given)))

    def stop(seen: Tensor, scores: object, **_: object) -> Tensor:  # noqa: ARG001  (as generate calls it)
        stopped = onlooker.stopped()
        none = torch.zeros(len(seen), dtype=torch.bool, device=seen.device)
        return none if stopped is None else stopped.to(seen.device)

    # a compiled forward would run no hook; the keys and values come with the dictionary
    ours = {"disable_compile": True, "return_dict_in_generate": True}
    own = given.pop("generation_config", None)
    if own is None:
        given |= ours
    else:
        own = copy.deepcopy(own)
        own.update(**ours)
        given["generation_config"] = own
    given["stopping_criteria"] = StoppingCriteriaList([*(given.get("stopping_criteria") or ()), stop])
    try:
        out = bare(**given)
        onlooker.end(out.sequences, out.get("past_key_values"))
    finally:
        onlooker.leave()
    return out if config.return_dict_in_generate else out.sequences


def _settled(subject: SubjectModel, given: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return the settings of a generation; SpecError where a row of it would not be one text that grows."""
    if given.get("inputs_embeds") is not None:
        raise SpecError("A watched model was given inputs_embeds to generate from; give it input_ids.")
    if given.get("custom_generate") is not None:
        raise SpecError("A watched model was given custom_generate; only sampling and the likeliest token are watched.")
    own = subject.model.generation_config
    config = copy.deepcopy(given.get("generation_config") or own)
    # as generate fills in what is left open, from the model's own
    config.update(**{key: value for key, value in own.to_dict().items() if getattr(config, key, None) is None})
    config.update(**{key: value for key, value in given.items() if hasattr(config, key)})
    if config.guidance_scale not in (None, 1):
        raise SpecError("A watched model was asked for guidance, which reads a second text beside each; leave it out.")
    if "static" in str(config.cache_implementation) or isinstance(given.get("past_key_values"), StaticCache):
        raise SpecError(
            "A watched model was asked for a static cache, with which it is not told which tokens are padding; leave "
            "cache_implementation out."
        )
    mode = str(config.get_generation_mode(given.get("assistant_model")).value)
    if mode not in ("greedy_search", "sample"):
        raise SpecError(
            f"A watched model was asked to generate by {mode.replace('_', ' ')}, where a row is not one text that "
            "grows; use sampling or the likeliest token (num_beams=1, no assistant)."
        )
    return config


def _ends(config: Any, *, given: dict[str, Any]) -> frozenset[int]:  # noqa: ANN401
    listed = [] if config.eos_token_id is None else torch.as_tensor(config.eos_token_id).reshape(-1).tolist()
    # a row that ends otherwise is followed by padding; else padding is a word that the model chose
    padding = config.pad_token_id
    if padding is not None and (config.stop_strings is not None or given.get("stopping_criteria")):
        listed.append(int(padding))
    return frozenset(int(end) for end in listed)
