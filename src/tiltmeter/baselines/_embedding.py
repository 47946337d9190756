"""Sentence embeddings of another model."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from tiltmeter.activations import collect
from tiltmeter.baselines._rival import Rival, Seen
from tiltmeter.data import TextSet, plain_texts
from tiltmeter.models import SubjectModel, encode


def embeddings(embedder: SubjectModel) -> Rival:
    """Tell the labels apart by a logistic regression on another model's embedding of each text.

    The embedding is the mean of the last block's output over the tokens of the text, special ones left out, at norm 1.
    What is longer than the model's context is cut at its end, as sentence encoders do.

    Parameters
    ----------
    embedder
        Any model; a sentence encoder does best.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> rival = embeddings(tiny("Rome is old"))
    >>> rival.read(TextSet(np.array(["a"]), texts=("Rome",))).shape
    (1, 8)
    """

    def read(texts: TextSet) -> Seen:
        if not len(texts):
            return np.empty((0, embedder.d_model), dtype=np.float32)
        whole = TextSet(texts.ids, texts=plain_texts(texts), distribution=texts.distribution)
        encoded = encode(embedder, whole, long_texts="truncate_right")
        (acts,) = collect(embedder, encoded, sites=["-1.resid_post"], pooling="mean").values()
        return acts.X

    described = f"logistic regression on the embeddings of {embedder.name}, mean over tokens"
    return Rival("sentence embeddings", "embedding", described, read, _classifier)


def _classifier() -> Pipeline:
    # C = 0.1 as for probes: of the same strength relative to features of variance 1
    return make_pipeline(Normalizer(), StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
