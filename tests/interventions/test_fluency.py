"""What edits cost on neutral texts: the formulas in loops, one text at a time, and intervals that cover."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from scipy import stats
from tiny_models import random_texts, tiny_subject

from tiltmeter.core.errors import ArrayError, DataError, SpecError
from tiltmeter.core.records import Unavailable
from tiltmeter.data import TextSet
from tiltmeter.interventions import Steer, fluency
from tiltmeter.interventions._texts import mean_per_token
from tiltmeter.models import edited

SITE = "1.resid_post"
_subject = functools.cache(tiny_subject)


def _twin(subject, texts, edits):
    """Sums of KL and of both surprisals, text by text and token by token, without a batch."""
    rows = []
    for text in texts:
        tokens = torch.tensor(subject.tokenizer(text)["input_ids"])[None]
        with torch.no_grad():
            bare = subject.model(input_ids=tokens).logits[0].double().log_softmax(-1)
            with edited(subject, edits):
                other = subject.model(input_ids=tokens).logits[0].double().log_softmax(-1)
        kl = own = changed = 0.0
        for k in range(tokens.shape[1] - 1):
            kl += sum(float(p.exp() * (p - q)) for p, q in zip(bare[k], other[k], strict=True))
            own -= float(bare[k, tokens[0, k + 1]])
            changed -= float(other[k, tokens[0, k + 1]])
        rows.append((kl, own, changed, tokens.shape[1] - 1))
    return np.array(rows).T


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
def test_the_figures_are_those_of_loops_over_single_texts(family):
    subject = _subject(family)
    texts = [text for text in random_texts(12).texts if " " in text]
    edits = [Steer(np.arange(24.0) - 3, 4.0, site=SITE)]
    kl, own, changed, n = _twin(subject, texts, edits)
    found = fluency(subject, texts, edits=edits)
    assert found.n_tokens == n.sum()
    np.testing.assert_allclose(found.kl.value, kl.sum() / n.sum(), rtol=1e-4)
    np.testing.assert_allclose(found.perplexity.value, np.exp(changed.sum() / n.sum()), rtol=1e-4)
    np.testing.assert_allclose(found.ratio.value, np.exp((changed - own).sum() / n.sum()), rtol=1e-4)
    assert found.kl.value > 0.05 and found.kl.low < found.kl.value < found.kl.high


def test_nothing_done_costs_nothing_exactly():
    found = fluency(_subject("llama"), ["w1 w2 w3", "w4 w5"], edits=[Steer(np.ones(24), 0.0, site=SITE)])
    assert (found.kl.value, found.kl.high, found.ratio.value) == (0.0, 0.0, 1.0)


def test_with_one_token_a_text_the_interval_is_the_ordinary_one_of_a_mean():
    values = np.random.default_rng(0).normal(size=9)
    found = mean_per_token(values, np.ones(9), groups=None)
    low, high = stats.t.interval(0.95, 8, values.mean(), stats.sem(values))
    np.testing.assert_allclose([found.value, found.low, found.high], [values.mean(), low, high])


def test_the_interval_of_a_ratio_covers_where_texts_are_few_and_of_unlike_length():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(1000):
        counts = rng.integers(5, 30, 10).astype(float)
        # each text has a level of its own, so that its tokens hang together
        sums = counts * rng.normal(2.0, 1.0, 10)
        found = mean_per_token(sums, counts, groups=None)
        covered += found.low < 2.0 < found.high
    assert 915 <= covered <= 970


def test_texts_of_a_group_count_once():
    sums, counts = np.array([1.0, 1.2, 3.0, 3.2]), np.ones(4)
    apart = mean_per_token(sums, counts, groups=None)
    together = mean_per_token(sums, counts, groups=np.array(["a", "a", "b", "b"]))
    assert together.value == apart.value and together.n == 2
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_one_text_has_no_interval():
    found = fluency(_subject("llama"), ["w1 w2 w3"], edits=[])
    assert isinstance(found.kl, Unavailable) and "needs two" in found.kl.reason


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        ("w1 w2", SpecError, r"as in \['w1 w2'\]"),
        ([], DataError, "holds no texts"),
        (["w1 w2", "w3"], DataError, "Text text 2 has a single token"),
    ],
)
def test_texts_that_cannot_be_measured_are_refused(texts, error, message):
    with pytest.raises(error, match=message):
        fluency(_subject("llama"), texts, edits=[])


def test_a_model_that_breaks_is_an_error_and_no_figure():
    texts = TextSet(np.array(["a", "b"]), texts=("w1 w2", "w2 w3"))
    with pytest.raises(ArrayError, match="NaN or infinity"):
        fluency(_subject("gpt2"), texts, edits=[Steer(np.ones(24), 1e38, site=SITE)])
