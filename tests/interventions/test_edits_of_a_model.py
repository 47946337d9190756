"""The four interventions: their formulas in loops, on models, and under generation."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from tiny_models import tiny_subject
from torch import Tensor

from tiltmeter.core import Direction, Site
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.erasure import LEACE, OracleLEACE
from tiltmeter.interventions import Ablate, Erase, Steer, Swap
from tiltmeter.models import Places, edited, generate

RNG = np.random.default_rng(0)
H = torch.from_numpy(RNG.normal(size=(2, 3, 5)))
OTHER = RNG.normal(size=(2, 3, 5))
MEAN = RNG.normal(size=5)
TWO = RNG.normal(size=(2, 5))
V = RNG.normal(size=5)
SITE = "1.resid_post"
PLACES = Places((2, 3))
ERASER = LEACE().fit(RNG.normal(size=(60, 5)) + np.arange(60)[:, None] % 2, np.arange(60) % 2).eraser_

_subject = functools.cache(tiny_subject)


def _along(basis: np.ndarray, h: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The naive twin of replacing a component: Gram-Schmidt, and one direction after the other."""
    h = h.copy()
    done: list[np.ndarray] = []
    for vector in np.atleast_2d(basis):
        rest = vector.astype(float)
        for one in done:
            rest = rest - (rest @ one) * one
        done.append(rest / np.linalg.norm(rest))
    for one in done:
        h = h - (h @ one) * one + (by @ one) * one
    return h


def _twin(name: str, h: np.ndarray, i: int, t: int) -> np.ndarray:
    unit = V / np.linalg.norm(V)
    match name:
        case "add":
            return h + 2.5 * unit
        case "piecewise":
            return h + 2.5 * np.sign(h @ unit) * unit
        case "preserve_norm":
            moved = h + 2.5 * unit
            return moved * np.linalg.norm(h) / np.linalg.norm(moved)
        case "zero":
            return np.zeros(5)
        case "mean":
            return MEAN
        case "resample":
            return OTHER[i, t]
        case "directional":
            return _along(TWO, h, np.zeros(5))
        case "directional mean":
            return _along(TWO, h, MEAN)
        case "swap":
            return _along(TWO, h, OTHER[i, t])
        case _:
            return h - ERASER.left @ ERASER.right @ (h - ERASER.center)


EDITS = {
    "add": Steer(V, 2.5, site=SITE),
    "piecewise": Steer(V, 2.5, site=SITE, mode="piecewise"),
    "preserve_norm": Steer(V, 2.5, site=SITE, mode="preserve_norm"),
    "zero": Ablate(SITE),
    "mean": Ablate(SITE, to=MEAN),
    "resample": Ablate(SITE, to=OTHER),
    "directional": Ablate(SITE, directions=TWO),
    "directional mean": Ablate(SITE, directions=TWO, to=MEAN),
    "swap": Swap(SITE, OTHER, directions=TWO),
    "erase": Erase(SITE, ERASER),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_intervention_equals_its_naive_twin_and_changes_nothing_in_place(name):
    before = H.clone()
    found = EDITS[name](H, PLACES)
    for i in range(2):
        for t in range(3):
            np.testing.assert_allclose(found[i, t], _twin(name, H[i, t].numpy(), i, t), atol=1e-12)
    assert torch.equal(H, before) and found.dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", EDITS)
def test_the_dtype_stays_and_half_precision_is_computed_in_single(name, dtype):
    found = EDITS[name](H.to(dtype), PLACES)
    exact = EDITS[name](H.to(dtype).double(), PLACES)
    assert found.dtype == dtype
    assert torch.allclose(found.double(), exact, rtol=torch.finfo(dtype).eps, atol=1e-5)


IDENTITIES = {
    "add": Steer(V, 0.0, site=SITE),
    "piecewise": Steer(V, 0.0, site=SITE, mode="piecewise"),
    "preserve_norm": Steer(V, 0.0, site=SITE, mode="preserve_norm"),
    "resample": Ablate(SITE, to=H),
    "swap": Swap(SITE, H, directions=TWO),
    "nowhere": Ablate(SITE, where=[7]),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", IDENTITIES)
def test_an_intervention_that_should_change_nothing_changes_no_bit(name, dtype):
    rows = H.to(dtype)
    edit = {"resample": Ablate(SITE, to=rows), "swap": Swap(SITE, rows, directions=TWO)}.get(name, IDENTITIES[name])
    assert torch.equal(edit(rows, PLACES), rows)


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ([0, 2], [[False, True, False, True], [True, False, True, False]]),
        (slice(1, 3), [[False, False, True, True], [False, True, True, False]]),
        (slice(2, None), [[False, False, False, True], [False, False, True, True]]),
        ("prompt", [[False, True, True, False], [True, False, False, False]]),
        ("generated", [[False, False, False, True], [False, True, True, True]]),
        ("last", [[False, False, True, False], [True, False, False, False]]),
        ("all", [[True] * 4, [True] * 4]),
    ],
)
def test_where_counts_from_the_start_of_each_text(where, wanted):
    places = Places((2, 4), mask=torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1]]), n_prompt=torch.tensor([2, 1]))
    rows = torch.zeros(2, 4, 2)
    moved = Steer(np.ones(2), 1.0, site=SITE, where=where)(rows, places)
    assert (moved != 0).all(-1).tolist() == wanted


