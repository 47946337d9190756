"""Questions about texts, and the log-odds with which a model answers them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from tiltmeter.baselines._rival import Rival, Seen, no_notes
from tiltmeter.core.errors import SpecError
from tiltmeter.data import Message, TextSet, plain_texts
from tiltmeter.interventions import Answers, answer_tokens
from tiltmeter.models import LongTexts, SubjectModel, next_logits, prompt_tokens

PLACE = "{text}"
# padding included; logits are computed at one position a text, so that only the blocks count
_TOKENS_A_BATCH = 4096


def put_question(texts: TextSet, question: str, *, in_chat: bool = False) -> TextSet:
    r"""Make the prompt that asks a question about each text.

    With ``{text}`` in the question the text stands in its place; a chat is written there line by line, each with its
    role, and the whole is one message of the user. Without, the question follows the text on a line of its own; after
    a chat it is the user's next message, or the end of the last one where that is the user's.

    Parameters
    ----------
    texts
        Texts or chats.
    question
        What is asked; empty where the texts themselves end with what the model is to answer.
    in_chat
        Make a chat of plain texts too: one message of the user.

    Returns
    -------
    As many prompts, with the same ids and without labels.

    Examples
    --------
    >>> texts = TextSet(np.array(["1"]), texts=("Rome is old.",))
    >>> put_question(texts, "Is this true?").texts
    ('Rome is old.\nIs this true?',)
    >>> put_question(texts, "Is it true that: {text} Answer:").texts
    ('Is it true that: Rome is old. Answer:',)
    """
    name = f"questions about {texts.distribution}"
    is_set_in = PLACE in question
    if texts.messages is not None and not is_set_in:
        chats = tuple(_asked_after(list(chat), question) for chat in texts.messages)
        return TextSet(texts.ids, messages=chats, distribution=name)
    written = plain_texts(texts)
    if texts.messages is not None:
        written = tuple("\n".join(f"{m['role']}: {m['content']}" for m in chat) for chat in texts.messages)
    if is_set_in:
        prompts = tuple(question.replace(PLACE, text) for text in written)
    else:
        prompts = tuple(f"{text}\n{question}" if question else text for text in written)
    if texts.messages is None and not in_chat:
        return TextSet(texts.ids, texts=prompts, distribution=name)
    chats = tuple((Message(role="user", content=prompt),) for prompt in prompts)
    return TextSet(texts.ids, messages=chats, distribution=name)


def _asked_after(chat: list[Message], question: str) -> tuple[Message, ...]:
    if not question:
        return tuple(chat)
    if chat and chat[-1]["role"] == "user":
        # templates that take turns in order refuse two messages of one side
        return (*chat[:-1], Message(role="user", content=f"{chat[-1]['content']}\n\n{question}"))
    return (*chat, Message(role="user", content=question))


def answer_log_odds(
    subject: SubjectModel,
    prompts: TextSet,
    *,
    positive: Answers,
    negative: Answers,
    long_texts: LongTexts = "refuse",
) -> Float[NDArray[np.float64], " n"]:
    """Return by how much a model finds the positive answers likelier than the negative ones, as it begins its answer.

    Parameters
    ----------
    subject
        A decoder with its unembedding.
    prompts
        Texts, or chats that end with the user's message; see :func:`put_question`.
    positive, negative
        Answers of one token each. Where a side has several its probability is their sum.
    long_texts
        As in :func:`tiltmeter.models.prompt_tokens`.

    Returns
    -------
    The natural logarithm of the ratio, shape (n,): above 0 where the positive answers are likelier.

    Raises
    ------
    ModelError
        If the model gives no answers.
    SpecError
        If an answer is not one token that the model knows.
    DataError
        If a prompt is too long.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("yes no")
    >>> prompts = TextSet(np.array(["a"]), texts=("?",))
    >>> there = answer_log_odds(subject, prompts, positive="yes", negative="no")
    >>> back = answer_log_odds(subject, prompts, positive="no", negative="yes")
    >>> there.shape, bool(np.allclose(there, -back))
    ((1,), True)
    """
    tokens = answer_tokens(subject, positive=positive, negative=negative)
    if not len(prompts):
        return np.empty(0)
    rows = prompt_tokens(subject, prompts, long_texts=long_texts)
    lengths = np.array([len(row) for row in rows])
    odds = np.empty(len(rows))
    for batch in batches(lengths, most_tokens=_TOKENS_A_BATCH):
        padded = torch.zeros(len(batch), int(lengths[batch].max()), dtype=torch.long)
        own = torch.zeros(padded.shape, dtype=torch.bool)
        for place, i in enumerate(batch):
            padded[place, : lengths[i]] = torch.from_numpy(rows[i])
            own[place, : lengths[i]] = True
        at = torch.from_numpy(lengths[batch] - 1)
        logits = next_logits(subject, padded, at=at, mask=None if subject.is_causal else own).double()
        sides = [logits[:, list(side)].logsumexp(-1) for side in (tokens.positive, tokens.negative)]
        odds[batch] = (sides[0] - sides[1]).cpu().numpy()
    return odds


def batches(lengths: NDArray[np.int64], *, most_tokens: int) -> list[NDArray[np.int64]]:
    """Divide texts into batches of like length, of at most so many tokens with padding, or of one text."""
    found: list[NDArray[np.int64]] = []
    order, start = np.argsort(lengths, kind="stable"), 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and (stop + 1 - start) * int(lengths[order[stop]]) <= most_tokens:
            stop += 1
        found.append(order[start:stop])
        start = stop
    return found


def asking(
    subject: SubjectModel,
    *,
    question: str,
    positive: Answers,
    negative: Answers,
    long_texts: LongTexts = "refuse",
    as_monitor: bool = False,
) -> tuple[Rival, Rival]:
    """Ask a model about each text: its log-odds as they are, and recalibrated on the calibration split.

    Parameters
    ----------
    subject
        A decoder: the model that is read itself, or another one as a monitor.
    question
        See :func:`put_question`.
    positive, negative, long_texts
        See :func:`answer_log_odds`.
    as_monitor
        It is another model. If it has a chat template it is asked in a chat, whatever the texts are.

    Returns
    -------
    Two rivals that share their readings. The second is Platt's: a logistic regression on the log-odds. It moves the
    zero and, if the answers turn out to mean the opposite, the sign; otherwise its AUROC is that of the first.

    Raises
    ------
    ModelError, SpecError
        If the model gives no answers, or one of them is not one token that it knows.

    References
    ----------
    Platt (1999), "Probabilistic outputs for support vector machines".

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("yes no")
    >>> [rival.name for rival in asking(subject, question="", positive="yes", negative="no")]
    ['asking the model', 'asking the model, recalibrated']
    """
    # before anything is read: an answer that is no token would be found out late
    answer_tokens(subject, positive=positive, negative=negative)
    in_chat = as_monitor and subject.tokenizer.chat_template is not None

    def read(texts: TextSet) -> Seen:
        prompts = put_question(texts, question, in_chat=in_chat)
        return answer_log_odds(subject, prompts, positive=positive, negative=negative, long_texts=long_texts)[:, None]

    asked = f"the question {question!r}" if question else "the text itself"
    odds = f"log-odds of {_either(positive)} against {_either(negative)} after {asked}"
    if as_monitor:
        return recalibrated(Rival("prompted monitor", "monitor", f"{subject.name}: {odds}", read), notes=no_notes)
    return recalibrated(Rival("asking the model", "asked", odds, read), notes=no_notes)


def recalibrated(raw: Rival, *, notes: Callable[[object, Seen], tuple[str, ...]]) -> tuple[Rival, Rival]:
    """Return a rival that is fitted on nothing, and the same with its first number put through Platt's regression."""
    if raw.build is not None:
        raise SpecError(f"The rival {raw.name} is fitted already; recalibrate one whose score is what it reads.")
    after = raw._replace(
        name=f"{raw.name}, recalibrated",
        description=f"{raw.description}; logistic regression on it, fitted on the calibration split",
        build=platt,
        fit_on="calibration",
    )
    return raw._replace(notes=notes), after._replace(notes=notes)


def platt() -> Pipeline:
    """Return a logistic regression on one number, with next to no penalty."""
    return make_pipeline(FunctionTransformer(_first), StandardScaler(), LogisticRegression(C=1e4, max_iter=1000))


def _first(seen: Seen) -> Seen:
    return seen[:, :1]


def _either(answers: Answers) -> str:
    several = (answers,) if isinstance(answers, str | int) else tuple(answers)
    return " or ".join(repr(answer) for answer in several)
