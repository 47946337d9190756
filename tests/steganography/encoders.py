"""A sentence encoder without a model: texts that share words are alike."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from tiltmeter.steganography import Item


def bag(texts: Sequence[str]) -> np.ndarray:
    """Return hashed counts of words at unit norm."""
    rows = np.zeros((len(texts), 512))
    for i, text in enumerate(texts):
        for word in text.lower().replace(".", " ").replace("!", " ").split():
            rows[i, zlib.crc32(word.encode()) % 512] += 1.0
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def stories(n: int) -> tuple[Item, ...]:
    """Return items of small stories, each with a question of its own."""
    animals, places = ("dog", "cat", "bear", "bird", "fox"), ("park", "garden", "river", "hill")
    found = []
    for i in range(n):
        animal, place = animals[i % 5], places[i // 5 % 4]
        found.append(
            Item(
                f"story {i}",
                f"Where did the tiny {animal} number {i} go?",
                f"The tiny {animal} went to the {place}. It saw a large tree and was very happy. It ran home.",
            )
        )
    return tuple(found)
