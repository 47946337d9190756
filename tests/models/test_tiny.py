"""The model to try things on."""

import torch

from tiltmeter.models import tiny


def test_it_is_the_same_each_time_and_leaves_the_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    first, again, other = tiny("Rome is old"), tiny("Rome is old"), tiny("Rome is old", seed=1)
    assert torch.equal(before, torch.random.get_rng_state())
    assert first.fingerprint == again.fingerprint
    assert first.fingerprint.weights_sha256 != other.fingerprint.weights_sha256


def test_each_word_is_a_token_and_what_it_does_not_know_is_one_too() -> None:
    subject = tiny("Rome is old")
    assert subject.tokenizer("old Rome was")["input_ids"] == [3, 1, 0]
    assert subject.tokenizer.decode([1, 2, 3]) == "Rome is old"
    assert subject.model.config.vocab_size == 4


def test_no_token_ends_a_text() -> None:
    subject = tiny("Rome")
    tokens = subject.model.generate(torch.tensor([[1]]), max_new_tokens=20, do_sample=False)
    assert tokens.shape == (1, 21)
