"""The hash of weights in another dtype is the one that a model has that is loaded in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny_models import plain_states, tiny_subject
from tiltmeter.activations import collect
from tiltmeter.data import TextSet
from tiltmeter.models import DType, final_normed, load, share_of_weights_on_grid, weights_sha256_as


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_hash_in_another_dtype_is_that_of_the_model_when_loaded_in_it(tiny_model: Path, dtype: DType) -> None:
    assert weights_sha256_as(load(tiny_model), dtype) == load(tiny_model, dtype=dtype).fingerprint.weights_sha256


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_that_stay_in_float32_are_hashed_as_such(tmp_path: Path, dtype: DType) -> None:
    whole = tiny_subject("t5")
    whole.model.save_pretrained(tmp_path)
    whole.tokenizer.save_pretrained(tmp_path)
    assert weights_sha256_as(load(tmp_path), dtype) == load(tmp_path, dtype=dtype).fingerprint.weights_sha256


def test_the_hash_leaves_the_model_as_it_is_and_sees_another_weight(tiny_model: Path) -> None:
    subject = load(tiny_model)
    before, other = subject.fingerprint, weights_sha256_as(subject, "bfloat16")
    with torch.no_grad():
        subject.model.model.layers[0].mlp.up_proj.weight[0, 0] += 1
    assert before.dtype == subject.fingerprint.dtype == "float32"
    assert weights_sha256_as(subject, "bfloat16") != other


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_last_block_after_the_final_norm_is_the_last_hidden_state_of_transformers(family: str) -> None:
    subject = tiny_subject(family)
    texts = TextSet(np.array(["a"]), texts=("w1 w2 w3 w4",))
    rows = collect(subject, texts, sites=["-1.resid_post"], pooling="all")["2.resid_post"].X
    normed = final_normed(subject, rows)
    assert normed is not None
    np.testing.assert_allclose(normed, plain_states(subject, "w1 w2 w3 w4")[-1], rtol=1e-4, atol=1e-5)
    assert np.abs(normed - rows).max() > 0.1


def test_an_encoder_has_no_final_norm() -> None:
    assert final_normed(tiny_subject("bert"), np.ones((2, 24))) is None


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert"])
@pytest.mark.parametrize("axis", [0, 1])
def test_rounded_weights_are_seen_along_rows_and_columns(family: str, axis: int) -> None:
    subject = tiny_subject(family)
    assert share_of_weights_on_grid(subject) < 0.05
    with torch.no_grad():
        for weight in subject.model.parameters():
            if weight.ndim == 2:
                scale = weight.abs().amax(dim=axis, keepdim=True) / 127
                weight.copy_(torch.round(weight / scale) * scale)
    assert share_of_weights_on_grid(subject) > 0.95
