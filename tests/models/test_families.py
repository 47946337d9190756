"""The contract of every family, in both precisions: sites mean what they say, and reading leaves no trace."""

from __future__ import annotations

import functools

import pytest
import torch
from tiny_models import CONTEXT, FAMILIES, tiny_config, tiny_subject, word_tokenizer
from torch import Tensor, nn
from transformers import LlamaForCausalLM, T5ForConditionalGeneration

from tiltmeter.core import Site
from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.models import FAMILIES as TABLE
from tiltmeter.models import SubjectModel, bind

TOKENS = torch.tensor([[6, 7, 8, 9, 10, 11, 12, 13], [20, 21, 22, 23, 24, 25, 26, 27]])
# a result rounded to bfloat16 is off by at most this share of it (8 bits of precision)
BFLOAT16 = 2.0**-8
# what follows the last block, from the base model; None if nothing does
_ROOT_NORM = {"GPT-2": "ln_f", "GPT-J": "ln_f", "T5 encoder": "encoder.final_layer_norm"}
_NO_NORM = ("BERT", "RoBERTa")
# the norms around what a block adds, from the block; after the addition for post-norm families
_POST_NORMS = {
    "BERT": ("attention.output.LayerNorm", "output.LayerNorm"),
    "RoBERTa": ("attention.output.LayerNorm", "output.LayerNorm"),
    "OPT (post-norm)": ("self_attn_layer_norm", "final_layer_norm"),
}
# the norm between the projection and the addition
_ADDED_NORMS = ("post_attention_layernorm", "post_feedforward_layernorm")

_subject = functools.cache(tiny_subject)


@pytest.fixture(
    params=[
        pytest.param((family, dtype), id=f"{family}-{str(dtype).removeprefix('torch.')}")
        for family in FAMILIES
        for dtype in (torch.float32, torch.bfloat16)
    ]
)
def subject(request: pytest.FixtureRequest) -> SubjectModel:
    family, dtype = request.param
    return _subject(family, dtype=dtype)


def _every_site(subject: SubjectModel) -> list[Site]:
    return [Site(layer, point) for layer in range(subject.n_layers) for point in subject.family.points]


def _blocks(subject: SubjectModel) -> nn.ModuleList:
    return subject.model.base_model.get_submodule(subject.family.stack).get_submodule(subject.family.blocks)


def _final(subject: SubjectModel) -> nn.Module | None:
    """Return what Hugging Face applies to the last block's output before it calls it a hidden state."""
    name, base = subject.family.name, subject.model.base_model
    if name in _NO_NORM:
        return None
    if name == "OPT (post-norm)":
        return base.decoder.project_out
    if name == "OPT":
        return base.decoder.final_layer_norm
    if name.startswith("GPT-NeoX"):
        return base.final_layer_norm
    if name.startswith("Falcon"):
        return base.ln_f
    if name in _ROOT_NORM:
        return base.get_submodule(_ROOT_NORM[name])
    return base.get_submodule(subject.family.stack).norm


def _states(subject: SubjectModel) -> tuple[Tensor, ...]:
    with torch.no_grad():
        return subject.model(input_ids=TOKENS, output_hidden_states=True).hidden_states


def _output(subject: SubjectModel) -> Tensor:
    with torch.no_grad():
        return subject.model(input_ids=TOKENS)[0]


def _hooks(subject: SubjectModel) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in subject.model.modules())


def _error(values: Tensor, expected: Tensor) -> float:
    """Return the largest distance of a token from what is expected, as a share of its length."""
    distance = (values.double() - expected.double()).norm(dim=-1)
    return float((distance / expected.double().norm(dim=-1)).max())


def test_every_row_and_model_type_of_the_table_is_tested():
    subjects = [_subject(family) for family in FAMILIES]
    assert {subject.family.name for subject in subjects} == {family.name for family in TABLE}
    types = {model_type for family in TABLE for model_type in family.model_types}
    assert {subject.model.config.model_type for subject in subjects} == types


