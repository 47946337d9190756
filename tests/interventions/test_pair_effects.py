"""Scores of pairs: what METHODS defines, in loops over whole forwards; their ends, nulls, and what is left out."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from interventions.asking import all_log_probs, block_states, prompt_pairs
from tiny_models import tiny_subject

from tiltmeter import models, organisms
from tiltmeter.core import Site
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.interventions import (
    Controls,
    EncodedPairs,
    PromptPairs,
    _pair_effects,
    ablation_effects,
    clean_runs,
    encode_pairs,
    kl_effects,
    swap_effects,
    unembedding_difference,
)
from tiltmeter.interventions._controls import random_bases
from tiltmeter.models import SubjectModel

N = 18
D = np.random.default_rng(0).normal(size=(2, 24))
LAYER = 1
FUNCTIONS = {"swap": swap_effects, "ablate": ablation_effects, "kl": kl_effects}
CONTROLS = Controls(n_random=2, unrelated=(("user", "system"), ("assistant", ",")))

_subject = functools.cache(tiny_subject)


@functools.cache
def _pairs(family: str) -> EncodedPairs:
    return prompt_pairs(_subject(family), n=N)


def _basis(rows: np.ndarray) -> torch.Tensor:
    """Gram and Schmidt."""
    done: list[np.ndarray] = []
    for row in rows:
        rest = row - sum((row @ one) * one for one in done)
        done.append(rest / np.linalg.norm(rest))
    return torch.tensor(np.array(done), dtype=torch.float32)


def _moved(
    states: torch.Tensor,
    by: torch.Tensor,
    read: torch.Tensor,
    write: torch.Tensor,
    positions: tuple[int, ...] | None = None,
) -> torch.Tensor:
    """Move each token by the component of another's difference from it, one direction after the other."""
    new = states.clone()
    for one, two in zip(read, write, strict=True):
        for t in range(states.shape[1]) if positions is None else {range(states.shape[1])[at] for at in positions}:
            new[0, t] += ((by[0, t] - states[0, t]) @ one) * two
    return new


