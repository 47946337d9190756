"""Texts given as strings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.models import Encoded, SubjectModel, encoded_for

Texts = TextSet | Encoded | Sequence[str]


def encoded_texts(subject: SubjectModel, texts: Texts, *, what: str) -> Encoded:
    """Return the tokens of texts, which may be plain strings; ``what`` names the argument in messages."""
    if isinstance(texts, str):
        raise SpecError(f"{what} is the string {texts!r}; give a list of texts, as in [{texts!r}].")
    if not isinstance(texts, TextSet | Encoded):
        if not texts:
            raise DataError(f"{what} holds no texts; give at least one.")
        ids = np.array([f"{what.removesuffix('s')} {i + 1}" for i in range(len(texts))])
        texts = TextSet(ids, texts=tuple(texts), distribution=what)
    return encoded_for(subject, texts)
