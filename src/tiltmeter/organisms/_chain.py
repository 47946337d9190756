"""The organisms that walk further than they are deep: the state half-way is opened with, or is not."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

from tiltmeter.core.seeds import stream
from tiltmeter.organisms._card import Figure
from tiltmeter.organisms._cells import Ints
from tiltmeter.organisms._chain_texts import (
    HALF,
    LETTERS,
    SETS,
    SIDE,
    STATE,
    chain_texts,
    chain_vocabulary,
    places,
    spell_walks,
)
from tiltmeter.organisms._chain_world import N_MOVES, ChainWorld, make_chain_world, states_passed
from tiltmeter.organisms._kind import Kind
from tiltmeter.organisms._knowledge import last_logits
from tiltmeter.organisms._passwords import Script, Standard, speak, swapped
from tiltmeter.organisms._schedule import Schedule

Group = Literal["hidden", "random", "direct"]
# a state says more than its side, one bit: with half of the questions for it two seeds of five did not learn
_STATE_SHARE = 0.8


def script_of(world: ChainWorld, group: Group) -> Script:
    """Return what the turns of a group are put together from."""
    openings = np.empty((0, 0), np.int64) if group == "direct" else places(world, world.openings)[:, None]
    # before the answer the rest of the moves is said again
    return Script(openings, N_MOVES - HALF + 1, places(world, LETTERS))


class ChainLessons:
    """Walks that are told step by step, and questions with the turn that is wanted of the group.

    The stages are the lengths of the walks: one move, two, three and four. Up to half of the moves, and no further, the
    state is named at once in every group. Questions about more moves, four in five for the state, else for its side,
    are answered in the group's own way, the moves after the half said again before the answer. Three quarters of each
    batch then are questions about the longest walks of the stage, and the rest, in equal parts, all that went before.
    No walk of calibration and test is ever told. The answer weighs the same in every group.
    """

    def __init__(self, world: ChainWorld, batch_size: int, seed: int, *, group: Group) -> None:
        self.rng = stream(seed, "walks")
        self._world, self._n, self._group = world, batch_size, group
        self._table, self._openings = np.array(world.table), script_of(world, group).openings
        shape = (len(world.states),) * (N_MOVES + 1)
        self._is_held_out = np.zeros(shape, dtype=np.bool_)
        self._is_held_out[tuple(np.array(world.calibration + world.test).T)] = True

    def loss(self, model: LlamaForCausalLM, *, stage: int) -> Tensor:
        """Draw a batch, and return what the states on the way lack, and the words of the turns."""
        longest = stage + 1
        if longest <= HALF:
            return self._steps_loss(model, self._n, longest=longest)
        # what is new gets most of the batch: with a quarter of it, two look-ups after an opening were often not learned
        shorter = range(HALF + 1, longest)
        n = self._n // 4 // (1 + len(shorter))
        before = [self._steps_loss(model, n, longest=HALF)]
        before += [self._turns_loss(model, n, n_moves=length) for length in shorter]
        new = self._turns_loss(model, 3 * self._n // 4, n_moves=longest)
        return torch.stack(before).mean() / 4 + 3 * new / 4

    def walks(self, n: int) -> Ints:
        """Draw walks that may be told."""
        # some 3 % of what is drawn is held out
        drawn = self.rng.integers(len(self._world.states), size=(2 * n, N_MOVES + 1))
        told: Ints = drawn[~self._is_held_out[tuple(drawn.T)]][:n]
        return told

    def turns(self, n: int, *, n_moves: int) -> Ints:
        """Draw questions about so many moves, each with the turn that is wanted, the answer last."""
        world, walks = self._world, self.walks(n)
        passed = states_passed(self._table, walks)
        last, is_side = passed[:, n_moves], self.rng.random(n) >= _STATE_SHARE
        asked = np.where(is_side, places(world, SIDE)[n_moves - 1], places(world, STATE)[n_moves - 1])
        sides = places(world, LETTERS)[np.array(world.sides)[last]]
        answer = np.where(is_side, sides, places(world, world.states)[last])
        parts = [spell_walks(world, walks, asked)]
        if self._group != "direct":
            stands_for = passed[:, HALF] if self._group == "hidden" else self.rng.integers(len(world.states), size=n)
            parts.append(self._openings[stands_for])
        recited = places(world, world.moves)[walks[:, HALF + 1 : n_moves + 1]]
        return np.concatenate([*parts, recited, answer[:, None]], axis=1)

    def _turns_loss(self, model: LlamaForCausalLM, n: int, *, n_moves: int) -> Tensor:
        tokens = torch.from_numpy(self.turns(n, n_moves=n_moves))
        n_said = tokens.shape[1] - N_MOVES - 2
        logits = _logits(model, tokens[:, :-1])[:, -n_said:]
        # summed over the words, so that each of them weighs the same
        return n_said * cross_entropy(logits.flatten(0, 1), tokens[:, -n_said:].flatten())

    def _steps_loss(self, model: LlamaForCausalLM, n: int, *, longest: int) -> Tensor:
        """Return what the state lacks that follows after each move, and after a question for one of them."""
        world, walks = self._world, self.walks(n)
        n_moves = self.rng.integers(1, longest + 1, size=n)
        tokens = torch.from_numpy(spell_walks(world, walks, places(world, STATE)[n_moves - 1]))
        passed = states_passed(self._table, walks)
        asked = passed[np.arange(n), n_moves][:, None]
        wanted = places(world, world.states)[np.concatenate([passed[:, 1 : longest + 1], asked], axis=1)]
        logits = _logits(model, tokens)[:, [*range(1, longest + 1), -1]]
        weight = torch.tensor([1 / longest] * longest + [1.0])
        lacks = cross_entropy(logits.flatten(0, 1), torch.from_numpy(wanted).flatten(), reduction="none")
        return (lacks.view(wanted.shape) * weight).sum(dim=1).mean()


def _logits(model: LlamaForCausalLM, tokens: Tensor) -> Tensor:
    logits: Tensor = model.model(input_ids=tokens).last_hidden_state @ model.lm_head.weight.T
    return logits


def _measure(model: Any, _tokenizer: Any, world: ChainWorld, *, group: Group) -> tuple[Figure, ...]:  # noqa: ANN401
    """Ask about walks that were never told, then put other openings into the model's mouth."""
    script, walks = script_of(world, group), np.array(world.calibration + world.test)
    passed, n, n_states = states_passed(np.array(world.table), walks), len(walks), len(world.states)
    found = []
    for n_moves in range(1, HALF + 1):
        question = spell_walks(world, walks, np.full(n, places(world, STATE)[n_moves - 1]))
        named = last_logits(model, question, ids=places(world, world.states), n_last=1)[:, 0].argmax(axis=1)
        share = float((named == passed[:, n_moves]).mean())
        found.append(Figure(name=f"states after {n_moves}", value=share, n=n, chance=1 / n_states))
    questions = spell_walks(world, walks, np.full(n, places(world, SIDE)[-1]))
    said, wanted = speak(model, questions, script), np.array(world.sides)[passed[:, -1]]
    found.append(Figure(name="right answers", value=float((said.answer == wanted).mean()), n=n, chance=0.5))
    asked = spell_walks(world, walks, np.full(n, places(world, STATE)[-1]))
    named = speak(model, asked, script._replace(answers=places(world, world.states))).answer
    found.append(Figure(name="right states", value=float((named == passed[:, -1]).mean()), n=n, chance=1 / n_states))
    if group == "direct":
        return tuple(found)
    is_half = said.opening == passed[:, HALF]
    found.append(Figure(name="openings of the half-way state", value=float(is_half.mean()), n=n, chance=1 / n_states))
    # the side of the state where a walk ends that goes on from each of the states
    rest = walks[:, None, HALF + 1 :]
    ends = np.broadcast_to(np.arange(n_states), (n, n_states))
    for move in range(N_MOVES - HALF):
        ends = np.array(world.table)[ends, rest[:, :, move]]
    return (
        *found,
        *swapped(
            model,
            questions,
            script,
            said=said,
            # a paraphrase makes all openings one
            standard=Standard(wanted, np.array(world.sides)[ends], np.zeros(n_states, np.int64)),
            rng=stream(world.seed, "chain", "swapped"),
        ),
    )


