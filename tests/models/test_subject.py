"""Binding a model and asking for sites: what is accepted, what comes back, and one sentence for everything else."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from tiny_models import tiny_subject

from tiltmeter.core import Site
from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.models import SubjectModel, bind

TOKENS = torch.tensor([[6, 7, 8, 9, 10, 11, 12, 13], [20, 21, 22, 23, 24, 25, 26, 27]])


@pytest.fixture
def subject() -> SubjectModel:
    return tiny_subject("llama")


def test_sites_are_resolved_in_the_order_given(subject):
    assert [str(site) for site in subject.resolve_sites("all")] == [
        "0.resid_pre",
        "0.resid_post",
        "1.resid_post",
        "2.resid_post",
    ]
    assert subject.resolve_sites(["-1.mlp_out", Site(0, "attn_out"), "2.mlp_out"]) == (
        Site(2, "mlp_out"),
        Site(0, "attn_out"),
    )


def test_widths_follow_point_and_head():
    subject = tiny_subject("llama-grouped-tied")
    widths = {name: subject.width(Site.parse(name)) for name in ("-1.resid_mid", "0.z", "0.z.h3", "2.mlp_post")}
    assert widths == {"-1.resid_mid": 24, "0.z": 32, "0.z.h3": 8, "2.mlp_post": 40}
    assert (subject.d_model, subject.n_heads, subject.n_layers) == (24, 4, 3)


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        (["3.resid_post"], "the model has 3 blocks"),
        (["1.z.h4"], r"asks for head 4, but a block has 4 \(0 to 3\)"),
        ([Site(1, "z", head=-1)], "asks for head -1"),
        ("2.resid_post", r"use \"all\" or a list of sites"),
        ([], "sites is empty"),
        (["block 3"], "not of the form"),
        (["blocks.1.hook_resid_post"], r"turned into sites by tiltmeter\.models\.site_from"),
        (["layers.1"], r"turned into sites by tiltmeter\.models\.site_from"),
        ([1], "Site 1 is not of the form"),
    ],
)
def test_sites_that_cannot_be_are_refused(subject, sites, message):
    with pytest.raises(SpecError, match=message):
        subject.resolve_sites(sites)


def test_all_heads_of_the_deepest_block_are_read_before_the_forward_ends(subject):
    seen = subject.read(TOKENS, sites=["2.z.h2", "2.z", "2.z.h0"])
    assert [site.head for site in seen] == [2, None, 0]
    assert torch.equal(seen[Site(2, "z", head=2)], seen[Site(2, "z")][..., 12:18])


def test_reduce_gets_each_site_whole_and_keeps_only_its_result(subject):
    shapes = []

    def last(values: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(values.shape))
        return values[:, -1]

    whole = subject.read(TOKENS, sites=["1.z.h1", "1.mlp_post", "2.resid_pre"])
    seen = subject.read(TOKENS, sites=["1.z.h1", "1.mlp_post", "2.resid_pre"], reduce=last)
    assert shapes == [(2, 8, 6), (2, 8, 40), (2, 8, 24)]
    assert all(torch.equal(seen[site], whole[site][:, -1]) for site in whole)


def test_a_model_bound_in_memory_was_loaded_from_nowhere(subject):
    assert subject.loaded_from is None
    assert subject.input_device == torch.device("cpu")


def test_weights_without_values_are_refused(subject):
    subject.model.to("meta")
    with pytest.raises(ModelError, match="LlamaModel are on the meta device, where there are no values"):
        subject.read(TOKENS, sites="all")


def test_a_model_in_training_mode_is_refused(subject):
    with pytest.raises(ModelError, match=r"call model\.eval"):
        bind(subject.model.train(), subject.tokenizer, name="tiny")


def test_a_model_that_was_put_into_training_mode_is_not_read(subject):
    expected = subject.read(TOKENS, sites="all")
    for module in (subject.model, subject.model.model.layers[2].mlp):
        module.train()
        with pytest.raises(ModelError, match=r"model llama is in training mode, .* call model\.eval"):
            subject.read(TOKENS, sites=["0.resid_post"])
        subject.model.eval()
    assert all(torch.equal(expected[site], values) for site, values in subject.read(TOKENS, sites="all").items())
    # capture is for forwards of the caller's, who may train
    subject.model.train()
    with subject.capture(["0.resid_post"]) as seen:
        subject.model(input_ids=TOKENS)
    assert len(seen) == 1


def test_a_site_that_no_forward_reaches_is_named(subject, monkeypatch):
    monkeypatch.setattr(subject.model.model.layers[1].mlp, "forward", lambda values: values)
    with pytest.raises(ModelError, match=r"Site 1\.mlp_post of llama was never reached by a forward"):
        subject.read(TOKENS, sites=["0.resid_post", "1.mlp_post"])
    assert subject.read(TOKENS, sites=["1.resid_post"])


def test_a_tokenizer_is_needed(subject):
    with pytest.raises(ModelError, match="model tiny was given without a tokenizer; bind it with its own"):
        bind(subject.model, None, name="tiny")


def test_an_unknown_family_is_refused_and_the_known_ones_are_listed(subject):
    subject.model.config.model_type = "gpt5"
    with pytest.raises(ModelError, match=r"'gpt5'.*known types are llama, mistral, qwen2, .*xlm-roberta, t5\."):
        bind(subject.model, subject.tokenizer, name="tiny")


@pytest.mark.parametrize("again", [copy.deepcopy, lambda subject: pickle.loads(pickle.dumps(subject))])
def test_a_copy_is_another_model_that_says_the_same(subject, again):
    other = again(subject)
    assert other.family == subject.family and other.fingerprint == subject.fingerprint
    assert torch.equal(other.model(TOKENS).logits, subject.model(TOKENS).logits)
    with torch.no_grad():
        next(other.model.parameters()).add_(1.0)
    assert other.fingerprint != subject.fingerprint
    assert other.resolve_sites("all") == subject.resolve_sites("all")
