"""Perplexity and divergence under interventions, against one text at a time."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from interventions.asking import all_log_probs
from tiny_models import random_texts, tiny_subject

from tiltmeter.core.errors import DataError, ModelError
from tiltmeter.data import TextSet
from tiltmeter.interventions import Ablate, Steer, side_effects

V = np.random.default_rng(0).normal(size=24)
TEXTS = random_texts(40, longest=12)

_subject = functools.cache(tiny_subject)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
def test_perplexity_and_divergence_equal_their_naive_twins(family):
    subject, unit = _subject(family), V / np.linalg.norm(V)
    edits = [[], [Steer(V, 3.0, site="1.resid_post")], [Ablate("0.resid_post"), Ablate("1.resid_post", directions=V)]]
    clean, steered, ablated = side_effects(subject, TEXTS, edits=edits, token_budget=100)
    losses, edited_losses, divergences = [], [], []
    for text in TEXTS.texts:
        tokens = subject.tokenizer(text)["input_ids"]
        before = all_log_probs(subject, tokens)
        step = (3.0 * unit).astype(np.float32)
        after = all_log_probs(subject, tokens, layers=(1,), change=lambda old, step=step: old + old.new_tensor(step))
        for t in range(len(tokens) - 1):
            losses.append(-float(before[t, tokens[t + 1]]))
            edited_losses.append(-float(after[t, tokens[t + 1]]))
            divergences.append(float((before[t].exp() * (before[t] - after[t])).sum()))
    assert clean.n_tokens == steered.n_tokens == len(losses)
    assert clean.perplexity.value == pytest.approx(np.exp(np.mean(losses)), rel=1e-4)
    assert steered.perplexity.value == pytest.approx(np.exp(np.mean(edited_losses)), rel=1e-4)
    assert steered.kl.value == pytest.approx(np.mean(divergences), rel=1e-3)
    assert clean.kl.value == 0.0 < steered.kl.low < steered.kl.value < steered.kl.high < ablated.kl.value
    # groups of two pairs, not texts
    assert clean.perplexity.n == 10


def test_what_predicts_nothing_is_refused():
    with pytest.raises(ModelError, match="sees later tokens"):
        side_effects(_subject("llama-bidirectional"), TEXTS, edits=[[]])
    one = TextSet(np.array(["a"]), texts=("w0",))
    with pytest.raises(DataError, match="no text of two tokens"):
        side_effects(_subject("llama"), one, edits=[[]])
