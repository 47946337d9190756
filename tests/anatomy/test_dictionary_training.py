"""Training: gradients in closed form against automatic ones, the interrupted course, scale and centre."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tiltmeter.anatomy import toy_world, train_dictionary
from tiltmeter.anatomy._dictionary_step import Weights, gradients
from tiltmeter.core.dictionaries import DictionaryRecipe
from tiltmeter.core.errors import ArrayError, FormatError, SpecError

BANDWIDTH = 0.3


class _Jump(torch.autograd.Function):
    """Rajamanoharan et al., equation 11: the pseudo-derivative of JumpReLU with respect to its threshold."""

    @staticmethod
    def forward(ctx, pre, threshold):
        ctx.save_for_backward(pre, threshold)
        return pre * (pre > threshold)

    @staticmethod
    def backward(ctx, gradient):
        pre, threshold = ctx.saved_tensors
        near = (((pre - threshold) / BANDWIDTH).abs() < 0.5).to(pre.dtype)
        return gradient * (pre > threshold), (-(threshold / BANDWIDTH) * near * gradient).sum(0)


class _Step(torch.autograd.Function):
    """Equation 12: that of the step function, of which nothing flows to what is compared with the threshold."""

    @staticmethod
    def forward(ctx, pre, threshold):
        ctx.save_for_backward(pre, threshold)
        return (pre > threshold).to(pre.dtype)

    @staticmethod
    def backward(ctx, gradient):
        pre, threshold = ctx.saved_tensors
        near = (((pre - threshold) / BANDWIDTH).abs() < 0.5).to(pre.dtype)
        return torch.zeros_like(pre), (-(1 / BANDWIDTH) * near * gradient).sum(0)


def naive_loss(weights, x, recipe):
    f = len(weights.bias)
    pre = (x - weights.centre) @ weights.encoder.T + weights.bias
    penalty = torch.tensor(0.0)
    if recipe.kind == "topk":
        cut = pre.sort(dim=1, descending=True).values[:, recipe.k - 1 : recipe.k]
        codes = torch.relu(torch.where(pre >= cut, pre, 0.0))
    elif recipe.kind == "jumprelu":
        codes = _Jump.apply(pre, weights.log_threshold.exp())
        penalty = _Step.apply(pre, weights.log_threshold.exp()).sum(1).mean() / f
    else:
        codes = torch.relu(pre)
        penalty = codes.abs().sum(1).mean() / f
    return ((codes @ weights.decoder + weights.centre - x) ** 2).mean() + recipe.penalty * penalty


@pytest.mark.parametrize("is_centred", [True, False])
@pytest.mark.parametrize("kind", ["relu", "topk", "jumprelu"])
def test_gradients_are_those_of_automatic_differentiation(kind, is_centred):
    generator = torch.Generator().manual_seed(0)
    f, d, b = 11, 5, 40

    def drawn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    decoder = drawn(f, d)
    decoder /= decoder.norm(dim=1, keepdim=True)
    centre = drawn(d) if is_centred else torch.zeros(d, dtype=torch.float64)
    weights = Weights(drawn(f, d), drawn(f) / 3, decoder, centre, drawn(f) / 3 - 1)
    x = drawn(b, d)
    recipe = DictionaryRecipe(kind=kind, k=3 if kind == "topk" else None, penalty=0.7, centred=is_centred)
    found = gradients(weights, x, recipe=recipe, bandwidth=BANDWIDTH)
    leaves = Weights(*(one.clone().requires_grad_() for one in weights))
    loss = naive_loss(leaves, x, recipe)
    loss.backward()
    along = (leaves.decoder.grad * decoder).sum(1, keepdim=True) * decoder
    expected = leaves._replace(decoder=leaves.decoder.grad - along)
    assert float(found.loss) == pytest.approx(float(loss.detach()), rel=1e-12)
    names = ["encoder", "bias", "decoder"] + ["centre"] * is_centred + ["log_threshold"] * (kind == "jumprelu")
    for name in names:
        one = getattr(expected, name)
        np.testing.assert_allclose(getattr(found.gradients, name), one if name == "decoder" else one.grad, atol=1e-12)


@pytest.mark.parametrize("kind", ["relu", "topk", "jumprelu"])
def test_every_kind_learns_to_explain_sparse_rows_on_few_latents(kind):
    rows = toy_world("sparse", 4000).X
    recipe = DictionaryRecipe(
        kind=kind, k=5 if kind == "topk" else None, penalty=3.0, steps=800, batch_size=256, learning_rate=5e-3
    )
    trained = train_dictionary(rows, 64, recipe=recipe)
    fvu = np.square(rows - trained.dictionary.reconstruct(rows)).sum() / np.square(rows - rows.mean(0)).sum()
    n_active = (trained.dictionary.encode(rows) > 0).sum(axis=1)
    assert fvu < 0.35 and n_active.mean() < 32
    assert kind != "topk" or n_active.max() <= 5
    assert trained.losses[-1] < trained.losses[0]
    np.testing.assert_allclose(np.linalg.norm(trained.dictionary.decoder, axis=1), 1, atol=1e-5)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(short):
    rows = toy_world("sparse", 500).X
    first, again, other = (train_dictionary(rows, 16, recipe=short, seed=seed).dictionary for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.encoder, again.encoder)
    assert np.abs(first.encoder - other.encoder).max() > 0.1


@pytest.mark.parametrize("kind", ["relu", "topk", "jumprelu"])
def test_a_training_that_was_interrupted_ends_as_it_would_have(tmp_path, kind):
    rows = toy_world("sparse", 300).X
    recipe = DictionaryRecipe(kind=kind, k=3 if kind == "topk" else None, steps=720, batch_size=32)
    whole = train_dictionary(rows, 16, recipe=recipe)
    kept = tmp_path / "kept"

    def stop(done, total, loss):
        if done == 650:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_dictionary(rows, 16, recipe=recipe, checkpoint=kept, progress=stop)
    assert kept.exists()
    seen = []
    gone_on = train_dictionary(rows, 16, recipe=recipe, checkpoint=kept, progress=lambda done, *_: seen.append(done))
    assert seen[0] == 550 and not kept.exists()
    assert gone_on.losses == whole.losses and gone_on.steps == whole.steps
    for name, array in whole.dictionary.arrays().items():
        np.testing.assert_array_equal(gone_on.dictionary.arrays()[name], array)


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    rows, kept = toy_world("sparse", 300).X, tmp_path / "kept"
    recipe = DictionaryRecipe(steps=600, batch_size=32)

    def stop(done, total, loss):
        if done == 550:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_dictionary(rows, 16, recipe=recipe, checkpoint=kept, progress=stop)
    with pytest.raises(FormatError, match="another training"):
        train_dictionary(rows + 1, 16, recipe=recipe, checkpoint=kept)
    kept.write_bytes(b"damaged")
    with pytest.raises(FormatError, match="damaged checkpoint"):
        train_dictionary(rows, 16, recipe=recipe, checkpoint=kept)


@pytest.mark.parametrize("kind", ["relu", "topk", "jumprelu"])
def test_rows_in_other_units_give_the_same_dictionary_in_these_units(kind):
    # a power of two, so that nothing is rounded
    rows = toy_world("sparse", 500).X
    recipe = DictionaryRecipe(kind=kind, k=3 if kind == "topk" else None, steps=200, batch_size=64)
    one, other = (train_dictionary(scale * rows, 16, recipe=recipe).dictionary for scale in (1, 1024))
    np.testing.assert_allclose(other.encode(1024 * rows), 1024 * one.encode(rows), rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(other.reconstruct(1024 * rows), 1024 * one.reconstruct(rows), rtol=1e-4, atol=1e-2)


def test_dictionaries_of_unlike_size_and_one_seed_do_not_start_alike():
    # if they did, those of noise would agree better than chance
    rows = toy_world("noise", 100).X
    recipe = DictionaryRecipe(steps=1, batch_size=2, learning_rate=1e-9, centred=False)
    small, large = (train_dictionary(rows, f, recipe=recipe).dictionary.decoder for f in (64, 128))
    assert float((small @ large.T).max(axis=1).mean()) < 0.55


@pytest.mark.parametrize(
    ("rows", "words"),
    [(np.ones((5, 3)), "equal"), (np.full((5, 3), np.nan), "finite"), (np.ones((1, 3)), "two finite rows")],
)
def test_rows_of_which_nothing_can_be_learned_are_refused(rows, words, short):
    with pytest.raises(ArrayError, match=words):
        train_dictionary(rows, 4, recipe=short)


def test_a_recipe_of_topk_without_k_is_refused():
    with pytest.raises(ValueError, match="k goes with the kind"):
        DictionaryRecipe(kind="topk")
    with pytest.raises(ValueError, match="k goes with the kind"):
        DictionaryRecipe(kind="relu", k=3)


def test_topk_of_more_than_there_are_is_refused():
    with pytest.raises(SpecError, match="k is 9, and there are 8 latents"):
        train_dictionary(toy_world("noise", 50).X, 8, recipe=DictionaryRecipe(kind="topk", k=9, steps=1))
    with pytest.raises(SpecError, match="n_latents is 0; give 1 or more"):
        train_dictionary(toy_world("noise", 50).X, 0, recipe=DictionaryRecipe(steps=1))
