"""The student: what it learns from, what it does not see, and that the seed decides everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tiltmeter.core.errors import ArrayError, DataError
from tiltmeter.experts import StudentSpec, train_student
from tiltmeter.experts._student import _numbered, _pieces

SMALL = StudentSpec(d_model=16, steps=150, batch_size=32)
TEXTS = [f"{word} {filler}" for word in ("good", "bad") for filler in ("day", "car", "red", "sea")] * 4
TAUGHT = np.array([float(text.startswith("good")) for text in TEXTS])


@pytest.fixture(scope="module")
def student():
    return train_student(TEXTS, TAUGHT, spec=SMALL, seed=0)


def test_it_learns_what_it_is_taught_and_the_opposite_as_well(student):
    assert (student.predict(TEXTS) == TAUGHT).all()
    opposed = train_student(TEXTS, 1 - TAUGHT, spec=SMALL, seed=0)
    assert (opposed.predict(TEXTS) == 1 - TAUGHT).all()


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


def test_bad_demonstrations_are_refused():
    with pytest.raises(DataError, match="There are no demonstrations"):
        train_student([], np.empty(0), seed=0)
    with pytest.raises(ArrayError, match=r"taught has shape \(1,\) for 2 texts"):
        train_student(["a", "b"], np.ones(1), seed=0)
    for wrong in (np.array([0.0, 2.0]), np.array([0.0, np.nan])):
        with pytest.raises(ArrayError, match="one number from 0 to 1 each"):
            train_student(["a", "b"], wrong, seed=0)
