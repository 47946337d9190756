"""Other libraries' names become the sites they mean, and nothing else does."""

from __future__ import annotations

import pytest
import torch
from tiny_models import tiny_subject

from tiltmeter.core import Site
from tiltmeter.core.errors import SpecError
from tiltmeter.models import site_from

TOKENS = torch.tensor([[6, 7, 8, 9, 10]])


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("blocks.6.hook_resid_pre", "6.resid_pre"),
        ("blocks.6.hook_in", "6.resid_pre"),
        ("blocks.6.attn.hook_z", "6.z"),
        ("blocks.6.hook_attn_out", "6.attn_out"),
        ("blocks.6.hook_resid_mid", "6.resid_mid"),
        ("blocks.6.mlp.hook_post", "6.mlp_post"),
        ("blocks.6.hook_mlp_out", "6.mlp_out"),
        ("blocks.6.hook_resid_post", "6.resid_post"),
        ("blocks.11.hook_out", "11.resid_post"),
    ],
)
def test_transformer_lens_names_are_sites(name, site):
    assert site_from(name, dialect="transformer_lens", n_layers=12) == Site.parse(site)
    with pytest.raises(SpecError, match=r"turned into sites by tiltmeter\.models\.site_from"):
        Site.parse(name)


def test_a_layer_is_the_output_of_its_block():
    assert site_from("layers.6", dialect="layers", n_layers=12) == Site(6, "resid_post")


def test_hidden_states_are_those_of_hugging_face():
    subject = tiny_subject("gpt2")
    with torch.no_grad():
        states = subject.model(input_ids=TOKENS, output_hidden_states=True).hidden_states
    assert len(states) == 4
    for index in (0, 1, 2, -2, -3, -4):
        site = site_from(index, dialect="hidden_states", n_layers=3)
        assert torch.equal(subject.read(TOKENS, sites=[site])[site], states[index])
    # the control: the site that the last index is mistaken for is not that hidden state
    last = Site(2, "resid_post")
    assert not torch.allclose(subject.read(TOKENS, sites=[last])[last], states[-1], atol=0.1)


def test_vllm_numbers_as_hugging_face_does_but_from_the_front_only():
    for index in range(12):
        assert site_from(index, dialect="vllm", n_layers=12) == site_from(index, dialect="hidden_states", n_layers=12)
    with pytest.raises(SpecError, match="Hidden state -1 was asked for"):
        site_from(-1, dialect="vllm", n_layers=12)


@pytest.mark.parametrize("dialect", ["hidden_states", "vllm"])
def test_the_last_hidden_state_is_refused_for_it_is_normed(dialect):
    with pytest.raises(SpecError, match=r"12 of 12 blocks is after the final norm.* name 11\.resid_post for the value"):
        site_from(12, dialect=dialect, n_layers=12)


@pytest.mark.parametrize(
    ("name", "dialect", "message"),
    [
        ("blocks.6.hook_q", "transformer_lens", r"no TransformerLens name that is a site; use blocks\.6\. and one of"),
        ("6.resid_post", "transformer_lens", "no TransformerLens name"),
        (6, "transformer_lens", "no TransformerLens name"),
        ("blocks.12.hook_out", "transformer_lens", "the model has 12 blocks"),
        ("layers.6.mlp", "layers", r"write layers\.6"),
        ("blocks.6.hook_out", "layers", r"write layers\.6"),
        (6, "layers", r"write layers\.6"),
        ("layers.12", "layers", "the model has 12 blocks"),
        ("6", "hidden_states", "give a whole number"),
        (True, "hidden_states", "give a whole number"),
        (13, "hidden_states", r"12 blocks have 13 \(0 to 12\)"),
        (-14, "hidden_states", r"12 blocks have 13 \(0 to 12\)"),
        (6, "nnsight", "dialect is 'nnsight'; use one of transformer_lens, layers, hidden_states, vllm"),
    ],
)
def test_names_of_no_or_another_dialect_are_refused(name, dialect, message):
    with pytest.raises(SpecError, match=message):
        site_from(name, dialect=dialect, n_layers=12)
