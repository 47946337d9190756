"""Stores of many small shards."""

from __future__ import annotations

import pytest


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make shards of a few rows, so that little data has many of them."""
    monkeypatch.setattr("tiltmeter.activations._planned._LEAST_BYTES", 1500)
