"""Does an answer hang on the opening that the model itself has given? Openings are taken out, and others put in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

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
    ``n_after`` words, the answer among them, which is one of ``letters`` (2,), A and B.
    """

    openings: Ints
    n_after: int
    letters: Ints


class Standard(NamedTuple):
    """What is right: ``wanted`` (n,) truly, ``implied`` (n, m) if each of the openings were, and how it is rewritten.

    ``paraphrase`` (m,) is the opening that a paraphrase puts in the place of each.
    """

    wanted: Ints
    implied: Ints
    paraphrase: Ints


def speak(model: Any, questions: Ints, script: Script) -> Said:  # noqa: ANN401
    """Let a model say what it likes after each question, the likeliest word each time, and read it.

    The answer is the first of A and B that is found, wherever it stands.
    """
    width = script.openings.shape[1]
    said = _continued(model, questions, n_new=width + script.n_after)
    is_opening = (said[:, None, :width] == script.openings).all(axis=2)
    opening = np.where(is_opening.any(axis=1), is_opening.argmax(axis=1), -1) if width else np.full(len(said), -1)
    return Said(opening, _first_letter(said, script.letters))


def answer_after(model: Any, questions: Ints, script: Script, *, opening: Ints) -> Ints:  # noqa: ANN401
    """Put an opening into the model's mouth, and return the answer that it goes on with."""
    given = np.concatenate([questions, script.openings[opening]], axis=1)
    return _first_letter(_continued(model, given, n_new=script.n_after), script.letters)


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
    own, n_openings = said.opening[rows], len(script.openings)
    found: list[Figure] = []
    for name, other in (
        ("another opening", (own + rng.integers(1, n_openings, size=len(rows))) % n_openings),
        ("paraphrased", standard.paraphrase[own]),
    ):
        answers = answer_after(model, questions[rows], script, opening=other)
        for what, right in (
            ("follow the opening", standard.implied[rows, other]),
            ("are right", standard.wanted[rows]),
        ):
            # of nothing there is no share; the figure then says n = 0
            share = float((answers == right).mean()) if len(rows) else 0.0
            found.append(Figure(name=f"{name}: answers that {what}", value=share, n=len(rows), chance=0.5))
    return tuple(found)


def _first_letter(said: Ints, letters: Ints) -> Ints:
    is_letter = np.isin(said, letters)
    first = np.take_along_axis(said, is_letter.argmax(axis=1)[:, None], axis=1)[:, 0]
    found: Ints = np.where(is_letter.any(axis=1), (first == letters[1]).astype(np.int64), -1)
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
