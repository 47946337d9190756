"""Aligned pairs of prompts for the tiny models, of one or of several lengths."""

from __future__ import annotations

import numpy as np

from tiltmeter.interventions import EncodedPairs, PromptPairs, encode_pairs
from tiltmeter.models import SubjectModel


def tiny_pairs(n: int, *, longest: int = 6, seed: int = 0, prefix: str = "p") -> PromptPairs:
    """Pairs that differ in their second word, w0 or w1, with 2 to ``longest`` words and two pairs a group."""
    rng = np.random.default_rng(seed)
    rest = [[f"w{k}" for k in rng.integers(6, 40, size=rng.integers(2, longest + 1) - 1)] for _ in range(n)]
    return PromptPairs(
        np.array([f"{prefix}{i}" for i in range(n)]),
        positive=tuple(" ".join([words[0], "w0", *words[1:]]) for words in rest),
        negative=tuple(" ".join([words[0], "w1", *words[1:]]) for words in rest),
        positive_answers=(("w2", "w3"),) * n,
        negative_answers=(("w4",),) * n,
        tags=np.array(["easy"] * n),
        groups=np.array([f"{prefix}{i // 2}" for i in range(n)]),
    )


def encoded_pairs(subject: SubjectModel, n: int, *, longest: int = 6, seed: int = 0, prefix: str = "p") -> EncodedPairs:
    return encode_pairs(subject, tiny_pairs(n, longest=longest, seed=seed, prefix=prefix))
