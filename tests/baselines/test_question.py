"""Asking a model: the prompt is what it should be, and the log-odds are those of a plain forward."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.tiny_models import TEMPLATE, random_texts, tiny_subject, word_tokenizer
from tiltmeter.baselines import JudgedTexts, Rival, answer_log_odds, asking, judge_rivals, put_question
from tiltmeter.core.errors import DataError, ModelError, SpecError
from tiltmeter.data import Message, TextSet
from tiltmeter.evaluation import resampling
from tiltmeter.models import prompt_tokens


def _said(*turns: tuple[str, str]) -> tuple[Message, ...]:
    return tuple(Message(role=role, content=content) for role, content in turns)


def _chats(*chats: tuple[Message, ...]) -> TextSet:
    return TextSet(np.arange(len(chats)).astype(str), messages=chats)


def test_a_place_for_the_text_is_filled_once_whatever_stands_in_the_text() -> None:
    texts = TextSet(np.array(["1"]), texts=("say {text} {0}",))
    assert put_question(texts, "Is <{text}> true?").texts == ("Is <say {text} {0}> true?",)


def test_an_empty_question_leaves_the_text_as_it_is() -> None:
    assert put_question(TextSet(np.array(["1"]), texts=("w1",)), "").texts == ("w1",)


def test_a_question_after_a_chat_is_the_next_message_of_the_user_or_the_end_of_the_last() -> None:
    first, second = _said(("user", "w1"), ("assistant", "w2")), _said(("user", "w1"))
    asked = put_question(_chats(first, second), "w3").messages
    assert asked == (
        _said(("user", "w1"), ("assistant", "w2"), ("user", "w3")),
        _said(("user", "w1\n\nw3")),
    )


def test_a_chat_within_a_question_is_written_line_by_line_into_one_message() -> None:
    asked = put_question(_chats(_said(("user", "w1"), ("assistant", "w2"))), "Q {text} A")
    assert asked.messages == (_said(("user", "Q user: w1\nassistant: w2 A")),)


def test_log_odds_are_those_of_each_prompt_alone_in_a_plain_forward() -> None:
    subject, prompts = tiny_subject("llama"), random_texts(30)
    found = answer_log_odds(subject, prompts, positive=["w1", "w2"], negative=["w3"])
    sides = [subject.tokenizer.convert_tokens_to_ids(side) for side in (["w1", "w2"], ["w3"])]
    for i, text in enumerate(prompts.texts or ()):
        with torch.no_grad():
            logits = subject.model(**subject.tokenizer(text, return_tensors="pt")).logits[0, -1].double()
        likely = logits.softmax(-1)
        assert found[i] == pytest.approx(float((likely[sides[0]].sum() / likely[sides[1]].sum()).log()), abs=1e-4)


def test_a_chat_is_asked_through_its_template_with_the_opening_of_the_answer() -> None:
    subject = tiny_subject("llama", tokenizer=word_tokenizer(template=TEMPLATE))
    chats = _chats(_said(("user", "w1 w2")), _said(("user", "w3"), ("assistant", "w4"), ("user", "w5")))
    for chat, tokens in zip(chats.messages or (), prompt_tokens(subject, chats), strict=True):
        written = "".join(f"<turn> {m['role']} {m['content']} <end>\n" for m in chat) + "<turn> assistant "
        assert tokens.tolist() == subject.tokenizer(written, add_special_tokens=False)["input_ids"]


def test_what_the_tokenizer_would_put_behind_a_text_does_not_stand_before_the_answer() -> None:
    subject = tiny_subject("llama", tokenizer=word_tokenizer(bos=True, eos=True))
    (tokens,) = prompt_tokens(subject, TextSet(np.array(["1"]), texts=("w1 w2",)))
    assert subject.tokenizer.convert_ids_to_tokens(tokens) == ["<s>", "w1", "w2"]


def test_a_long_prompt_is_refused_or_loses_its_start_and_keeps_its_question() -> None:
    subject = tiny_subject("llama", tokenizer=word_tokenizer(bos=True, template=TEMPLATE))
    long = TextSet(np.array(["1"]), texts=(" ".join(["w1"] * 40 + ["w9"]),))
    with pytest.raises(DataError, match="42 tokens, 32 are allowed"):
        prompt_tokens(subject, long)
    (tokens,) = prompt_tokens(subject, long, long_texts="truncate_right")
    assert len(tokens) == 32 and subject.tokenizer.convert_ids_to_tokens(tokens[[0, -1]]) == ["<s>", "w9"]
    chat = put_question(long, "", in_chat=True)
    with pytest.raises(DataError, match="46 tokens, 32 are allowed"):
        prompt_tokens(subject, chat)
    (tokens,) = prompt_tokens(subject, chat, long_texts="truncate_left")
    assert len(tokens) == 32 and subject.tokenizer.convert_ids_to_tokens(tokens[-4:])[0] == "w9"


def test_chats_need_a_template() -> None:
    with pytest.raises(ModelError, match="no chat template"):
        prompt_tokens(tiny_subject("llama"), _chats(_said(("user", "w1"))))


def test_an_answer_of_two_tokens_and_a_model_without_answers_are_found_out_before_anything_is_read() -> None:
    with pytest.raises(SpecError, match="must be exactly one"):
        asking(tiny_subject("llama"), question="", positive="w1 w2", negative="w3")
    with pytest.raises(ModelError):
        asking(tiny_subject("bert"), question="", positive="w1", negative="w3")


def test_another_model_is_asked_in_a_chat_where_it_has_a_template() -> None:
    subject = tiny_subject("llama", tokenizer=word_tokenizer(template=TEMPLATE))
    raw, _ = asking(subject, question="", positive="w1", negative="w2", as_monitor=True)
    texts = random_texts(5)
    plain, _ = asking(subject, question="", positive="w1", negative="w2")
    in_chat = answer_log_odds(subject, put_question(texts, "", in_chat=True), positive="w1", negative="w2")
    assert raw.kind == "monitor" and plain.kind == "asked"
    assert raw.read(texts)[:, 0].tolist() == in_chat.tolist() != plain.read(texts)[:, 0].tolist()


def test_recalibration_mends_the_zero_and_the_sign_and_nothing_else() -> None:
    from tiltmeter.baselines._question import recalibrated

    rng, y = np.random.default_rng(0), np.arange(400) % 2
    texts = TextSet(np.arange(400).astype(str), texts=tuple(f"t{i}" for i in range(400)), y=y)
    # positive texts have the lower number, and all of them lie above 0
    numbers = dict(zip(texts.texts or (), 10 - 2 * y + rng.normal(size=400), strict=True))
    raw = Rival("odd", "asked", "", lambda part: np.array([[numbers[text]] for text in part.texts or ()]))
    halves = [texts.select(part) for part in np.array_split(np.arange(400), 2)]
    test = JudgedTexts(halves[1], y[200:], resampling(200, groups=None, n_draws=200))
    told = judge_rivals(recalibrated(raw, notes=raw.notes), {"t": test}, train=halves[0], calibration=halves[0])
    (before, after) = told.baselines
    assert before.auroc.value == pytest.approx(1 - after.auroc.value)  # type: ignore[union-attr]
    assert before.accuracy.value == 0.5 and after.accuracy.value > 0.75  # type: ignore[union-attr]