def test_the_last_token_is_that_of_each_text_where_nothing_was_generated():
    for mask, last in (
        ([[0, 1, 1], [1, 1, 1], [0, 0, 0]], [2, 2, None]),
        ([[1, 1, 0], [1, 0, 0], [1, 1, 1]], [1, 0, 2]),
    ):
        moved = Steer(np.ones(2), 1.0, site=SITE, where="last")(
            torch.zeros(3, 3, 2), Places((3, 3), mask=torch.tensor(mask))
        )
        assert (moved != 0).all(-1).tolist() == [[place == one for place in range(3)] for one in last]


def test_a_source_is_looked_up_by_position_and_rows_of_one_text_share_it():
    states = torch.arange(24.0).reshape(2, 3, 4)
    places = Places((4, 2), past=2, mask=torch.tensor([[0, 1, 1, 1]] * 4))
    old = -torch.ones(4, 2, 4)
    found = Swap(SITE, states)(old, places)
    # positions 1 and 2, of texts 0, 0, 1, 1; the source has nothing at position 3
    assert torch.equal(found, states[[0, 0, 1, 1]][:, 1:3])
    beyond = Swap(SITE, states)(old, Places((4, 2), past=2))
    assert torch.equal(beyond[:, 0], states[[0, 0, 1, 1], 2]) and torch.equal(beyond[:, 1], old[:, 1])


def test_positions_may_be_numbers_of_an_array():
    one, other = (Steer(V, 1.0, site=SITE, where=where)(H, PLACES) for where in ([0, 2], list(np.array([0, 2]))))
    assert torch.equal(one, other)


def test_the_sign_of_a_direction_says_which_way_its_concept_lies():
    unit = np.array([0.6, 0.8])
    for sign in (1, -1):
        moved = Steer(Direction(unit, sign=sign, site=Site(0, "resid_post")), 2.0)
        assert moved.site == Site(0, "resid_post")
        found = moved(torch.zeros(1, 1, 2, dtype=torch.float64), Places((1, 1)))
        np.testing.assert_allclose(found[0, 0], 2 * sign * unit)
    with pytest.raises(ArrayError, match="has no sign"):
        Steer(Direction(unit, method="LAT"), 2.0, site=SITE)


