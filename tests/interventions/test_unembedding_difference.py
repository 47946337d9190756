"""The difference of two answers' unembeddings: the rows themselves, through the norm, and what is refused."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from tiny_models import tiny_subject, word_tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModel, BertForMaskedLM, PreTrainedTokenizerFast

from tiltmeter.core import Direction, Site
from tiltmeter.core.errors import ModelError, NoDirectionError, SpecError
from tiltmeter.interventions import unembedding_difference
from tiltmeter.models import bind

_subject = functools.cache(tiny_subject)


def _unit(values: torch.Tensor) -> np.ndarray:
    return (values / values.norm()).detach().numpy()


def test_it_is_the_difference_of_the_rows_with_the_norms_gain():
    model = _subject("llama").model
    weight, gain = model.lm_head.weight, model.model.norm.weight
    # w0 is token 6: the special tokens come first
    naive = torch.stack([(weight[6][i] - weight[7][i]) * gain[i] for i in range(24)])
    found = unembedding_difference(_subject("llama"), positive="w0", negative="w1")
    assert np.allclose(found.vector, _unit(naive), atol=1e-6) and found.vector.dtype == np.float32
    assert (found.site, found.sign, found.offset) == (Site(2, "resid_post"), 1, 0.0)
    bare = unembedding_difference(_subject("llama"), positive="w0", negative="w1", fold_norm=False)
    assert np.allclose(bare.vector, _unit(weight[6] - weight[7]), atol=1e-6)
    assert abs(float(bare.vector @ found.vector)) < 0.99


def test_a_layer_norm_centres_and_a_gemma_norm_adds_one():
    model = _subject("gpt2").model
    folded = (model.lm_head.weight[6] - model.lm_head.weight[7]) * model.transformer.ln_f.weight
    found = unembedding_difference(_subject("gpt2"), positive="w0", negative="w1")
    assert np.allclose(found.vector, _unit(folded - folded.mean()), atol=1e-6)
    assert found.provenance["folded_norm"] == "layer"
    model = _subject("gemma3").model
    folded = (model.lm_head.weight[6] - model.lm_head.weight[7]) * (1 + model.model.norm.weight)
    found = unembedding_difference(_subject("gemma3"), positive="w0", negative="w1")
    assert np.allclose(found.vector, _unit(folded), atol=1e-6)


def test_of_several_answers_the_mean_is_taken_and_answers_are_strings_or_numbers():
    model = _subject("llama").model
    rows = model.lm_head.weight * model.model.norm.weight
    found = unembedding_difference(_subject("llama"), positive=["w0", 8, "w0"], negative=7)
    assert np.allclose(found.vector, _unit((rows[6] + rows[8]) / 2 - rows[7]), atol=1e-6)
    assert found.provenance["positive"] == {"tokens": ["w0", "w2"], "ids": [6, 8]}
    assert found.provenance["negative"] == {"tokens": ["w1"], "ids": [7]}
    # beyond what the tokenizer knows, up to the rows that there are
    assert unembedding_difference(_subject("llama"), positive=63, negative=62).provenance["positive"]["ids"] == [63]


def test_the_other_way_round_it_points_the_other_way():
    one = unembedding_difference(_subject("llama"), positive="w0", negative="w1")
    other = unembedding_difference(_subject("llama"), positive="w1", negative="w0")
    assert np.array_equal(one.vector, -other.vector)


def test_what_produced_it_travels_with_it_to_disk_and_back(tmp_path):
    found = unembedding_difference(_subject("llama"), positive="w0", negative="w1", site="1.resid_mid")
    found.save(tmp_path)
    back = Direction.load(tmp_path)
    assert np.array_equal(back.vector, found.vector) and back.site == Site(1, "resid_mid")
    assert back.method == "unembedding_difference" and back.provenance == found.provenance
    assert back.provenance["hyperparameters"] == {"fold_norm": True} and back.provenance["folded_norm"] == "rms"
    assert back.provenance["model"]["name"] == "llama"


def test_a_bfloat16_model_gives_single_precision_and_a_double_one_double():
    assert (
        unembedding_difference(tiny_subject("llama", dtype=torch.bfloat16), positive=6, negative=7).vector.dtype
        == np.float32
    )
    made = tiny_subject("llama")
    double = bind(made.model.double(), made.tokenizer, name="double")
    assert unembedding_difference(double, positive=6, negative=7).vector.dtype == np.float64


def test_answers_that_are_not_one_token_are_refused_with_their_tokens():
    subject = _subject("llama")
    with pytest.raises(
        SpecError, match=r"Answer 'w0 w1' is 2 tokens, \['w0', 'w1'\], .* exactly one; give a token's num"
    ):
        unembedding_difference(subject, positive="w0 w1", negative="w2")
    with pytest.raises(SpecError, match=r"Answer '' is 0 tokens"):
        unembedding_difference(subject, positive="w0", negative=["w1", ""])
    with pytest.raises(SpecError, match=r"Answer 'she' is unknown to the tokenizer of llama, which makes it '<unk>'"):
        unembedding_difference(subject, positive="she", negative="w1")
    with pytest.raises(SpecError, match="There are no negative answers; give at least one"):
        unembedding_difference(subject, positive="w0", negative=[])
    with pytest.raises(
        SpecError, match=r"Token 6 \('w0'\) is among the positive and the negative answers; leave it out"
    ):
        unembedding_difference(subject, positive=["w0", "w1"], negative=[6, 8])
    for number in (64, -1):
        with pytest.raises(SpecError, match=f"Answer {number} is no token of llama, which has 0 to 63"):
            unembedding_difference(subject, positive=number, negative=1)


def test_where_a_space_makes_one_token_of_it_the_message_says_so():
    letters = {letter: i for i, letter in enumerate(("t", "h", "e", "i", "n", "Ġ", "th", "Ġth", "Ġthe", "in", "Ġin"))}
    merges = [("t", "h"), ("Ġ", "th"), ("Ġth", "e"), ("i", "n"), ("Ġ", "in")]
    backend = Tokenizer(models.BPE(letters, merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    subject = bind(_subject("gpt2").model, PreTrainedTokenizerFast(tokenizer_object=backend), name="bytes")
    assert unembedding_difference(subject, positive=" the", negative=" in").provenance["positive"]["tokens"] == ["Ġthe"]
    with pytest.raises(
        SpecError, match=r"Answer 'the' is 2 tokens, \['th', 'e'\], and must be .*; write ' the', which is"
    ):
        unembedding_difference(subject, positive="the", negative=" in")


def test_sites_outside_the_stream_or_absent_are_refused():
    for point in ("z", "mlp_post"):
        with pytest.raises(SpecError, match=rf"Site 1.{point} is not in the residual stream, .* such as 1.resid_post"):
            unembedding_difference(_subject("llama"), positive=6, negative=7, site=f"1.{point}")
    with pytest.raises(SpecError, match="the model has 3 blocks"):
        unembedding_difference(_subject("llama"), positive=6, negative=7, site="3.resid_post")
    with pytest.raises(SpecError, match="resid_mid is absent from GPT-J"):
        unembedding_difference(_subject("gptj"), positive=6, negative=7, site="0.resid_mid")


def test_models_without_answers_are_refused_whatever_head_they_have():
    bert = bind(BertForMaskedLM(_subject("bert").model.config).eval(), word_tokenizer(), name="masked")
    with pytest.raises(ModelError, match=r"masked is an encoder \(BERT\), which predicts no next token"):
        unembedding_difference(bert, positive="two tokens", negative=7)
    bare = bind(AutoModel.from_config(_subject("llama").model.config).eval(), word_tokenizer(), name="bare")
    with pytest.raises(ModelError, match="bare was loaded without its unembedding"):
        unembedding_difference(bare, positive=6, negative=7)


def test_equal_rows_have_no_direction_between_them():
    subject = tiny_subject("llama")
    with torch.no_grad():
        subject.model.lm_head.weight[7] = subject.model.lm_head.weight[6]
    with pytest.raises(
        NoDirectionError, match="unembeddings of the positive and the negative answers of llama are equal"
    ):
        unembedding_difference(subject, positive=6, negative=7)
    with torch.no_grad():
        subject.model.lm_head.weight[:] = 0
    with pytest.raises(NoDirectionError):
        unembedding_difference(subject, positive=6, negative=8)
