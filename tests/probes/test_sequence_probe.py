"""What probes of texts share: the check of offsets, the search from several starts, and its warning."""

import numpy as np
import pytest
import torch

from tests.sequence_methods import SEQUENCE_PROBES, hidden_in_one_token, plant_texts
from tiltmeter.core.errors import ArrayError, ConvergenceWarning
from tiltmeter.numerics import Minimised
from tiltmeter.probes import Search, attention_probe, pooled_tokens
from tiltmeter.probes import TokenPooling as Pooling
from tiltmeter.probes._sequence_probe import checked_offsets, lowest


def ended(values, *, is_converged=True):
    n = len(values)
    return Minimised(
        torch.zeros(n, 2).double(),
        torch.tensor(values).double(),
        torch.full((n,), 2e-3).double(),
        torch.full((n,), is_converged),
        torch.full((n,), 7),
    )


def test_offsets_of_any_integer_type_are_read():
    for dtype in (np.int32, np.uint16, np.int64):
        assert checked_offsets(np.array([0, 2, 5], dtype=dtype), n_rows=5).tolist() == [0, 2, 5]
    assert checked_offsets([0, 2, 5], n_rows=5).dtype == np.int64


@pytest.mark.parametrize("offsets", [[0], [], [0, 3], [0, 6, 5], [1, 5], [0, 2, 2, 5]])
def test_offsets_that_leave_rows_or_texts_out_are_refused(offsets):
    with pytest.raises(ArrayError, match=r"offsets|has no tokens"):
        checked_offsets(np.array(offsets, dtype=np.int64), n_rows=5)


def test_the_lowest_start_is_kept_and_the_first_among_equals():
    assert lowest(ended([3.0, 1.0, 2.0]), name="A probe") == 1
    assert lowest(ended([3.0, 1.0 + 1e-9, 1.0]), name="A probe") == 1


def test_a_search_that_did_not_converge_warns_with_its_residual():
    with pytest.warns(ConvergenceWarning, match=r"A probe stopped after 7 steps with a residual of 0\.002"):
        lowest(ended([1.0], is_converged=False), name="A probe")


def test_too_few_steps_warn():
    texts = plant_texts(60, 5, shift=1.0, seed=0)
    for fit in (pooled_tokens, attention_probe):
        with pytest.warns(ConvergenceWarning, match="with a residual of"):
            fit(texts.X, texts.y, offsets=texts.offsets, search=Search(max_steps=2))


def test_more_starts_never_end_higher():
    # a concept in all tokens, where maxima find several accounts of the train texts
    texts = hidden_in_one_token(100, seed=1, is_spread=True)
    for fit in (
        lambda search: pooled_tokens(
            texts.X, texts.y, offsets=texts.offsets, pooling=Pooling("softmax"), search=search
        ),
        lambda search: attention_probe(texts.X, texts.y, offsets=texts.offsets, search=search),
    ):
        few, many = fit(Search(n_starts=1)), fit(Search(n_starts=6))
        assert len(few.losses) == 1 and len(many.losses) == 6
        assert many.losses.min() <= few.losses.min() * (1 + 1e-6)
        assert many.losses.max() > many.losses.min() * (1 + 1e-4), "a loss with one minimum would need no starts"


@pytest.mark.parametrize("method", [SEQUENCE_PROBES[2], SEQUENCE_PROBES[4]], ids=str)
def test_the_seed_of_the_starts_alone_may_change_what_is_found(method):
    texts = plant_texts(60, 5, shift=3.0, seed=0)
    here, there = (
        method.make().set_params(random_state=seed).fit(texts.X, texts.y, offsets=texts.offsets) for seed in (0, 1)
    )
    # a clear concept: every seed finds it
    np.testing.assert_allclose(here.token_scores(texts.X), there.token_scores(texts.X), rtol=1e-3, atol=1e-3)