INSIDE = {
    "steer": lambda d: Steer(np.arange(d) - 3.0, 30.0, site=SITE),
    "steer the prompt": lambda d: Steer(np.arange(d) - 3.0, 30.0, site=SITE, where="prompt"),
    "steer what is generated": lambda d: Steer(np.arange(d) - 3.0, 30.0, site=SITE, where="generated"),
    "steer the last token": lambda d: Steer(np.arange(d) - 3.0, 30.0, site=SITE, where="last"),
    "ablate": lambda d: Ablate(SITE, directions=np.eye(d)[:3]),
    "mean": lambda d: Ablate("0.mlp_out", to=np.full(d, 2.0)),
    "swap": lambda d: Swap(SITE, np.random.default_rng(1).normal(size=(4, 12, d)), directions=np.eye(d)[:5]),
    "erase": lambda d: Erase(SITE, LEACE().fit(np.eye(d)[np.arange(96) % d], np.arange(96) % 2).eraser_),
}
PROMPTS = ["red blue green", "one", "blue one two red four green", "two two"]


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "gptj"])
@pytest.mark.parametrize("name", INSIDE)
def test_generation_with_a_cache_gives_the_logits_of_full_passes_for_padded_batches(name, family):
    subject = _subject(family)
    edit = INSIDE[name](subject.d_model)
    n_new, seen = 3, []

    # what the model computes while it generates, left padding and cache included
    def keep(module, args, output):
        seen.append(output.logits[:, -1].clone())

    handle = subject.model.register_forward_hook(keep)
    made = generate(subject, PROMPTS, max_new_tokens=n_new, edits=[edit])
    handle.remove()
    for i, (prompt, new) in enumerate(zip(PROMPTS, made.tokens, strict=True)):
        tokens = torch.from_numpy(np.concatenate([subject.tokenizer(prompt)["input_ids"], new]))[None]
        one = edit
        if name == "swap":
            one = Swap(
                SITE,
                np.random.default_rng(1).normal(size=(4, 12, subject.d_model))[i : i + 1],
                directions=np.eye(subject.d_model)[:5],
            )
        n_prompt = torch.tensor([len(tokens[0]) - len(new)])
        with torch.inference_mode(), edited(subject, [one], n_prompt=n_prompt):
            whole = subject.model(input_ids=tokens).logits[0]
        for k in range(len(new)):
            np.testing.assert_allclose(seen[k][i], whole[int(n_prompt) - 1 + k], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["swap", "resample"])
def test_sources_belong_to_the_prompts_in_the_order_given_however_they_are_batched(kind):
    subject = _subject("llama")
    sources = 9 * np.random.default_rng(2).normal(size=(4, 12, subject.d_model))

    def edit(source):
        return Swap(SITE, source, where="generated") if kind == "swap" else Ablate(SITE, to=source)

    alone = [
        generate(subject, [prompt], max_new_tokens=6, edits=[edit(sources[i : i + 1])]).texts[0]
        for i, prompt in enumerate(PROMPTS)
    ]
    # otherwise it would not matter which source is whose
    assert len(set(alone)) == 4
    for batch_size in (1, 2, 3, 4):
        found = generate(subject, PROMPTS, max_new_tokens=6, edits=[edit(sources)], batch_size=batch_size)
        assert list(found.texts) == alone
    with edited(subject, [edit(sources)]):
        around = generate(subject, PROMPTS, max_new_tokens=6) if kind == "resample" else None
    assert around is None or list(around.texts) == alone
    for n in (2, 3, 5):
        with pytest.raises(ArrayError, match=f"holds {n} texts, and 4 are edited"):
            generate(subject, PROMPTS, max_new_tokens=2, edits=[edit(np.ones((n, 2, subject.d_model)))], batch_size=2)


