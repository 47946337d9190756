"""From directions to tokens: which rows, which tokens, and both ends of a list."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from tiny_models import tiny_subject
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from tiltmeter.anatomy import outermost, token_lens
from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.models import bind, embedding, unembedding

_subject = functools.cache(tiny_subject)


def test_rows_are_those_of_the_unembedding_with_and_without_the_final_norm():
    subject = _subject("gpt2")
    for fold in (True, False):
        lens = token_lens(subject, fold_norm=fold)
        rows = unembedding(subject, None, fold_norm=fold).rows.numpy()[lens.tokens]
        assert np.allclose(lens.rows, rows - rows.mean(axis=0))
        # folded: what the norm takes away, the mean over features, has no say
        assert (np.abs(lens.rows.sum(axis=1)).max() < 1e-9) == fold
    assert "norm (layer) folded in" in token_lens(subject).through
    assert token_lens(subject, fold_norm=False).through == "unembedding as it is"


def test_an_encoder_has_an_embedding_to_be_read_through_and_no_unembedding():
    lens = token_lens(_subject("bert"), through="embedding")
    rows = embedding(_subject("bert")).numpy()[lens.tokens]
    assert lens.through == "embedding" and np.allclose(lens.rows, rows - rows.mean(axis=0))
    with pytest.raises(ModelError, match="has no unembedding"):
        token_lens(_subject("bert"))


def test_tokens_without_a_letter_and_special_ones_are_not_listed():
    subject = _subject("llama")
    lens = token_lens(subject)
    assert {"<unk>", "<s>", "<pad>", ",", "<turn>"}.isdisjoint(lens.texts) and "w7" in lens.texts
    assert lens.texts == tuple(subject.tokenizer.convert_ids_to_tokens(lens.tokens.tolist()))
    assert len(token_lens(subject, words_only=False).texts) == len(subject.tokenizer)


def test_tokens_of_bytes_are_listed_as_they_stand_in_a_text_and_parts_of_characters_are_not():
    words = {"Ġcaf\u00c3\u00a9": 0, "Ġt\u00c3": 1, "\u00e4\u00bd\u0142": 2, "Ġshe": 3, "\u010a": 4, "w": 5}
    backend = Tokenizer(models.WordLevel(words, unk_token="w"))
    backend.decoder = decoders.ByteLevel()
    subject = bind(_subject("llama").model, PreTrainedTokenizerFast(tokenizer_object=backend), name="bytes")
    lens = token_lens(subject)
    assert lens.texts == (" café", "你", " she", "w") and lens.tokens.tolist() == [0, 2, 3, 5]
    assert token_lens(subject, words_only=False).texts[4] == "\n"


def test_a_direction_along_a_tokens_row_lists_that_token_first():
    lens = token_lens(_subject("llama"))
    unit = lens.rows / np.linalg.norm(lens.rows, axis=1, keepdims=True)
    lists = outermost(unit @ unit.T, n_top=3)
    assert (lists[:, 0, 0] == np.arange(len(unit))).all()


def test_both_ends_are_as_sorting_gives_them():
    scores = np.random.default_rng(0).normal(size=(30, 21))
    lists = outermost(scores, n_top=5)
    for row, (top, bottom) in zip(scores, lists, strict=True):
        order = np.argsort(row)
        assert top.tolist() == order[::-1][:5].tolist() and bottom.tolist() == order[:5].tolist()
    assert (outermost(-scores, n_top=5) == lists[:, ::-1]).all()


@pytest.mark.parametrize("n_top", [0, 4])
def test_ends_longer_than_half_the_tokens_are_refused(n_top):
    with pytest.raises(SpecError, match="with 7 tokens an end lists between 1 and 3"):
        outermost(np.zeros((1, 7)), n_top=n_top)
