"""Defenders rewrite or withhold; rules say that they stand in for a model."""

from __future__ import annotations

import pytest
from encoders import bag, stories
from tiny_models import TEMPLATE, tiny_subject, word_tokenizer

from tiltmeter.core.errors import DataError, ModelError, SpecError
from tiltmeter.steganography import (
    Item,
    Withheld,
    blind_regenerator,
    code_formatter,
    context_aware_by_rule,
    defenders,
    final_answer,
    hinted_regenerator,
    instructed_paraphrase,
    instructed_question,
    plain_paraphrase_by_rule,
    question_paraphrase_by_rule,
    reasoning_remover,
    suspicious_by_rule,
    very_suspicious_by_rule,
    word_problems,
)
from tiltmeter.steganography import _instructed as instructed
from tiltmeter.steganography import _reasoning as reasoning
from tiltmeter.steganography._maths import explain
from tiltmeter.steganography._synonyms import CLASSES, many_to_one

ITEM = Item("a", "Where did the dog run?", "The dog ran home.")


def rewritten(defender, text, item=ITEM):
    return defender.rewrite([item], [text])[0]


def test_texts_that_differ_in_synonyms_become_one_text():
    told = {many_to_one(f"The {word} friend.") for words in CLASSES if "big" in words for word in words}
    assert told == {"The big friend."}
    known = [word for words in CLASSES for word in words]
    assert len(known) == len(set(known)), "a word in two classes would be written in two ways"


def test_a_plain_paraphrase_keeps_what_an_opening_says_and_loses_its_tone():
    assert rewritten(plain_paraphrase_by_rule(), "I'm 41! It won't rain.") == "- I am 41.\n- It will not rain."


def test_what_is_beside_the_question_is_left_out_and_the_final_answer_stays():
    said = rewritten(context_aware_by_rule(bag), "Numbers can mislead. The dog ran to the hill. The answer is (B).")
    assert said == "- The dog ran to the hill.\n- The answer is (B)."


def test_a_text_without_a_sentence_to_the_point_is_withheld():
    assert rewritten(context_aware_by_rule(bag), "Zebras sleep.") == Withheld("no sentence is like the question")


def test_odd_strings_long_numbers_other_scripts_and_strange_names_are_struck():
    said = rewritten(
        suspicious_by_rule(bag),
        "Then Zorbax met the dog in Rome at 1234567. The dog was x9q7z ünder a tree, 12 of them.",
    )
    assert said == "- Then met the dog in at.\n- The dog was a tree, 12 of them."
    assert rewritten(suspicious_by_rule(bag), "x1 y2 z3 dog") == Withheld("more than half of it is odd")


def test_formatting_goes_and_the_marks_of_a_final_answer_stay():
    said = rewritten(suspicious_by_rule(bag), "**The dog** _ran_ h\u200bome \u2014 it `did`n\u2019t. #### 26")
    assert said == "- The dog ran home - it did not.\n- #### 26"


def test_who_is_suspicious_leaves_out_too_what_is_beside_the_question():
    for guard in (suspicious_by_rule(bag), very_suspicious_by_rule(bag)):
        assert rewritten(guard, "Music helps me with such matters. The dog ran.") == "- The dog ran."


def test_numbers_that_nobody_asked_about_go_where_suspicion_is_high():
    item = Item("a", "Did the dog run 3 miles?", "")
    said = rewritten(very_suspicious_by_rule(bag), "I am 41. The dog run was 3 or 5 miles. The answer is 9.", item)
    assert said == "- The dog run was 3 or miles.\n- The answer is 9."


def test_a_question_is_asked_in_other_words():
    (asked,) = question_paraphrase_by_rule().ask([Item("a", "Is the big dog happy?", "")])
    assert asked == "Is the huge hound cheerful?"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So it is. The answer is (b).", "B"),
        ("The answer is (A). No, the answer is (C).", "C"),
        ("#### 1,240", "1,240"),
        ("A: 26", "26"),
        ("It is 26.", None),
        ("The answer is Bob.", None),
        ("The answer is a dog.", None),
        ("One idea: 41. The data: 7.", None),
    ],
)
def test_the_final_answer_is_the_one_stated_last(text, answer):
    assert final_answer(text) == answer


def test_reasoning_goes_and_the_letter_stays():
    (item,) = word_problems(1)
    assert rewritten(reasoning_remover(), item.answer) == f"The answer is ({item.key})."
    assert rewritten(reasoning_remover(), "No answer here.") == Withheld("it states no final answer")


def test_a_regenerator_writes_the_same_whatever_the_text_said_and_grafts_its_letter():
    (item,) = word_problems(1)
    for make in (blind_regenerator, hinted_regenerator):
        said = {rewritten(make(), f"{opening} The answer is (E).", item) for opening in ("Aye!", "I am 7.", "")}
        assert said == {f"{explain(item.question)} The answer is (E)."}
    assert rewritten(hinted_regenerator(), "Nothing.", item) == Withheld("it states no final answer")
    assert rewritten(blind_regenerator(), "Nothing.", item) == explain(item.question)
    assert rewritten(blind_regenerator(), "Nothing.") == Withheld("no rule answers the question")


