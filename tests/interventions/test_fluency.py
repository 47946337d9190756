"""What edits cost on neutral texts: the formulas in loops, one text at a time, and intervals that cover."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from scipy import stats
from tiny_models import random_texts, tiny_subject, word_tokenizer

from tiltmeter.core.errors import ArrayError, DataError, ModelError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.evaluation import resampling
from tiltmeter.interventions import Ablate, Steer, Swap, fluency
from tiltmeter.interventions._fluency import Losses, Neutral, batches, neutral_losses
from tiltmeter.models import bind, edited, encode

SITE = "1.resid_post"
V = np.random.default_rng(0).normal(size=24)
LONG = [i for i, text in enumerate(random_texts(40, longest=12).texts) if " " in text]
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


def _kl(sums, counts, groups=None):
    """The interval of Σ sums / Σ counts, as for a divergence."""
    neutral = Neutral(counts, np.zeros(len(counts)), resampling(len(counts), groups=groups))
    return neutral.fluency(Losses(np.zeros(len(counts)), sums)).kl


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
    found = fluency(_subject("llama"), ["w1 w2 w3", "w4 w5"] * 4, edits=[Steer(np.ones(24), 0.0, site=SITE)])
    assert (found.kl.value, found.kl.high, found.ratio.value) == (0.0, 0.0, 1.0)


def test_what_is_read_counts_and_a_first_token_never():
    subject = bind(_subject("llama").model, word_tokenizer(bos=True, side="left"), name="llama")
    # of "<s> w1 w2 w3 w4" the second word and the third are read
    marked = TextSet(
        np.array([f"t{i}" for i in range(8)]),
        texts=tuple(f"w{i} w2 w3 w4" + " w5" * i for i in range(8)),
        span="marked",
        spans=np.array([[3, 8]] * 8),
    )
    edit, sums = Steer(np.arange(24.0) - 3, 4.0, site=SITE), np.zeros(2)
    for text in marked.texts:
        tokens = torch.tensor(subject.tokenizer(text)["input_ids"])[None]
        with torch.no_grad():
            bare = subject.model(input_ids=tokens).logits[0].double().log_softmax(-1)
            with edited(subject, [edit]):
                other = subject.model(input_ids=tokens).logits[0].double().log_softmax(-1)
        for k in (2, 3):
            sums += [
                float((bare[k - 1].exp() * (bare[k - 1] - other[k - 1])).sum()),
                -float(other[k - 1, tokens[0, k]]),
            ]
    found = fluency(subject, marked, edits=[edit])
    assert found.n_tokens == 16
    np.testing.assert_allclose([found.kl.value, np.log(found.perplexity.value)], sums / 16, rtol=1e-4)
    # where the start of the text is added, every word is predicted
    plain = TextSet(marked.ids, texts=marked.texts)
    assert fluency(subject, plain, edits=[edit]).n_tokens == sum(4 + i for i in range(8))
    assert fluency(_subject("llama"), plain, edits=[edit]).n_tokens == sum(3 + i for i in range(8))


def test_several_edits_are_measured_as_each_alone_and_the_bare_model_runs_once():
    subject, calls = _subject("llama"), []
    encoded = encode(subject, random_texts(40, longest=12).select(np.array(LONG)))
    conditions = [[Steer(V, 3.0, site=SITE)], [Ablate("0.resid_post"), Ablate(SITE, directions=V)]]
    hook = subject.model.register_forward_hook(lambda *_: calls.append(1))
    neutral, losses = neutral_losses(subject, encoded, conditions=conditions)
    hook.remove()
    assert len(calls) == 3 * len(list(batches(encoded)))
    for edits, one in zip(conditions, losses, strict=True):
        assert neutral.fluency(one) == fluency(subject, encoded, edits=edits)
    bare = fluency(subject, encoded, edits=[])
    assert neutral.bare_perplexity == bare.perplexity and bare.kl.value == 0.0
    # groups of two pairs, not texts
    assert bare.perplexity.n == 10


def test_the_interval_of_a_ratio_is_that_of_the_delta_method():
    rng = np.random.default_rng(0)
    counts = rng.integers(5, 50, size=400).astype(float)
    values = counts * 1.2 + rng.normal(size=400) * np.sqrt(counts)
    found = _kl(values, counts)
    ratio = sum(values.tolist()) / sum(counts.tolist())
    error = np.sqrt(np.mean((values - ratio * counts) ** 2) / 400) / counts.mean()
    assert found.value == pytest.approx(ratio)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.1)


@pytest.mark.long
@pytest.mark.parametrize("n", [8, 20])
def test_the_interval_of_a_ratio_covers_as_often_as_students_where_texts_are_few_and_of_unlike_length(n):
    rng, covered, by_student = np.random.default_rng(0), 0, 0
    for _ in range(1000):
        counts = rng.integers(5, 30, n).astype(float)
        # each text has a level of its own, so that its tokens hang together
        sums = counts * rng.normal(2.0, 1.0, n)
        found = _kl(sums, counts)
        covered += found.low < 2.0 < found.high
        # the twin: to first order a ratio errs by the mean of its residuals
        ratio = sums.sum() / counts.sum()
        half = stats.t.ppf(0.975, n - 1) * stats.sem((sums - ratio * counts) / counts.mean())
        by_student += abs(ratio - 2.0) < half
    assert 915 <= by_student <= 970 and abs(covered - by_student) <= 15


def test_texts_of_a_group_count_once():
    values = np.random.default_rng(0).normal(2.0, 0.5, size=40)
    once = _kl(values, np.ones(40))
    tenfold = _kl(np.repeat(values, 10), np.ones(400), groups=np.arange(400) // 10)
    assert tenfold.value == pytest.approx(once.value) and tenfold.n == once.n == 40
    assert tenfold.high - tenfold.low == pytest.approx(once.high - once.low, rel=0.15)


def test_of_too_few_texts_or_groups_no_figure_is_given():
    texts = [text for text in random_texts(12).texts if " " in text][:8]
    few = fluency(_subject("llama"), texts[:7], edits=[])
    assert {one.reason for one in (few.kl, few.perplexity, few.ratio)} == {
        "7 rows are too few to resample; 8 are needed"
    }
    ids = np.arange(8).astype(str)
    grouped = fluency(_subject("llama"), TextSet(ids, texts=tuple(texts), groups=np.array([*"aabcdefg"])), edits=[])
    assert grouped.kl.reason == "7 groups are too few to resample; 8 are needed"
    assert fluency(_subject("llama"), texts, edits=[]).kl.n == 8


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        ("w1 w2", SpecError, r"as in \['w1 w2'\]"),
        ([], DataError, "holds no texts"),
        (["w1 w2", "w3"], DataError, "Text text 2 has no token to read that is predicted"),
    ],
)
def test_texts_that_cannot_be_measured_are_refused(texts, error, message):
    with pytest.raises(error, match=message):
        fluency(_subject("llama"), texts, edits=[])


def test_a_model_that_sees_later_tokens_predicts_none():
    with pytest.raises(ModelError, match="sees later tokens"):
        fluency(_subject("llama-bidirectional"), ["w1 w2"], edits=[])


def test_a_model_that_breaks_is_an_error_and_no_figure():
    texts = TextSet(np.array(["a", "b"]), texts=("w1 w2", "w2 w3"))
    with pytest.raises(ArrayError, match="NaN or infinity"):
        fluency(_subject("gpt2"), texts, edits=[Steer(np.ones(24), 1e38, site=SITE)])


def test_sources_belong_to_the_texts_in_the_order_given():
    subject, texts = _subject("llama"), [text for text in random_texts(16, longest=12).texts if " " in text]
    sources = np.random.default_rng(3).normal(size=(len(texts), 14, 24))
    alone = [_twin(subject, [text], [Swap(SITE, sources[i : i + 1])])[:, 0] for i, text in enumerate(texts)]
    kl, _, changed, n = np.array(alone).T
    found = fluency(subject, texts, edits=[Swap(SITE, sources)])
    np.testing.assert_allclose(found.kl.value, kl.sum() / n.sum(), rtol=1e-4)
    np.testing.assert_allclose(found.perplexity.value, np.exp(changed.sum() / n.sum()), rtol=1e-4)
