"""Questions with plain answers, from texts, chats, or a model that answers prompts."""

from __future__ import annotations

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
        Chats whose last turn answers the one before, or plain texts. Where ``meta`` has a column ``key`` it holds the
        final answers that are right.
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
    found = _drawn(texts, [_cut(texts, i, split_at) for i in range(len(texts))], n, seed=seed)
    if not found:
        where = "" if split_at is None else f" behind {split_at!r}"
        raise DataError(f"{texts.distribution} holds no text that could be cut in a question and an answer{where}.")
    return tuple(found)


def items_from_prompts(
    prompts: TextSet, n: int, *, writer: SubjectModel, max_new_tokens: int = 60, seed: int = 0
) -> tuple[Item, ...]:
    """Let a model write the plain answers to prompts; a prompt that it answers with nothing is left out.

    No prompt is answered twice: texts of one prompt are not as many as they seem, and would stand on both sides of a
    split.

    Parameters
    ----------
    prompts
        Questions, or openings of texts that the model goes on from; of chats the last message of the user. A column
        ``key`` in ``meta`` holds the final answers that are right.
    n
        How many, drawn without replacement; one of each group where groups exist.
    writer
        A decoder, sampled at temperature 1.
    max_new_tokens
        Of the writer.
    seed
        Of the draw and of the sampling.

    Returns
    -------
    n items, or fewer where there are no more prompts, or they were answered with nothing.

    Raises
    ------
    DataError
        If no prompt was answered.

    Examples
    --------
    >>> import numpy as np
    >>> from tiltmeter.organisms import load
    >>> from tiltmeter import models
    >>> prompts = TextSet(np.array(["a"]), texts=("certainly the home of",))
    >>> facts = models.load(load("facts").folder)
    >>> (item,) = items_from_prompts(prompts, 1, writer=facts, max_new_tokens=3)
    >>> item.id, item.question
    ('a', 'certainly the home of')
    """
    asked: dict[str, Item] = {}
    for item in _drawn(
        prompts, [(_last_of_user(prompts, i), "-") for i in range(len(prompts))], len(prompts), seed=seed
    ):
        asked.setdefault(item.question, item)
    drawn = list(asked.values())[:n]
    # a stream of its own: what others write with seeds 0, 1 and 2 would else be these very answers
    own = int(stream(seed, "plain answers").integers(2**31))
    answers = write(writer, [item.question for item in drawn], max_new_tokens=max_new_tokens, seed=own)
    found = tuple(item._replace(answer=answer) for item, answer in zip(drawn, answers, strict=True) if answer)
    if not found:
        raise DataError(f"{writer.name} answered none of {len(drawn)} prompts; use others, or another model.")
    return found


def _drawn(texts: TextSet, parts: list[tuple[str, str]], n: int, *, seed: int) -> tuple[Item, ...]:
    keys = texts.meta.get("key", (None,) * len(texts))
    found: list[Item] = []
    groups: set[str] = set()
    for i in stream(seed, "items").permutation(len(texts)).tolist():
        group = str(texts.ids[i] if texts.groups is None else texts.groups[i])
        question, answer = parts[i]
        if group in groups or not question or not answer or len(found) == n:
            continue
        groups.add(group)
        found.append(Item(str(texts.ids[i]), question, answer, "" if keys[i] is None else str(keys[i])))
    return tuple(found)


def _last_of_user(texts: TextSet, i: int) -> str:
    if texts.texts is not None:
        return texts.texts[i].strip()
    said = [message["content"].strip() for message in (texts.messages or ())[i] if message["role"] == "user"]
    return said[-1] if said else ""


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
