"""TextSet: what it refuses, what select and fingerprint keep."""

from dataclasses import replace

import numpy as np
import pytest

from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.data import Between, Chat, Message, NthMessage, TextSet, plain_texts, require_two_classes


def _cities(**changes) -> TextSet:
    texts = TextSet(
        np.array(["a", "b", "c"]),
        texts=("Rome is in Italy.", "Rome is in Peru.", "Oslo is in Norway."),
        y=np.array([1, 0, 1]),
        pairs=np.array(["p", "p", ""]),
        sides=np.array([0, 1, 0]),
        groups=np.array(["Rome", "Rome", "Oslo"]),
        distribution="cities",
        meta={"country": ("Italy", "Peru", "Norway")},
    )
    return replace(texts, **changes)


def _chat(*turns: tuple[str, str]) -> Chat:
    return tuple(Message(role=role, content=content) for role, content in turns)


def test_a_mask_and_indices_select_the_same_rows_of_every_column():
    texts = _cities(spans=np.array([[0, 4], [0, 4], [0, 4]]))
    by_mask, by_index = texts.select(np.array([True, False, True])), texts.select(np.array([0, 2]))
    for chosen in (by_mask, by_index):
        assert chosen.ids.tolist() == ["a", "c"]
        assert chosen.texts == ("Rome is in Italy.", "Oslo is in Norway.")
        assert chosen.y.tolist() == [1, 1]
        assert chosen.pairs.tolist() == ["p", ""]
        assert chosen.groups.tolist() == ["Rome", "Oslo"]
        assert chosen.spans.shape == (2, 2)
        assert chosen.meta == {"country": ("Italy", "Norway")}
    assert by_mask.fingerprint() == by_index.fingerprint()


def test_indices_select_in_their_order():
    assert _cities().select(np.array([2, 0])).ids.tolist() == ["c", "a"]


def test_selecting_nothing_leaves_an_empty_set():
    assert len(_cities().select(np.zeros(3, dtype=bool))) == 0


def test_a_mask_of_another_length_is_refused():
    with pytest.raises(DataError, match=r"mask of shape \(2,\) does not fit the 3 rows of cities"):
        _cities().select(np.array([True, False]))


def test_the_fingerprint_does_not_depend_on_where_the_file_stands():
    assert _cities(source="/one/place.jsonl").fingerprint() == _cities(source="/another.csv").fingerprint()


@pytest.mark.parametrize(
    "change",
    [
        {"texts": ("Rome is in Italy.", "Rome is in Peru.", "Oslo is in Norway!")},
        {"ids": np.array(["a", "b", "d"])},
        {"y": np.array([1, 0, 0])},
        {"y": None},
        {"pairs": None},
        {"sides": np.array([1, 0, 0])},
        {"groups": np.array(["Rome", "Rome", "Rome"])},
        {"spans": np.array([[0, 4], [0, 4], [0, 4]])},
        {"spans": np.array([[0, 4], [0, 4], [0, 4]]), "span": "marked"},
    ],
)
def test_the_fingerprint_changes_with_everything_that_is_read_or_labelled(change):
    assert _cities(**change).fingerprint() != _cities().fingerprint()


