"""The contract of every family: sites mean what they say, and reading leaves no trace."""

from __future__ import annotations

import pytest
import torch
from tiny_models import FAMILIES, tiny_subject

from tiltmeter.core import Site
from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.models import FAMILIES as TABLE
from tiltmeter.models import SubjectModel, bind

TOKENS = torch.tensor([[6, 7, 8, 9, 10, 11, 12, 13], [20, 21, 22, 23, 24, 25, 26, 27]])


@pytest.fixture(params=FAMILIES)
def subject(request: pytest.FixtureRequest) -> SubjectModel:
    return tiny_subject(request.param)


def _every_site(subject: SubjectModel) -> list[Site]:
    return [Site(layer, point) for layer in range(subject.n_layers) for point in subject.family.points]


def _states(subject: SubjectModel) -> tuple[torch.Tensor, ...]:
    with torch.no_grad():
        return subject.model(input_ids=TOKENS, output_hidden_states=True).hidden_states


def _output(subject: SubjectModel) -> torch.Tensor:
    with torch.no_grad():
        return subject.model(input_ids=TOKENS)[0]


def _hooks(subject: SubjectModel) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in subject.model.modules())


def test_every_listed_model_type_is_tested():
    tested = {tiny_subject(family).model.config.model_type for family in FAMILIES}
    assert tested == {model_type for family in TABLE for model_type in family.model_types}


def test_resid_post_of_a_block_is_the_next_hidden_state(subject):
    seen = subject.read(TOKENS, sites="all")
    states = _states(subject)
    assert torch.equal(seen[Site(0, "resid_pre")], states[0])
    for layer in range(subject.n_layers - 1):
        assert torch.equal(seen[Site(layer, "resid_post")], states[layer + 1])


def test_resid_post_of_the_last_block_is_before_the_final_norm(subject):
    last = subject.read(TOKENS, sites=["-1.resid_post"])[Site(subject.n_layers - 1, "resid_post")]
    final = _states(subject)[-1]
    if subject.family.kind == "encoder":
        assert torch.equal(last, final)
        return
    assert not torch.allclose(last, final, atol=0.1)
    with torch.no_grad():
        assert torch.equal(subject.model.model.norm(last), final)


def test_points_of_a_block_add_up(subject):
    seen = subject.read(TOKENS, sites=_every_site(subject))
    for layer in range(subject.n_layers):
        pre, attn, mid, mlp, post = (seen[Site(layer, point)] for point in subject.family.points)
        added, then = pre + attn, mid + mlp
        if subject.family.name == "BERT":
            block = subject.model.encoder.layer[layer]
            with torch.no_grad():
                added, then = block.attention.output.LayerNorm(added), block.output.LayerNorm(then)
        torch.testing.assert_close(mid, added)
        torch.testing.assert_close(post, then)
        if layer:
            assert torch.equal(pre, seen[Site(layer - 1, "resid_post")])


def test_capture_changes_nothing_and_leaves_no_hook(subject):
    before, hooks = _output(subject), _hooks(subject)
    with subject.capture(_every_site(subject)) as seen:
        assert _hooks(subject) == hooks + len(_every_site(subject))
        assert torch.equal(_output(subject), before)
    assert _hooks(subject) == hooks
    assert torch.equal(_output(subject), before)
    # what capture sees on a whole forward is what read sees on a shortened one
    read = subject.read(TOKENS, sites=_every_site(subject))
    assert all(torch.equal(seen[site], read[site]) for site in read)


def test_an_exception_inside_leaves_no_hook(subject):
    before, hooks = _output(subject), _hooks(subject)
    with pytest.raises(ZeroDivisionError), subject.capture("all"):
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError):
        subject.read(TOKENS, sites="all", reduce=lambda values: 1 / 0)
    assert _hooks(subject) == hooks
    assert torch.equal(_output(subject), before)
    assert len(_states(subject)) == subject.n_layers + 1


def test_reading_stops_after_the_deepest_site(subject):
    calls: list[str] = []
    handles = [
        module.register_forward_pre_hook(lambda module, args, name=name: calls.append(name))
        for name, module in subject.model.named_modules()
    ]
    blocks = f"{'' if subject.family.kind == 'encoder' else 'model.'}{subject.family.blocks}"
    subject.read(TOKENS, sites=["1.resid_mid", "0.resid_post"])
    deepest = subject.family.points["resid_mid"].module
    assert f"{blocks}.0" in calls
    assert f"{blocks}.1.{deepest}" in calls
    for skipped in (f"{blocks}.1.mlp", f"{blocks}.1.output", f"{blocks}.2", "model.norm", "lm_head", "pooler"):
        assert skipped not in calls
    calls.clear()
    subject.read(TOKENS, sites="all")
    assert f"{blocks}.2" in calls
    assert not {"model.norm", "lm_head", "pooler"} & set(calls)
    for handle in handles:
        handle.remove()


def test_padding_on_either_side_changes_nothing(subject):
    n = TOKENS.shape[1]
    alone = subject.read(TOKENS[:1], sites="all")
    for side in ("left", "right"):
        tokens, mask = torch.full((2, n + 5), 3), torch.zeros((2, n + 5), dtype=torch.bool)
        place = slice(5, None) if side == "left" else slice(0, n)
        tokens[0, place], mask[0, place] = TOKENS[0], True
        tokens[1], mask[1] = torch.arange(n + 5) + 6, True
        padded = subject.read(tokens, sites="all", mask=mask)
        for site, values in alone.items():
            error = (padded[site][0, place] - values[0]).norm(dim=1) / values[0].norm(dim=1)
            assert error.max() < 1e-5


def test_gradients_flow_through_capture_and_not_through_read(subject):
    with subject.capture(["0.resid_post"]) as seen:
        subject.model(input_ids=TOKENS)
    assert seen[Site(0, "resid_post")].requires_grad
    assert not subject.read(TOKENS, sites=["0.resid_post"])[Site(0, "resid_post")].requires_grad


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
    assert subject.width(Site(-1, "resid_mid")) == subject.d_model == 24


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        (["1.z"], "absent from .* points present are resid_pre, attn_out, resid_mid, mlp_out, resid_post"),
        (["3.resid_post"], "the model has 3 blocks"),
        ("2.resid_post", r"use \"all\" or a list of sites"),
        ([], "sites is empty"),
        (["block 3"], "not of the form"),
    ],
)
def test_sites_that_cannot_be_are_refused(subject, sites, message):
    with pytest.raises(SpecError, match=message):
        subject.resolve_sites(sites)


def test_a_model_in_training_mode_is_refused():
    subject = tiny_subject("llama")
    with pytest.raises(ModelError, match=r"call model\.eval"):
        bind(subject.model.train(), subject.tokenizer, name="tiny")


def test_an_unknown_family_is_refused_and_the_known_ones_are_listed():
    subject = tiny_subject("llama")
    subject.model.config.model_type = "gpt5"
    with pytest.raises(ModelError, match=r"'gpt5'.*known types are llama, mistral, qwen2, bert"):
        bind(subject.model, subject.tokenizer, name="tiny")