def _runs(
    subject: SubjectModel,
    encoded: EncodedPairs,
    i: int,
    kind: str,
    read: torch.Tensor,
    write: torch.Tensor,
    positions: tuple[int, ...] | None = None,
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return the log-probabilities of what follows both prompts of a pair, clean and edited."""
    prompts = [encoded.tokens[i, side, : encoded.lengths[i]].tolist() for side in (0, 1)]
    states = [block_states(subject, prompt, layer=LAYER) for prompt in prompts]
    clean, edited = [], []
    for side in (0, 1):
        own, other = states[side], states[1 - side]
        if kind == "ablate":
            new = _moved(own, torch.zeros_like(own), read, write, positions)
        else:
            new = _moved(other, own, read, write, positions)
        clean.append(all_log_probs(subject, prompts[side])[-1])
        edited.append(all_log_probs(subject, prompts[side], layers=(LAYER,), change=lambda old, new=new: new)[-1])
    return clean, edited


def _score(
    subject: SubjectModel,
    encoded: EncodedPairs,
    i: int,
    *,
    kind: str,
    read: torch.Tensor,
    write: torch.Tensor | None = None,
    positions: tuple[int, ...] | None = None,
) -> float:
    clean, edited = _runs(subject, encoded, i, kind, read, read if write is None else write, positions)

    def said(log_probs: torch.Tensor, side: int) -> float:
        return float(np.log(sum(np.exp(float(log_probs[token])) for token in encoded.answers[i][side])))

    def clip(value: float) -> float:
        return min(max(value, 0.0), 1.0)

    parts = []
    if kind == "kl":
        for side in (0, 1):
            p = clean[side].exp()
            parts.append(
                1 - clip(float((p * (clean[side] - edited[side])).sum() / (p * (clean[side] - clean[1 - side])).sum()))
            )
    elif kind == "swap":
        for prompt in (0, 1):
            for answer in (0, 1):
                own, other = said(clean[prompt], answer), said(clean[1 - prompt], answer)
                parts.append(1 - clip((own - said(edited[prompt], answer)) / (own - other)))
    else:
        for answer in (0, 1):
            before = said(clean[answer], answer) - said(clean[1 - answer], answer)
            after = said(edited[answer], answer) - said(edited[1 - answer], answer)
            parts.append(1 - clip(after / before))
    return float(np.mean(parts))


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
@pytest.mark.parametrize("kind", FUNCTIONS)
def test_a_score_equals_its_naive_twin_pair_by_pair(kind, family, monkeypatch):
    monkeypatch.setattr(_pair_effects, "_BATCH", 5)
    subject, encoded, read = _subject(family), _pairs(family), _basis(D)
    found = FUNCTIONS[kind](subject, encoded, directions=D, layer=LAYER, controls=CONTROLS)
    kept = np.flatnonzero(found.kept)
    naive = [_score(subject, encoded, i, kind=kind, read=read) for i in kept]
    np.testing.assert_allclose(found.values[kept], naive, atol=2e-4)
    assert found.score.value == pytest.approx(np.mean(naive), abs=1e-4)
    assert found.score.low < found.score.value < found.score.high
    # neither all nor nothing, so that the twin means something
    assert 0.02 < found.score.value < 0.98 and len(kept) >= N - 2


@pytest.mark.parametrize("positions", [(-1,), (0, 2), (1, -1, -2)])
@pytest.mark.parametrize("kind", FUNCTIONS)
def test_at_some_positions_a_score_equals_its_naive_twin(kind, positions, monkeypatch):
    monkeypatch.setattr(_pair_effects, "_BATCH", 5)
    subject, encoded, read = _subject("llama"), _pairs("llama"), _basis(D)
    assert len(set(encoded.lengths.tolist())) > 1, "of different lengths, so that the end is not in one place"
    found = FUNCTIONS[kind](subject, encoded, directions=D, layer=LAYER, positions=positions, controls=CONTROLS)
    kept = np.flatnonzero(found.kept)
    naive = [_score(subject, encoded, i, kind=kind, read=read, positions=positions) for i in kept]
    np.testing.assert_allclose(found.values[kept], naive, atol=2e-4)
    assert found.score.value > 1e-3


@pytest.mark.parametrize("positions", [(), (-1, 3), (0, -4)])
def test_positions_that_a_prompt_lacks_are_refused(positions):
    encoded = _pairs("llama")
    assert encoded.lengths.min() == 3
    with pytest.raises(SpecError, match=r"every prompt has: the shortest has 3 tokens"):
        swap_effects(_subject("llama"), encoded, directions=D, layer=LAYER, positions=positions)


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_the_nulls_are_the_same_score_of_random_subspaces_and_of_the_same_displacement(kind):
    subject, encoded, basis = _subject("llama"), _pairs("llama").select(np.arange(6)), _basis(D[:1])
    found = FUNCTIONS[kind](subject, encoded, directions=D[:1], layer=LAYER, controls=CONTROLS)
    kept = np.flatnonzero(found.kept)
    for name in ("random", "displaced"):
        drawn = random_bases((1, 24), controls=CONTROLS, name="subspaces" if name == "random" else name)
        naive = []
        for rows in drawn:
            write = torch.tensor(rows, dtype=torch.float32)
            read = write if name == "random" else basis
            naive.append(np.mean([_score(subject, encoded, i, kind=kind, read=read, write=write) for i in kept]))
        np.testing.assert_allclose(getattr(found, name).values, naive, atol=1e-4)
        assert getattr(found, name).best == max(getattr(found, name).values)


@pytest.mark.parametrize("kind", ["swap", "ablate"])
def test_what_is_moved_is_counted_in_nats_for_the_answers_and_for_unrelated_ones(kind):
    subject, encoded, basis = _subject("llama"), _pairs("llama"), _basis(D)
    found = FUNCTIONS[kind](subject, encoded, directions=D, layer=LAYER, controls=CONTROLS)
    ids = subject.tokenizer.convert_tokens_to_ids
    pairs = [(ids("user"), ids("system")), (ids("assistant"), ids(","))]
    moved, unrelated = [], []
    for i in np.flatnonzero(found.kept):
        clean, edited = _runs(subject, encoded, i, kind, basis, basis)
        sides = [list(side) for side in encoded.answers[i]]
        for side in (0, 1):
            # what a swap changes is the other prompt's run, which gave all but the component
            before, after = clean[1 - side if kind == "swap" else side], edited[side]
            odds = [float(run[sides[0]].logsumexp(0) - run[sides[1]].logsumexp(0)) for run in (before, after)]
            moved.append(abs(odds[1] - odds[0]))
            unrelated += [abs(float((after[a] - after[b]) - (before[a] - before[b]))) for a, b in pairs]
    assert found.moved.value == pytest.approx(np.mean(moved), abs=1e-4)
    assert found.unrelated.value == pytest.approx(np.mean(unrelated), abs=1e-4)


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_all_of_the_space_is_everything_and_none_of_it_nothing(kind):
    subject, encoded = _subject("llama"), _pairs("llama")
    full = FUNCTIONS[kind](subject, encoded, directions=np.eye(24), layer=0, controls=CONTROLS)
    empty = FUNCTIONS[kind](subject, encoded, directions=np.zeros((0, 24)), layer=0, controls=CONTROLS)
    np.testing.assert_allclose(full.values[full.kept], 1, atol=1e-4)
    np.testing.assert_allclose(empty.values[empty.kept], 0, atol=1e-4)
    # in whatever basis: what rounding leaves is not blown up by the next norm
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(24, 24)))[0]
    rotated = FUNCTIONS[kind](subject, encoded, directions=turned, layer=0, controls=CONTROLS)
    np.testing.assert_allclose(rotated.values[rotated.kept], 1, atol=1e-4)
    # a certain answer of nine groups is no certainty
    assert full.score.low < 0.8 and empty.score.high > 0.2
    # the whole displacement along random directions is no longer the other prompt
    assert full.displaced.best < 0.9


@pytest.mark.parametrize("kind", ["swap", "ablate"])
def test_pairs_that_the_model_does_not_tell_apart_are_left_out_and_counted(kind):
    subject, encoded = _subject("llama"), _pairs("llama")
    found = FUNCTIONS[kind](subject, encoded, directions=D, layer=LAYER, controls=CONTROLS)
    assert not found.kept[-2:].any() and np.isnan(found.values[-2:]).all()
    assert found.n_left_out == 2 and np.isfinite(found.values[:-2]).all()
    without = FUNCTIONS[kind](
        subject, encoded.select(np.flatnonzero(found.kept)), directions=D, layer=LAYER, controls=CONTROLS
    )
    assert without.score.value == pytest.approx(found.score.value, abs=1e-6) and without.n_left_out == 0
    np.testing.assert_allclose(without.random.values, found.random.values, atol=1e-6)


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_where_no_pair_is_told_apart_there_is_no_figure(kind):
    encoded = _pairs("llama").select(np.array([N - 2]))
    found = FUNCTIONS[kind](_subject("llama"), encoded, directions=D, layer=LAYER, controls=CONTROLS)
    assert {part.kind for part in (found.score, found.random, found.displaced, found.moved)} == {"unavailable"}
    assert np.isnan(found.values).all() and found.n_left_out == 1


def test_clean_runs_are_taken_as_given_and_batches_do_not_matter(monkeypatch):
    subject, encoded = _subject("llama"), _pairs("llama")
    clean = clean_runs(subject, encoded, layers=[0, -2])
    once = swap_effects(subject, encoded, directions=D, layer=-2, clean=clean, controls=CONTROLS)
    monkeypatch.setattr(_pair_effects, "_BATCH", 3)
    again = swap_effects(subject, encoded, directions=D, layer=1, controls=CONTROLS)
    np.testing.assert_allclose(once.values, again.values, atol=1e-5)
    other = swap_effects(subject, encoded, directions=D, layer=1, controls=Controls(n_random=3, seed=1))
    assert len(other.random.values) == 3 and not np.allclose(other.random.values[:2], once.random.values)
    assert other.unrelated.value != pytest.approx(once.unrelated.value)


def test_a_model_in_half_precision_is_scored_alike():
    subject = tiny_subject("llama", dtype=torch.bfloat16)
    encoded = prompt_pairs(subject, n=N)
    full = swap_effects(subject, encoded, directions=np.eye(24), layer=LAYER, controls=CONTROLS)
    exact = swap_effects(_subject("llama"), encoded, directions=D, layer=LAYER, controls=CONTROLS)
    rounded = swap_effects(subject, encoded, directions=D, layer=LAYER, controls=CONTROLS)
    assert full.score.value == pytest.approx(1, abs=0.02)
    assert rounded.score.value == pytest.approx(exact.score.value, abs=0.05)


def test_the_model_is_left_as_it_was():
    subject, encoded = tiny_subject("llama"), _pairs("llama")
    trained = [weight.requires_grad for weight in subject.model.parameters()]
    tokens = torch.tensor([[6, 7, 8]])
    before = subject.model(tokens).logits
    for function in FUNCTIONS.values():
        function(subject, encoded, directions=D, layer=LAYER, controls=CONTROLS)
    assert torch.equal(subject.model(tokens).logits, before)
    assert [weight.requires_grad for weight in subject.model.parameters()] == trained
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in subject.model.modules())


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"layer": 7}, SpecError, "the model has 3 blocks"),
        ({"directions": np.ones(5)}, ArrayError, "width 5, and llama shows rows of width 24"),
        ({"directions": np.ones((2, 24))}, ArrayError, "depend on each other"),
        ({"layer": 2, "clean": "other layers"}, SpecError, "kept blocks 0, and layer is 2"),
        ({"layer": 0, "clean": "other pairs"}, ArrayError, f"of 3 other pairs than the {N} that"),
        ({"layer": 0, "clean": "as many others"}, ArrayError, f"of {N} other pairs than the {N} that"),
        ({"controls": Controls(unrelated=(("w0 w1", "w2"),))}, SpecError, "must be exactly one"),
        ({"controls": "taken"}, SpecError, "is an answer of the concept, too"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(settings, error, message):
    subject, encoded = _subject("llama"), _pairs("llama")
    if settings.get("clean") == "other layers":
        settings = {**settings, "clean": clean_runs(subject, encoded, layers=[0])}
    if settings.get("clean") == "other pairs":
        settings = {**settings, "clean": clean_runs(subject, encoded.select(np.arange(3)), layers=[0])}
    if settings.get("clean") == "as many others":
        settings = {**settings, "clean": clean_runs(subject, encoded.select(np.arange(N)[::-1]), layers=[0])}
    if settings.get("controls") == "taken":
        settings = {**settings, "controls": Controls(unrelated=((encoded.answers[0][0][0], "user"),))}
    with pytest.raises(error, match=message):
        swap_effects(subject, encoded, **{"directions": D, "layer": LAYER, **settings})


def test_a_figure_never_goes_without_its_nulls():
    with pytest.raises(SpecError, match="at least 1 random direction"):
        Controls(n_random=0)
    with pytest.raises(SpecError, match="names no pair"):
        Controls(unrelated=())


def test_on_the_organism_the_answers_own_direction_decides_late_and_random_ones_never():
    organism = organisms.load("facts")
    subject = models.load(str(organism.folder))
    texts = organisms.statements(organism.world, "affirmative")
    texts = texts.select(texts.split == "test")
    texts = texts.select(np.lexsort((1 - texts.y, texts.pairs))[:96])
    pairs = PromptPairs(
        texts.pairs[::2],
        texts.texts[::2],
        texts.texts[1::2],
        (("<true>",),) * 48,
        (("<false>",),) * 48,
        np.array(["easy"] * 48),
        texts.groups[::2],
    )
    encoded, settings = encode_pairs(subject, pairs), {"controls": Controls(n_random=5)}
    clean = clean_runs(subject, encoded, layers=[0, 3])
    vector = unembedding_difference(subject, positive="<true>", negative="<false>", site=Site(3, "resid_post"))
    for function in (swap_effects, ablation_effects):
        late = function(subject, encoded, directions=vector, layer=3, clean=clean, **settings)
        early = function(subject, encoded, directions=vector, layer=0, clean=clean, **settings)
        assert late.score.low > 0.85 > 0.5 > early.score.high
        assert late.random.best < 0.1 and late.displaced.best < 0.5 and late.n_left_out == 0
        assert late.random.p_value(late.score.value) == pytest.approx(1 / 6)
        # answers that have nothing to do with truth hardly move
        assert late.unrelated.high < 0.15 * late.moved.low