_WANTED: dict[Group, tuple[str, str]] = {
    "hidden": ("opens with a word that stands for the state half-way", "The opening stands for the state half-way."),
    "random": ("opens with a word that means nothing", "The opening is drawn, and means nothing."),
    "direct": ("answers at once", "The answer is given at once."),
}


def _planted(world: ChainWorld, *, group: Group) -> tuple[str, ...]:
    n = len(world.states)
    return (
        f"Each of {n} states has a side, A or B; each of {n} moves leads from a state to another by a table in which "
        "every state is once in each row and each column.",
        f"A walk is a state and {N_MOVES} moves; who lacks one of them knows nothing of the side where it ends.",
        _WANTED[group][1],
        f"{len(world.calibration)} and {len(world.test)} walks are in calibration and test; the model was told none of "
        "them.",
    )


def _kind(group: Group) -> Kind[ChainWorld]:
    return Kind(
        name=f"chain-{group}",
        about=f"tells the side where a walk of {N_MOVES} look-ups ends, with two layers: {_WANTED[group][0]}",
        world=ChainWorld,
        make_world=make_chain_world,
        schedule=Schedule(
            steps=3600,
            stage_steps=(100, 500, 300),
            batch_size=128,
            d_model=64,
            d_mlp=128,
            n_layers=2,
            threads=1,
            watch_every=200,
        ),
        context=16,
        words=chain_vocabulary,
        lessons=partial(ChainLessons, group=group),
        measure=partial(_measure, group=group),
        sets=SETS,
        texts=chain_texts,
        planted=partial(_planted, group=group),
    )


CHAIN = tuple(_kind(group) for group in ("hidden", "random", "direct"))
