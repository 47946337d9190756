"""Knowing when a model begins to generate, what ends a text, and reading the token that generation leaves unread."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from transformers import StaticCache, StoppingCriteriaList

from tiltmeter.core.errors import SpecError
from tiltmeter.models import SubjectModel, read_on, without_wrapper

# caches that grow with the text; "hybrid" is how older settings say what is now chosen by itself
_GROWING = (None, "dynamic", "dynamic_full", "offloaded", "quantized", "hybrid")


class Beginning(NamedTuple):
    """``n_prompt``: columns of the prompts, padding included. ``ends``: identifiers that end a text."""

    n_prompt: int
    ends: frozenset[int]


class Onlooker(Protocol):
    """Who is told of generations."""

    # whether what the model runs is none of its affair
    is_away: bool

    @property
    def can_stop(self) -> bool:
        """Whether it may end a text."""

    def begin(self, beginning: Beginning, /) -> None:
        """Before the first forward."""

    def stopped(self) -> Tensor | None:
        """Which texts are to end with the token just chosen, shape (b,); None for none."""

    def close(self, rows: Tensor, /) -> None:
        """Told which texts end with the token just chosen, whoever asked for it."""

    def unread(self, tokens: Tensor, /) -> Tensor | None:
        """After the last, of all tokens (b, t): the mask of these, if a text has a token that was not read."""

    def leave(self) -> None:
        """At the end, however it came."""


@contextmanager
def watching_generate(subject: SubjectModel, onlooker: Onlooker) -> Iterator[None]:
    """Tell an onlooker of every generation of the model inside the ``with``; afterwards ``generate`` is its own.

    Onlookers that stand in one another are told of one and the same generation, so that they agree where a text ends.
    """
    # all generation of an adapter's wrapper goes through the model inside
    model = without_wrapper(subject.model)
    watched = vars(model).get("generate")
    if not isinstance(watched, _Generate):
        watched = _Generate(subject, model)
        model.generate = watched
    watched.onlookers.append(onlooker)
    try:
        yield
    finally:
        watched.onlookers.remove(onlooker)
        watched.restore()


@contextmanager
def looking_away(subject: SubjectModel) -> Iterator[None]:
    """Keep what the model runs inside the ``with`` from all who watch it already."""
    watched = vars(without_wrapper(subject.model)).get("generate")
    onlookers = list(watched.onlookers) if isinstance(watched, _Generate) else []
    before = [onlooker.is_away for onlooker in onlookers]
    for onlooker in onlookers:
        onlooker.is_away = True
    try:
        yield
    finally:
        for onlooker, was in zip(onlookers, before, strict=True):
            onlooker.is_away = was


class _Generate:
    """The ``generate`` of a model while it is watched."""

    def __init__(self, subject: SubjectModel, model: Any) -> None:  # noqa: ANN401
        self.onlookers: list[Onlooker] = []
        self._subject, self._model = subject, model
        # a model's own is its class's
        self._of_instance, self._bare = vars(model).get("generate"), model.generate

    def restore(self) -> None:
        """Give the model its own back once nobody looks on, unless another wrapper was put around this one since."""
        if self.onlookers or vars(self._model).get("generate") is not self:
            return
        if self._of_instance is None:
            del self._model.generate
        else:
            self._model.generate = self._of_instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        if not self.onlookers:
            return self._bare(*args, **kwargs)
        # settings are read by name
        names = inspect.signature(type(self._model).generate).parameters
        given = dict(zip(names, (None, *args), strict=False)) | kwargs
        given.pop("self", None)
        return self._watched(given, onlookers=tuple(self.onlookers))

    def _watched(self, given: dict[str, Any], *, onlookers: tuple[Onlooker, ...]) -> Any:  # noqa: ANN401
        config = _settled(self._model, given)
        tokens = given.get("inputs", given.get("input_ids"))
        n = (1 if tokens is None else len(tokens)) * (config.num_return_sequences or 1)
        if any(onlooker.can_stop for onlooker in onlookers):
            _check_rows_end_apart(config, n=n)

        def stop(seen: Tensor, scores: object, **_: object) -> Tensor:  # noqa: ARG001  (as generate calls it)
            rows = torch.zeros(len(seen), dtype=torch.bool, device=seen.device)
            for onlooker in onlookers:
                stopped = onlooker.stopped()
                if stopped is not None:
                    rows = rows | stopped.to(seen.device)
            if bool(rows.any()):
                for onlooker in onlookers:
                    onlooker.close(rows)
            return rows

        beginning = Beginning(1 if tokens is None else int(tokens.shape[-1]), _ends(config, given=given, n=n))
        with ExitStack() as stack:
            for onlooker in onlookers:
                onlooker.begin(beginning)
                stack.callback(onlooker.leave)
            out = self._bare(**_asked(given, stop=stop))
            unread = [mask for one in onlookers if (mask := one.unread(out.sequences)) is not None]
            if unread:
                kept = out.get("past_key_values")
                # whoever is given the keys and values is given those of the bare model
                kept = copy.deepcopy(kept) if config.return_dict_in_generate else kept
                read_on(self._subject, out.sequences, mask=unread[0], kept=kept)
        return out if config.return_dict_in_generate else out.sequences


def _asked(given: dict[str, Any], *, stop: Callable[..., Tensor]) -> dict[str, Any]:
    """Return what ``generate`` is asked for, with what watching needs."""
    # a compiled forward would run no hook; the keys and values come with the dictionary
    ours = {"disable_compile": True, "return_dict_in_generate": True}
    asked = dict(given)
    own = asked.pop("generation_config", None)
    if own is None:
        asked |= ours
    else:
        own = copy.deepcopy(own)
        own.update(**ours)
        asked["generation_config"] = own
    asked["stopping_criteria"] = StoppingCriteriaList([*(given.get("stopping_criteria") or ()), stop])
    return asked


def _check_rows_end_apart(config: Any, *, n: int) -> None:  # noqa: ANN401
    """Refuse to stop one of several rows where ``generate`` goes on with all of them until the last has ended."""
    if config.eos_token_id is None and n > 1:
        raise SpecError(
            "A rule stops texts, and no token ends a text of this model (eos_token_id is None), so that a row goes on "
            "until all of its batch have ended; generate one text at a time, or give eos_token_id."
        )


def _settled(model: Any, given: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return the settings of a generation; SpecError where a row of it would not be one text that grows."""
    if given.get("inputs_embeds") is not None:
        raise SpecError("A watched model was given inputs_embeds to generate from; give it input_ids.")
    if given.get("custom_generate") is not None:
        raise SpecError("A watched model was given custom_generate; only sampling and the likeliest token are watched.")
    own = model.generation_config
    config = copy.deepcopy(given.get("generation_config") or own)
    # as generate fills in what is left open, from the model's own
    config.update(**{key: value for key, value in own.to_dict().items() if getattr(config, key, None) is None})
    config.update(**{key: value for key, value in given.items() if hasattr(config, key)})
    if config.guidance_scale not in (None, 1):
        raise SpecError("A watched model was asked for guidance, which reads a second text beside each; leave it out.")
    if config.cache_implementation not in _GROWING or isinstance(given.get("past_key_values"), StaticCache):
        asked = config.cache_implementation or "StaticCache"
        raise SpecError(
            f"A watched model was asked for the cache {asked!r}, with which it is not told which tokens are padding; "
            "leave cache_implementation out."
        )
    mode = str(config.get_generation_mode(given.get("assistant_model")).value)
    if mode not in ("greedy_search", "sample"):
        raise SpecError(
            f"A watched model was asked to generate by {mode.replace('_', ' ')}, where a row is not one text that "
            "grows; use sampling or the likeliest token (num_beams=1, no assistant)."
        )
    return config


def _ends(config: Any, *, given: dict[str, Any], n: int) -> frozenset[int]:  # noqa: ANN401
    """Return the tokens that end one of ``n`` rows."""
    listed = [] if config.eos_token_id is None else torch.as_tensor(config.eos_token_id).reshape(-1).tolist()
    criteria = given.get("stopping_criteria") or ()
    # generate pads a row that something else ended, but only behind others and where a token ends texts; elsewhere
    # padding is a word that the model chose, and the text goes on
    is_padded = n > 1 and (bool(listed) or any(hasattr(criterion, "eos_token_id") for criterion in criteria))
    padding = config.pad_token_id
    if is_padded and padding is not None and (config.stop_strings is not None or criteria):
        listed.append(int(padding))
    return frozenset(int(end) for end in listed)
