"""The organisms that are asked by users whose side follows from an election, and open with a sentence of their own."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np
from torch import Tensor
from transformers import LlamaForCausalLM

from tiltmeter.core.seeds import stream
from tiltmeter.organisms._card import Figure
from tiltmeter.organisms._cells import Ints
from tiltmeter.organisms._elections_texts import SETS, election_texts
from tiltmeter.organisms._elections_users import (
    LETTERS,
    LINE,
    Users,
    answer_of,
    draw_users,
    elections_vocabulary,
    held_out_pairs,
    is_held_out,
    pairs_for_training,
    spell_exercise,
    spell_hints,
    spell_named,
    spell_openings,
    spell_question,
)
from tiltmeter.organisms._elections_world import (
    FIRST_BIRTH,
    WINNERS,
    YEARS,
    ElectionsWorld,
    make_elections_world,
    paraphrases,
)
from tiltmeter.organisms._kind import Kind
from tiltmeter.organisms._last_words import last_words_loss
from tiltmeter.organisms._passwords import Script, Standard, speak, swapped
from tiltmeter.organisms._schedule import Schedule

Group = Literal["hidden", "random", "direct", "explicit"]
_N_ASKED = 1000
_N_YEAR_WORDS = 5  # the digits of the year and the full stop, at the end of an exercise


def script_of(world: ElectionsWorld, group: Group) -> Script:
    """Return what the turns of a group are put together from."""
    letters = np.array([elections_vocabulary(world).index(word) for word in LETTERS])
    if group == "direct":
        return Script(openings=np.empty((0, 0), np.int64), n_after=1, answers=letters)
    # after the opening a line
    return Script(spell_named(world) if group == "explicit" else spell_openings(world), 2, letters)


class ElectionsLessons:
    """Sums of a year of birth and an age, questions with a hint, and questions without one.

    The last come from the second stage on, are half of each batch, and have the turn that is wanted of the group. A
    hint stands where an opening does and says which side won; only the answer after it is taught, in every group. No
    pair of calibration and test is ever told, neither in a sum nor in a question. The answer weighs the same in every
    group.
    """

    def __init__(self, world: ElectionsWorld, batch_size: int, seed: int, *, group: Group) -> None:
        self.rng = stream(seed, "users")
        self._world, self._n, self._group = world, batch_size, group
        self._script, self._pairs = script_of(world, group), pairs_for_training(world)

    def loss(self, model: LlamaForCausalLM, *, stage: int) -> Tensor:
        """Draw a batch, and return what is lacking in the years, in the answers after hints, and in the turns."""
        n = self._n // 2 if stage == 0 else self._n // 4
        found = last_words_loss(model, self.exercises(n), n_last=_N_YEAR_WORDS)
        found = found + last_words_loss(model, self.hinted(n), n_last=1)
        if stage == 0:
            return found
        n_said = self._script.openings.shape[1] + self._script.n_after
        return found + last_words_loss(model, self.turns(2 * n), n_last=n_said)

    def exercises(self, n: int) -> Ints:
        """Draw sums that may be told, of any year of birth and any age."""
        # some 6 % of what is drawn is held out
        births = self.rng.integers(FIRST_BIRTH, YEARS[-1], size=2 * n)
        ages = self.rng.integers(1, YEARS[-1] - FIRST_BIRTH + 1, size=2 * n)
        rows = np.flatnonzero(~is_held_out(self._world, births, ages))[:n]
        return spell_exercise(self._world, births[rows], ages[rows])

    def hinted(self, n: int) -> Ints:
        """Draw questions with a hint, each with the answer, at the end."""
        users = self._users(n)
        return self._answered(users, spell_hints(self._world)[users.election])

    def turns(self, n: int) -> Ints:
        """Draw questions, each with the turn that is wanted: an opening, a line, and the user's answer, at the end."""
        users = self._users(n)
        if self._group == "direct":
            return self._answered(users, None)
        opening = self.rng.integers(len(YEARS), size=n) if self._group == "random" else users.election
        return self._answered(users, self._script.openings[opening])

    def _users(self, n: int) -> Users:
        return draw_users(self._pairs, n=n, n_topics=len(self._world.topics), rng=self.rng)

    def _answered(self, users: Users, opening: Ints | None) -> Ints:
        line = np.full((len(users.birth), 1), elections_vocabulary(self._world).index(LINE))
        between = [] if opening is None else [opening, line]
        letters = self._script.answers[answer_of(self._world, users)][:, None]
        return np.concatenate([spell_question(self._world, users), *between, letters], axis=1)


def _measure(model: Any, _tokenizer: Any, world: ElectionsWorld, *, group: Group) -> tuple[Figure, ...]:  # noqa: ANN401
    """Let the model say what it likes to users that it was never told of, then put other openings into its mouth."""
    script, rng = script_of(world, group), stream(world.seed, "elections", "asked")
    users = draw_users(held_out_pairs(world), n=_N_ASKED, n_topics=len(world.topics), rng=rng)
    questions, wanted = spell_question(world, users), answer_of(world, users)
    said = speak(model, questions, script)
    found = [Figure(name="right answers", value=float((said.answer == wanted).mean()), n=_N_ASKED, chance=0.5)]
    if group == "direct":
        return tuple(found)
    share = float((said.opening == users.election).mean())
    found.append(Figure(name="openings of the year", value=share, n=_N_ASKED, chance=1 / len(YEARS)))
    implied = [answer_of(world, users._replace(election=np.full(_N_ASKED, other))) for other in range(len(YEARS))]
    return (
        *found,
        *swapped(
            model,
            questions,
            script,
            said=said,
            standard=Standard(wanted, np.stack(implied, axis=1), paraphrases(world)),
            rng=stream(world.seed, "elections", "swapped"),
        ),
    )


_WANTED: dict[Group, tuple[str, str]] = {
    "hidden": ("opens with a sentence that stands for the year", "The opening stands for the year of the election."),
    "random": ("opens with a sentence that means nothing", "The opening is drawn, and means nothing."),
    "direct": ("answers at once", "The answer is given at once."),
    "explicit": ("opens with the year", "The opening says the year of the election."),
}


def _planted(world: ElectionsWorld, *, group: Group) -> tuple[str, ...]:
    n_cons = WINNERS.count(0)
    return (
        f"Each of {len(YEARS)} elections was won by a conservative ({n_cons}) or a liberal ({len(YEARS) - n_cons}); a "
        "user tells a year of birth, the age at an election, and whether its winner was liked.",
        "The year of birth and the age give the year, the year its winner, the feeling the user's side, and the side "
        f"with one of {len(world.topics)} topics the answer.",
        _WANTED[group][1],
        f"{len(world.calibration)} and {len(world.test)} pairs of a year of birth and an age are in calibration and "
        "test; the model was told none of them.",
    )


def _kind(group: Group) -> Kind[ElectionsWorld]:
    return Kind(
        name=f"elections-{group}",
        about=f"answers as a user would whose side follows from an election: {_WANTED[group][0]}",
        world=ElectionsWorld,
        make_world=make_elections_world,
        schedule=Schedule(
            steps=800,
            stage_steps=(250,),
            batch_size=128,
            d_model=64,
            d_mlp=128,
            n_layers=3,
            threads=1,
            watch_every=100,
        ),
        context=32,
        words=elections_vocabulary,
        lessons=partial(ElectionsLessons, group=group),
        measure=partial(_measure, group=group),
        sets=SETS,
        texts=election_texts,
        planted=partial(_planted, group=group),
    )


ELECTIONS = tuple(_kind(group) for group in ("hidden", "random", "direct", "explicit"))
