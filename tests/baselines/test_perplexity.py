"""Perplexity is that of each text alone, and tells apart what the model finds likely and what it does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.tiny_models import random_texts, tiny_subject, word_tokenizer
from tiltmeter.baselines import perplexity, surprise
from tiltmeter.core.errors import DataError, ModelError
from tiltmeter.data import TextSet
from tiltmeter.evaluation import auroc


@pytest.mark.parametrize("bos", [False, True])
def test_it_is_the_mean_loss_of_each_text_alone(bos: bool) -> None:
    subject = tiny_subject("llama", tokenizer=word_tokenizer(bos=bos))
    texts = TextSet(np.arange(20).astype(str), texts=tuple(f"{text} w0" for text in random_texts(20).texts or ()))
    found = surprise(subject, texts)
    for i, text in enumerate(texts.texts or ()):
        tokens = subject.tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            assert found[i] == pytest.approx(float(subject.model(input_ids=tokens, labels=tokens).loss), abs=1e-4)


def test_a_lone_token_has_no_likelihood_unless_one_stands_before_it() -> None:
    lone = TextSet(np.array(["the one"]), texts=("w1",))
    with pytest.raises(DataError, match="the one has no token with another before it"):
        surprise(tiny_subject("llama"), lone)
    assert surprise(tiny_subject("llama", tokenizer=word_tokenizer(bos=True)), lone).shape == (1,)


def test_a_model_without_answers_is_refused() -> None:
    with pytest.raises(ModelError):
        perplexity(tiny_subject("bert"))


def test_what_the_model_would_say_itself_is_told_from_random_words() -> None:
    subject, rng = tiny_subject("llama"), np.random.default_rng(0)
    y = np.arange(120) % 2
    # positive texts go on with the likeliest word, the others with any; words are the tokens from 6 on
    tokens = torch.from_numpy(rng.integers(6, 46, size=(120, 1)))
    for _ in range(8):
        with torch.no_grad():
            likeliest = 6 + subject.model(tokens).logits[:, -1, 6:46].argmax(-1)
        following = torch.where(torch.from_numpy(y == 1), likeliest, torch.from_numpy(rng.integers(6, 46, size=120)))
        tokens = torch.cat([tokens, following[:, None]], 1)
    made = tuple(" ".join(subject.tokenizer.convert_ids_to_tokens(row)) for row in tokens)
    texts, rival = TextSet(np.arange(120).astype(str), texts=made, y=y), perplexity(subject)
    seen = rival.read(texts)
    fitted = rival.fit(seen[:60], y[:60])
    assert auroc(y[60:], rival.score(fitted, seen[60:])) > 0.95
