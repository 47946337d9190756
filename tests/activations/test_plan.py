"""Batches: every text once, within the budget, with little padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiltmeter.activations import plan_batches
from tiltmeter.core.errors import SpecError


@given(st.lists(st.integers(1, 60), min_size=1, max_size=80), st.integers(1, 200))
def test_every_text_is_in_one_batch_within_the_budget(lengths, budget):
    lengths = np.array(lengths)
    batches = plan_batches(lengths, token_budget=budget)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= budget


def test_the_plan_depends_on_lengths_alone_and_starts_with_the_longest():
    lengths = np.array([5, 9, 5, 1, 9])
    batches = plan_batches(lengths, token_budget=18)
    assert [batch.tolist() for batch in batches] == [[1, 4], [0, 2, 3]]


def test_a_batch_is_closed_where_padding_costs_more_than_another():
    lengths = np.array([100, 300, 290, 280, 110, 250])
    # 10 and 20 tokens of padding, then 50
    assert [b.tolist() for b in plan_batches(lengths, token_budget=8192, fixed_cost=40)] == [[1, 2, 3], [5], [4, 0]]
    assert [b.tolist() for b in plan_batches(lengths, token_budget=8192, fixed_cost=0)] == [
        [1],
        [2],
        [3],
        [5],
        [4],
        [0],
    ]
    assert len(plan_batches(lengths, token_budget=8192, fixed_cost=10_000)) == 1
    assert [b.tolist() for b in plan_batches(np.full(5, 7), token_budget=21, fixed_cost=0)] == [[0, 1, 2], [3, 4]]


@pytest.mark.parametrize("fixed_cost", [24, 48, 512])
def test_a_plan_costs_little_more_than_the_best_there_is(fixed_cost):
    lengths = np.clip(np.exp(np.random.default_rng(0).normal(3.6, 0.6, 400)), 1, 250).astype(np.int64)
    budget = 1024

    def cost(batches) -> int:
        return sum(fixed_cost + len(batch) * int(lengths[batch].max()) for batch in batches)

    ordered = np.sort(lengths)[::-1]
    best = [0]  # of the first i texts, by dynamic programming over where the last batch begins
    for end in range(1, len(ordered) + 1):
        starts = [start for start in range(end) if (end - start) * ordered[start] <= budget or end - start == 1]
        best.append(min(best[start] + fixed_cost + (end - start) * int(ordered[start]) for start in starts))
    assert best[-1] <= cost(plan_batches(lengths, token_budget=budget, fixed_cost=fixed_cost)) < 1.06 * best[-1]


def test_padding_stays_below_a_twentieth_on_texts_of_usual_lengths():
    lengths = np.clip(np.exp(np.random.default_rng(0).normal(3.6, 0.6, 2000)), 1, 250).astype(np.int64)
    for budget in (1024, 8192, 65536):
        padded = sum(len(batch) * lengths[batch].max() for batch in plan_batches(lengths, token_budget=budget))
        assert padded < 1.05 * lengths.sum()


def test_a_few_texts_of_unlike_lengths_share_a_batch():
    assert len(plan_batches(np.array([5, 10, 15, 20, 25]), token_budget=8192, fixed_cost=64)) == 1


def test_a_budget_that_is_not_positive_is_refused():
    with pytest.raises(SpecError, match="token_budget is 0"):
        plan_batches(np.array([1]), token_budget=0)


@given(
    st.lists(st.tuples(st.integers(1, 60), st.sampled_from(["", "a", "b", "c", "d"])), min_size=1, max_size=60),
    st.integers(1, 300),
)
def test_texts_of_a_name_share_a_batch_whatever_their_lengths(rows, budget):
    lengths, together = np.array([n for n, _ in rows]), np.array([name for _, name in rows])
    batches = plan_batches(lengths, token_budget=budget, together=together)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(rows)))
    for name in set(together.tolist()) - {""}:
        members = set(np.flatnonzero(together == name).tolist())
        assert sum(bool(members & set(batch.tolist())) for batch in batches) == 1
    for batch in batches:
        # over the budget only if it is one unit: a text alone, or the members of one name
        names = together[batch]
        is_one = len(batch) == 1 or (len(set(names.tolist())) == 1 and names[0] != "")
        assert is_one or len(batch) * lengths[batch].max() <= budget


def test_without_names_to_keep_together_nothing_changes():
    lengths = np.random.default_rng(0).integers(1, 100, 500)
    plain = plan_batches(lengths, token_budget=2000)
    named = plan_batches(lengths, token_budget=2000, together=np.full(500, ""))
    assert [batch.tolist() for batch in plain] == [batch.tolist() for batch in named]
