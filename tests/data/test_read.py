"""read_texts: every format gives the same set, every fault one sentence with its place."""

import builtins
import csv
import json
import re
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tiltmeter.core.errors import DataError, FileError, MissingExtraError, SpecError, TiltmeterError
from tiltmeter.data import plain_texts, read_texts

pytestmark = pytest.mark.smoke

ROWS = (
    {"id": "a", "text": "Rome is in Italy.", "label": 1, "pair": "p", "group": "Rome", "country": "Italy"},
    {"id": "b", "text": "Rome is in Peru.", "label": 0, "pair": "p", "group": "Rome", "country": "Peru"},
    {"id": "c", "text": 'Oslo, "old",\nis in Norway.', "label": 1, "pair": None, "group": "Oslo", "country": "Norway"},
)


def _good(**changes):
    return {"text": "Rome is in Italy.", "label": 1} | changes


def _write_csv(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def datasets():
    return pytest.importorskip("datasets", reason="needs the extra hub to be installed")


# formats


def test_every_format_gives_the_same_set(datasets, tmp_path, write_jsonl):
    table = pa.Table.from_pylist(list(ROWS))
    pq.write_table(table, tmp_path / "some.parquet")
    datasets.Dataset(table).save_to_disk(str(tmp_path / "some"))
    paths = [write_jsonl(*ROWS), _write_csv(tmp_path / "some.csv", ROWS), tmp_path / "some.parquet", tmp_path / "some"]
    sets = [read_texts(path) for path in paths]
    assert sets[0].ids.tolist() == ["a", "b", "c"]
    assert sets[0].y.tolist() == [1, 0, 1]
    assert sets[0].pairs.tolist() == ["p", "p", ""]
    assert sets[0].groups.tolist() == ["Rome", "Rome", "Oslo"]
    assert sets[0].meta == {"country": ("Italy", "Peru", "Norway")}
    assert {texts.distribution for texts in sets} == {"some"}
    assert len({texts.fingerprint() for texts in sets}) == 1
    assert [texts.source for texts in sets] == [str(path) for path in paths]


def test_ids_default_to_the_number_of_the_row_and_columns_that_are_absent_are_none(write_jsonl):
    texts = read_texts(write_jsonl({"text": "one"}, {"text": "two"}))
    assert texts.ids.tolist() == ["1", "2"]
    assert [texts.y, texts.pairs, texts.sides, texts.groups, texts.split, texts.spans] == [None] * 6
    assert texts.span == "all"
    assert texts.meta == {}


def test_a_byte_order_mark_and_blank_lines_are_skipped(tmp_path):
    path = tmp_path / "some.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "one"}\r\n\r\n{"text": "two"}')
    assert read_texts(path).ids.tolist() == ["1", "2"]


def test_a_line_separator_inside_a_string_does_not_end_the_line(tmp_path):
    path = tmp_path / "some.jsonl"
    path.write_text('{"text": "one\u2028two"}\n', encoding="utf-8")
    assert read_texts(path).texts == ("one\u2028two",)


def test_a_csv_field_may_be_longer_than_the_default_limit(tmp_path):
    limit = csv.field_size_limit()
    path = _write_csv(tmp_path / "some.csv", [{"text": "long " * 40_000, "label": 1}])
    assert len(read_texts(path).texts[0]) == 200_000
    assert csv.field_size_limit() == limit


def test_chats_are_read_from_lists_and_from_json_in_csv(tmp_path, write_jsonl):
    chat = [{"role": "user", "content": "Hi", "name": "Ann"}, {"role": "assistant", "content": "Hello"}]
    from_json = read_texts(write_jsonl({"messages": chat, "label": 1}))
    from_csv = read_texts(_write_csv(tmp_path / "some.csv", [{"messages": json.dumps(chat), "label": "1"}]))
    assert from_json.messages == (({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}),)
    assert from_json.fingerprint() == from_csv.fingerprint()


def test_what_is_inside_meta_becomes_columns(write_jsonl):
    texts = read_texts(
        write_jsonl(
            _good(lang="en", meta={"topic": "cities", "lang": "inner", "parts": {"a": [1]}}),
            _good(lang="de", meta={"diff": -1}),
            _good(lang=None, meta=None),
        )
    )
    assert texts.meta == {
        "lang": ("en", "de", None),
        "topic": ("cities", None, None),
        "meta.lang": ("inner", None, None),
        "parts": ('{"a": [1]}', None, None),
        "diff": (None, -1, None),
    }


# labels


@pytest.mark.parametrize("values", [(1, 0), (True, False), ("1", "0"), (1.0, 0.0), ("True", "false")])
def test_labels_may_be_written_in_several_ways(write_jsonl, values):
    assert read_texts(write_jsonl(*(_good(label=value) for value in values))).y.tolist() == [1, 0]


def test_other_labels_need_the_name_of_the_one_that_means_1(write_jsonl):
    path = write_jsonl(*(_good(label=name) for name in ("lie", "truth", "joke")))
    with pytest.raises(DataError, match=r"line 1: the label is 'lie', not 0 or 1 \(labels found: joke, lie, truth\)"):
        read_texts(path)
    assert read_texts(path, label_positive="lie").y.tolist() == [1, 0, 0]
    with pytest.raises(DataError, match="no label is 'lies'; the labels are joke, lie, truth"):
        read_texts(path, label_positive="lies")


def test_a_class_number_may_be_the_label_that_means_1(write_jsonl):
    path = write_jsonl(*(_good(label=value) for value in (0, 2, 5)))
    assert read_texts(path, label_positive="2").y.tolist() == [0, 1, 0]


def test_a_label_column_without_a_value_means_unlabelled(write_jsonl):
    assert read_texts(write_jsonl(_good(label=None), _good(label=None))).y is None


def test_nan_among_the_labels_of_a_parquet_file_is_named(tmp_path):
    pq.write_table(pa.table({"text": ["one", "two"], "label": [1.0, float("nan")]}), tmp_path / "some.parquet")
    with pytest.raises(DataError, match=r"some.parquet, row 2: the label is missing \(null or NaN\)"):
        read_texts(tmp_path / "some.parquet")


# pairs and groups


def test_positive_and_negative_load_as_two_rows_of_a_pair(write_jsonl):
    texts = read_texts(
        write_jsonl(
            {"positive": "Rome is in Italy.", "negative": "Rome is in Peru.", "group": "Rome", "meta": {"n": 1}},
            {"positive": "Oslo is in Norway.", "negative": "Oslo is in Chad.", "group": None, "meta": {"n": 2}},
        )
    )
    assert texts.texts[:2] == ("Rome is in Italy.", "Rome is in Peru.")
    assert texts.y.tolist() == [1, 0, 1, 0]
    assert texts.ids.tolist() == ["1:positive", "1:negative", "2:positive", "2:negative"]
    assert texts.pairs.tolist() == ["some:1", "some:1", "some:2", "some:2"]
    assert texts.groups.tolist() == ["Rome", "Rome", "pair:some:some:2", "pair:some:some:2"]
    assert texts.meta == {"n": (1, 1, 2, 2)}


def test_positive_and_negative_without_groups_are_grouped_by_pair(write_jsonl):
    texts = read_texts(write_jsonl({"id": "q1", "positive": "yes", "negative": "no"}))
    assert texts.pairs.tolist() == texts.groups.tolist() == ["q1", "q1"]


def test_what_other_programs_leave_empty_beside_the_content_is_ignored(write_jsonl):
    message = {"role": "assistant", "content": "Hi", "tool_calls": None, "function_call": {}, "thinking": ""}
    assert read_texts(write_jsonl({"messages": [message]})).messages == (({"role": "assistant", "content": "Hi"},),)


def test_positive_and_negative_may_be_chats(write_jsonl):
    yes, no = ([{"role": "user", "content": word}] for word in ("yes", "no"))
    assert plain_texts(read_texts(write_jsonl({"positive": yes, "negative": no}))) == ("yes", "no")


def test_pair_id_is_another_name_for_pair_and_numbers_are_names(write_jsonl):
    rows = [_good(pair_id=7, side=0, group=1.0), _good(pair_id=7, side=1, label=0, group=1), _good()]
    texts = read_texts(write_jsonl(*rows))
    assert texts.pairs.tolist() == ["7", "7", ""]
    assert texts.sides.tolist() == [0, 1, 0]
    assert texts.groups.tolist() == ["1", "1", "row:some:3"]


def test_groups_that_are_all_null_are_none(write_jsonl):
    assert read_texts(write_jsonl(_good(group=None), _good(group=None))).groups is None


def test_rows_without_a_group_share_nothing_within_the_set_or_with_another(write_jsonl):
    rows = [_good(group="a"), _good(group=None), _good(group=None)]
    one, other = read_texts(write_jsonl(*rows, name="one.jsonl")), read_texts(write_jsonl(*rows, name="two.jsonl"))
    assert len({*one.groups.tolist()[1:], *other.groups.tolist()[1:]}) == 4


# the remaining columns


def test_a_predefined_split_is_read(write_jsonl):
    rows = [_good(split=name) for name in ("test", "train", "calibration")]
    assert read_texts(write_jsonl(*rows)).split.tolist() == ["test", "train", "calibration"]


def test_a_span_is_marked_by_its_text_or_by_its_range(write_jsonl):
    by_text = read_texts(write_jsonl(_good(span="Italy")))
    by_range = read_texts(write_jsonl(_good(span_start=11, span_end="16")))
    for texts in (by_text, by_range):
        assert texts.span == "marked"
        assert texts.spans.tolist() == [[11, 16]]
        assert texts.texts[0][11:16] == "Italy"


def test_one_of_several_distributions_is_read_by_name(write_jsonl):
    path = write_jsonl(_good(distribution="cities"), _good(distribution="facts"), _good(distribution="cities"))
    assert read_texts(path, distribution="cities").ids.tolist() == ["1", "3"]
    for asked in (None, "animals"):
        with pytest.raises(DataError, match="holds the distributions cities, facts; name the one to read"):
            read_texts(path, distribution=asked)


def test_a_single_distribution_names_the_set_unless_another_name_is_given(write_jsonl):
    path = write_jsonl(_good(distribution="cities"))
    assert read_texts(path).distribution == "cities"
    assert read_texts(path, distribution="train set").distribution == "train set"


def test_columns_of_other_names_are_read_under_ours(write_jsonl):
    path = write_jsonl({"statement": "Rome is in Italy.", "truth": 1, "text": "ignored", "lang": "en"})
    texts = read_texts(path, columns={"text": "statement", "label": "truth"})
    assert texts.texts == ("Rome is in Italy.",)
    assert texts.y.tolist() == [1]
    assert texts.meta == {"lang": ("en",)}
    with pytest.raises(DataError, match="no column 'sentence'; its columns are statement, truth, text, lang"):
        read_texts(path, columns={"text": "sentence"})
    with pytest.raises(SpecError, match="columns renames 'txt', which is not read"):
        read_texts(path, columns={"txt": "statement"})


# rows at fault


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"txt": "one", "label": 1}], "no column text, .*its columns are txt, label: did you mean 'txt' for text?"),
        ([{"Text": "one"}], "did you mean 'Text' for text?"),
        ([{"a": 1}], "its columns are a; rename the one that holds the texts"),
        ([{}], "its columns are none"),
        ([_good(), _good(text="")], "line 2: the text is empty"),
        ([_good(), _good(text=" \n\t")], "line 2: the text is empty"),
        ([_good(), {"label": 1}], "line 2: the text is empty"),
        ([{"text": None}], "line 1: the text is empty, as in every other row"),
        ([_good(), _good(text=3)], "line 2: the text is a number; it must be a string"),
        ([_good(text=["one"])], "line 1: the text is a list"),
        ([_good(text="half \ud800")], "line 1: .*half a surrogate pair at character 5"),
        ([_good(), _good(label=None)], "line 2: the label is missing"),
        ([_good(label=3)], "line 1: the label is '3', not 0 or 1"),
        ([_good(label="")], "line 1: the label is '', not 0 or 1"),
        ([_good(id="a"), _good(), _good(id="a")], "line 3: the id 'a' stands in line 1 of some already"),
        ([_good(group={"a": 1})], "line 1: group is a JSON object"),
        ([_good(split="train"), _good(split="dev")], "line 2: split is 'dev'; every row needs one of train, calib"),
        ([_good(split="train"), _good()], "line 2: split is None"),
        (
            [_good(), {"messages": [{"role": "user", "content": "Hi"}]}],
            r"mixes text \(line 1\) and messages \(line 2\)",
        ),
        ([{"positive": "yes", "negative": "no"}, _good()], r"mixes positive \(line 1\) and text \(line 2\)"),
        ([{"positive": "yes"}], "line 1: has no negative"),
        ([{"positive": "yes", "negative": " "}], "line 1: the text is empty"),
        ([{"positive": "yes", "negative": "no", "label": 1}], "line 1: has a label beside positive and negative"),
        ([{"messages": []}], "line 1: messages is empty"),
        ([{"messages": {"role": "user"}}], "line 1: messages is a JSON object"),
        ([{"messages": "Hi"}], "line 1: messages is a string that is not JSON"),
        (
            [{"messages": [{"role": "user", "content": "Hi"}]}, _good()],
            r"mixes messages \(line 1\) and text \(line 2\); a set holds one kind, so write two files, or say",
        ),
        ([{"text": "Hi", "messages": [{"role": "user", "content": "Hi"}]}], r"mixes text \(line 1\) and messages"),
        ([{"text": [{"role": "user", "content": "Hi"}]}], "line 1: the text is a list; it must be a string"),
        ([{"messages": [{"role": "user", "content": "Hi"}]}, {"messages": []}], "line 2: messages is empty"),
        ([{"messages": [{"role": "user", "content": "Hi"}]}, {"messages": None}], "line 2: messages is empty"),
        ([{"messages": ["Hi"]}], r"line 1: message 0 \(counted from 0\) has no role that is a string"),
        ([{"messages": [{"content": "Hi"}]}], "message 0 .* has no role that is a string; a chat is a list such as"),
        (
            [{"messages": [{"role": "user", "content": "Hi"}, {"role": "tool", "content": None}]}],
            "line 1: message 1 .*, of the role tool, has no content; it must be one string",
        ),
        (
            [{"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}],
            r"message 0 .* has content that is a list; it must be one string \(join the texts of its parts\)",
        ),
        (
            [{"messages": [{"role": "assistant", "content": "", "tool_calls": [{"name": "look"}]}]}],
            "message 0 .* holds tool_calls, which would be lost; write into its content",
        ),
        (
            [{"messages": [{"role": "assistant", "content": "Hi", "reasoning_content": "hm"}]}],
            "holds reasoning_content, which would be lost",
        ),
        ([{"messages": [{"role": "user", "content": " "}]}], "line 1: the chat is empty"),
    ],
)
def test_a_faulty_row_is_named_in_one_sentence(write_jsonl, rows, message):
    path = write_jsonl(*rows)
    with pytest.raises(DataError, match=message) as caught:
        read_texts(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([_good(pair="p"), _good()], "line 1: the pair 'p' has one member; a pair has two"),
        ([_good(), *(_good(pair="p", label=i % 2) for i in range(3))], "line 2: the pair 'p' has 3 members"),
        ([_good(pair="p"), _good(pair="p")], "line 1: the pair 'p' has two members of label 1"),
        (
            [_good(pair="p", group="a"), _good(pair="p", group="b", label=0)],
            "the pair 'p' lies in the groups 'a' and 'b'; both members need one group",
        ),
        ([_good(pair="p", side=1), _good(pair="p", side=1, label=0)], "the pair 'p' has two members of side 1"),
        ([_good(pair="p", side=1), _good(pair="p", label=0)], "line 2: side is None"),
        ([_good(pair="p", side=2), _good(pair="p", side=1, label=0)], "line 1: side is 2"),
    ],
)
def test_a_faulty_pair_is_named(write_jsonl, rows, message):
    with pytest.raises(DataError, match=message):
        read_texts(write_jsonl(*rows))