@pytest.mark.parametrize("ways", [{"num_beams": 3}, {"do_sample": True, "num_return_sequences": 2}])
@pytest.mark.parametrize("where", ["prompt", "generated"])
def test_several_rows_of_one_prompt_share_its_length(where, ways):
    subject = _subject("llama")
    tokens = torch.tensor([[0, 0, 21, 22], [23, 24, 25, 26]])
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    seen: list[torch.Tensor] = []

    class Seen:
        site = Site(1, "resid_post")

        def __call__(self, old, places):
            new = Steer(np.ones(subject.d_model), 5.0, site=SITE, where=where)(old, places)
            seen.append((new != old).any(-1))
            return new

    with torch.no_grad(), edited(subject, [Seen()], n_prompt=mask.sum(1)):
        subject.model.generate(tokens, attention_mask=mask, max_new_tokens=3, min_new_tokens=3, pad_token_id=0, **ways)
    first, *rest = seen
    prompts = first if where == "prompt" else ~first
    # padding is neither
    padded = mask.bool().repeat_interleave(len(first) // 2, dim=0)
    assert torch.equal(first, padded if where == "prompt" else torch.zeros_like(first)) and prompts.any()
    assert rest and all(bool(one.all()) == (where == "generated") for one in rest)


def test_a_model_that_gives_no_numbers_says_so_instead_of_nothing():
    with pytest.raises(ArrayError, match="gives NaN or infinity; if it is edited, use a smaller strength"):
        generate(_subject("llama"), PROMPTS, max_new_tokens=3, edits=[Steer(V[:1].repeat(24), 1e300, site=SITE)])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Steer(V, 1.0), SpecError, "No site is named"),
        (lambda: Steer(V, np.inf, site=SITE), SpecError, "strength is inf"),
        (lambda: Steer(V, 1.0, site=SITE, mode="push"), SpecError, "mode is 'push'"),
        (lambda: Steer(np.zeros(5), 1.0, site=SITE), ArrayError, "not 0"),
        (lambda: Steer(V, 1.0, site=SITE, where="first"), SpecError, "where is 'first'"),
        (lambda: Steer(V, 1.0, site=SITE, where=[-1]), SpecError, "whole numbers from 0"),
        (lambda: Steer(V, 1.0, site=SITE, where=slice(-2, None)), SpecError, "its end is not known"),
        (lambda: Ablate(SITE, directions=np.ones((2, 5))), ArrayError, "depend on each other"),
        (lambda: Ablate(SITE, to=np.ones((2, 5))), ArrayError, "to has shape"),
        (lambda: Ablate(SITE, to=np.full(5, np.nan)), ArrayError, "NaN or infinity"),
        (lambda: Swap(SITE, np.ones((2, 5))), ArrayError, r"give activations \(n, t, d\)"),
        (
            lambda: Erase(SITE, OracleLEACE().fit(RNG.normal(size=(60, 5)), np.arange(60) % 2).eraser_),
            ArrayError,
            "only affine ones",
        ),
        (lambda: Steer(np.ones(4), 1.0, site=SITE)(H, PLACES), ArrayError, "width 4, where site 1.resid_post"),
        (lambda: Swap(SITE, np.ones((3, 3, 5)))(H, PLACES), ArrayError, "holds 3 texts, and 2 are edited"),
        (lambda: Swap(SITE, np.ones((0, 3, 5))), ArrayError, r"shape \(0, 3, 5\)"),
        (lambda: Swap(SITE, OTHER.tolist()), ArrayError, "an array or a tensor"),
        (lambda: Ablate(SITE, to=[1.0, 2.0]), ArrayError, "give an array"),
        (lambda: Ablate(SITE, directions=[V, V]), ArrayError, "must be a Direction, a list of them"),
        (lambda: Steer(V, "1", site=SITE), SpecError, "strength is '1'"),
        (lambda: Steer(V, 1.0, site=SITE, where=[True, False]), SpecError, "whole numbers from 0"),
        (lambda: Steer(V, 1.0, site=SITE, where="generated")(H, PLACES), SpecError, "not known what was generated"),
        (lambda: Steer(V, 1.0, site=SITE, where="last")(H, Places((2, 3), past=1)), SpecError, "not known what was"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_full_and_empty_subspaces_are_everything_and_nothing():
    full = Swap(SITE, OTHER, directions=np.eye(5))(H, PLACES)
    np.testing.assert_allclose(full, OTHER, atol=1e-12)
    empty: Tensor = Swap(SITE, OTHER, directions=np.zeros((0, 5)))(H, PLACES)
    assert torch.equal(empty, H)