def test_resid_post_of_a_block_is_the_next_hidden_state(subject):
    seen, states = subject.read(TOKENS, sites="all"), _states(subject)
    assert torch.equal(seen[Site(0, "resid_pre")], states[0])
    for layer in range(subject.n_layers - 1):
        assert torch.equal(seen[Site(layer, "resid_post")], states[layer + 1])


@torch.no_grad()
def test_resid_post_of_the_last_block_is_before_the_final_norm(subject):
    last = subject.read(TOKENS, sites=["-1.resid_post"])[Site(subject.n_layers - 1, "resid_post")]
    final, after = _states(subject)[-1], _final(subject)
    if after is None:
        assert torch.equal(last, final)
        return
    assert last.shape != final.shape or _error(last, final) > 0.1
    assert torch.equal(after(last), final)


@torch.no_grad()
def test_points_of_a_block_add_up_bit_for_bit(subject):
    seen = subject.read(TOKENS, sites=_every_site(subject))
    norms = _POST_NORMS.get(subject.family.name)
    for layer, block in enumerate(_blocks(subject)):
        at = {point: seen[Site(layer, point)] for point in subject.family.points}
        if layer:
            assert torch.equal(at["resid_pre"], seen[Site(layer - 1, "resid_post")])
        if "resid_mid" not in at:
            assert torch.equal(at["resid_post"], at["attn_out"] + at["mlp_out"] + at["resid_pre"])
            continue
        middle, end = at["resid_pre"] + at["attn_out"], at["resid_mid"] + at["mlp_out"]
        if norms is not None:
            middle, end = block.get_submodule(norms[0])(middle), block.get_submodule(norms[1])(end)
        assert torch.equal(at["resid_mid"], middle)
        assert torch.equal(at["resid_post"], end)


@torch.no_grad()
def test_projections_turn_what_enters_them_into_what_is_added(subject):
    seen = subject.read(TOKENS, sites=_every_site(subject))
    normed = subject.family.name.startswith(("Gemma", "OLMo"))
    for layer, block in enumerate(_blocks(subject)):
        for before, after, norm in zip(("z", "mlp_post"), ("attn_out", "mlp_out"), _ADDED_NORMS, strict=True):
            if before not in subject.family.points:
                continue
            added = block.get_submodule(subject.family.points[before].module)(seen[Site(layer, before)])
            if normed:
                assert not torch.allclose(added, seen[Site(layer, after)], rtol=0.1)
                added = block.get_submodule(norm)(added)
            assert torch.equal(added, seen[Site(layer, after)])