def test_pairs_without_labels_are_read(write_jsonl):
    assert read_texts(write_jsonl({"text": "a", "pair": "p"}, {"text": "b", "pair": "p"})).y is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([_good(span="Peru")], "line 1: the span 'Peru' does not occur in the text"),
        ([_good(text="aaa", span="aa")], "line 1: the span 'aa' occurs more than once"),
        ([_good(span="Rome"), _good()], "line 2: span is None"),
        ([_good(span_start=0)], "line 1: span_start or span_end is no whole number"),
        ([_good(span_start=0.5, span_end=2)], "line 1: span_start or span_end is no whole number"),
        ([_good(span_start=0, span_end=99)], "line 1: the span 0 to 99 is no range within the 17 characters"),
        ([_good(span_start=4, span_end=4)], "line 1: the span 4 to 4 is no range"),
        ([_good(span="Rome", span_start=0, span_end=4)], "mark spans in one way"),
        ([{"messages": [{"role": "user", "content": "Hi"}], "span": "Hi"}], "marks spans in chats"),
    ],
)
def test_a_faulty_span_is_named(write_jsonl, rows, message):
    with pytest.raises(DataError, match=message):
        read_texts(write_jsonl(*rows))


# files at fault


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "one"}\n{"text": \n', "line 2: malformed JSON .*write one JSON object a line"),
        ("a.jsonl", b'{"text": "one"}\n["two"]\n', "line 2: holds a JSON list"),
        ("a.jsonl", b'{"text": "one"}\n{"text": "\xff"}\n', "line 2: byte 26 is not UTF-8"),
        ("a.jsonl", b"\n\n", "holds no rows"),
        ("a.csv", b"text,label\n", "holds no rows"),
        ("a.csv", b"", "holds no rows"),
        ("a.csv", b"text,label\none,1\ntwo\n", "line 3: has 1 fields for the 2 columns"),
        ("a.csv", b'text,label\n"one\ntwo",1\n"three,0\n', "line 4: malformed CSV"),
        ("a.csv", b"text,text\none,two\n", "the column 'text' occurs twice"),
        ("a.csv", b"text,label\none,1\n ,0\n", "line 3: the text is empty"),
        ("a.csv", b"text,label\none,1\ntwo,\n", "line 3: the label is missing"),
        ("a.csv", b"text,label\n\xe9t\xe9,1\n", "line 2: byte 11 is not UTF-8"),
        ("a.parquet", b"text", "is not a readable Parquet file"),
        ("a.txt", b"text", "ends in '.txt'; texts are read from .jsonl, .csv, .tsv or .parquet files"),
        ("a", b"text", "ends in 'no suffix'"),
    ],
)
def test_a_faulty_file_is_named_in_one_sentence(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_texts(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_a_file_error(tmp_path):
    with pytest.raises(FileError, match=r"nothing.jsonl does not exist; check the path"):
        read_texts(tmp_path / "nothing.jsonl")


# Hugging Face datasets


def test_a_saved_dataset_of_several_splits_is_read_by_the_folder_of_one(datasets, tmp_path):
    rows = datasets.Dataset.from_list([{"text": "one", "label": 1}, {"text": "two", "label": 0}])
    datasets.DatasetDict({"train": rows, "test": rows}).save_to_disk(str(tmp_path / "both"))
    with pytest.raises(DataError, match=r"holds the splits train, test; name one of them, for example .*both/train"):
        read_texts(tmp_path / "both")
    assert read_texts(tmp_path / "both" / "train").texts == ("one", "two")


def test_a_folder_that_is_no_dataset_is_refused(datasets, tmp_path):
    with pytest.raises(DataError, match="is a folder but no dataset saved with save_to_disk"):
        read_texts(tmp_path)


@pytest.mark.parametrize(
    ("where", "arguments"),
    [
        ("hf:imdb:test", ("imdb", None, "test")),
        ("hf:owner/name:config:train[:100]", ("owner/name", "config", "train[:100]")),
        ("hf:owner/name:train[:100]", ("owner/name", None, "train[:100]")),
    ],
)
def test_a_name_on_the_hub_is_handed_to_datasets(datasets, monkeypatch, where, arguments):
    asked = []

    def load(name, config, *, split):
        asked.append((name, config, split))
        return datasets.Dataset.from_list([{"text": "one", "label": 1}])

    monkeypatch.setattr(datasets, "load_dataset", load)
    texts = read_texts(where)
    assert asked == [arguments]
    assert texts.source == where
    assert texts.distribution == arguments[0].rsplit("/", 1)[-1]


def test_a_hub_that_cannot_be_reached_is_one_sentence(datasets, monkeypatch):

    def load(name, config, *, split):
        raise ConnectionError("no network\nsecond line")

    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(DataError, match=r"hf:imdb:test cannot be loaded \(no network\)") as caught:
        read_texts("hf:imdb:test")
    assert "\n" not in str(caught.value)


def test_a_hub_name_without_a_split_is_refused():
    with pytest.raises(DataError, match="does not name a dataset; write hf:NAME:SPLIT or hf:NAME:CONFIG:SPLIT"):
        read_texts("hf:owner/name")


def test_without_the_extra_the_error_names_it(monkeypatch, tmp_path):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "datasets":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "datasets", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    for where in ("hf:imdb:test", tmp_path):
        with pytest.raises(MissingExtraError, match=re.escape("tiltmeter[hub]")):
            read_texts(where)


# the real files


@pytest.mark.long
def test_every_binary_or_paired_file_is_read_and_the_others_say_what_labels_they_have(shared_data):
    read, refused = {}, {}
    for path in sorted(shared_data.glob("*/*.jsonl")):
        try:
            read[path.stem] = read_texts(path)
        except TiltmeterError as error:
            refused[path.stem] = str(error)
    assert set(refused) == {
        "emotions",
        "professions",
        "winogender",
        "math_levels",
        "art_years",
        "world_places",
        "tweets",
    }
    assert all("say which of them means 1" in message for message in refused.values())
    assert len(read["cities"]) == 1496
    assert len(np.unique(read["cities"].groups)) == 748
    assert len(read["truthfulqa_pairs"]) == 2 * 813
    assert read["truthfulqa_pairs"].pairs is not None
    assert read["truncated_outputs"].y is None
    assert read["cities_conj"].groups is None
    assert set(read["cities"].meta) == {"topic", "form", "lang", "country", "correct_country"}


def test_one_emotion_against_the_others_is_read_from_a_multiclass_file(shared_data):
    texts = read_texts(shared_data / "behaviour/emotions.jsonl", label_positive="2")
    assert 0 < texts.y.mean() < 0.5
