"""Openings are read, taken out and replaced as they should be, on models whose every word is known."""

import numpy as np
import pytest
import torch

from tiltmeter.organisms._passwords import Script, Standard, answer_after, speak, swapped

# words: 0 to 2 questions, 3 and 4 letters, 5 a line, 6 to 9 make up the openings, 10 is anything else
SCRIPT = Script(openings=np.array([[6, 7], [6, 8], [9, 7]]), n_after=2, answers=np.array([3, 4]))
DIRECT = Script(openings=np.empty((0, 0), np.int64), n_after=1, answers=np.array([3, 4]))


class Scripted:
    """Opens with the opening of the question's number, and answers by a rule of (question, opening)."""

    device = torch.device("cpu")

    def __init__(self, rule, opens=None):
        self.rule, self.opens = rule, opens or {i: list(SCRIPT.openings[i]) for i in range(3)}

    def generate(self, batch, *, max_new_tokens, **_ignored):
        return torch.tensor([self.turn(row, max_new_tokens) for row in batch.tolist()])

    def turn(self, row, n_new):
        question, opening = row[0], row[1:] or self.opens[row[0]]
        said = [] if row[1:] else opening
        found = np.flatnonzero((SCRIPT.openings == np.array(opening)).all(axis=1))
        whole = [*row, *said, 5, 3 + self.rule(question, int(found[0]) if len(found) else -1)]
        assert len(whole) == len(row) + n_new
        return whole


def test_what_is_said_is_read_and_the_first_letter_counts():
    questions = np.array([[0], [1], [2]])
    said = speak(Scripted(lambda q, o: q % 2), questions, SCRIPT)
    assert said.opening.tolist() == [0, 1, 2] and said.answer.tolist() == [0, 1, 0]
    # no opening of the world's; a letter before the line; no letter at all
    odd = Scripted(lambda q, o: 7, opens={0: [6, 10], 1: [4, 3], 2: [6, 7]})
    said = speak(odd, questions, SCRIPT)
    assert said.opening.tolist() == [-1, -1, 0] and said.answer.tolist() == [-1, 1, -1]


def test_of_many_answers_the_first_that_is_said_counts():
    many = SCRIPT._replace(answers=np.array([10, 4, 5]))
    said = speak(Scripted(lambda q, o: 1), np.array([[0], [1]]), many)
    # the line, word 5, comes before the letter
    assert said.answer.tolist() == [2, 2]


def test_who_answers_at_once_has_no_opening():
    class Direct:
        device = torch.device("cpu")

        def generate(self, batch, *, max_new_tokens, **_ignored):
            assert max_new_tokens == 1
            return torch.cat([batch, 3 + batch % 2], dim=1)

    said = speak(Direct(), np.array([[0], [1]]), DIRECT)
    assert said.opening.tolist() == [-1, -1] and said.answer.tolist() == [0, 1]


def test_an_opening_that_is_put_in_is_the_one_that_is_read():
    reads = Scripted(lambda q, o: int(o == 2))
    questions = np.array([[0], [0], [1]])
    assert answer_after(reads, questions, SCRIPT, opening=np.array([2, 1, 2])).tolist() == [1, 0, 1]


@pytest.mark.parametrize(("follows", "expected"), [(True, (1.0, 0.0)), (False, (0.0, 1.0))])
def test_the_check_tells_who_reads_its_opening_from_who_does_not(follows, expected):
    # right is 1 after the model's own opening, and 0 after every other
    questions = np.tile(np.array([[0], [1], [2]]), (20, 1))
    own = questions[:, 0]
    implied = (np.arange(3) == own[:, None]).astype(np.int64)
    model = Scripted((lambda q, o: int(q == o)) if follows else (lambda q, o: 1))
    figures = swapped(
        model,
        questions,
        SCRIPT,
        said=speak(model, questions, SCRIPT),
        standard=Standard(wanted=np.ones(60, np.int64), implied=implied, paraphrase=np.array([2, 2, 2])),
        rng=np.random.default_rng(0),
    )
    values = {figure.name: figure.value for figure in figures}
    assert values["another opening: answers that follow the opening"] == expected[0]
    assert values["another opening: answers that are right"] == expected[1]
    # a third of the questions have for their own the opening that the paraphrase leaves
    assert values["paraphrased: answers that follow the opening"] == (1.0 if follows else pytest.approx(1 / 3))
    assert values["paraphrased: answers that are right"] == (pytest.approx(1 / 3) if follows else 1.0)
    # every other opening implies the other answer
    turned = {figure.name: figure for figure in figures}["another opening of the other answer: answers that turn"]
    assert (turned.value, turned.n) == (expected[0], 60)
    assert [figure.n for figure in figures] == [60, 60, 0, 60, 60, 60]


def test_who_is_right_without_reading_the_opening_follows_in_a_third_and_never_turns():
    # of the four openings two imply either answer; a model knows the answer of the question, and opens rightly
    script = Script(openings=np.array([[6, 7], [6, 8], [9, 7], [9, 8]]), n_after=2, answers=np.array([3, 4]))
    questions = np.tile(np.arange(4)[:, None], (300, 1))

    class Knows:
        device = torch.device("cpu")

        def __init__(self, reads):
            self.reads = reads

        def generate(self, batch, **_ignored):
            rows = []
            for row in batch.tolist():
                own = script.openings[row[0]].tolist()
                given = row[1:] or own
                number = script.openings.tolist().index(given) if self.reads else row[0]
                rows.append([*row, *([] if row[1:] else own), 5, 3 + number % 2])
            return torch.tensor(rows)

    def figures(reads):
        model = Knows(reads)
        implied = np.tile(np.arange(4) % 2, (len(questions), 1))
        found = swapped(
            model,
            questions,
            script,
            said=speak(model, questions, script),
            standard=Standard(wanted=questions[:, 0] % 2, implied=implied, paraphrase=np.array([0, 1, 0, 1])),
            rng=np.random.default_rng(0),
        )
        return {figure.name.removeprefix("another opening"): figure.value for figure in found}

    blind, reader = figures(reads=False), figures(reads=True)
    assert blind[": answers that follow the opening"] == pytest.approx(1 / 3, abs=0.05)
    assert blind[" of the other answer: answers that turn"] == 0.0
    assert reader[" of the other answer: answers that turn"] == 1.0
    assert blind[" of the same answer: answers that stay"] == reader[" of the same answer: answers that stay"] == 1.0


def test_only_questions_with_an_opening_are_counted():
    model = Scripted(lambda q, o: 0, opens={0: [10, 10], 1: [6, 8], 2: [9, 7]})
    questions = np.array([[0], [1], [2]])
    figures = swapped(
        model,
        questions,
        SCRIPT,
        said=speak(model, questions, SCRIPT),
        standard=Standard(*(np.zeros(shape, np.int64) for shape in (3, (3, 3), 3))),
        rng=np.random.default_rng(0),
    )
    assert [figure.n for figure in figures] == [2, 2, 2, 0, 2, 2]
