"""Collecting equals one plain forward a text, whatever shares the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import CONTEXT, FAMILIES, plain_states, random_texts, tiny_subject, word_tokenizer

from tiltmeter.activations import collect
from tiltmeter.core import Site
from tiltmeter.core.errors import ArrayError, DataError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.models import SubjectModel, encode

TEXTS = random_texts(24)


@pytest.fixture(params=FAMILIES)
def subject(request: pytest.FixtureRequest) -> SubjectModel:
    return tiny_subject(request.param)


def _content(subject: SubjectModel) -> slice:
    return slice(1, -1) if subject.family.kind == "encoder" else slice(None)


def _alone(subject: SubjectModel, texts: TextSet, *, layer: int) -> list[np.ndarray]:
    return [plain_states(subject, text)[layer + 1][_content(subject)] for text in texts.texts or ()]


def _pooled(rows: list[np.ndarray], pooling: str) -> np.ndarray:
    match pooling:
        case "last":
            return np.stack([row[-1] for row in rows])
        case "first":
            return np.stack([row[0] for row in rows])
        case "mean":
            return np.stack([row.mean(axis=0) for row in rows])
        case "max":
            return np.stack([row.max(axis=0) for row in rows])
    return np.concatenate(rows)


def _agree(ours: np.ndarray, theirs: np.ndarray) -> None:
    """To 1e-5 of the size of the row."""
    assert ours.shape == theirs.shape
    error = np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)
    assert error.max() < 1e-5


@pytest.mark.long
def test_batched_equals_one_by_one(subject):
    rows = _alone(subject, TEXTS, layer=1)
    for pooling in ("last", "first", "mean", "max", "all"):
        ours = collect(subject, TEXTS, sites=["1.resid_post"], pooling=pooling, token_budget=150)["1.resid_post"]
        _agree(ours.X, _pooled(rows, pooling))
        assert ours.X.dtype == np.float32
    assert np.diff(ours.offsets).tolist() == [len(text.split()) for text in TEXTS.texts]


@pytest.mark.long
def test_neither_budget_nor_order_nor_batch_mates_matter(subject):
    alone = collect(subject, TEXTS, token_budget=1)
    order = np.random.default_rng(1).permutation(len(TEXTS))
    for budget in (40, 10_000):
        mixed = collect(subject, TEXTS.select(order), token_budget=budget)
        some = collect(subject, TEXTS.select(order[:7]), token_budget=budget)
        for site, acts in alone.items():
            _agree(mixed[site].X, acts.X[order])
            _agree(some[site].X, acts.X[order[:7]])


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("habits", [{"pad": True}, {"pad": False}, {"bos": True}])
def test_the_tokenizers_padding_does_not_matter(side, habits):
    subject = tiny_subject("llama", tokenizer=word_tokenizer(side=side, **habits))
    _agree(
        collect(subject, TEXTS, sites=["0.resid_post"])["0.resid_post"].X,
        _pooled(_alone(subject, TEXTS, layer=0), "last"),
    )


def test_everything_the_texts_carry_comes_along(subject):
    collected = collect(subject, TEXTS)
    assert list(collected) == ["0.resid_pre", "0.resid_post", "1.resid_post", "2.resid_post"]
    acts = collected["1.resid_post"]
    for name in ("ids", "y", "pairs", "sides", "groups"):
        np.testing.assert_array_equal(getattr(acts, name), getattr(TEXTS, name))
    assert acts.site == Site(1, "resid_post")
    assert acts.fingerprint
    assert acts.offsets is None
    assert len(collected) == 4
    special = 2 if subject.family.kind == "encoder" else 0
    assert collected.n_tokens == sum(len(text.split()) + special for text in TEXTS.texts)


def test_the_fingerprint_tells_how_it_was_read():
    subject = tiny_subject("llama")
    read = [collect(subject, TEXTS, sites=["0.resid_pre"], pooling=rule)["0.resid_pre"] for rule in ("last", "mean")]
    assert read[0].fingerprint != read[1].fingerprint
    again = collect(subject, TEXTS, sites=["0.resid_pre"], token_budget=50)["0.resid_pre"]
    assert again.fingerprint == read[0].fingerprint


def test_sites_come_under_their_resolved_names_in_the_order_asked_for(subject):
    assert list(collect(subject, TEXTS, sites=["-1.mlp_out", "0.attn_out"])) == ["2.mlp_out", "0.attn_out"]


def test_a_marked_span_is_read_and_nothing_else(subject):
    texts = TextSet(
        np.array(["a", "b"]), texts=("w1 w2 w3 w4 w5", "w6 w7"), span="marked", spans=np.array([[3, 8], [0, 2]])
    )
    ours = collect(subject, texts, sites=["2.mlp_out", "1.resid_post"], pooling="all")["1.resid_post"]
    skip = 1 if subject.family.kind == "encoder" else 0
    a, b = (plain_states(subject, text)[2][skip:] for text in texts.texts)
    _agree(ours.X, np.concatenate([a[1:3], b[:1]]))
    assert ours.offsets.tolist() == [0, 2, 3]


def test_no_hook_remains_and_logits_are_the_same(subject):
    tokens = torch.tensor([[6, 7, 8]])
    with torch.no_grad():
        before = subject.model(input_ids=tokens)[0]
    collect(subject, TEXTS)
    with torch.no_grad():
        assert torch.equal(subject.model(input_ids=tokens)[0], before)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in subject.model.modules())


def test_half_precision_comes_back_as_float32(subject):
    exact = collect(subject, TEXTS, pooling="mean")["1.resid_post"].X
    subject.model.to(torch.bfloat16)
    rough = collect(subject, TEXTS, pooling="mean")["1.resid_post"].X
    assert rough.dtype == np.float32
    assert np.linalg.norm(rough - exact) < 0.1 * np.linalg.norm(exact)
    assert not np.array_equal(rough, exact)


def test_long_texts_are_refused_or_listed():
    subject = tiny_subject("llama")
    texts = TextSet(np.array(["short", "long"]), texts=("w1", " ".join(["w2"] * CONTEXT + ["w3"])))
    with pytest.raises(DataError, match=f"Text long has {CONTEXT + 1} tokens"):
        collect(subject, texts)
    collected = collect(subject, encode(subject, texts, long_texts="truncate_left"))
    assert collected.truncated == ("long",)
    kept = " ".join(["w2"] * (CONTEXT - 1) + ["w3"])
    _agree(collected["2.resid_post"].X[1:], collect(subject, TextSet(np.array(["k"]), texts=(kept,)))["2.resid_post"].X)


def test_tokens_made_for_another_model_are_refused():
    subject, other = tiny_subject("llama"), tiny_subject("llama")
    encoded = encode(other, TEXTS)
    # the same tokenizer and context: the weights do not matter
    with torch.no_grad():
        other.model.model.embed_tokens.weight += 1.0
    assert len(collect(subject, encode(other, TEXTS))) == 4
    other.tokenizer.add_tokens(["brand", "new"])
    with pytest.raises(SpecError, match=r"made for llama, and llama differs from it in tokenizer_sha256; encode the"):
        collect(subject, encode(other, TEXTS))
    assert len(collect(subject, encoded)) == 4


def test_a_nan_is_traced_to_its_site_and_text():
    subject = tiny_subject("llama")
    token = subject.tokenizer.convert_tokens_to_ids("w5")
    with torch.no_grad():
        subject.model.model.embed_tokens.weight[token] = torch.nan
    texts = TextSet(np.array(["good", "bad"]), texts=("w1 w2 w3", "w4 w5"))
    for pooling in ("last", "mean", "max", "all"):
        with pytest.raises(ArrayError, match=r"Site 0.resid_pre shows NaN or infinity for text bad"):
            collect(subject, texts, pooling=pooling)
    assert len(collect(subject, texts.select(np.array([0])))) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "median"}, "pooling is 'median'; use one of last, mean, max, first, all"),
        ({"token_budget": 0}, "token_budget is 0"),
        ({"sites": ["9.mlp_post"]}, "the model has 3 blocks"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        collect(tiny_subject("llama"), TEXTS, **options)
