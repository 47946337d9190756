"""The gradient of the log-odds of two answers: right for every family, local, and gone without a trace."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, random_texts, tiny_subject, word_tokenizer

from tiltmeter.core import Direction, Site
from tiltmeter.core.errors import ArrayError, DataError, ModelError, NoDirectionError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.interventions import answer_gradient, answer_gradients, unembedding_difference
from tiltmeter.models import SubjectModel, bind, encode

ENCODERS = ("bert", "roberta", "xlm-roberta", "t5", "t5-gated")
DECODERS = tuple(family for family in FAMILIES if family not in ENCODERS)
TEXTS = random_texts(12)
ANSWERS = {"positive": "w20", "negative": "w21"}

_subject = functools.cache(tiny_subject)


def _naive(subject: SubjectModel, texts: TextSet, *, layer: int, positions: str = "last") -> np.ndarray:
    """Hidden states of one text after the other by Hugging Face's own output, and log-probabilities by its logits."""
    total = np.zeros(subject.d_model)
    for text in texts.texts:
        tokens = subject.tokenizer(text, return_tensors="pt")["input_ids"]
        out = subject.model(input_ids=tokens, output_hidden_states=True)
        log_p = out.logits[0, -1].float().log_softmax(-1)
        (gradient,) = torch.autograd.grad(log_p[26] - log_p[27], out.hidden_states[layer + 1])
        rows = gradient[0].double().numpy()
        total += rows[-1] if positions == "last" else rows.mean(0)
    return total / np.linalg.norm(total)


def _trace(subject: SubjectModel) -> tuple[int, bool, bool]:
    hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in subject.model.modules())
    weights = list(subject.model.parameters())
    return hooks, all(w.requires_grad for w in weights), any(w.grad is not None for w in weights)


@pytest.mark.long
@pytest.mark.parametrize("family", DECODERS)
def test_the_batched_mean_is_that_of_one_text_after_the_other(family):
    subject = _subject(family)
    tokens = torch.arange(6, 14)[None]
    with torch.no_grad():
        before = subject.model(input_ids=tokens).logits
    hooks = _trace(subject)[0]
    for positions in ("last", "all"):
        found = answer_gradients(subject, TEXTS, **ANSWERS, sites=["0.resid_post", "1.resid_post"], positions=positions)
        assert _trace(subject) == (hooks, True, False)
        for site, direction in found.items():
            expected = _naive(subject, TEXTS, layer=site.layer, positions=positions)
            # with longrope and in mixtures of experts batches of another shape round otherwise
            assert float(direction.vector @ expected) > 1 - 1e-5
            assert direction.sign == 1 and direction.offset == 0 and direction.site == site
        # to give its states, Hugging Face's own forward in the naive twin leaves hooks of its own
        hooks = _trace(subject)[0]
    with torch.no_grad():
        assert torch.equal(subject.model(input_ids=tokens).logits, before)


@pytest.mark.parametrize("family", DECODERS)
def test_it_is_near_in_bfloat16_what_it_is_in_single_precision(family):
    made = tiny_subject(family, dtype=torch.bfloat16)
    rough = answer_gradient(made, TEXTS, **ANSWERS, site="-1.resid_post")
    exact = answer_gradient(
        bind(made.model.float(), made.tokenizer, name=family), TEXTS, **ANSWERS, site="-1.resid_post"
    )
    assert rough.vector.dtype == np.float32
    assert float(rough.vector @ exact.vector) > 0.98


# without a final norm (OPT, post-norm) or with capped logits (Gemma 2) the closed form is another, and is tested below
@pytest.mark.parametrize("family", [family for family in DECODERS if family not in ("opt-post-norm", "gemma2")])
def test_at_the_last_block_it_is_the_norms_jacobian_times_the_unembedding(family):
    subject = _subject(family)
    last = Site(subject.n_layers - 1, "resid_post")
    total = torch.zeros(subject.d_model, dtype=torch.float64)
    found = unembedding_difference(subject, **ANSWERS)
    folded = torch.tensor(found.vector).double() * found.provenance["norm_of_difference"]
    for text in TEXTS.texts:
        x = subject.read(subject.tokenizer(text, return_tensors="pt")["input_ids"], sites=[last])[last][0, -1].double()
        if subject.family.final_norm.kind == "layer":
            x = x - x.mean()
        # d/dx of x · w / rms(x): the part of w across x, over the scale
        total += (folded - x * (x @ folded) / (x @ x)) / x.pow(2).mean().sqrt()
    direction = answer_gradient(subject, TEXTS, **ANSWERS, site=last)
    assert float(direction.vector @ (total / total.norm()).numpy()) > 1 - 1e-5
    # the control: it is not the unembedding alone
    assert float(direction.vector @ found.vector) < 1 - 1e-4


