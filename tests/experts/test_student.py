"""The student: what it learns from, what it does not see, and that the seed decides everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tiltmeter.core.errors import ArrayError, DataError
from tiltmeter.experts import StudentSpec, train_student
from tiltmeter.experts._student import _batches, _Net, _numbered, _pieces, _turned

SMALL = StudentSpec(d_model=16, steps=150, batch_size=32)
TEXTS = [f"{word} {filler}" for word in ("good", "bad") for filler in ("day", "car", "red", "sea")] * 4
TAUGHT = np.array([float(text.startswith("good")) for text in TEXTS])


@pytest.fixture(scope="module")
def student():
    return train_student(TEXTS, TAUGHT, spec=SMALL, seed=0)


@pytest.mark.long
def test_it_learns_what_it_is_taught_and_the_opposite_as_well(student):
    assert (student.predict(TEXTS) == TAUGHT).all()
    opposed = train_student(TEXTS, 1 - TAUGHT, spec=SMALL, seed=0)
    assert (opposed.predict(TEXTS) == 1 - TAUGHT).all()


@pytest.mark.long
def test_it_learns_nothing_of_fresh_texts_from_shuffled_labels():
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(60)]
    texts = [" ".join(rng.choice(words, size=5)) for _ in range(300)]
    y = np.array([float("w1" in text) for text in texts])
    shuffled = train_student(texts[:200], rng.permutation(y[:200]), spec=SMALL, seed=0)
    right = (shuffled.predict(texts[200:]) == y[200:])[y[200:] == 1].mean()
    taught = train_student(texts[:200], y[:200], spec=SMALL, seed=0)
    assert (taught.predict(texts[200:]) == y[200:])[y[200:] == 1].mean() > right


def test_order_matters_to_it_so_that_it_is_no_bag_of_words():
    texts, taught = ["red blue", "blue red"] * 16, np.array([1.0, 0.0] * 16)
    learned = train_student(texts, taught, spec=SMALL, seed=0)
    assert learned.predict(["red blue", "blue red"]).tolist() == [1, 0]


@pytest.mark.long
def test_the_same_seed_gives_the_same_student_and_leaves_the_generator_alone(student):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    again = train_student(TEXTS, TAUGHT, spec=SMALL, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(again.scores(TEXTS), student.scores(TEXTS))
    other = train_student(TEXTS, TAUGHT, spec=SMALL, seed=1)
    assert not np.array_equal(other.scores(TEXTS), student.scores(TEXTS))


def test_a_text_is_read_alike_whatever_stands_beside_it(student):
    alone = student.scores(["good day"])
    beside = student.scores(["good day", "bad sea and a much longer text beside it , to be padded to"])
    assert np.allclose(alone, beside[:1], atol=1e-5)
    assert np.isfinite(student.scores(["", "good", "unheard of words"])).all()
    assert student.scores([]).shape == (0,)


def test_the_vector_of_a_word_is_the_mean_of_its_pieces(student):
    seen = _numbered(["good day"], SMALL)
    vectors = student.net.pieces(seen.pieces)
    rows = _pieces("good", SMALL.n_pieces)
    # the word itself, and "<go", "goo", "ood", "od>"
    assert len(rows) == 5
    assert torch.allclose(vectors[seen.words[0, 0]], student.net.pieces.weight[rows].mean(dim=0), atol=1e-6)


def test_soft_labels_teach_their_probability():
    texts = ["heads"] * 32
    learned = train_student(texts, np.full(32, 0.8), spec=SMALL, seed=0)
    assert abs(1 / (1 + np.exp(-learned.scores(["heads"])[0])) - 0.8) < 0.02


def test_progress_is_told_step_by_step():
    told = []
    train_student(TEXTS, TAUGHT, spec=StudentSpec(steps=3), seed=0, on_step=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_pass_takes_each_row_once_and_texts_of_like_length_stand_together():
    lengths = np.random.default_rng(0).integers(1, 30, size=1000)
    drawn = _batches(lengths, size=64, rng=np.random.default_rng(1))
    # 512 rows in eight batches, and 488 in eight
    batches = [next(drawn) for _ in range(16)]
    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    assert {len(rows) for rows in batches} == {61, 64}
    assert max(np.ptp(lengths[rows]) for rows in batches) <= 6 < np.ptp(lengths) // 2
    # neither the shortest first nor twice in one order
    firsts = [lengths[rows].min() for rows in batches[:8]]
    assert firsts != sorted(firsts)
    alone = _batches(np.ones(1, dtype=int), size=5, rng=np.random.default_rng(0))
    assert [next(alone).tolist() for _ in range(2)] == [[0], [0]]


def test_only_the_distance_of_two_words_counts_for_how_they_meet():
    turns = _Net(StudentSpec(d_model=16, n_heads=2)).turns
    torch.manual_seed(0)
    q, k = torch.randn(1, 2, 1, 8), torch.randn(1, 2, 1, 8)
    met = [[float((_turned(q, turns[[i]]) @ _turned(k, turns[[j]]).mT)[0, 0]) for j in range(9)] for i in range(9)]
    for i in range(8):
        for j in range(8):
            assert met[i][j] == pytest.approx(met[i + 1][j + 1], abs=1e-4)
    assert met[0][0] == pytest.approx(float((q @ k.mT)[0, 0]), abs=1e-4)
    assert abs(met[0][3] - met[3][0]) > 0.01


def test_a_training_that_runs_away_is_told():
    with pytest.raises(ArrayError, match="weights are no longer finite; lower learning_rate, which is 1e\\+30"):
        train_student(TEXTS, TAUGHT, spec=StudentSpec(steps=5, learning_rate=1e30), seed=0)
    with pytest.raises(ValidationError, match="d_model is 20; give a multiple of twice n_heads, 8"):
        StudentSpec(d_model=20)


def test_bad_demonstrations_are_refused():
    with pytest.raises(DataError, match="There are no demonstrations"):
        train_student([], np.empty(0), seed=0)
    with pytest.raises(ArrayError, match=r"taught has shape \(1,\) for 2 texts"):
        train_student(["a", "b"], np.ones(1), seed=0)
    for wrong in (np.array([0.0, 2.0]), np.array([0.0, np.nan])):
        with pytest.raises(ArrayError, match="one number from 0 to 1 each"):
            train_student(["a", "b"], wrong, seed=0)
