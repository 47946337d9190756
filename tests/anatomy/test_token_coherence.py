"""Coherence of lists: against loops, and of judges that know nothing of the lists."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from tiny_models import tiny_subject

from tiltmeter.anatomy import coherence, encoder_vectors, end_coherence, outermost, spelling_vectors
from tiltmeter.core.errors import ArrayError, SpecError


def by_loops(tokens: list[int], vectors: np.ndarray) -> float:
    centred = vectors - vectors.mean(axis=0)
    found = []
    for i, j in combinations(tokens, 2):
        norms = np.linalg.norm(centred[i]) * np.linalg.norm(centred[j])
        found.append(float(centred[i] @ centred[j] / norms))
    return float(np.mean(found))


def test_coherence_is_the_mean_cosine_of_all_pairs():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 6)) + 3
    lists = np.stack([rng.choice(40, 5, replace=False) for _ in range(300)])
    assert np.allclose(coherence(lists, vectors), [by_loops(one.tolist(), vectors) for one in lists])


def test_what_all_tokens_share_makes_no_list_coherent():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(2000, 16)) + 100
    lists = rng.integers(2000, size=(500, 10))
    assert abs(coherence(lists, vectors).mean()) < 0.01


def test_tokens_of_one_kind_are_coherent_and_scale_does_not_matter():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(100, 8))
    vectors[:10] += 10 * rng.normal(size=8)
    lists = np.stack([np.arange(10), np.arange(50, 60)])
    alike, unlike = coherence(lists, vectors)
    assert alike > 0.8 and abs(unlike) < 0.2
    assert np.allclose(coherence(lists, 1e-3 * vectors), [alike, unlike])


def test_a_token_without_a_direction_counts_as_unlike_all():
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [-2.0, 0.0], [0.0, 0.0]])
    assert coherence(np.array([[0, 1], [0, 3]]), vectors).tolist() == [1.0, 0.0]


def test_the_more_coherent_end_counts_whichever_way_a_direction_points():
    rng = np.random.default_rng(0)
    scores, vectors = rng.normal(size=(700, 30)), rng.normal(size=(30, 4))
    found = end_coherence(scores, {"a": vectors, "b": vectors[::-1]}, n_top=4)
    lists = outermost(scores, n_top=4)
    expected = [max(by_loops(top.tolist(), vectors), by_loops(bottom.tolist(), vectors)) for top, bottom in lists]
    assert np.allclose(found["a"], expected) and not np.allclose(found["b"], expected)
    assert np.allclose(end_coherence(-scores, {"a": vectors}, n_top=4)["a"], found["a"])


def test_lists_of_one_token_and_vectors_that_are_not_finite_are_refused():
    with pytest.raises(SpecError, match="compares two or more"):
        coherence(np.array([[0]]), np.eye(2))
    with pytest.raises(ArrayError, match="not finite"):
        coherence(np.array([[0, 1]]), np.array([[np.nan], [1.0]]))


def test_spelling_counts_letters_and_pairs_by_hand():
    ab, ba, other = spelling_vectors(["ab", "Ba", "xyz"])
    # a, b; ^a, ab, b$ against b, a; ^b, ba, a$: two letters are shared and no pair
    assert float(ab @ ab) == 5 and float(ab @ ba) == 2 and float(ab @ other) == 0


def test_an_encoder_sees_a_token_without_the_spaces_around_it():
    subject = tiny_subject("bert")
    one, two, other = encoder_vectors(subject, [" w1", "w1", "w2"])
    assert np.allclose(one, two) and not np.allclose(one, other)