def test_without_a_final_norm_it_is_the_unembedding_difference():
    subject = _subject("opt-post-norm")
    gradient = answer_gradient(subject, TEXTS, **ANSWERS, site="-1.resid_post")
    assert np.allclose(gradient.vector, unembedding_difference(subject, **ANSWERS).vector, atol=1e-6)
    assert gradient.provenance["agreement"] == pytest.approx(1, abs=1e-6)


def test_a_cap_on_the_logits_weighs_the_answers_anew():
    subject = tiny_subject("gemma2")
    found = {}
    for cap in (1e4, 1.0):
        subject.model.config.final_logit_softcapping = cap
        found[cap] = answer_gradient(subject, TEXTS, **ANSWERS, site="-1.resid_post").vector
        assert float(found[cap] @ _naive_last(subject)) > 1 - 1e-5
    assert float(found[1e4] @ found[1.0]) < 0.99


def _naive_last(subject: SubjectModel) -> np.ndarray:
    """Go on from the last stream by hand: norm, rows, cap."""
    model, last = subject.model, Site(subject.n_layers - 1, "resid_post")
    total, cap = torch.zeros(subject.d_model), model.config.final_logit_softcapping
    for text in TEXTS.texts:
        tokens = subject.tokenizer(text, return_tensors="pt")["input_ids"]
        x = subject.read(tokens, sites=[last])[last][0, -1].clone().requires_grad_()
        logits = cap * torch.tanh(model.lm_head(model.model.norm(x)) / cap)
        total += torch.autograd.grad(logits[26] - logits[27], x)[0]
    return (total / total.norm()).numpy()


def test_the_mean_over_answers_is_that_of_their_log_probabilities():
    subject, site = _subject("llama"), Site(1, "resid_post")
    one, other = (answer_gradient(subject, TEXTS, positive=p, negative="w21", site=site) for p in ("w20", "w22"))
    both = answer_gradient(subject, TEXTS, positive=["w20", "w22"], negative="w21", site=site)
    # the gradients add up with the lengths that they had
    total = sum(d.vector * d.provenance["mean_gradient_norm"] for d in (one, other)) / 2
    assert np.allclose(both.vector * both.provenance["mean_gradient_norm"], total, atol=1e-5)


@pytest.mark.long
def test_a_step_along_it_raises_the_log_odds_more_than_a_random_one():
    subject, site = _subject("llama"), Site(1, "resid_post")
    vector = answer_gradient(subject, TEXTS, **ANSWERS, site=site).vector
    before = _odds_after(subject, np.zeros(subject.d_model), site=site)
    gains = [
        _odds_after(subject, 1e-2 * step / np.linalg.norm(step), site=site) - before
        for step in (vector, -vector, *np.random.default_rng(0).normal(size=(50, subject.d_model)))
    ]
    assert gains[0] > max(gains[2:]) > 0 and gains[1] < min(gains[2:])
    assert gains[0] == pytest.approx(-gains[1], rel=0.05)


def _odds_after(subject: SubjectModel, step: np.ndarray, *, site: Site) -> float:
    def push(module, args, output):
        output[:, -1] += torch.tensor(step, dtype=output.dtype)

    handle, odds = subject._blocks[site.layer].register_forward_hook(push), []
    for text in TEXTS.texts:
        with torch.no_grad():
            logits = subject.model(input_ids=subject.tokenizer(text, return_tensors="pt")["input_ids"]).logits[0, -1]
        odds.append(float(logits[26] - logits[27]))
    handle.remove()
    return float(np.mean(odds))


@pytest.mark.parametrize("family", ["llama", "llama-bidirectional", "falcon-sequential"])
def test_neither_batches_nor_the_order_of_texts_nor_the_tokenizers_side_matter(family):
    subject = _subject(family)
    sites = ["0.resid_pre", "1.z.h2", "1.mlp_post", "2.attn_out"]
    expected = answer_gradients(subject, TEXTS, **ANSWERS, sites=sites, positions="all")
    left = bind(subject.model, word_tokenizer(side="left"), name=family)
    turned = TEXTS.select(np.arange(len(TEXTS))[::-1].copy())
    for other, texts, budget in ((subject, TEXTS, 1), (subject, turned, 64), (left, TEXTS, 4096)):
        found = answer_gradients(other, texts, **ANSWERS, sites=sites, positions="all", token_budget=budget)
        for site in expected:
            assert np.allclose(found[site].vector, expected[site].vector, atol=1e-4)


def test_special_tokens_after_a_text_have_no_part():
    made = _subject("llama")
    ended = bind(made.model, word_tokenizer(eos=True), name="llama")
    for positions in ("last", "all"):
        plain, other = (
            answer_gradient(subject, TEXTS, **ANSWERS, site="1.resid_post", positions=positions).vector
            for subject in (made, ended)
        )
        assert np.allclose(plain, other, atol=1e-5)


