"""A model without training is the same in everything but its weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.tiny_models import tiny_subject
from tiltmeter.activations import collect
from tiltmeter.core.errors import SpecError
from tiltmeter.data import TextSet
from tiltmeter.evaluation import auroc
from tiltmeter.models import untrained
from tiltmeter.probes import LDA


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3", "bert", "t5", "mixtral"])
def test_it_has_the_sites_and_the_tokens_of_the_trained_model_and_other_weights(family: str) -> None:
    subject = tiny_subject(family)
    own = {name: weight.clone() for name, weight in subject.model.state_dict().items()}
    new = untrained(subject)
    assert new.resolve_sites("all") == subject.resolve_sites("all")
    assert set(subject.fingerprint.differences(new.fingerprint)) == {"weights_sha256"}
    # the trained one stays as it is
    assert all(torch.equal(own[name], weight) for name, weight in subject.model.state_dict().items())
    tokens = torch.tensor([[6, 7, 8, 9]])
    here, there = (model.read(tokens, sites=["-1.resid_post"]) for model in (subject, new))
    for site in here:
        assert here[site].shape == there[site].shape
        assert torch.isfinite(there[site]).all() and not torch.allclose(here[site], there[site])


def test_a_seed_gives_one_model_and_leaves_other_draws_alone() -> None:
    subject = tiny_subject("llama")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = (untrained(subject, random_state=seed).fingerprint for seed in (0, 0, 1))
    assert torch.equal(torch.rand(3), expected)
    assert one == same and one.weights_sha256 != other.weights_sha256


def test_it_keeps_the_precision() -> None:
    assert untrained(tiny_subject("llama", dtype=torch.bfloat16)).model.dtype == torch.bfloat16


def test_a_word_is_read_as_well_without_training() -> None:
    """What a bag of words tells, random weights tell: the reason for this null."""
    rng, y = np.random.default_rng(0), np.arange(300) % 2
    words = [[f"w{i}" for i in rng.integers(2, 40, size=2)] + [f"w{label}"] for label in y]
    texts = TextSet(np.arange(300).astype(str), texts=tuple(" ".join(rng.permutation(own)) for own in words))
    (acts,) = collect(untrained(tiny_subject("llama")), texts, sites=["1.resid_post"], pooling="mean").values()
    probe = LDA().fit(acts.X[:200], y[:200])
    assert auroc(y[200:], probe.decision_function(acts.X[200:])) > 0.85


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(SpecError, match="random_state is -1"):
        untrained(tiny_subject("llama"), random_state=-1)
