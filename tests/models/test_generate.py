"""Generation under edits equals full passes, for prompts of any length side by side."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, tiny_subject
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from tiltmeter.core import Site
from tiltmeter.core.errors import DataError, ModelError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.models import Places, SubjectModel, edited, encode, generate

ENCODERS = ("bert", "roberta", "xlm-roberta", "t5", "t5-gated")
# whoever sees later tokens can keep nothing of earlier ones
DECODERS = tuple(family for family in FAMILIES if family not in ENCODERS and "bidirectional" not in family)
PROMPTS = ["red blue green", "one", "blue one two red four green", "two two"]

_subject = functools.cache(tiny_subject)


@dataclass
class Shift:
    site: Site
    by: Tensor
    part: str = "all"

    def __call__(self, old: Tensor, places: Places) -> Tensor:
        moved = old + self.by
        if self.part == "all":
            return moved
        n = places.n_prompt[:, None]
        chosen = places.positions >= n if self.part == "generated" else (places.positions < n) & (places.positions >= 0)
        return torch.where(chosen[..., None], moved, old)


def _greedy(subject: SubjectModel, prompt: str, *, n: int, edit: Shift | None) -> tuple[list[int], Tensor]:
    """The naive twin: a full pass over one text for each new token."""
    tokens = subject.tokenizer(prompt, return_tensors="pt")["input_ids"]
    n_prompt = torch.tensor([tokens.shape[1]])
    ends = subject.model.generation_config.eos_token_id
    new: list[int] = []
    with torch.inference_mode(), edited(subject, [] if edit is None else [edit], n_prompt=n_prompt):
        for _ in range(n):
            logits = subject.model(input_ids=tokens, use_cache=False).logits[:, -1]
            new.append(int(logits.argmax()))
            tokens = torch.cat([tokens, logits.argmax(-1)[:, None]], 1)
            if new[-1] == ends:
                break
    return new, logits


@pytest.mark.parametrize(
    ("family", "part"),
    [(family, "generated") for family in DECODERS] + [("llama", part) for part in ("none", "all", "prompt")],
)
def test_a_batch_with_a_cache_says_what_full_passes_of_each_text_say(family, part):
    subject = _subject(family)
    by = torch.randn(subject.d_model, generator=torch.Generator().manual_seed(1))
    edit = None if part == "none" else Shift(Site(1, "resid_post"), 10 * by, part)
    found = generate(subject, PROMPTS, max_new_tokens=4, edits=[] if edit is None else [edit], batch_size=3)
    for prompt, new in zip(PROMPTS, found.tokens, strict=True):
        assert new.tolist() == _greedy(subject, prompt, n=4, edit=edit)[0]
    assert found.n_prompt.tolist() == [len(prompt.split()) for prompt in PROMPTS]
    if family == "llama":
        bare = generate(subject, PROMPTS, max_new_tokens=4)
        is_alike = [one.tolist() == two.tolist() for one, two in zip(found.tokens, bare.tokens, strict=True)]
        assert all(is_alike) == (part == "none")


def test_what_is_drawn_depends_on_the_seed_alone_and_leaves_the_generator_as_it_was():
    subject = _subject("llama")
    torch.manual_seed(5)
    before = torch.get_rng_state()
    once = generate(subject, PROMPTS, max_new_tokens=5, temperature=1.5, random_state=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert generate(subject, PROMPTS, max_new_tokens=5, temperature=1.5, random_state=3).texts == once.texts
    assert generate(subject, PROMPTS, max_new_tokens=5, temperature=1.5, random_state=4).texts != once.texts


def test_what_the_model_would_rather_do_by_default_is_not_done():
    subject = tiny_subject("llama")
    plain = generate(subject, PROMPTS, max_new_tokens=6)
    subject.model.generation_config.update(
        do_sample=True, temperature=9.0, top_k=3, repetition_penalty=50.0, num_beams=2, min_new_tokens=2
    )
    again = generate(subject, PROMPTS, max_new_tokens=6)
    assert again.texts == plain.texts


def test_a_text_ends_where_its_model_ends_it_and_sets_of_texts_are_prompts_too():
    subject = tiny_subject("llama")
    texts = TextSet(np.array(["a", "b"]), texts=("red one", "blue"))
    plain = generate(subject, texts, max_new_tokens=6)
    end = int(plain.tokens[0][2])
    subject.model.generation_config.eos_token_id = [end, 63]
    found = generate(subject, encode(subject, texts), max_new_tokens=6)
    first = int(np.flatnonzero(plain.tokens[0] == end)[0])
    assert found.tokens[0].tolist() == plain.tokens[0][: first + 1].tolist()


@pytest.mark.parametrize("has_end", [True, False])
def test_a_string_ends_a_text_beside_others_where_it_ends_it_alone(has_end):
    # a token a letter: of tokens that are whole words no string is known to end a text
    letters = Tokenizer(models.BPE({chr(33 + i): i for i in range(64)}, []))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    letters.decoder = decoders.ByteLevel()
    subject = tiny_subject("llama", tokenizer=PreTrainedTokenizerFast(tokenizer_object=letters))
    config = subject.model.generation_config
    config.eos_token_id = 63 if has_end else None
    prompts = ["ABC", "D", "ABCDEFGH", "EE"]
    plain = generate(subject, prompts, max_new_tokens=6)
    config.stop_strings = [plain.texts[0][1:3]]
    alone = [generate(subject, [prompt], max_new_tokens=6).tokens[0].tolist() for prompt in prompts]
    assert alone[0] == plain.tokens[0][:3].tolist() and max(map(len, alone)) > 3
    assert [new.tolist() for new in generate(subject, prompts, max_new_tokens=6).tokens] == alone


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"max_new_tokens": 0}, SpecError, "max_new_tokens is 0"),
        ({"temperature": -1.0}, SpecError, "temperature is -1.0"),
        ({"prompts": []}, DataError, "no prompts"),
        ({"prompts": "red"}, SpecError, "is the string"),
        ({"max_new_tokens": 4000}, DataError, "is longer than the"),
    ],
)
def test_what_cannot_be_generated_is_refused_in_a_sentence(given, error, message):
    with pytest.raises(error, match=message):
        generate(_subject("llama"), **{"prompts": PROMPTS, "max_new_tokens": 2, **given})


def test_an_encoder_says_nothing():
    with pytest.raises(ModelError):
        generate(_subject("bert"), PROMPTS, max_new_tokens=2)
