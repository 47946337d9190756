"""What swaps lack: the formula in loops, on a planted network and on models that are run from their first block."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from planted_swap import D, planted, swap_success, unit
from swap_pairs import encoded_pairs
from tiny_models import tiny_subject

from tiltmeter.interventions import Swap, clean_runs
from tiltmeter.interventions._swap_loss import gram_schmidt, mean_swap_loss, of_model, swap_losses
from tiltmeter.models import edited, next_logits

FAMILIES = ("llama", "gpt2", "gemma2", "gptj", "qwen3-moe")

_subject = functools.cache(tiny_subject)


def _divergence(p: np.ndarray, q: np.ndarray) -> float:
    return float(sum(np.exp(p[a]) * (p[a] - q[a]) for a in range(len(p))))


def _basis(k: int, d: int, *, seed: int = 0) -> torch.Tensor:
    rows = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, max(k, 1))))[0].T[:k]
    return torch.from_numpy(np.ascontiguousarray(rows))


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_loss_is_the_symmetric_divergence_in_loops(k):
    made = planted(0, n=6)
    problem, basis = made.problem(made.train), _basis(k, D)
    found = swap_losses(problem, np.array([4, 1, 3]), basis=basis)
    for value, i in zip(found, (4, 1, 3), strict=True):
        total = 0.0
        for own, other in ((0, 1), (1, 0)):
            h = made.train[i, other].copy()
            for row in basis.numpy():
                h = h - (made.train[i, other] @ row) * row + (made.train[i, own] @ row) * row
            logits = made.head @ h
            q = logits - np.log(np.exp(logits).sum())
            p = problem.log_probs[i, own].numpy()
            total += _divergence(p, q) + _divergence(q, p)
        assert float(value) == pytest.approx(total / 2, rel=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("layer", [0, 1])
def test_it_is_that_of_full_forwards_in_which_a_swap_is_made(family, layer):
    subject = _subject(family)
    encoded = encoded_pairs(subject, 6)
    assert len(set(encoded.lengths.tolist())) > 1
    clean = clean_runs(subject, encoded, layers=[layer])
    basis, rows = _basis(2, subject.d_model), np.array([5, 0, 2, 3])
    found = swap_losses(of_model(subject, encoded, layer=layer, clean=clean), rows, basis=basis.float()).detach()
    site = f"{layer}.resid_post"
    for value, i in zip(found, rows, strict=True):
        total = 0.0
        tokens = torch.from_numpy(encoded.tokens[i][:, : encoded.lengths[i]])
        at = torch.tensor([int(encoded.lengths[i]) - 1])
        own = [next_logits(subject, tokens[[side]], at=at).double().log_softmax(-1)[0].numpy() for side in (0, 1)]
        for side in (0, 1):
            given = subject.read(tokens[[side]], sites=[site])
            swap = Swap(site, next(iter(given.values())).numpy(), directions=basis.numpy())
            with edited(subject, [swap]):
                logits = next_logits(subject, tokens[[1 - side]], at=at)
            mixed = logits.double().log_softmax(-1)[0].numpy()
            total += _divergence(own[side], mixed) + _divergence(mixed, own[side])
        assert float(value) == pytest.approx(total / 2, rel=1e-3, abs=1e-6)


def test_with_all_of_the_space_nothing_is_lacking_and_with_none_of_it_everything_is():
    made = planted(0, n=20)
    problem = made.problem(made.test)
    everything, nothing = torch.eye(D, dtype=torch.float64), torch.zeros(0, D, dtype=torch.float64)
    assert float(swap_losses(problem, np.arange(20), basis=everything).max()) < 1e-12
    assert swap_success(problem, everything.numpy()) == pytest.approx(1.0, abs=1e-9)
    p, q = problem.log_probs.numpy().transpose(1, 0, 2)
    whole = [_divergence(p[i], q[i]) + _divergence(q[i], p[i]) for i in range(20)]
    assert swap_losses(problem, np.arange(20), basis=nothing).numpy() == pytest.approx(whole)
    assert swap_success(problem, nothing.numpy()) == pytest.approx(0.0, abs=1e-9)


def test_a_models_losses_do_not_depend_on_the_batch():
    subject = _subject("llama")
    encoded = encoded_pairs(subject, 7)
    problem = of_model(subject, encoded, layer=0, clean=clean_runs(subject, encoded, layers=[0]))
    basis = _basis(1, subject.d_model).float()
    means = [mean_swap_loss(problem, basis=basis, batch_size=size) for size in (1, 3, 7, 50)]
    assert np.ptp(means) < 1e-5 * means[0]


def test_gram_schmidt_keeps_the_first_row_and_the_span_and_turns_no_row_round():
    free = np.random.default_rng(0).normal(size=(3, 7))
    done: list[np.ndarray] = []
    for row in free:
        left = row - sum((row @ one) * one for one in done)
        done.append(unit(left))
    assert gram_schmidt(torch.from_numpy(free)).numpy() == pytest.approx(np.stack(done))


def test_the_gradient_is_that_of_small_steps():
    made = planted(1, n=5)
    problem = made.problem(made.train)
    free = torch.from_numpy(np.random.default_rng(0).normal(size=(2, D))).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda rows: swap_losses(problem, np.arange(5), basis=gram_schmidt(rows)).mean(), (free,)
    )
