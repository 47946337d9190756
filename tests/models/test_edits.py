"""Edits at every site of every family: what the rest of the model makes of them, and no trace afterwards."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import pytest
import torch
from tiny_models import FAMILIES, tiny_subject
from torch import Tensor

from tiltmeter.core import Site
from tiltmeter.core.errors import ArrayError, ModelError, SpecError
from tiltmeter.models import Places, SubjectModel, edited

TOKENS = torch.tensor([[6, 7, 8, 9, 10, 11, 12, 13], [20, 21, 22, 23, 24, 25, 26, 27]])
ENCODERS = ("bert", "roberta", "xlm-roberta", "t5", "t5-gated")
DECODERS = tuple(family for family in FAMILIES if family not in ENCODERS)

_subject = functools.cache(tiny_subject)


@dataclass
class Shift:
    """Add a vector at some positions."""

    site: Site
    by: Tensor
    at: tuple[int, ...] | None = None

    def __call__(self, old: Tensor, places: Places) -> Tensor:
        moved = old + self.by.to(old.dtype)
        if self.at is None:
            return moved
        chosen = torch.isin(places.positions, torch.tensor(self.at))
        return torch.where(chosen[..., None], moved, old)


@dataclass
class Same:
    site: Site
    is_copied: bool

    def __call__(self, old: Tensor, places: Places) -> Tensor:
        return old + 0 if self.is_copied else old


def _every_site(subject: SubjectModel) -> list[Site]:
    sites = [Site(layer, point) for layer in range(subject.n_layers) for point in subject.family.points]
    return [*sites, Site(1, "z", head=2)]


def _hooks(subject: SubjectModel) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in subject.model.modules())


def _outputs(subject: SubjectModel, tokens: Tensor = TOKENS, **given) -> Tensor:
    with torch.inference_mode():
        out = subject.model(input_ids=tokens, **given)
    return out.logits if hasattr(out, "logits") else out.last_hidden_state


@pytest.mark.parametrize("is_copied", [True, False], ids=["copied", "itself"])
@pytest.mark.parametrize("family", FAMILIES)
def test_an_edit_that_changes_nothing_changes_no_bit_and_no_hook_remains(family, is_copied):
    subject = _subject(family)
    bare = _outputs(subject)
    with edited(subject, [Same(site, is_copied) for site in _every_site(subject)]):
        assert torch.equal(_outputs(subject), bare)
    assert _hooks(subject) == 0 and torch.equal(_outputs(subject), bare)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_edit_is_what_writing_into_the_tensor_itself_gives(family):
    subject, generator = _subject(family), torch.Generator().manual_seed(0)
    bare = _outputs(subject)
    for site in _every_site(subject)[:-1]:
        by = torch.randn(subject.width(site), generator=generator)
        tap = subject.family.points[site.point]
        module = subject._blocks[site.layer].get_submodule(tap.module)

        def write(value, *, by=by):
            # in place, so that whatever else holds the tensor sees the edit
            value += by

        def on_input(module, args, kwargs, *, write=write):
            write(args[0] if args else kwargs["hidden_states"])

        def on_output(module, args, output, *, write=write):
            write(output[0] if isinstance(output, tuple) else output)

        if tap.side == "input":
            handle = module.register_forward_pre_hook(on_input, with_kwargs=True)
        else:
            handle = module.register_forward_hook(on_output)
        wanted = _outputs(subject)
        handle.remove()
        with edited(subject, [Shift(site, by)]):
            found = _outputs(subject)
        assert torch.allclose(found, wanted, atol=1e-4 * float(wanted.abs().max())), str(site)
        assert not torch.equal(found, bare), str(site)


@pytest.mark.parametrize("family", DECODERS)
def test_a_head_is_edited_alone(family):
    subject, whole = _subject(family), Site(1, "z")
    width = subject.width(Site(1, "z", head=2))
    by = torch.zeros(subject.n_heads, width)
    by[2] = torch.arange(width) / 10 + 1
    with edited(subject, [Shift(Site(1, "z", head=2), by[2])]):
        found = _outputs(subject)
    with edited(subject, [Shift(whole, by.reshape(-1))]):
        assert torch.equal(_outputs(subject), found)


@pytest.mark.parametrize("family", FAMILIES)
def test_reading_inside_sees_the_edit_at_its_site_and_beyond(family):
    subject, at = _subject(family), Site(1, "resid_post")
    by = torch.ones(subject.d_model)
    bare = subject.read(TOKENS, sites=["0.resid_post", at, "2.resid_post"])
    needed = torch.zeros_like(TOKENS, dtype=torch.bool)
    needed[:, -1] = True
    with edited(subject, [Shift(at, by)]):
        seen = subject.read(TOKENS, sites=["0.resid_post", at, "2.resid_post"])
        with subject.capture([at]) as captured:
            _outputs(subject)
        last = subject.read(TOKENS, sites=[at], needed=needed)[at]
    assert torch.equal(seen[Site(0, "resid_post")], bare[Site(0, "resid_post")])
    assert torch.allclose(seen[at], bare[at] + by, atol=1e-5) and torch.equal(captured[at], seen[at])
    assert not torch.allclose(seen[Site(2, "resid_post")], bare[Site(2, "resid_post")], atol=1e-3)
    # the parts of a reading that are left out for speed are left out of edited readings too, where they may be
    assert torch.allclose(last[:, -1], seen[at][:, -1], atol=1e-5)


@pytest.mark.parametrize("point", ["mlp_out", "mlp_post"])
def test_an_edit_inside_the_deepest_mlp_reaches_a_reading_of_few_positions(point):
    subject, needed = _subject("llama"), torch.zeros_like(TOKENS, dtype=torch.bool)
    needed[:, 3] = True
    site, end = Site(1, point), Site(1, "resid_post")
    with edited(subject, [Shift(site, torch.ones(subject.width(site)), at=(3,))]):
        whole = subject.read(TOKENS, sites=[end])[end]
        assert torch.allclose(subject.read(TOKENS, sites=[end], needed=needed)[end][:, 3], whole[:, 3], atol=1e-6)


def test_edits_at_one_site_apply_in_the_order_given():
    subject, at = _subject("llama"), Site(1, "resid_post")

    @dataclass
    class Double:
        site: Site

        def __call__(self, old, places):
            return 2 * old

    one, two = Shift(at, torch.ones(24)), Double(at)
    bare = subject.read(TOKENS, sites=[at])[at]
    with edited(subject, [one, two]):
        assert torch.allclose(subject.read(TOKENS, sites=[at])[at], 2 * (bare + 1))
    with edited(subject, [two, one]):
        assert torch.allclose(subject.read(TOKENS, sites=[at])[at], 2 * bare + 1)
    with edited(subject, [one]), edited(subject, [two]):
        assert torch.allclose(subject.read(TOKENS, sites=[at])[at], 2 * (bare + 1))


@pytest.mark.parametrize("family", DECODERS)
def test_positions_are_those_of_the_text_whatever_the_padding_and_the_cache(family):
    subject, at = _subject(family), Site(1, "resid_post")
    edits = [Shift(at, torch.ones(subject.d_model), at=(2, 5))]
    with edited(subject, edits):
        alone = _outputs(subject, TOKENS[:1])
        mask = torch.tensor([[0, 0, 1, 1, 1, 1, 1, 1, 1, 1]])
        padded = torch.cat([torch.full((1, 2), 3), TOKENS[:1]], 1)
        where = {"position_ids": (mask.cumsum(1) - 1).clamp_min(0)} if subject.family.name != "OPT" else {}
        left = _outputs(subject, padded, attention_mask=mask, **where)[:, 2:]
        right = _outputs(subject, padded.flip(1)[:, :0].new_tensor([[*TOKENS[0], 3, 3]]), attention_mask=mask.flip(1))
    assert torch.allclose(left, alone, atol=1e-4) or not subject.is_causal
    assert torch.allclose(right[:, :8], alone, atol=1e-4) or not subject.is_causal
    if not subject.is_causal:
        return
    with torch.inference_mode(), edited(subject, edits):
        first = subject.model(input_ids=TOKENS[:1, :3], use_cache=True)
        steps = [first.logits]
        for i in range(3, 8):
            out = subject.model(input_ids=TOKENS[:1, i : i + 1], past_key_values=first.past_key_values, use_cache=True)
            steps.append(out.logits)
    assert torch.allclose(torch.cat(steps, 1), alone, atol=1e-4)


@pytest.mark.parametrize("family", ["gemma3-multimodal", "qwen3"])
def test_the_mask_is_that_of_the_outermost_call(family):
    subject, at = _subject(family), Site(1, "resid_post")
    seen = []

    @dataclass
    class Look:
        site: Site

        def __call__(self, old, places):
            seen.append(places.positions.tolist())
            return old

    mask = torch.ones_like(TOKENS)
    mask[0, :2] = 0
    with edited(subject, [Look(at)]):
        _outputs(subject, attention_mask=mask)
        subject.read(TOKENS, sites=["0.resid_post", at], mask=mask.bool())
        _outputs(subject)
    padded = [[-1, -1, 0, 1, 2, 3, 4, 5], list(range(8))]
    assert seen == [padded, padded, [list(range(8))] * 2]


def test_an_exception_leaves_no_hook():
    subject = _subject("llama")

    @dataclass
    class Broken:
        site: Site

        def __call__(self, old, places):
            raise RuntimeError("broken on purpose")

    bare = _outputs(subject)
    with pytest.raises(RuntimeError, match="on purpose"), edited(subject, [Broken(Site(1, "resid_post"))]):
        _outputs(subject)
    assert _hooks(subject) == 0 and torch.equal(_outputs(subject), bare)
    with pytest.raises(KeyError), edited(subject, [Shift(Site(0, "resid_post"), torch.ones(24))]):
        raise KeyError
    assert _hooks(subject) == 0


def test_no_weight_is_changed():
    subject = _subject("gpt2")
    before = {name: weight.clone() for name, weight in subject.model.state_dict().items()}
    with edited(subject, [Shift(site, torch.ones(subject.width(site))) for site in _every_site(subject)]):
        _outputs(subject)
    assert all(torch.equal(before[name], weight) for name, weight in subject.model.state_dict().items())


def test_what_cannot_be_edited_is_refused_in_a_sentence():
    subject = _subject("gptj")
    with (
        pytest.raises(SpecError, match="resid_mid is absent from GPT-J models"),
        edited(subject, [Same(Site(0, "resid_mid"), is_copied=False)]),
    ):
        pass
    with (
        pytest.raises(ArrayError, match=r"made \(2, 8, 24\) in torch.float64"),
        edited(subject, [Shift(Site(0, "resid_post"), torch.ones(24, dtype=torch.float64))]),
    ):

        @dataclass
        class Widen:
            site: Site

            def __call__(self, old, places):
                return old.double()

        with edited(subject, [Widen(Site(1, "resid_post"))]):
            _outputs(subject)
    with (
        pytest.raises(ModelError, match="mask that is not of shape"),
        edited(subject, [Same(Site(0, "resid_post"), True)]),
    ):
        subject.model(input_ids=TOKENS, attention_mask=torch.zeros(2, 1, 8, 8))
    subject.model.train()
    try:
        with pytest.raises(ModelError, match="training mode"), edited(subject, []):
            pass
    finally:
        subject.model.eval()