def test_texts_may_be_encoded_already_and_labels_are_not_looked_at():
    subject = _subject("llama")
    expected = answer_gradient(subject, TEXTS, **ANSWERS, site="1.resid_post")
    encoded = encode(subject, TEXTS)
    assert np.array_equal(answer_gradient(subject, encoded, **ANSWERS, site="1.resid_post").vector, expected.vector)
    unlabelled = replace(TEXTS, y=None)
    assert np.array_equal(answer_gradient(subject, unlabelled, **ANSWERS, site="1.resid_post").vector, expected.vector)
    other = bind(subject.model, word_tokenizer(bos=True), name="other")
    with pytest.raises(SpecError, match="tokens were made for llama, and other differs from it in tokenizer_sha256"):
        answer_gradient(other, encoded, **ANSWERS, site="1.resid_post")


def test_what_produced_it_travels_with_it_to_disk_and_back(tmp_path):
    found = answer_gradient(_subject("llama"), TEXTS, **ANSWERS, site="-2.z.h1", positions="all")
    found.save(tmp_path)
    back = Direction.load(tmp_path)
    assert np.array_equal(back.vector, found.vector) and str(back.site) == "1.z.h1"
    facts = back.provenance
    assert facts == found.provenance and back.method == "answer_gradient"
    assert facts["positive"] == {"tokens": ["w20"], "ids": [26]} and facts["negative"]["ids"] == [27]
    assert facts["n_texts"] == 12 and facts["n_tokens"] == sum(len(text.split()) for text in TEXTS.texts)
    assert facts["hyperparameters"]["positions"] == "all" and facts["seeds"] == {}
    assert 0 < facts["agreement"] < 1


def test_a_site_that_no_answer_depends_on_has_no_direction():
    subject = tiny_subject("llama")
    with torch.no_grad():
        subject.model.model.layers[1].self_attn.o_proj.weight[:, 6:12] = 0
    with pytest.raises(NoDirectionError, match=r"mean gradient at 1.z.h1 is zero: no step there changes the odds"):
        answer_gradients(subject, TEXTS, **ANSWERS, sites=["1.z.h0", "1.z.h1"])
    assert answer_gradient(subject, TEXTS, **ANSWERS, site="1.z.h0")
    assert _trace(subject) == (0, True, False)


def test_a_gradient_that_is_not_finite_names_its_text():
    subject = tiny_subject("llama")
    with torch.no_grad():
        subject.model.model.embed_tokens.weight[45] = torch.nan
    texts = TextSet(np.array(["good", "bad"]), texts=("w1 w2", "w1 w39"))
    with pytest.raises(ArrayError, match=r"The gradient at 0.resid_post is not finite for text bad; use a wider dtype"):
        answer_gradient(subject, texts, **ANSWERS, site="0.resid_post")


def test_what_cannot_be_asked_is_refused():
    subject = _subject("llama")
    # a space between two words, of which the tokenizer makes nothing
    bare = TextSet(np.array(["bare"]), texts=("w1 w2",), span="marked", spans=np.array([[2, 3]]))
    with pytest.raises(DataError, match="Text bare has no token to read among its 2"):
        answer_gradient(subject, bare, **ANSWERS, site="0.resid_post")
    with pytest.raises(SpecError, match=r"Answer 'w0 w1' is 2 tokens, \['w0', 'w1'\], and must be exactly one"):
        answer_gradient(subject, TEXTS, positive="w0 w1", negative="w2", site="0.resid_post")
    with pytest.raises(SpecError, match=r"Site 7.resid_post asks for block 7, but the model has 3"):
        answer_gradient(subject, TEXTS, **ANSWERS, site="7.resid_post")
    with pytest.raises(SpecError, match=r"Site 0.mlp_post is absent from Mixtral models"):
        answer_gradient(_subject("mixtral"), TEXTS, **ANSWERS, site="0.mlp_post")
    with pytest.raises(SpecError, match="token_budget is 0"):
        answer_gradient(subject, TEXTS, **ANSWERS, site="0.resid_post", token_budget=0)


def test_a_rule_for_positions_that_is_none_is_refused(without_run_time_types):
    with pytest.raises(SpecError, match="positions is 'first'; use one of last, all"):
        answer_gradient(_subject("llama"), TEXTS, **ANSWERS, site="0.resid_post", positions="first")


@pytest.mark.parametrize("family", ENCODERS)
def test_encoders_have_no_answers_to_differentiate(family):
    with pytest.raises(
        ModelError, match=f"{family} is an encoder .*, which predicts no next token and has no unembedd"
    ):
        answer_gradient(_subject(family), TEXTS, **ANSWERS, site="0.resid_post")


def test_a_batch_that_does_not_fit_says_what_to_lower(monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("tiltmeter.interventions._answer_gradient.gradients", full)
    with pytest.raises(SpecError, match=r"gradients of \d+ texts of \d+ tokens do not fit into memory; lower token_bu"):
        answer_gradient(_subject("llama"), TEXTS, **ANSWERS, site="0.resid_post")
