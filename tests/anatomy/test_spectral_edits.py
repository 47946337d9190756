"""A spectral edit does to the model what changing the weight does, and moves what is read off its direction."""

from __future__ import annotations

import copy
import functools

import numpy as np
import pytest
import torch
from tiny_models import random_texts, tiny_subject

from tiltmeter.anatomy import EffectSettings, edit_effects, spectral_edit, token_lens, weight_svds, without_direction
from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Estimate
from tiltmeter.models import bind, edited, text_logits

TOKENS = torch.tensor([[6, 9, 12, 30, 7], [20, 21, 8, 11, 13]])
_subject = functools.cache(tiny_subject)
# where the projections that write are, and whether they are stored as they act
PLACES = {
    "llama-grouped-tied": ("model.layers.1.self_attn.o_proj", "model.layers.1.mlp.down_proj", False),
    "gpt2": ("transformer.h.1.attn.c_proj", "transformer.h.1.mlp.c_proj", True),
    "falcon-new": (
        "transformer.h.1.self_attention.dense",
        "transformer.h.1.mlp.dense_4h_to_h",
        False,
    ),
    "opt": ("model.decoder.layers.1.self_attn.out_proj", "model.decoder.layers.1.fc2", False),
}


def changed(subject, path: str, *, rows: slice, as_it_acts: bool, direction: np.ndarray, strength: float):
    """A copy of the model with one weight changed in place: W ← W − c W v vᵀ."""
    model = copy.deepcopy(subject.model)
    weight = model.get_submodule(path).weight
    with torch.no_grad():
        acts = weight if as_it_acts else weight.T
        acts[rows] = torch.from_numpy(without_direction(acts[rows].numpy(), direction, strength=strength)).float()
    return bind(model, subject.tokenizer, name="changed")


@pytest.mark.parametrize("strength", [1.0, 0.3, -1.0])
@pytest.mark.parametrize("matrix", ["ov", "mlp_out"])
@pytest.mark.parametrize("family", PLACES)
def test_the_edit_is_the_changed_weight(family, matrix, strength):
    subject = _subject(family)
    of_heads, of_mlp, as_it_acts = PLACES[family]
    found = list(weight_svds(subject, matrix, layers=[1]))[2 if matrix == "ov" else 0]
    direction = found.sides["writes"].vectors[1]
    k = len(found.sides["writes"].rows)
    other = changed(
        subject,
        of_heads if matrix == "ov" else of_mlp,
        rows=slice(2 * k, 3 * k) if matrix == "ov" else slice(None),
        as_it_acts=as_it_acts,
        direction=direction,
        strength=strength,
    )
    bare, expected = text_logits(subject, TOKENS), text_logits(other, TOKENS)
    with edited(subject, [spectral_edit(subject, found, direction=direction, strength=strength)]):
        logits = text_logits(subject, TOKENS)
    assert float((expected - bare).abs().max()) > 1e-3
    assert torch.allclose(logits, expected, atol=2e-4)
    assert torch.equal(text_logits(subject, TOKENS), bare)


def test_after_the_edit_nothing_is_written_along_the_direction_of_a_normed_sublayer():
    """Gemma norms what attention adds: the direction is taken out before, in the coordinates of the weights."""
    subject = _subject("gemma2")
    found = next(weight_svds(subject, "mlp_out", layers=[1], fold_norm=False))
    direction = found.sides["writes"].vectors[0]
    seen = []
    hook = subject._blocks[1].mlp.register_forward_hook(lambda m, a, output: seen.append(output))
    try:
        with edited(subject, [spectral_edit(subject, found, direction=direction)]):
            text_logits(subject, TOKENS)
        text_logits(subject, TOKENS)
    finally:
        hook.remove()
    along = [float((one @ torch.from_numpy(direction).float()).abs().max()) for one in seen]
    assert along[0] < 1e-4 < 0.1 < along[1]


def test_what_cannot_be_edited_is_refused_in_one_sentence():
    subject = _subject("llama")
    reads = next(weight_svds(subject, "mlp_in"))
    with pytest.raises(SpecError, match="mlp_in writes nothing to the stream; edit ov or mlp_out"):
        spectral_edit(subject, reads, direction=np.eye(24)[0])
    ov = next(weight_svds(subject, "ov"))
    with pytest.raises(SpecError, match="cannot write this direction"):
        spectral_edit(subject, ov, direction=np.linalg.svd(ov.sides["writes"].vectors)[2][-1])
    experts = next(weight_svds(_subject("mixtral"), "mlp_out"))
    with pytest.raises(SpecError, match="mlp_post is absent from Mixtral"):
        spectral_edit(_subject("mixtral"), experts, direction=experts.sides["writes"].vectors[0])
    with pytest.raises(SpecError, match="index is 6; the matrix ov writes 6 directions"):
        edit_effects(subject, ov, index=6, texts=random_texts(2), lens=token_lens(subject))


def test_taking_out_what_the_last_mlp_writes_moves_its_own_tokens_most():
    subject = _subject("llama")
    found = next(weight_svds(subject, "mlp_out", layers=[-1]))
    texts, lens = random_texts(40), token_lens(subject)
    effects = edit_effects(
        subject, found, index=0, texts=texts, lens=lens, settings=EffectSettings(n_top=4, n_random=4)
    )
    ratio, kl = effects.edit.ratio, effects.edit.kl
    assert isinstance(ratio, Estimate) and ratio.low > 1.5
    assert isinstance(kl, Estimate) and kl.low > 0
    # a random direction has its own tokens too: that they move most is no merit of the singular one
    assert isinstance(effects.random.ratio, Estimate) and effects.random.ratio.low > 1.5


def test_effects_are_those_of_two_forwards_by_hand():
    subject = _subject("llama")
    found = next(weight_svds(subject, "mlp_out", layers=[1]))
    texts, lens = random_texts(1), token_lens(subject)
    settings = EffectSettings(n_top=3, n_random=1)
    from tiltmeter.anatomy._edit_effects import _on_text

    direction = found.sides["writes"].vectors[0]
    order = np.argsort(lens.rows @ direction)
    own = np.r_[order[:3], order[-3:]]
    tokens = subject.tokenizer(texts.texts[0], return_tensors="pt")["input_ids"]
    edit = spectral_edit(subject, found, direction=direction)
    ((listed, others, kl),) = _on_text(subject, tokens, [edit], lists=own[None], lens=lens)
    bare = text_logits(subject, tokens)[0].double()
    with edited(subject, [edit]):
        after = text_logits(subject, tokens)[0].double()
    change = (after - bare)[:, torch.from_numpy(lens.tokens)]
    change = (change - change.mean(1, keepdim=True)).abs().mean(0).numpy()
    rest = [i for i in range(len(lens.tokens)) if i not in set(own.tolist())]
    assert listed == pytest.approx(change[own].mean()) and others == pytest.approx(change[rest].mean())
    expected = torch.nn.functional.kl_div(after.log_softmax(1), bare.softmax(1), reduction="none").sum(1).mean()
    assert kl == pytest.approx(float(expected))
    assert settings.strength == 1.0


def test_an_edit_of_nothing_moves_nothing_and_has_no_ratio():
    subject = _subject("llama")
    found = next(weight_svds(subject, "mlp_out"))
    settings = EffectSettings(strength=0.0, n_top=3, n_random=1)
    effects = edit_effects(subject, found, index=0, texts=random_texts(36), lens=token_lens(subject), settings=settings)
    assert effects.edit.listed.value == effects.edit.kl.value == 0.0
    assert effects.edit.ratio.kind == "unavailable"
