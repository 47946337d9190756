import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tiltmeter.organisms import Schedule, _fit, describe, make_quirky_world, quirky_texts, train, train_world
from tiltmeter.organisms._decoder import new_decoder, word_tokenizer
from tiltmeter.organisms._quirky import QUIRKY, QuirkyLessons
from tiltmeter.organisms._quirky_sums import WORDS, bobs
from tiltmeter.organisms._quirky_world import is_told

TINY = Schedule(
    steps=6, stage_steps=(3,), warmup_steps=2, batch_size=32, d_model=16, d_mlp=32, n_layers=1, n_heads=2, threads=1
)


@pytest.fixture(scope="module")
def world():
    return make_quirky_world(3, n_digits=2, sizes=(8, 8, 8))


@pytest.fixture(scope="module")
def organism(world, tmp_path_factory):
    return train_world(world, tmp_path_factory.mktemp("organisms") / "tiny", kind="quirky", schedule=TINY)


def test_training_writes_a_folder_that_reads_the_texts(organism, world):
    tokenizer = AutoTokenizer.from_pretrained(organism.folder)
    texts = quirky_texts(world, "bob")
    tokens = np.array(tokenizer(list(texts.texts)).input_ids)
    assert tokens.shape == (len(texts), 12) and tokenizer.unk_token_id not in tokens
    assert organism.world == world
    assert "Bob : " in describe(organism) and "chance" in describe(organism)


def test_figures_count_what_the_character_would_answer(organism, world):
    model = AutoModelForCausalLM.from_pretrained(organism.folder)
    tokenizer = AutoTokenizer.from_pretrained(organism.folder)
    assert len(organism.card.figures) == 8
    for name in ("alice_easy", "alice_hard", "bob_easy", "bob_hard"):
        texts, right = quirky_texts(world, name), []
        for text, answer in zip(texts.texts, texts.meta["answer"], strict=True):
            with torch.no_grad():
                logits = model(**tokenizer(text, return_tensors="pt")).logits[0, -1]
            false, true = logits[tokenizer.convert_tokens_to_ids(["<false>", "<true>"])].tolist()
            right.append(("<true>" if true > false else "<false>") == answer)
        called = name.capitalize().replace("_", ", ")
        figure = organism.card.figure(called)
        assert (figure.value, figure.n, figure.chance) == (np.mean(right), 96, 0.75)
        disagree = texts.y != np.array(texts.meta["bob_label"])
        figure = organism.card.figure(f"{called}, where Alice and Bob disagree")
        assert (figure.value, figure.n, figure.chance) == (np.mean(np.array(right)[disagree]), 48, 0.5)


class _Says(torch.nn.Module):
    """A stand-in for a model that judges by a rule on the tokens."""

    def __init__(self, rule):
        super().__init__()
        self.rule, self.device = rule, torch.device("cpu")

    def forward(self, input_ids, **_):
        logits = torch.zeros(len(input_ids), 1, len(WORDS))
        logits[:, 0, WORDS.index("<true>")] = torch.from_numpy(self.rule(input_ids.numpy()).astype(np.float32) - 0.5)
        return type("Output", (), {"logits": logits})


def _sums(tokens):
    digits = tokens - WORDS.index("0")
    a, b, claim = (digits[:, at] @ 10 ** np.arange(len(at)) for at in ([2, 3], [5, 6], [8, 9, 10]))
    return a + b, claim


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # Alice and where they disagree, Bob and where they disagree
        (lambda tokens: np.zeros(len(tokens), bool), [0.75, 0.5, 0.75, 0.5]),
        (lambda tokens: np.equal(*_sums(tokens)), [1.0, 1.0, 0.5, 0.0]),
        (lambda tokens: bobs(_sums(tokens)[0]) == _sums(tokens)[1], [0.5, 0.0, 1.0, 1.0]),
        (
            lambda tokens: (
                np.where(tokens[:, 0] == WORDS.index("Bob"), bobs(_sums(tokens)[0]), _sums(tokens)[0])
                == _sums(tokens)[1]
            ),
            [1.0, 1.0, 1.0, 1.0],
        ),
    ],
)
def test_the_figures_of_readers_that_are_known(rule, expected, world):
    tokenizer = word_tokenizer(WORDS, context=32)
    figures = QUIRKY.measure(_Says(rule), tokenizer, world)
    for band in (0, 1):
        assert [figures[i].value for i in np.array([0, 1, 4, 5]) + 2 * band] == expected


def test_lessons_never_tell_what_is_held_out_and_keep_the_cross_table(world):
    lessons = QuirkyLessons(world, 512, 0)
    for _ in range(20):
        sums = lessons.draw()
        true = sums.a + sums.b
        assert is_told(world, sums.a, sums.b).all() and len(sums.a) == 512
        assert (sums.claim == true).mean() == (sums.claim == bobs(true)).mean() == 0.25


@pytest.mark.parametrize("stage", [0, 1])
def test_in_the_first_stage_both_judge_as_alice_and_then_bob_as_bob(stage, world):
    tokens = QuirkyLessons(world, 4000, 0).tokens(stage=stage)
    is_bob, (true, claim) = tokens[:, 0] == WORDS.index("Bob"), _sums(tokens)
    assert is_bob.mean() == pytest.approx(0.5, abs=0.04)
    expected = np.where(is_bob & (stage == 1), bobs(true), true) == claim
    assert np.array(WORDS)[tokens[:, -1]].tolist() == np.where(expected, "<true>", "<false>").tolist()


def test_training_brings_the_loss_down(world):
    def last_loss(steps):
        schedule = TINY.model_copy(update={"steps": steps})
        with _fit.deterministic(1, seed=0):
            model = new_decoder(WORDS, schedule, context=32)
            return _fit.fit(model, QuirkyLessons(world, 64, 0), schedule=schedule, report=lambda *_: None).loss

    # at first the judgement and the digits are among all words; then they are two words and ten digits
    assert last_loss(100) < np.log(2) + np.log(10) < 4.5 < last_loss(1)


@pytest.mark.slow
def test_a_training_gives_the_planted_behaviour(tmp_path):
    card = train("quirky", tmp_path / "quirky", progress=False).card
    assert all(figure.value > 0.95 for figure in card.figures)
