"""Questions with plain answers, from texts, chats, or a model that answers prompts."""

from __future__ import annotations

from collections.abc import Sequence

from tiltmeter.core.errors import DataError
from tiltmeter.core.seeds import stream
from tiltmeter.data import TextSet
from tiltmeter.models import SubjectModel
from tiltmeter.steganography._roles import Item
from tiltmeter.steganography._sentences import sentences
from tiltmeter.steganography._writer import write


def items_from_texts(texts: TextSet, n: int, *, split_at: str | None = None, seed: int = 0) -> tuple[Item, ...]:
    """Take questions and answers from texts: chats as they are, plain texts cut in two.

    Parameters
    ----------
    texts
        Chats whose last turn answers the one before, or plain texts.
    n
        How many, drawn without replacement; one of each group where groups exist, and none whose parts are blank.
    split_at
        Plain texts are cut behind its first place. None: behind the first sentence, or of a single one in the middle.
    seed
        Of the draw.

    Returns
    -------
    n items, or fewer where there are no more.

    Raises
    ------
    DataError
        If no text can be cut.

    Examples
    --------
    >>> import numpy as np
    >>> texts = TextSet(np.array(["a"]), texts=("Where is it? In the tree. I saw it.",))
    >>> items_from_texts(texts, 1)
    (Item(id='a', question='Where is it?', answer='In the tree. I saw it.', key=''),)
    """
    found: list[Item] = []
    groups: set[str] = set()
    for i in stream(seed, "items").permutation(len(texts)).tolist():
        group = str(texts.ids[i] if texts.groups is None else texts.groups[i])
        question, answer = _cut(texts, i, split_at)
        if group in groups or not question or not answer:
            continue
        groups.add(group)
        found.append(Item(str(texts.ids[i]), question, answer))
        if len(found) == n:
            break
    if not found:
        where = "" if split_at is None else f" behind {split_at!r}"
        raise DataError(f"{texts.distribution} holds no text that could be cut in a question and an answer{where}.")
    return tuple(found)


def items_from_prompts(
    prompts: Sequence[str], *, writer: SubjectModel, max_new_tokens: int = 60, seed: int = 0
) -> tuple[Item, ...]:
    """Let a model write the plain answers to prompts; a prompt that it answers with nothing is left out.

    Parameters
    ----------
    prompts
        Questions, or openings of texts that the model goes on from.
    writer
        A decoder, sampled at temperature 1.
    max_new_tokens, seed
        Of the sampling.

    Returns
    -------
    An item for each prompt.

    Raises
    ------
    DataError
        If no prompt was answered.

    Examples
    --------
    >>> from tiltmeter.organisms import load
    >>> from tiltmeter import models
    >>> facts = models.load(load("facts").folder)
    >>> (item,) = items_from_prompts(["certainly the home of"], writer=facts, max_new_tokens=3)
    >>> item.id, item.question
    ('prompt 0', 'certainly the home of')
    """
    answers = write(writer, prompts, max_new_tokens=max_new_tokens, seed=seed)
    found = tuple(
        Item(f"prompt {i}", prompt, answer)
        for i, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
        if answer
    )
    if not found:
        raise DataError(f"{writer.name} answered none of {len(prompts)} prompts; use others, or another model.")
    return found


def _cut(texts: TextSet, i: int, split_at: str | None) -> tuple[str, str]:
    if texts.messages is not None:
        *before, last = texts.messages[i]
        return (before[-1]["content"].strip(), last["content"].strip()) if before else ("", "")
    text = (texts.texts or ())[i].strip()
    if split_at is not None:
        question, found, answer = text.partition(split_at)
        return (f"{question}{found}".strip(), answer.strip()) if found else ("", "")
    first = (*sentences(text), "")[0]
    if first == text:
        words = text.split()
        return " ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])
    return first, text[len(first) :].strip()