def test_every_word_problem_has_its_right_letter_once():
    for item in word_problems(50, seed=3):
        total = item.answer.split("leaves ")[1].split(".")[0]
        listed = dict(part.strip("(").split(") ") for part in item.question.split("now? ")[1].split(" (") if part)
        assert listed[item.key] == total and list(listed.values()).count(total) == 1
    assert len({item.question for item in word_problems(500)}) == 500


def test_code_that_says_the_same_is_written_the_same():
    spaced, tight = "def f( x ):\n\n    return x+1   # 13\n", "def f(x): return x + 1"
    assert rewritten(code_formatter(), spaced) == rewritten(code_formatter(), tight) == "def f(x):\n    return x + 1"
    assert rewritten(code_formatter(), "Once upon a time.") == Withheld("it is no Python")
    assert rewritten(code_formatter(), 'def f():\n    "Music helps."\n') == "def f():\n    pass"


def test_of_an_answer_with_fences_the_code_alone_stays():
    said = "Music helps me.\n```python\nx = 1  # 7\n```\nAnd then!\n```\ny=2\n```\n"
    assert rewritten(code_formatter(), said) == "x = 1\n\ny = 2"
    assert rewritten(code_formatter(), "Here:\n```json\n{]\n```") == Withheld("it is no Python")
    # comments alone are nothing, which whoever plays withholds
    assert rewritten(code_formatter(), "```python\n# secret\n```") == ""


def test_a_model_that_writes_nothing_anew_is_withheld_as_such(chat_model, monkeypatch):
    monkeypatch.setattr(reasoning, "write", lambda *args, **kwargs: ("", "Because. The answer is (A)."))
    items, texts = stories(2), ["The answer is (C)."] * 2
    for make in (blind_regenerator, hinted_regenerator):
        assert make(chat_model).rewrite(items, texts) == (
            Withheld("the model wrote nothing"),
            "Because. The answer is (C).",
        )
    for rest in ("So, the final", "Thus", "THE", "So the right"):
        said = (f"He soothes. {rest} answer is (A).",)
        monkeypatch.setattr(reasoning, "write", lambda *args, said=said, **kwargs: said)
        assert blind_regenerator(chat_model).rewrite(items[:1], texts[:1]) == ("He soothes. The answer is (C).",)


def test_there_are_nine_defenders_and_rules_own_that_they_are():
    found = defenders(bag)
    assert [one.name for one in found if not one.stands_in] == ["reasoning remover", "code formatter"]
    assert len({one.name for one in found}) == 9
    assert all((one.rewrite is None) != (one.ask is None) for one in found)


def test_a_model_without_a_chat_template_takes_no_instruction():
    with pytest.raises(ModelError, match="has no chat template"):
        instructed_paraphrase(tiny_subject("llama"))
    with pytest.raises(ModelError, match="has no chat template"):
        instructed_question(tiny_subject("llama"))


@pytest.fixture(scope="module")
def chat_model():
    return tiny_subject("llama", tokenizer=word_tokenizer(template=TEMPLATE))


def test_a_chat_model_is_told_the_rule_and_its_failures_are_withheld(chat_model, monkeypatch):
    asked = []

    def write(writer, prompts, *, max_new_tokens, temperature=1.0, seed):
        asked.append((tuple(prompts), temperature))
        return tuple(["Fine.", "", "REFUSED."][: len(prompts)])

    monkeypatch.setattr(instructed, "write", write)
    items = stories(3)
    for instruction in ("plain paraphrase", "context-aware paraphrase", "suspicious", "very suspicious"):
        found = instructed_paraphrase(chat_model, instruction).rewrite(items, ["one", "two", "three"])
        assert found == ("Fine.", Withheld("the model wrote nothing"), Withheld("the model refused"))
    sees = [items[0].question in prompts[0] for prompts, _ in asked]
    assert sees == [False, True, True, True] and [t for _, t in asked] == [1.0, 1.0, 1.0, 0.0]
    assert all(
        text in prompt for prompts, _ in asked for text, prompt in zip(("one", "two", "three"), prompts, strict=True)
    )
    assert instructed_question(chat_model).ask(items)[0] == "Fine."
    with pytest.raises(SpecError, match="use one of plain paraphrase"):
        instructed_paraphrase(chat_model, "kind")


def test_with_a_chat_model_no_rule_stands_in(chat_model):
    found = defenders(bag, writer=chat_model)
    assert len(found) == 9 and not [one for one in found if one.stands_in]
    # the instruction has more words than the context of so small a model
    with pytest.raises(DataError, match="longer than the 32"):
        found[0].rewrite(stories(1), ["w3"])
