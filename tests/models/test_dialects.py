"""Other libraries' names become the sites they mean, and nothing else does."""

from __future__ import annotations

import pytest
import torch
from tiny_models import tiny_subject

from tiltmeter.core import Site
from tiltmeter.core.errors import SpecError
from tiltmeter.models import site_from

TOKENS = torch.tensor([[6, 7, 8, 9, 10]])


LLAMA = tiny_subject("llama")
POST_NORM = ("bert", "roberta", "opt-post-norm")


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("blocks.1.hook_resid_pre", "1.resid_pre"),
        ("blocks.1.hook_in", "1.resid_pre"),
        ("blocks.1.attn.hook_z", "1.z"),
        ("blocks.1.hook_attn_out", "1.attn_out"),
        ("blocks.1.hook_resid_mid", "1.resid_mid"),
        ("blocks.1.mlp.hook_post", "1.mlp_post"),
        ("blocks.1.hook_mlp_out", "1.mlp_out"),
        ("blocks.1.hook_resid_post", "1.resid_post"),
        ("blocks.2.hook_out", "2.resid_post"),
    ],
)
def test_transformer_lens_names_are_sites(name, site):
    assert site_from(name, dialect="transformer_lens", subject=LLAMA) == Site.parse(site)
    with pytest.raises(SpecError, match=r"turned into sites by tiltmeter\.models\.site_from"):
        Site.parse(name)


@pytest.mark.parametrize("family", POST_NORM)
@pytest.mark.parametrize("hook", ["hook_attn_out", "hook_resid_mid", "hook_resid_post"])
def test_hooks_that_say_two_things_of_a_post_norm_model_are_refused(family, hook):
    subject = tiny_subject(family)
    with pytest.raises(SpecError, match=rf"^'blocks\.1\.{hook}' is before a norm in some .* name the site itself\.$"):
        site_from(f"blocks.1.{hook}", dialect="transformer_lens", subject=subject)
    for name, point in {"hook_in": "resid_pre", "hook_mlp_out": "mlp_out", "hook_out": "resid_post"}.items():
        assert site_from(f"blocks.1.{name}", dialect="transformer_lens", subject=subject) == Site(1, point)


def test_a_point_that_the_model_lacks_is_refused():
    with pytest.raises(SpecError, match="absent from GPT-J models"):
        site_from("blocks.1.hook_resid_mid", dialect="transformer_lens", subject=tiny_subject("gptj"))


def test_a_layer_is_the_output_of_its_block():
    assert site_from("layers.1", dialect="layers", subject=LLAMA) == Site(1, "resid_post")


@pytest.mark.parametrize("family", ["gpt2", "bert", "roberta", "opt-post-norm", "t5"])
def test_hidden_states_are_those_of_hugging_face(family):
    subject = tiny_subject(family)
    with torch.no_grad():
        states = subject.model(input_ids=TOKENS, output_hidden_states=True).hidden_states
    assert len(states) == 4
    last = (3, -1) if family in ("bert", "roberta") else ()
    for index in (0, 1, 2, -2, -3, -4, *last):
        site = site_from(index, dialect="hidden_states", subject=subject)
        assert torch.equal(subject.read(TOKENS, sites=[site])[site], states[index])
    if not last:
        # the control: the site that the last index is mistaken for is not that hidden state
        site = Site(2, "resid_post")
        seen = subject.read(TOKENS, sites=[site])[site]
        assert seen.shape != states[-1].shape or not torch.allclose(seen, states[-1], atol=0.1)
        with pytest.raises(SpecError, match="Hidden state 3 of 3 blocks is after the final norm or projection"):
            site_from(-1, dialect="hidden_states", subject=subject)


def test_vllm_numbers_as_hugging_face_does_but_from_the_front_only():
    for index in range(3):
        theirs = site_from(index, dialect="vllm", subject=LLAMA)
        assert theirs == site_from(index, dialect="hidden_states", subject=LLAMA)
    with pytest.raises(SpecError, match="Hidden state -1 was asked for"):
        site_from(-1, dialect="vllm", subject=LLAMA)
    with pytest.raises(SpecError, match=r"3 blocks have 4 \(0 to 3\)"):
        site_from(4, dialect="vllm", subject=LLAMA)


def test_the_last_hidden_state_is_refused_where_it_is_normed():
    with pytest.raises(SpecError, match=r"3 of 3 blocks is after the final norm.* name 2\.resid_post for the value"):
        site_from(3, dialect="hidden_states", subject=LLAMA)


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt-post-norm"])
def test_the_last_layer_of_vllm_is_before_the_final_norm(family):
    assert site_from(3, dialect="vllm", subject=tiny_subject(family)) == Site(2, "resid_post")


@pytest.mark.parametrize(
    ("name", "dialect", "message"),
    [
        ("blocks.1.hook_q", "transformer_lens", r"no TransformerLens name that is a site; use blocks\.6\. and one of"),
        ("1.resid_post", "transformer_lens", "no TransformerLens name"),
        (1, "transformer_lens", "no TransformerLens name"),
        ("blocks.٢.hook_out", "transformer_lens", "no TransformerLens name"),
        ("blocks.3.hook_out", "transformer_lens", "the model has 3 blocks"),
        ("layers.1.mlp", "layers", r"write layers\.6"),
        ("layers.٢", "layers", r"write layers\.6"),
        ("blocks.1.hook_out", "layers", r"write layers\.6"),
        (1, "layers", r"write layers\.6"),
        ("layers.3", "layers", "the model has 3 blocks"),
        ("1", "hidden_states", "give a whole number"),
        (True, "hidden_states", "give a whole number"),
        (4, "hidden_states", r"3 blocks have 4 \(0 to 3\)"),
        (-5, "hidden_states", r"3 blocks have 4 \(0 to 3\)"),
        (1, "nnsight", "dialect is 'nnsight'; use one of transformer_lens, layers, hidden_states, vllm"),
    ],
)
def test_names_of_no_or_another_dialect_are_refused(name, dialect, message):
    with pytest.raises(SpecError, match=message):
        site_from(name, dialect=dialect, subject=LLAMA)
