"""Small stores for tests: many shards of few rows, and what they must hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tiltmeter.activations import ActivationStore, Collected

SITES = ("0.resid_post", "2.resid_post")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def agree(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Equal to single precision's rounding, on the scale of the largest value."""
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


def assert_holds(folder: Path, expected: Collected) -> None:
    """The store is sound, and its rows are those that were collected in memory."""
    store = ActivationStore.open(folder)
    assert store.verify() == ()
    for site, acts in expected.items():
        read = store.read(site, acts.ids)
        for name in ("ids", "offsets", "y", "pairs", "sides", "groups", "site", "fingerprint"):
            np.testing.assert_array_equal(getattr(read, name), getattr(acts, name))
        agree(read.X, acts.X)