@torch.no_grad()
def test_heads_slice_z_and_their_projections_add_up(subject):
    n = subject.n_heads
    sites = [Site(1, "z"), *(Site(1, "z", head=head) for head in range(n))]
    seen = subject.read(TOKENS, sites=sites)
    z, heads = seen[sites[0]], [seen[site] for site in sites[1:]]
    assert torch.equal(torch.cat(heads, dim=-1), z)
    assert all(head.shape[-1] == subject.width(sites[1]) == subject.width(sites[0]) // n for head in heads)
    projection = _blocks(subject)[1].get_submodule(subject.family.points["z"].module)
    weight = projection.weight if "Conv1D" in type(projection).__name__ else projection.weight.T
    total = sum(h.double() @ w.double() for h, w in zip(heads, weight.chunk(n, dim=0), strict=True))
    if projection.bias is not None:
        total = total + projection.bias.double()
    # one rounding of the product and one of the sum with the bias
    assert _error(projection(z), total) < (2 * BFLOAT16 if z.dtype == torch.bfloat16 else 1e-6)


def test_every_site_is_as_wide_as_stated_and_of_the_models_type(subject):
    for site, values in subject.read(TOKENS, sites=_every_site(subject)).items():
        assert values.shape == (*TOKENS.shape, subject.width(site))
        assert values.dtype == subject.model.dtype


def test_points_are_listed_in_the_order_in_which_a_forward_reaches_them(subject):
    with subject.capture(_every_site(subject)) as seen:
        _output(subject)
    assert [site.point for site in seen if site.layer == 1] == list(subject.family.points)
    assert [site.layer for site in seen] == sorted(site.layer for site in seen)


def test_what_a_block_overwrites_is_what_the_table_says(subject):
    kept: dict[str, tuple[Tensor, Tensor]] = {}
    handles = []
    for point, tap in subject.family.points.items():
        module = _blocks(subject)[1].get_submodule(tap.module)

        def keep(value: object, point: str = point) -> None:
            tensor = value[0] if isinstance(value, tuple) else value
            if isinstance(tensor, Tensor):
                kept[point] = (tensor, tensor.clone())

        handles.append(
            module.register_forward_pre_hook(lambda _, args, keep=keep: keep(args))
            if tap.side == "input"
            else module.register_forward_hook(lambda _, args, output, keep=keep: keep(output))
        )
    _output(subject)
    for handle in handles:
        handle.remove()
    changed = {point for point, (tensor, before) in kept.items() if not torch.equal(tensor, before)}
    assert changed == {point for point, tap in subject.family.points.items() if tap.overwritten}


def test_capture_changes_nothing_and_leaves_no_hook(subject):
    before, hooks = _output(subject), _hooks(subject)
    with subject.capture(_every_site(subject)) as seen:
        assert _hooks(subject) >= hooks + len(_every_site(subject))
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


def test_reading_stops_at_the_deepest_site_and_runs_nothing_after_it(subject):
    calls: list[nn.Module] = []
    handles = [
        module.register_forward_pre_hook(lambda module, args: calls.append(module))
        for module in subject.model.modules()
    ]
    blocks, points = _blocks(subject), subject.family.points
    outside = [m for name, m in subject.model.named_modules() if name.endswith(("lm_head", "pooler"))]
    for i, point in enumerate(points):
        calls.clear()
        subject.read(TOKENS, sites=[f"1.{point}", "0.resid_post"])
        assert blocks[0] in calls
        reached = blocks[1].get_submodule(points[point].module)
        assert reached in calls
        later = [blocks[1].get_submodule(t.module) for t in list(points.values())[i + 1 :] if t.side == "input"]
        skipped = [blocks[2], *outside, *later, *filter(None, [_final(subject)])]
        assert not {*skipped} & {*calls}
    for handle in handles:
        handle.remove()


def test_the_mlp_of_the_deepest_block_is_run_for_the_needed_positions_alone(subject):
    needed = torch.zeros(TOKENS.shape, dtype=torch.bool)
    needed[0, [0, 3]] = needed[1, 7] = True
    points = [point for point in subject.family.points if point != "mlp_post"]
    sites = [Site(layer, point) for layer in (0, 1) for point in points]
    before, counted = _hooks(subject), []
    mlp = None if subject.family.mlp is None else _blocks(subject)[1].get_submodule(subject.family.mlp)

    def read(**options: Tensor) -> dict[Site, Tensor]:
        if mlp is None:
            return subject.read(TOKENS, sites=sites, reduce=lambda values: values[needed], **options)
        # a leaf, so that it is given what the module itself is given; of a mixture the router, which sees every row
        leaf = next(module for module in mlp.modules() if next(module.parameters(recurse=False), None) is not None)
        count = leaf.register_forward_pre_hook(lambda module, args: counted.append(args[0].shape[:-1].numel()))
        seen = subject.read(TOKENS, sites=sites, reduce=lambda values: values[needed], **options)
        count.remove()
        return seen

    whole, sparse = read(), read(needed=needed)
    assert _hooks(subject) == before
    assert counted == ([] if mlp is None else [TOKENS.numel(), int(needed.sum())])
    for site, values in whole.items():
        allowed = 1e-5 if subject.model.dtype == torch.float32 else 4 * BFLOAT16
        assert _error(sparse[site], values) <= allowed, site
    # what enters the down-projection is shown for every position, whatever is needed
    if "mlp_post" in subject.family.points:
        assert subject.read(TOKENS, sites=["1.mlp_post"], needed=needed)[Site(1, "mlp_post")].shape[:2] == TOKENS.shape


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_and_batch_mates_change_nothing(subject, side):
    n = TOKENS.shape[1]
    tokens, mask = torch.full((2, n + 5), 3), torch.zeros((2, n + 5), dtype=torch.bool)
    place = slice(5, None) if side == "left" else slice(0, n)
    tokens[0, place], mask[0, place] = TOKENS[0], True
    tokens[1], mask[1] = torch.arange(n + 5) + 6, True
    alone = subject.read(TOKENS[:1], sites="all")
    padded = subject.read(tokens, sites="all", mask=mask)
    # In bfloat16 another shape rounds otherwise, and roundings add up along the blocks. Each of the two readings may be
    # as far from the same weights in float32 as rounding takes it, hence twice that distance.
    exact = alone
    if subject.model.dtype == torch.bfloat16:
        exact = _upcast(subject.name).read(TOKENS[:1], sites="all")
    for site, values in alone.items():
        allowed = max(1e-5, 2 * _error(values, exact[site]))
        assert _error(padded[site][0, place], values[0]) <= allowed
    # a control: were padding read as text, or counted by position, it would show
    wrong = subject.read(tokens, sites="all")
    last = Site(subject.n_layers - 1, "resid_post")
    if side == "left" or not subject.is_causal:
        assert _error(wrong[last][0, place], alone[last][0]) > 2 * _error(alone[last], exact[last]) + 1e-3


@functools.cache
def _upcast(family: str) -> SubjectModel:
    made = tiny_subject(family, dtype=torch.bfloat16)
    return bind(made.model.float(), made.tokenizer, name=family)


def test_gradients_flow_through_capture_and_not_through_read(subject):
    with subject.capture(["0.resid_post", "0.mlp_out"]) as seen:
        subject.model(input_ids=TOKENS)
    assert all(values.requires_grad for values in seen.values())
    assert not subject.read(TOKENS, sites=["0.resid_post"])[Site(0, "resid_post")].requires_grad


def test_an_absent_point_is_refused_and_those_present_are_listed(subject):
    absent = {"resid_mid", "mlp_post"} - {*subject.family.points}
    for point in absent:
        with pytest.raises(SpecError, match=rf"absent from .* present are {', '.join(subject.family.points)}\."):
            subject.resolve_sites([f"0.{point}"])
        with pytest.raises(SpecError, match="absent from"):
            subject.width(Site(0, point))
    moe = subject.model.config.model_type in ("mixtral", "qwen3_moe", "gpt_oss")
    parallel = "parallel" in subject.family.name or subject.family.name == "GPT-J"
    assert absent == {point for point, missing in (("mlp_post", moe), ("resid_mid", parallel)) if missing}


def test_the_encoder_of_an_encoder_decoder_is_read():
    torch.manual_seed(0)
    whole = T5ForConditionalGeneration(tiny_config("t5")).eval()
    subject = bind(whole, word_tokenizer(eos=True), name="t5")
    with torch.no_grad():
        states = whole.encoder(input_ids=TOKENS, output_hidden_states=True).hidden_states
    seen = subject.read(TOKENS, sites="all")
    assert [torch.equal(seen[site], states[i]) for i, site in enumerate(list(seen)[:-1])] == [True] * 3
    with torch.no_grad():
        assert torch.equal(whole.encoder.final_layer_norm(seen[Site(2, "resid_post")]), states[-1])
    assert len(seen) == 4


def test_a_context_is_what_the_positions_allow():
    assert tiny_subject("roberta").model.config.max_position_embeddings == 36
    # positions begin at 4, after the padding token's identifier
    assert _subject("roberta").context == _subject("gpt2").context == 32
    longest = torch.arange(32)[None] + 6
    assert _subject("roberta").read(longest, sites=["0.resid_post"])
    assert _subject("t5").context > 10**9


def test_what_sees_later_tokens_is_not_causal(subject):
    tokens = TOKENS[:1].clone()
    tokens[0, -1] = 30
    first, other = (
        subject.read(ids, sites=["-1.resid_post"])[Site(subject.n_layers - 1, "resid_post")][0, 0]
        for ids in (TOKENS[:1], tokens)
    )
    # a mixture of experts may round otherwise
    assert subject.is_causal == (_error(first, other) < 4 * BFLOAT16)
    names = {family for family in FAMILIES if not _subject(family).is_causal}
    assert names == {"llama-bidirectional", "gemma3-bidirectional", "bert", "roberta", "xlm-roberta", "t5", "t5-gated"}


def test_with_longrope_a_text_may_be_as_long_as_leaves_its_batch_mates_alone():
    subject = _subject("phi3-long")
    assert subject.context == CONTEXT < subject.model.config.max_position_embeddings

    def last(length: int) -> Tensor:
        tokens = torch.full((2, length), 3)
        tokens[0, :8], tokens[1] = TOKENS[0], torch.arange(length) % 40 + 6
        return subject.read(tokens, sites=["2.resid_post"])[Site(2, "resid_post")][0, :8]

    assert _error(last(CONTEXT), last(9)) < 1e-5
    # the control: one more token, and other factors are taken for the shorter text too
    assert _error(last(CONTEXT + 1), last(9)) > 1e-2


def test_with_other_rotary_scalings_a_text_may_be_as_long_as_the_configuration_says():
    for kind in ("dynamic", "yarn", "linear"):
        config = tiny_config("llama")
        config.rope_parameters = {"rope_type": kind, "rope_theta": 1e4, "factor": 4.0}
        torch.manual_seed(0)
        subject = bind(LlamaForCausalLM(config).eval(), word_tokenizer(), name=kind)
        assert subject.context == CONTEXT
        long, short = torch.arange(CONTEXT)[None] + 6, torch.arange(8)[None] + 6
        site = Site(2, "resid_post")
        before = subject.read(short, sites=[site])[site][0]
        assert _error(subject.read(long, sites=[site])[site][0, :8], before) < 1e-5
        assert torch.equal(subject.read(short, sites=[site])[site][0], before)


def test_positions_after_a_padding_token_that_is_not_named_are_refused():
    subject = tiny_subject("roberta")
    subject.model.config.pad_token_id = None
    with pytest.raises(ModelError, match="configuration of tiny has no pad_token_id, after which the positions of RoB"):
        bind(subject.model, subject.tokenizer, name="tiny")


def test_a_padding_token_inside_a_text_has_a_position_like_any_other():
    subject = _subject("roberta")
    tokens = torch.tensor([[6, 7, 3, 8, 9]])
    site = Site(0, "resid_pre")
    with torch.no_grad():
        own = subject.model(input_ids=tokens, position_ids=torch.arange(4, 9)[None], output_hidden_states=True)
        guessed = subject.model(input_ids=tokens, output_hidden_states=True)
    seen = subject.read(tokens, sites=[site])[site]
    assert torch.equal(seen, own.hidden_states[0])
    # the control: left to itself, Hugging Face takes it for padding
    assert not torch.allclose(seen, guessed.hidden_states[0], atol=0.1)


def test_settings_without_a_row_are_refused():
    subject = tiny_subject("falcon-new")
    subject.model.config.parallel_attn = False
    with pytest.raises(
        ModelError, match="falcon model with parallel_attn = False, new_decoder_architecture = True has a"
    ):
        bind(subject.model, subject.tokenizer, name="tiny")
    subject = tiny_subject("bert")
    subject.model.config.chunk_size_feed_forward = 4
    with pytest.raises(ModelError, match="bert model with chunk_size_feed_forward = 4 has a layout"):
        bind(subject.model, subject.tokenizer, name="tiny")
