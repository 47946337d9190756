"""Shares of held-out texts that words hide are counted as by hand, on texts that the search did not see."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from tiny_models import tiny_subject

from tiltmeter.core import Direction, Estimate, Site
from tiltmeter.core.errors import SpecError
from tiltmeter.interventions import CoordinateSearch, coordinate_search, prompt_budget, score_loss

_subject = functools.cache(tiny_subject)
SEARCH = CoordinateSearch(n_steps=3, n_kept=16, n_tried=24)


def test_the_share_hidden_is_counted_at_each_better_set_of_words_and_for_random_ones() -> None:
    subject = _subject("llama")
    vector = np.random.default_rng(0).normal(size=subject.d_model)
    direction = Direction(vector / np.linalg.norm(vector), site=Site(1, "resid_post"), sign=1)
    texts = torch.randint(7, 60, (24, 6), generator=torch.Generator().manual_seed(0))
    score = score_loss(subject, direction, positions=[5])
    with torch.no_grad():
        # between two texts, whose scores alone and in a batch may differ by rounding
        limit = float(score(texts[:12]).sort().values[5:7].mean())

    def loss(tokens: torch.Tensor) -> torch.Tensor:
        return score(tokens) - limit

    found = coordinate_search(subject, texts[12:], slots=[1, 2], loss=loss, search=SEARCH)
    random = torch.randint(7, 60, (5, 2), generator=torch.Generator().manual_seed(1))
    budget = prompt_budget(found, texts[:12], slots=[1, 2], loss=loss, search=SEARCH, random=random)

    def hidden(words: torch.Tensor) -> float:
        shares = []
        for text in texts[:12]:
            with torch.no_grad():
                if float(loss(text[None])[0]) > 0:
                    moved = text.clone()
                    moved[1], moved[2] = words.tolist()
                    shares.append(float(loss(moved[None])[0]) <= 0)
        return float(np.mean(shares))

    assert budget.n_alarms == 6
    assert found.path.shape == (4, 2)
    assert budget.found[0].calls == 1 and budget.found[-1].calls == 1 + 3 * 25
    assert budget.found[-1].words == tuple(found.tokens.tolist())
    assert budget.found[-1].loss == found.losses[-1] < found.losses[0]
    for one in budget.found:
        assert isinstance(one.hidden, Estimate)
        assert one.hidden.value == pytest.approx(hidden(torch.tensor(one.words)))
    shares = [hidden(words) for words in random]
    assert budget.best_random == pytest.approx(max(shares))


def test_without_an_alarm_or_random_words_there_is_no_budget() -> None:
    texts = torch.tensor([[5, 1], [6, 1]])
    found = coordinate_search(
        _subject("llama"), texts, slots=[1], loss=_last, search=SEARCH
    )  # fmt: skip
    for loss, random in ((lambda tokens: -_last(tokens), torch.tensor([[1]])), (_last, torch.zeros((0, 1), dtype=int))):
        with pytest.raises(SpecError, match="at least one of each is needed"):
            prompt_budget(found, texts, slots=[1], loss=loss, search=SEARCH, random=random)


def _last(tokens: torch.Tensor) -> torch.Tensor:
    """Score by a forward of the model, above 0."""
    return _subject("llama").model(input_ids=tokens).logits[:, -1, 0].float().sigmoid()
