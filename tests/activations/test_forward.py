"""Batches through the model: what does not fit, what is not finite, and copies that overlap on a GPU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from stores import assert_holds
from tiny_models import random_texts, tiny_subject

from tiltmeter.activations import ActivationStore, Done, collect
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.models import SubjectModel, load

TEXTS = random_texts(40)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("no room"), MemoryError(), "on a processor"])
def test_a_batch_that_does_not_fit_says_how_large_it_was(monkeypatch, error):
    def full(*args, **options):
        if isinstance(error, BaseException):
            raise error
        torch.empty(1 << 60, dtype=torch.uint8)

    monkeypatch.setattr(SubjectModel, "read", full)
    with pytest.raises(
        SpecError, match=r"A batch of 4 texts of 25 tokens does not fit .* lower token_budget below 100"
    ):
        collect(tiny_subject("llama"), TEXTS, token_budget=100)


def test_another_error_of_pytorch_is_not_taken_for_memory(monkeypatch):
    def broken(*args, **options):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(SubjectModel, "read", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        collect(tiny_subject("llama"), TEXTS)


def test_rows_that_do_not_fit_into_memory_are_refused_before_anything_is_read(monkeypatch):
    monkeypatch.setattr("tiltmeter.activations._collect.available_bytes", lambda device: 40 * 4 * 24 * 4 - 1)
    with pytest.raises(SpecError, match=r"The rows of 4 sites need 0\.0 GB of memory, .* give a store"):
        collect(tiny_subject("llama"), TEXTS, token_budget=100)


def test_a_nan_half_way_keeps_what_is_stored_and_the_text_can_be_left_out(tmp_path, small_shards):
    subject, texts = tiny_subject("llama"), random_texts(80)
    bad = min(range(80), key=lambda i: len(texts.texts[i].split()))  # the shortest is read last
    words = texts.texts[bad].split()
    has_it = np.array([words[-1] in text.split() for text in texts.texts])
    with torch.no_grad():
        subject.model.model.embed_tokens.weight[subject.tokenizer.convert_tokens_to_ids(words[-1])] = torch.nan
    ends_with_it = replace(
        texts, texts=tuple(t if i == bad else t.replace(words[-1], "w0") for i, t in enumerate(texts.texts))
    )
    with pytest.raises(
        ArrayError, match=f"shows NaN or infinity for text t{bad}; use a wider dtype, or leave the text out"
    ):
        collect(subject, ends_with_it, store=tmp_path / "s", token_budget=60)
    stored = ActivationStore.open(tmp_path / "s").ids("2.resid_post")
    assert has_it.any() and 10 < len(stored) < 80
    others = ends_with_it.select(np.arange(80) != bad)
    seen: list[Done] = []
    collect(subject, others, store=tmp_path / "s", token_budget=60, progress=seen.append)
    assert seen[-1].texts == 79 - len(stored)  # the others were there
    assert_holds(tmp_path / "s", collect(subject, others))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("pooling", ["last", "mean", "all"])
def test_on_a_gpu_copies_overlap_and_values_agree(tmp_path, pooling):
    subject = tiny_subject("llama")
    subject.model.save_pretrained(tmp_path / "m")
    subject.tokenizer.save_pretrained(tmp_path / "m")
    on_gpu = load(tmp_path / "m", device="cuda:0")
    expected = collect(subject, TEXTS, pooling=pooling)
    for site, acts in collect(on_gpu, TEXTS, pooling=pooling, token_budget=60).items():
        np.testing.assert_allclose(acts.X, expected[site].X, rtol=0, atol=1e-4 * np.abs(expected[site].X).max())
