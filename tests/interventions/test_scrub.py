"""Scrubbing: what full forwards layer after layer give, at the cost of one, and without a trace."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from tiny_models import random_texts, tiny_subject, word_tokenizer

from tiltmeter.activations import Done
from tiltmeter.core import Site
from tiltmeter.core.errors import ArrayError, DataError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.erasure import LEACE, LEACEFitter
from tiltmeter.interventions import Erase, encode_pairs, fluency, scrub, scrub_damage
from tiltmeter.interventions._pairs import PromptPairs
from tiltmeter.models import SubjectModel, bind, edited, encode, pad

TEXTS = random_texts(14, longest=16)
MIXED = ["1.resid_post", "0.attn_out", "0.resid_pre", "1.z.h1", "2.mlp_out", "2.attn_out"]

_subject = functools.cache(tiny_subject)


def _rows(subject: SubjectModel, edits: list[Erase], site: Site) -> np.ndarray:
    """What a site shows of the tokens of all texts in one whole forward, with edits at work."""
    encoded = encode(subject, TEXTS)
    tokens, read, own = pad(np.arange(len(TEXTS)), tokens=encoded.tokens, read=encoded.read, offsets=encoded.offsets)
    with torch.no_grad(), edited(subject, edits), subject.capture([site]) as seen:
        subject.model(input_ids=tokens, attention_mask=own.long())
    return seen[site][read].double().numpy()


def _naive(subject: SubjectModel, sites: list[str], z: np.ndarray) -> dict[Site, Erase]:
    """Fit site after site, each by whole forwards under the erasers before."""
    found: dict[Site, Erase] = {}
    for name in sites:
        site = Site.parse(name)
        rows = _rows(subject, list(found.values()), site)
        found[site] = Erase(site, LEACE(shrinkage=1e-4).fit(rows, z).eraser_)
    return found


def _by_token(subject: SubjectModel, values: np.ndarray) -> np.ndarray:
    return np.repeat(values, encode(subject, TEXTS).n_read, axis=0)


def _agree(found, expected) -> None:
    assert list(found.erasers) == list(expected)
    for site, eraser in found.erasers.items():
        other = expected[site].eraser
        scale = np.abs(other.matrix()).max()
        assert eraser.rank == other.rank
        assert np.allclose(eraser.matrix(), other.matrix(), atol=5e-4 * scale), site
        assert np.allclose(eraser.center, other.center, atol=1e-3 * np.abs(other.center).max())


def _hooks(subject: SubjectModel) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in subject.model.modules())


@pytest.mark.parametrize(
    "family", ["llama", "gemma2", "gptj", "falcon-sequential", "opt-post-norm", "bert", "t5", "llama-bidirectional"]
)
def test_the_erasers_are_those_of_whole_forwards_layer_after_layer(family):
    subject = _subject(family)
    found = scrub(subject, TEXTS)
    _agree(found, _naive(subject, [f"{i}.resid_post" for i in range(3)], _by_token(subject, TEXTS.y)))
    assert found.n_rows == int(encode(subject, TEXTS).n_read.sum()) and found.shuffled is None
    assert _hooks(subject) == 0


def test_fitting_on_the_bare_model_would_be_another_thing():
    subject = _subject("llama")
    last = list(scrub(subject, TEXTS).erasers.values())[-1]
    bare = LEACE(shrinkage=1e-4).fit(_rows(subject, [], Site(2, "resid_post")), _by_token(subject, TEXTS.y)).eraser_
    assert np.abs(last.matrix() - bare.matrix()).max() > 0.1


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_sites_of_any_kind_are_fitted_in_the_order_in_which_a_forward_reaches_them(family):
    subject = _subject(family)
    in_order = ["0.resid_pre", "0.attn_out", "1.z.h1", "1.resid_post", "2.attn_out", "2.mlp_out"]
    _agree(scrub(subject, TEXTS, sites=MIXED), _naive(subject, in_order, _by_token(subject, TEXTS.y)))


def test_nothing_is_read_linearly_at_any_layer_once_all_erasers_are_at_work():
    subject, z = _subject("llama"), _by_token(_subject("llama"), TEXTS.y)
    found, null = scrub(subject, TEXTS), scrub(subject, TEXTS, shuffled=0)
    for site in found.erasers:
        gaps = []
        for edits in ((), found.edits, null.edits):
            rows = _rows(subject, list(edits), site)
            gaps.append(np.linalg.norm(rows[z == 1].mean(0) - rows[z == 0].mean(0)) / rows.std())
        assert gaps[1] < 1e-4 < 0.05 < min(gaps[0], gaps[2])


def test_labels_of_more_classes_of_tokens_and_numbers_in_columns():
    subject = _subject("llama")
    sites = [f"{i}.resid_post" for i in range(3)]
    kinds = np.array(["a", "b", "c"])[np.arange(len(TEXTS)) % 3]
    _agree(scrub(subject, TEXTS, z=kinds), _naive(subject, sites, _by_token(subject, kinds)))
    encoded, rng = encode(subject, TEXTS), np.random.default_rng(0)
    for z in (encoded.tokens % 2, rng.normal(size=(len(encoded.tokens), 2))):
        # without special tokens every token is read
        _agree(scrub(subject, encoded, z=z), _naive(subject, sites, z))


def test_special_tokens_are_no_rows_of_a_fit_and_take_a_label_all_the_same():
    subject = bind(_subject("llama").model, word_tokenizer(bos=True, eos=True), name="llama")
    encoded = encode(subject, TEXTS)
    assert not encoded.read.all()
    z = np.where(encoded.read, np.repeat(TEXTS.y, encoded.lengths), 1 - np.repeat(TEXTS.y, encoded.lengths))
    by_token, by_text = scrub(subject, encoded, z=z), scrub(subject, encoded)
    for site, eraser in by_text.erasers.items():
        assert np.array_equal(eraser.matrix(), by_token.erasers[site].matrix())


def test_each_batch_goes_through_each_block_once():
    subject, calls, told = _subject("qwen3"), [], list[Done]()
    handles = [
        block.mlp.register_forward_hook(lambda module, args, output, i=i: calls.append(i))
        for i, block in enumerate(subject._blocks)
    ]
    scrub(subject, TEXTS, progress=told.append)
    for handle in handles:
        handle.remove()
    n_batches = len(calls) // 3
    assert calls == [0] * n_batches + [1] * n_batches + [2] * n_batches
    assert len(told) == len(calls) and told[-1].texts == told[-1].n_texts == 3 * len(TEXTS)
    assert told[-1].tokens == told[-1].n_tokens and told[-1].seconds_left == 0


def test_shuffled_labels_are_those_of_their_seed():
    subject = _subject("llama")
    one, again, other, true = (
        next(iter(scrub(subject, TEXTS, shuffled=seed).erasers.values())).matrix() for seed in (0, 0, 1, None)
    )
    assert np.array_equal(one, again) and not np.allclose(one, other) and not np.allclose(one, true)


def test_any_streaming_fitter_serves():
    subject = _subject("llama")
    shrunk = scrub(subject, TEXTS, fitter=functools.partial(LEACEFitter, shrinkage=0.5))
    first = next(iter(shrunk.erasers))
    expected = LEACE(shrinkage=0.5).fit(_rows(subject, [], first), _by_token(subject, TEXTS.y)).eraser_
    assert np.allclose(shrunk.erasers[first].matrix(), expected.matrix(), atol=1e-4)


def test_what_cannot_be_scrubbed_says_where_and_leaves_no_hook():
    subject = _subject("llama")
    with pytest.raises(DataError, match="has no labels; give z"):
        scrub(subject, TextSet(np.array(["a"]), texts=("w1 w2",)))
    with pytest.raises(ArrayError, match=r"z has shape \(5,\) for 14 texts of \d+ tokens"):
        scrub(subject, TEXTS, z=np.arange(5))
    with pytest.raises(ArrayError, match="z is constant"):
        scrub(subject, TEXTS, z=np.ones(14))
    with pytest.raises(ArrayError, match="NaN"):
        scrub(subject, TEXTS, z=np.full(14, np.nan))
    with pytest.raises(ArrayError, match="several kinds, such as None"):
        scrub(subject, TEXTS, z=np.array([None, "a"] * 7, dtype=object))
    with pytest.raises(SpecError, match="block 7"):
        scrub(subject, TEXTS, sites=["7.resid_post"])

    class Broken:
        def __init__(self, n_features: int, n_columns: int) -> None:
            self.n = 0

        def update(self, X, z):
            self.n += 1
            if self.n == 2:
                raise ArrayError("The rows are bad.")

    with pytest.raises(ArrayError, match=r"At site 0.resid_post: The rows are bad") as caught:
        scrub(subject, random_texts(400), fitter=Broken)
    # while the traceback still holds every frame
    assert caught.value.__cause__ is not None and _hooks(subject) == 0


def test_damage_is_the_change_of_each_figure_and_none_for_the_null_of_itself():
    subject = _subject("llama")
    # alone, for of their groups there are too few
    texts = [text for text in random_texts(14, seed=1).texts if " " in text]
    held_out = TextSet(TEXTS.ids[: len(texts)], texts=tuple(texts))
    n = 12
    pairs = encode_pairs(
        subject,
        PromptPairs(
            np.array([f"p{i}" for i in range(n)]),
            tuple(f"w{i} w1" for i in range(n)),
            tuple(f"w{i} w2" for i in range(n)),
            (("w3", "w5"),) * n,
            (("w4",),) * n,
            np.array(["easy"] * n),
            np.array([f"g{i}" for i in range(n)]),
        ),
    )
    found, null = scrub(subject, TEXTS), scrub(subject, TEXTS, shuffled=0)
    damage = scrub_damage(subject, found, null=null, texts=held_out, pairs=pairs, batch_size=5)
    assert damage.before.perplexity == fluency(subject, held_out, edits=[]).perplexity
    for change, one in ((damage.scrubbed, found), (damage.null, null)):
        assert change.fluency == fluency(subject, held_out, edits=one.edits) and change.fluency.kl.low > 0
    # the odds of one prompt by hand
    with torch.no_grad():
        gaps = []
        for i in range(n):
            for other, sign in ((1, 1), (2, -1)):
                tokens = subject.tokenizer(f"w{i} w{other}", return_tensors="pt")["input_ids"]
                p = subject.model(input_ids=tokens).logits[0, -1].softmax(-1)
                three, four, five = (float(p[subject.tokenizer.convert_tokens_to_ids(f"w{k}")]) for k in (3, 4, 5))
                gaps.append(sign * np.log((three + five) / four))
    assert damage.before.log_odds.value == pytest.approx(np.mean(gaps), abs=1e-5)
    assert damage.before.accuracy.value == pytest.approx(np.mean(np.array(gaps) > 0))
    assert damage.scrubbed.log_odds_change.value == pytest.approx(
        damage.scrubbed.log_odds.value - damage.before.log_odds.value, abs=1e-5
    )


def test_a_null_must_be_one():
    subject = _subject("llama")
    found, few = scrub(subject, TEXTS), scrub(subject, TEXTS, sites=["0.resid_post"], shuffled=0)
    for null in (found, few):
        with pytest.raises(SpecError, match="same sites with shuffled labels"):
            scrub_damage(subject, found, null=null, texts=TEXTS)
