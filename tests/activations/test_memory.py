"""The batch that is found fits into the memory there is."""

from __future__ import annotations

import pytest
import torch
from tiny_models import tiny_subject

from tiltmeter.activations import _memory

SUBJECT = tiny_subject("llama")


def _budget(monkeypatch, free: int, *, longest: int = 25, subject=SUBJECT, row_bytes: int = 0) -> int:
    monkeypatch.setattr(_memory, "available_bytes", lambda device: free)
    return _memory.find_token_budget(subject, longest=longest, row_bytes=row_bytes)


def test_free_memory_is_some_of_what_the_machine_has():
    assert 1 << 20 < _memory.available_bytes(torch.device("cpu")) < 1 << 50


def test_more_memory_allows_more_tokens_up_to_what_is_of_use(monkeypatch):
    budgets = [_budget(monkeypatch, free) for free in (0, 1 << 20, 1 << 22, 1 << 25, 1 << 40)]
    assert budgets == sorted(budgets)
    assert budgets[0] == 256
    assert budgets[-1] == 2048
    assert 256 < budgets[2] < 2048


def test_what_is_found_takes_a_quarter_of_the_memory(monkeypatch):
    tokens = _budget(monkeypatch, 1 << 22)
    # the stream and attention of 24 features, the MLP of 40 (96 are allowed for), in float32
    assert tokens * 4 * (12 * 24 + 3 * 96) == pytest.approx((1 << 22) / 4, rel=0.01)


def test_half_precision_takes_half_and_the_plain_kernel_counts_its_scores(monkeypatch):
    half = tiny_subject("llama", dtype=torch.bfloat16)
    assert _budget(monkeypatch, 1 << 22, subject=half) == pytest.approx(2 * _budget(monkeypatch, 1 << 22), rel=0.01)
    plain = tiny_subject("gptj")
    assert plain.model.config._attn_implementation == "eager"
    assert _budget(monkeypatch, 1 << 22, subject=plain, longest=1000) < _budget(monkeypatch, 1 << 22, subject=plain)


def test_where_every_token_is_kept_a_batch_holds_no_more_than_a_shard(monkeypatch):
    assert _budget(monkeypatch, 1 << 40, row_bytes=1 << 19) == (256 << 20) >> 19
    assert _budget(monkeypatch, 1 << 40, row_bytes=1000) == 2048
