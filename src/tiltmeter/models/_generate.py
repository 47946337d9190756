"""What a model goes on to say."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import StopStringCriteria

from tiltmeter.core.errors import ArrayError, DataError, ModelError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.models._adapters import without_wrapper
from tiltmeter.models._edits import Edit, TextRows, edited
from tiltmeter.models._encode import encoded_for
from tiltmeter.models._encoded import Encoded
from tiltmeter.models._prompt import prompt_tokens
from tiltmeter.models._subject import SubjectModel
from tiltmeter.models._unembedding import output_embedding

# logits are divided by it, and must not overflow; nothing but ties is left to chance long before
_LEAST_TEMPERATURE = 1e-6


class Generated(NamedTuple):
    """What followed each prompt.

    ``texts``: decoded, special tokens left out. ``tokens``: the new tokens of each prompt, up to and with the one that
    ends a text. ``n_prompt``: tokens of each prompt, special ones included.
    """

    texts: tuple[str, ...]
    tokens: tuple[NDArray[np.int64], ...]
    n_prompt: NDArray[np.int64]


def generate(
    subject: SubjectModel,
    prompts: TextSet | Encoded | Sequence[str],
    *,
    max_new_tokens: int,
    edits: Sequence[Edit] = (),
    temperature: float = 0.0,
    random_state: int = 0,
    batch_size: int = 16,
) -> Generated:
    """Let the model go on from each prompt, with edits or without.

    Prompts of unlike length are padded on the left; keys and values of earlier tokens are kept, so that each token is
    computed once. What edits see as positions is counted in each text, as in a forward of the whole text at once. At
    temperature 0 a text does not depend on its batch mates, but for rounding that tips a tie.

    Parameters
    ----------
    subject
        A decoder with its unembedding.
    prompts
        Texts or chats, as :func:`prompt_tokens` opens them: a chat is followed by the opening of the model's turn, a
        text by nothing. What was encoded before goes in as it is.
    max_new_tokens
        Most tokens to generate a prompt, at least 1.
    edits
        Applied while it generates, in order; they are told how long each prompt is. None for the bare model, or for
        edits that an :func:`edited` around the call applies.
    temperature
        0 for the likeliest token each time; from 1e-6 on, tokens are drawn from the whole distribution at that
        temperature.
    random_state
        Seed of what is drawn. PyTorch's own generator is left as it was.
    batch_size
        Most prompts at once.

    Raises
    ------
    ModelError
        If the model has no unembedding, or was put into training mode or compiled.
    SpecError
        If a number is out of range, or an edit's site is absent.
    ArrayError
        If the model gives NaN or infinity, as it may under a strong edit.
    DataError
        If there are no prompts, or one leaves no room for new tokens in the model's context.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> found = generate(subject, ["Rome is", "old"], max_new_tokens=3)
    >>> [len(new) for new in found.tokens], found.n_prompt.tolist()
    ([3, 3], [2, 1])
    """
    if max_new_tokens < 1 or batch_size < 1:
        raise SpecError(f"max_new_tokens is {max_new_tokens} and batch_size {batch_size}; both must be at least 1.")
    if temperature != 0 and not _LEAST_TEMPERATURE <= temperature < float("inf"):
        raise SpecError(
            f"temperature is {temperature}; it must be 0 (the likeliest token) or at least {_LEAST_TEMPERATURE:g}."
        )
    output_embedding(subject)
    ids, rows = _rows(subject, prompts)
    lengths = np.array([len(row) for row in rows])
    long = int(lengths.argmax())
    if lengths[long] + max_new_tokens > subject.context:
        raise DataError(
            f"Prompt {ids[long]} has {lengths[long]} tokens, and with {max_new_tokens} new ones it is longer than the "
            f"{subject.context} that the model takes; shorten it, or ask for fewer."
        )
    rules = _rules(subject, max_new_tokens=max_new_tokens, temperature=temperature)
    tokens: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * len(rows)
    # prompts of like length together: less padding. One batch keeps its order, on which edits around the call may count
    order = np.argsort(lengths, kind="stable") if len(rows) > batch_size else np.arange(len(rows))
    with torch.random.fork_rng():
        torch.manual_seed(random_state)
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            found = _run(
                subject,
                [rows[i] for i in batch],
                rules=rules,
                edits=edits,
                processor=_refuse_no_numbers,
                texts=TextRows(torch.from_numpy(batch), len(rows)),
            )
            for i, new in zip(batch, found, strict=True):
                tokens[i] = new
    texts = tuple(str(text) for text in subject.tokenizer.batch_decode(tokens, skip_special_tokens=True))
    return Generated(texts, tuple(tokens), lengths)


Choose = Callable[[NDArray[np.int64], Tensor, Tensor], Tensor]
"""From the places of the prompts (b,), their new tokens so far (b, t) and the logits (b, v) to the next tokens (b,)."""


def generate_chosen(
    subject: SubjectModel,
    prompts: Sequence[NDArray[np.int64]],
    *,
    choose: Choose,
    max_new_tokens: int,
    batch_size: int = 16,
) -> Generated:
    """Let a function choose each token from the logits: for watermarks, or lists of alternatives.

    Parameters
    ----------
    subject
        A decoder with its unembedding.
    prompts
        Token identifiers of each, as :func:`prompt_tokens` gives them.
    choose
        Called once a step with the places of a batch's prompts, the new tokens of each so far, and the logits of what
        comes next; returns one token for each. What it returns for a text that has ended is not used.
    max_new_tokens
        Most tokens to generate a prompt, at least 1.
    batch_size
        Most prompts at once.

    Raises
    ------
    ModelError, ArrayError
        As :func:`generate`.
    SpecError
        If a number is out of range.
    DataError
        If there are no prompts, or one leaves no room for new tokens in the model's context.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> least = generate_chosen(
    ...     subject, [np.array([0])], choose=lambda places, new, logits: torch.tensor([2]), max_new_tokens=2
    ... )
    >>> least.tokens[0].tolist()
    [2, 2]
    """
    if max_new_tokens < 1 or batch_size < 1:
        raise SpecError(f"max_new_tokens is {max_new_tokens} and batch_size {batch_size}; both must be at least 1.")
    if not prompts:
        raise DataError("There are no prompts; give at least one.")
    output_embedding(subject)
    lengths = np.array([len(row) for row in prompts])
    if lengths.max() + max_new_tokens > subject.context:
        raise DataError(
            f"A prompt has {lengths.max()} tokens, and with {max_new_tokens} new ones it is longer than the "
            f"{subject.context} that the model takes; shorten it, or ask for fewer."
        )
    rules = _rules(subject, max_new_tokens=max_new_tokens, temperature=0.0)
    tokens: list[NDArray[np.int64]] = []
    for start in range(0, len(prompts), batch_size):
        rows = list(prompts[start : start + batch_size])
        longest = max(len(row) for row in rows)
        places = np.arange(start, start + len(rows))

        def only(seen: Tensor, logits: Tensor, *, places: NDArray[np.int64] = places, n: int = longest) -> Tensor:
            chosen = choose(places, seen[:, n:], _refuse_no_numbers(seen, logits)).to(logits.device)
            return torch.full_like(logits, -torch.inf).scatter_(1, chosen[:, None], 0.0)

        texts = TextRows(torch.from_numpy(places), len(prompts))
        tokens += _run(subject, rows, rules=rules, edits=(), processor=only, texts=texts)
    said = tuple(str(text) for text in subject.tokenizer.batch_decode(tokens, skip_special_tokens=True))
    return Generated(said, tuple(tokens), lengths)


def _rows(
    subject: SubjectModel, prompts: TextSet | Encoded | Sequence[str]
) -> tuple[NDArray[np.str_], tuple[NDArray[np.int64], ...]]:
    """Return the names of the prompts, and their tokens."""
    if isinstance(prompts, str):
        raise SpecError(f"prompts is the string {prompts!r}; give a list of prompts, as in [{prompts!r}].")
    if isinstance(prompts, Encoded):
        encoded = encoded_for(subject, prompts)
        return encoded.ids, tuple(encoded.row(i)[0].astype(np.int64) for i in range(len(encoded)))
    if not isinstance(prompts, TextSet):
        if not prompts:
            raise DataError("There are no prompts; give at least one.")
        ids = np.array([f"prompt {i}" for i in range(len(prompts))])
        prompts = TextSet(ids, texts=tuple(prompts), distribution="the prompts")
    return prompts.ids, prompt_tokens(subject, prompts)


def _rules(subject: SubjectModel, *, max_new_tokens: int, temperature: float) -> Any:  # noqa: ANN401
    model = without_wrapper(subject.model)
    given = getattr(model, "generation_config", None)
    if given is None:
        raise ModelError(f"The model {subject.name} cannot generate; load it as a causal language model.")
    # What ends a text is the model's own affair, how the next token is chosen is ours alone: what is left open here
    # would be filled in from the model's own defaults.
    return type(given)(
        bos_token_id=given.bos_token_id,
        eos_token_id=copy.copy(given.eos_token_id),
        # stands behind a text that ended before others: an end, at which it is cut, or else what is never a word
        pad_token_id=next(i for i in (_first(given.eos_token_id), given.pad_token_id, 0) if i is not None),
        max_new_tokens=max_new_tokens,
        min_new_tokens=0,
        num_beams=1,
        num_return_sequences=1,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        do_sample=temperature > 0,
        temperature=temperature or 1.0,
        top_p=1.0,
        # 50 is what the library takes for unset where nothing is drawn
        top_k=0 if temperature > 0 else 50,
    )


def _first(ends: int | list[int] | None) -> int | None:
    return next(iter(ends), None) if isinstance(ends, list) else ends


def _stop_strings(subject: SubjectModel) -> Any:  # noqa: ANN401
    return getattr(without_wrapper(subject.model).generation_config, "stop_strings", None)


def _run(
    subject: SubjectModel,
    rows: list[NDArray[np.int64]],
    *,
    rules: Any,  # noqa: ANN401
    edits: Sequence[Edit],
    processor: Callable[[Tensor, Tensor], Tensor],
    texts: TextRows,
) -> list[NDArray[np.int64]]:
    longest = max(len(row) for row in rows)
    tokens = torch.full((len(rows), longest), rules.pad_token_id)
    mask = torch.zeros(tokens.shape, dtype=torch.int64)
    for i, row in enumerate(rows):
        tokens[i, longest - len(row) :] = torch.from_numpy(row)
        mask[i, longest - len(row) :] = 1
    device = subject.input_device
    # the model's own settings may name strings that end a text, which are looked for with its tokenizer
    strings = _stop_strings(subject)
    tokenizer = {} if strings is None else {"tokenizer": subject.tokenizer}
    with torch.inference_mode(), edited(subject, edits, n_prompt=mask.sum(1), rows=texts):
        out: Tensor = subject.model.generate(
            tokens.to(device),
            attention_mask=mask.to(device),
            generation_config=rules,
            logits_processor=[processor],
            **tokenizer,
        )
    n_new = np.full(len(rows), out.shape[1] - longest)
    if strings is not None:
        n_new = _until_strings(out, StopStringCriteria(subject.tokenizer, strings), n_prompt=longest)
    ends = rules.eos_token_id
    return [_until(new[:n], ends) for new, n in zip(out[:, longest:].cpu().numpy(), n_new, strict=True)]


def _refuse_no_numbers(tokens: Tensor, logits: Tensor) -> Tensor:
    """Stop where the model gives no numbers: the likeliest of them would be taken for a word."""
    if bool(torch.isnan(logits).any() | torch.isposinf(logits).any()):
        raise ArrayError(
            f"After {tokens.shape[1]} tokens, padding included, the model gives NaN or infinity; if it is edited, use "
            "a smaller strength."
        )
    return logits


def _until(new: NDArray[np.int64], ends: int | list[int] | None) -> NDArray[np.int64]:
    if ends is None:
        return new
    stops = np.flatnonzero(np.isin(new, ends))
    return new[: stops[0] + 1] if len(stops) else new


def _until_strings(out: Tensor, criterion: StopStringCriteria, *, n_prompt: int) -> NDArray[np.int64]:
    """Return how many new tokens each row has up to a string that ends texts: behind it generate goes on with the rest.

    What generate asked after each token is asked again, since it does not tell which rows had ended.
    """
    n_new = np.full(len(out), out.shape[1] - n_prompt)
    for n in range(out.shape[1] - n_prompt, 0, -1):
        n_new[criterion(out[:, : n_prompt + n], None).cpu().numpy()] = n
    return n_new
