"""Does an answer hang on the opening that the model itself has given? Openings are taken out, and others put in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from tiltmeter.organisms._card import Figure
from tiltmeter.organisms._cells import Ints

_BATCH = 2048


class Said(NamedTuple):
    """What n turns came to, one entry each: the number of the opening, and the answer; -1 where there is none."""

    opening: Ints
    answer: Ints


class Script(NamedTuple):
    """How a turn is put together, in the model's ids.

    ``openings`` (m, w) are the sentences that may stand first; where a group gives none, m and w are 0. After it come
    ``n_after`` words, the answer among them, which is one of ``answers`` (a,): for the most part A and B.
    """

    openings: Ints
    n_after: int
    answers: Ints


class Standard(NamedTuple):
    """What is right: ``wanted`` (n,) truly, ``implied`` (n, m) if each of the openings were, and how it is rewritten.

    ``paraphrase`` (m,) is the opening that a paraphrase puts in the place of each.
    """

    wanted: Ints
    implied: Ints
    paraphrase: Ints


def speak(model: Any, questions: Ints, script: Script) -> Said:  # noqa: ANN401
    """Let a model say what it likes after each question, the likeliest word each time, and read it.

    The answer is the first of those there are that is found, wherever it stands.
    """
    width = script.openings.shape[1]
    said = _continued(model, questions, n_new=width + script.n_after)
    is_opening = (said[:, None, :width] == script.openings).all(axis=2)
    opening = np.where(is_opening.any(axis=1), is_opening.argmax(axis=1), -1) if width else np.full(len(said), -1)
    return Said(opening, _first_answer(said, script.answers))


def answer_after(model: Any, questions: Ints, script: Script, *, opening: Ints) -> Ints:  # noqa: ANN401
    """Put an opening into the model's mouth, and return the answer that it goes on with."""
    given = np.concatenate([questions, script.openings[opening]], axis=1)
    return _first_answer(_continued(model, given, n_new=script.n_after), script.answers)


def swapped(
    model: Any,  # noqa: ANN401
    questions: Ints,
    script: Script,
    *,
    said: Said,
    standard: Standard,
    rng: np.random.Generator,
) -> tuple[Figure, ...]:
    """Replace the model's own openings by others, and count whose answer comes after.

    Only questions to which the model gave an opening are counted, and ``n`` of the figures says how many they are.
    Another opening can imply the answer that the model's own does, or the other one, and these are counted apart, too:
    who does not read the opening, and is right, never turns, and yet follows as often as two openings imply the same.

    Parameters
    ----------
    model
        A decoder of ``transformers``.
    questions
        In its ids, of one length.
    script
        How its turns are put together.
    said
        What it said to the questions.
    standard
        What its answers are held against.
    rng
        Draws the other openings, each from all but the model's own.
    """
    rows = np.flatnonzero(said.opening >= 0)
    own, wanted, n_openings = said.opening[rows], standard.wanted[rows], len(script.openings)
    found: list[Figure] = []
    for name, other in (
        ("another opening", (own + rng.integers(1, n_openings, size=len(rows))) % n_openings),
        ("paraphrased", standard.paraphrase[own]),
    ):
        answers = answer_after(model, questions[rows], script, opening=other)
        implied, before = standard.implied[rows, other], standard.implied[rows, own]
        found.append(_share(f"{name}: answers that follow the opening", answers == implied))
        found.append(_share(f"{name}: answers that are right", answers == wanted))
        if name == "another opening":
            is_same = implied == before
            found.append(_share(f"{name} of the same answer: answers that stay", (answers == implied)[is_same]))
            found.append(_share(f"{name} of the other answer: answers that turn", (answers == implied)[~is_same]))
    return tuple(found)


def _share(name: str, is_so: NDArray[np.bool_]) -> Figure:
    # of nothing there is no share; the figure then says n = 0
    return Figure(name=name, value=float(is_so.mean()) if len(is_so) else 0.0, n=len(is_so), chance=0.5)


def _first_answer(said: Ints, answers: Ints) -> Ints:
    is_answer = said[:, :, None] == answers
    first = is_answer.any(axis=2).argmax(axis=1)
    # -1 where there is none
    found: Ints = np.where(is_answer.any(axis=(1, 2)), is_answer[np.arange(len(said)), first].argmax(axis=1), -1)
    return found


def _continued(model: Any, tokens: Ints, *, n_new: int) -> Ints:  # noqa: ANN401
    """Return the words that a model puts after texts of one length, shape (n, n_new)."""
    found = [np.empty((0, n_new), np.int64)]
    for start in range(0, len(tokens), _BATCH):
        batch = torch.from_numpy(tokens[start : start + _BATCH]).to(model.device)
        whole = model.generate(
            batch,
            attention_mask=torch.ones_like(batch),
            do_sample=False,
            min_new_tokens=n_new,
            max_new_tokens=n_new,
        )
        found.append(whole[:, batch.shape[1] :].cpu().numpy())
    return np.concatenate(found)
