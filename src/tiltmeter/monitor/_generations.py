"""Knowing when a model begins to generate, what ends a text, and reading the token that generation leaves unread."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from transformers import StoppingCriteriaList

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
    given = dict(zip(("inputs", "generation_config"), args, strict=False)) | kwargs
    config = _settled(subject, given)
    tokens = given.get("inputs", given.get("input_ids"))
    onlooker.begin(Beginning(1 if tokens is None else int(tokens.shape[1]), _ends(subject, config, given=given)))

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
    config = copy.deepcopy(given.get("generation_config") or subject.model.generation_config)
    config.update(**{key: value for key, value in given.items() if hasattr(config, key)})
    mode = str(config.get_generation_mode(given.get("assistant_model")).value)
    if mode not in ("greedy_search", "sample"):
        raise SpecError(
            f"A watched model was asked to generate by {mode.replace('_', ' ')}, where a row is not one text that "
            "grows; use sampling or the likeliest token (num_beams=1, no assistant)."
        )
    return config


def _ends(subject: SubjectModel, config: Any, *, given: dict[str, Any]) -> frozenset[int]:  # noqa: ANN401
    ends = config.eos_token_id
    if ends is None:
        # what is left open is filled in from the model's own defaults
        ends = getattr(subject.model.generation_config, "eos_token_id", None)
    listed = [] if ends is None else torch.as_tensor(ends).reshape(-1).tolist()
    # a row that ends otherwise is followed by padding; else padding is a word that the model chose
    padding = config.pad_token_id
    if padding is not None and (config.stop_strings is not None or given.get("stopping_criteria")):
        listed.append(int(padding))
    return frozenset(int(end) for end in listed)