def test_the_fingerprint_tells_where_one_text_ends():
    one = TextSet(np.array(["1", "2"]), texts=("ab", "c"))
    other = TextSet(np.array(["1", "2"]), texts=("a", "bc"))
    assert one.fingerprint() != other.fingerprint()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"texts": None}, "either texts or messages"),
        ({"messages": (_chat(("user", "Hi")),) * 3}, "either texts or messages"),
        ({"texts": ("one", "two")}, "texts has 2 entries for 3 ids"),
        ({"meta": {"country": ("Italy",)}}, "country has 1 entries for 3 ids"),
        ({"y": np.array([1, 0])}, r"y has shape \(2,\) for 3 rows"),
        ({"y": np.array([1, 0, 2])}, "y holds 0, 1, 2; it may hold 0, 1"),
        ({"sides": np.array([1, 0, 2])}, "sides holds 0, 1, 2"),
        ({"split": np.array(["train", "dev", "test"])}, "it may hold train, calibration, test"),
        ({"ids": np.array(["a", "b", "a"])}, "ids repeat"),
        ({"texts": ("one", " \n", "three")}, "row b: the text is empty"),
        ({"span": "marked"}, "marks no spans"),
        ({"span": "assistant"}, "needs chats"),
        ({"span": NthMessage(2)}, r"the span \{message: 2\} needs chats"),
        ({"span": Between("Rome", ".")}, "cities, row c: 'Rome', after which it is read, is not in it"),
        ({"span": Between("is", "Peru")}, "row a: no 'Peru', up to which it is read, follows the first 'is'"),
        ({"span": Between("Rome", " is")}, "row a: nothing stands between"),
        ({"spans": np.array([0, 4])}, r"spans has shape \(2,\)"),
        ({"spans": np.array([[0, 4], [4, 4], [0, 4]])}, "row b: the span 4 to 4 is no range"),
        ({"spans": np.array([[0, 4], [0, 4], [0, 19]])}, "row c: the span 0 to 19 is no range within its 18"),
        ({"spans": np.array([[-1, 4], [0, 4], [0, 4]])}, "row a: the span -1 to 4"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        _cities(**change)


def test_the_assistant_span_needs_a_message_of_the_assistant_in_every_chat():
    chats = (_chat(("user", "Hi"), ("assistant", "Hello")), _chat(("user", "Hi")))
    texts = TextSet(np.array(["1", "2"]), messages=chats)
    assert replace(texts.select(np.array([0])), span="assistant").span == "assistant"
    with pytest.raises(DataError, match="row 2: the chat has no message of the assistant"):
        replace(texts, span="assistant")


def test_the_message_that_is_read_must_be_in_every_chat():
    chats = (_chat(("user", "Hi"), ("assistant", "Hello")), _chat(("user", "Hi")))
    texts = TextSet(np.array(["1", "2"]), messages=chats)
    for index in (0, -1):
        assert replace(texts, span=NthMessage(index)).span == NthMessage(index)
    for index in (1, -2):
        with pytest.raises(DataError, match=f"row 2: the chat has 1 messages, none of which is number {index} "):
            replace(texts, span=NthMessage(index))


def test_markers_of_chats_are_looked_for_once_the_template_has_written_them():
    texts = TextSet(np.array(["1"]), messages=(_chat(("user", "Hi")),), span=Between("<turn>", "<end>"))
    assert texts.select(np.array([0])).span == Between("<turn>", "<end>")


def test_each_span_rule_has_a_fingerprint_of_its_own():
    chats = (_chat(("user", "Hi"), ("assistant", "Hello")),)
    rules = ["all", "assistant", NthMessage(0), NthMessage(1), NthMessage(-1), Between("a", "b"), Between("b", "a")]
    found = [TextSet(np.array(["1"]), messages=chats, span=rule).fingerprint() for rule in rules]
    assert len(set(found)) == len(rules)


@pytest.mark.usefixtures("without_run_time_types")
def test_a_span_that_is_no_rule_is_refused():
    with pytest.raises(SpecError, match="The span is 'asistant'; did you mean 'assistant'"):
        _cities(span="asistant")


@pytest.mark.usefixtures("without_run_time_types")
@pytest.mark.parametrize(
    ("written", "rule"),
    [({"message": 0}, NthMessage(0)), ({"between": ["a", "b"]}, Between("a", "b")), ("assistant", "assistant")],
)
def test_a_span_given_as_a_study_writes_it_is_the_rule_that_it_describes(written, rule):
    chats = (_chat(("user", "Hi"), ("assistant", "Hello")),)
    texts = TextSet(np.array(["1"]), messages=chats, span=written)
    assert texts.span == rule and type(texts.span) is type(rule)
    assert texts.fingerprint() == TextSet(np.array(["1"]), messages=chats, span=rule).fingerprint()
    assert texts.select(np.array([0])).span == rule


@pytest.mark.usefixtures("without_run_time_types")
def test_a_span_given_as_a_study_writes_it_is_checked_against_the_rows():
    with pytest.raises(DataError, match="row 1: the chat has 1 messages, none of which is number 1 "):
        TextSet(np.array(["1"]), messages=(_chat(("user", "Hi")),), span={"message": 1})
    with pytest.raises(DataError, match="row c: 'Rome', after which it is read, is not in it"):
        _cities(span={"between": ["Rome", "."]})


@pytest.mark.usefixtures("without_run_time_types")
@pytest.mark.parametrize("key", ["role", "content"])
def test_a_message_without_a_role_or_content_is_refused(key):
    message = {name: "user" for name in ("role", "content") if name != key}
    with pytest.raises(DataError, match=f"texts, row 2: a message has no {key}; give each of them a role and"):
        TextSet(np.array(["1", "2"]), messages=(_chat(("user", "Hi")), (message,)))


@pytest.mark.parametrize("content", [None, [{"type": "text", "text": "Hi"}]])
def test_a_message_whose_content_is_no_string_is_refused(content):
    chats = (_chat(("user", "Hi")), ({"role": "tool", "content": content},))
    with pytest.raises(DataError, match=f"row 2: a message has the role 'tool' and, .* a {type(content).__name__};"):
        TextSet(np.array(["1", "2"]), messages=chats)


def test_marked_spans_do_not_go_with_chats():
    with pytest.raises(DataError, match="marked spans need a column text"):
        TextSet(np.array(["1"]), messages=(_chat(("user", "Hi")),), spans=np.array([[0, 1]]))


def test_plain_texts_of_chats_are_the_contents_without_the_roles():
    texts = TextSet(np.array(["1"]), messages=(_chat(("user", "Hi"), ("assistant", "Hello")),))
    assert plain_texts(texts) == ("Hi\nHello",)


def test_two_classes_are_required_only_on_request():
    assert require_two_classes(_cities()).tolist() == [1, 0, 1]
    with pytest.raises(DataError, match="cities has only label 1 in its 2 rows"):
        require_two_classes(_cities().select(np.array([0, 2])))
    with pytest.raises(DataError, match="cities has no rows"):
        require_two_classes(_cities().select(np.array([], dtype=np.int64)))
    with pytest.raises(DataError, match=r"cities has no labels.*add a column label"):
        require_two_classes(_cities(y=None))


def test_a_column_that_is_nearly_called_label_is_suggested():
    with pytest.raises(DataError, match="name the column 'labels' label"):
        require_two_classes(_cities(y=None, meta={"labels": (1, 0, 1)}))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"ids": np.arange(2)}, "ids is of type int64; give strings"),
        ({"ids": np.array(["a", "b"], dtype=object)}, "ids is of type object; give strings"),
        ({"ids": np.array(["a", "b"]), "pairs": np.array([1, 1])}, "pairs is of type int64; give strings"),
        ({"ids": np.array(["a", "b\ud83d"])}, "ids holds half a character"),
    ],
)
def test_names_that_are_not_strings_are_refused(columns, message):
    with pytest.raises(DataError, match=message):
        TextSet(texts=("one", "two"), **columns)
