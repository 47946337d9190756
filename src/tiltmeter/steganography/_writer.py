"""Generation and likelihoods through any Hugging Face model, and sentence embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.baselines import embeddings
from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.data import Message, TextSet
from tiltmeter.models import SubjectModel, generate, prompt_tokens, text_logits
from tiltmeter.steganography._roles import Encoder

_TEXTS_A_BATCH = 16


def takes_instructions(writer: SubjectModel) -> bool:
    """Whether a model is asked in a chat; one without a chat template goes on from a text and follows nothing.

    Examples
    --------
    >>> from tiltmeter.organisms import load
    >>> from tiltmeter import models
    >>> takes_instructions(models.load(load("facts").folder))
    False
    """
    return writer.tokenizer.chat_template is not None


def prompts_of(writer: SubjectModel, asked: Sequence[str]) -> TextSet:
    """Write each prompt as the user's message of a chat, or as it is where the model has no chat template.

    Examples
    --------
    >>> from tiltmeter.organisms import load
    >>> from tiltmeter import models
    >>> prompts_of(models.load(load("facts").folder), ["certainly the"]).texts
    ('certainly the',)
    """
    if not len(asked):
        raise DataError("There is nothing to ask; give at least one text.")
    ids = np.array([f"prompt {i}" for i in range(len(asked))])
    if takes_instructions(writer):
        chats = tuple((Message(role="user", content=text),) for text in asked)
        return TextSet(ids, messages=chats, distribution="prompts")
    return TextSet(ids, texts=tuple(asked), distribution="prompts")


def write(
    writer: SubjectModel, asked: Sequence[str], *, max_new_tokens: int, temperature: float = 1.0, seed: int = 0
) -> tuple[str, ...]:
    """Let a model answer each prompt; white space at the ends is left out.

    Parameters
    ----------
    writer
        A decoder. With a chat template it is asked in a chat, without it goes on from the text.
    asked
        Prompts.
    max_new_tokens, temperature, seed
        As for :func:`tiltmeter.models.generate`.

    Returns
    -------
    One text a prompt, which may be empty.

    Examples
    --------
    >>> from tiltmeter.organisms import load
    >>> from tiltmeter import models
    >>> len(write(models.load(load("facts").folder), ["certainly the"], max_new_tokens=2))
    1
    """
    said = generate(
        writer, prompts_of(writer, asked), max_new_tokens=max_new_tokens, temperature=temperature, random_state=seed,
        batch_size=_TEXTS_A_BATCH,
    )  # fmt: skip
    return tuple(text.strip() for text in said.texts)


def answer_rows(writer: SubjectModel, texts: Sequence[str]) -> list[NDArray[np.int64]]:
    """Return the tokens of texts as answers: without what the tokenizer puts around a whole text."""
    found = writer.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return [np.asarray(row, dtype=np.int64) for row in found]


def log_likelihoods(
    writer: SubjectModel, asked: Sequence[str], *, texts: Sequence[str]
) -> Float[NDArray[np.float64], " n"]:
    """Return the log-likelihood of each text as an answer to its prompt, the sum over its tokens in nats.

    Parameters
    ----------
    writer
        A decoder.
    asked
        Prompts.
    texts
        What is scored, one a prompt. What does not fit into the context behind the prompt is left out.

    Returns
    -------
    Shape (n,); 0 for a text without tokens.

    Examples
    --------
    >>> from tiltmeter.organisms import load
    >>> from tiltmeter import models
    >>> facts = models.load(load("facts").folder)
    >>> bool(log_likelihoods(facts, ["certainly"], texts=["the home"])[0] < 0)
    True
    """
    prompts = prompt_tokens(writer, prompts_of(writer, asked))
    answers = answer_rows(writer, texts)
    found = np.zeros(len(prompts))
    order = np.argsort([len(a) + len(b) for a, b in zip(prompts, answers, strict=True)], kind="stable")
    for start in range(0, len(order), _TEXTS_A_BATCH):
        batch = order[start : start + _TEXTS_A_BATCH]
        rows = [np.concatenate([prompts[i], answers[i]])[: writer.context] for i in batch]
        tokens = torch.zeros(len(rows), max(len(row) for row in rows), dtype=torch.long)
        is_answer = torch.zeros(tokens.shape, dtype=torch.bool)
        for place, (i, row) in enumerate(zip(batch, rows, strict=True)):
            tokens[place, : len(row)] = torch.from_numpy(row)
            is_answer[place, len(prompts[i]) : len(row)] = True
        # padding stands to the right, which no token of a decoder sees
        logits = text_logits(writer, tokens)[:, :-1].float().log_softmax(-1)
        said = logits.gather(-1, tokens[:, 1:, None].to(logits.device))[..., 0].cpu().double()
        found[batch] = (said * is_answer[:, 1:]).sum(1).numpy()
    return found


def sentence_encoder(subject: SubjectModel) -> Encoder:
    """Return a function from texts to embeddings of unit length: the mean over tokens of the last block's output.

    Parameters
    ----------
    subject
        Any model; a sentence encoder does best.

    Raises
    ------
    SpecError
        From the function, if a text is blank.

    Examples
    --------
    >>> from tiltmeter.organisms import load
    >>> from tiltmeter import models
    >>> sentence_encoder(models.load(load("facts").folder))(["certainly", "the home"]).shape
    (2, 96)
    """
    rival = embeddings(subject)
    # sentences come again and again: of each attacker before each defender
    known: dict[str, NDArray[np.float64]] = {}

    def encode(texts: Sequence[str]) -> Float[NDArray[Any], "n d"]:
        if blank := [i for i, text in enumerate(texts) if not text.strip()]:
            raise SpecError(f"Text {blank[0]} is blank, and has no embedding; leave it out.")
        if new := [text for text in dict.fromkeys(texts) if text not in known]:
            ids = np.array([f"text {i}" for i in range(len(new))])
            rows = np.asarray(rival.read(TextSet(ids, texts=tuple(new))), dtype=np.float64)
            norms = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float64).tiny)
            known.update(zip(new, rows / norms, strict=True))
        return np.array([known[text] for text in texts]).reshape(len(texts), subject.d_model)

    return encode
