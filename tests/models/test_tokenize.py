"""Which tokens count as special, and white space at the ends of what is read: token by token."""

from __future__ import annotations

import numpy as np
import pytest
from chat_templates import CHATML, KNOWN, NO_PROMPT
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import TEMPLATE, tiny_subject, word_tokenizer
from tiny_tokenizers import CHAT_TOKENS, KINDS, bytes_of, chat_tokenizer
from transformers import PreTrainedTokenizer

from tiltmeter.core.errors import DataError, ModelError
from tiltmeter.data import Between, NthMessage, TextSet
from tiltmeter.models import bind, encode


def _subject(kind="byte-level", template=CHATML):
    bound = tiny_subject("llama", tokenizer=chat_tokenizer(kind, template))
    bound.model.config.max_position_embeddings = 4096
    return bound


_SUBJECTS = {kind: _subject(kind) for kind in KINDS}


def _chats(*chats, span):
    messages = tuple(tuple({"role": role, "content": content} for role, content in chat) for chat in chats)
    return TextSet(np.array([f"chat{i}" for i in range(len(chats))]), messages=messages, span=span)


def _pieces(subject, encoded, kind="byte-level", row=0):
    """The bytes of each token, and whether it is read."""
    tokens, read = encoded.row(row)
    names = subject.tokenizer.convert_ids_to_tokens(tokens.tolist())
    return [(bytes_of(name, kind), is_read) for name, is_read in zip(names, read.tolist(), strict=True)]


def _read(subject, encoded, kind="byte-level", row=0):
    return b"".join(piece for piece, is_read in _pieces(subject, encoded, kind, row) if is_read).decode()


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("content", ["in the north", "in the south", "in the south \n\n", " \n the city  "])
def test_the_last_token_of_a_chat_is_of_its_last_word(name, content):
    subject = _subject(template=KNOWN[name].template)
    for span in ("all", "assistant", NthMessage(1)):
        read = _read(subject, encode(subject, _chats([("user", "Is it?"), ("assistant", content)], span=span)))
        assert read.endswith(content.strip())


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(contents=st.lists(st.text(st.sampled_from("the city\n\t "), max_size=9), min_size=1, max_size=4), data=st.data())
def test_white_space_is_read_inside_and_not_at_the_ends(kind, contents, data):
    """A twin walks in from either end, byte by byte; the special tokens stand between turns and around them."""
    subject = _SUBJECTS[kind]
    chats = [[("user", "t" + content), ("assistant", content + "y" + end)] for content in contents for end in ("", " ")]
    span = data.draw(st.sampled_from(["all", "assistant", NthMessage(0), Between("t", "y")]))
    if span == Between("t", "y"):
        chats = [[(role, f"it is {text}y") for role, text in chat] for chat in chats]
    encoded = encode(subject, _chats(*chats, span=span))
    for row in range(len(chats)):
        pieces = _pieces(subject, encoded, kind, row)
        marks = [is_read for _, is_read in pieces]
        first, last = marks.index(True), len(marks) - 1 - marks[::-1].index(True)
        assert pieces[first][0].strip() and pieces[last][0].strip()
        special = [piece.decode(errors="replace") in CHAT_TOKENS for piece, _ in pieces]
        # nothing between the ends is left out but special tokens
        assert marks[first : last + 1] == [not mark for mark in special[first : last + 1]]
        if span == "all":
            outside = [*pieces[:first], *pieces[last + 1 :]]
            assert all(piece.decode() in CHAT_TOKENS or not piece.strip() for piece, _ in outside)


def test_white_space_at_the_ends_of_a_plain_text_is_read():
    texts = TextSet(np.array(["a", "b"]), texts=("\nthe city\n", "the \n"), span="all")
    encoded = encode(_SUBJECTS["byte-level"], texts)
    assert [_read(_SUBJECTS["byte-level"], encoded, row=row) for row in (0, 1)] == ["\nthe city\n", "the \n"]


def test_a_long_run_of_white_space_is_walked_through():
    subject = _SUBJECTS["byte-level"]
    chats = _chats([("user", "Is it?"), ("assistant", "the city" + "\n" * 3000)], [("user", "it")], span="all")
    encoded = encode(subject, chats)
    assert encoded.lengths[0] > 1000
    assert _read(subject, encoded).endswith("the city")
    assert _read(subject, encoded, row=1).endswith("it")


def test_a_turn_of_white_space_between_special_tokens_has_nothing_to_read():
    with pytest.raises(DataError, match="Text chat0 has no token to read"):
        encode(
            _SUBJECTS["byte-level"], _chats([("user", "it"), ("assistant", "<|im_end|>\n<|im_end|>")], span="assistant")
        )


def test_what_a_cut_or_a_skip_leaves_at_an_end_is_not_read():
    subject = _SUBJECTS["byte-level"]
    chats = _chats([("user", "it is it is"), ("assistant", "it")], span="all")
    whole = _pieces(subject, encode(subject, chats))
    blanks = 0
    for limit in range(5, len(whole)):
        for side in ("truncate_left", "truncate_right"):
            read = _read(subject, encode(subject, chats, long_texts=side, max_tokens=limit))
            assert read == read.strip("\n") and read.strip()
    for skip in range(1, len(whole) - 3):
        skipped = [piece for piece, _ in _pieces(subject, encode(subject, chats, skip_first=skip))]
        assert skipped == [piece for piece, _ in whole]
        blanks += not whole[skip][0].strip()
        marks = [is_read for _, is_read in _pieces(subject, encode(subject, chats, skip_first=skip))]
        assert whole[marks.index(True)][0].strip()
    assert blanks  # a skip did end at white space


def test_a_cut_on_the_right_keeps_how_the_last_turn_ends():
    subject = _SUBJECTS["byte-level"]
    chats = _chats([("user", "it is it is it is"), ("assistant", "it")], span="all")
    pieces = [piece for piece, _ in _pieces(subject, encode(subject, chats, long_texts="truncate_right", max_tokens=8))]
    assert pieces[0] == b"<|im_start|>" and pieces[-2:] == [b"<|im_end|>", b"\n"]
    assert len(pieces) == 8


def test_white_space_in_what_is_cut_takes_no_room_from_it():
    """Only what stands outside everything else is kept; a content that ends in much white space is cut as any other."""
    subject = _SUBJECTS["byte-level"]
    chats = _chats([("user", "it" + "\n" * 200)], span="all")
    encoded = encode(subject, chats, long_texts="truncate_right", max_tokens=12)
    assert encoded.lengths.tolist() == [12]
    assert _read(subject, encoded).endswith("it")


def _one_token_for_all(**roles):
    tokenizer = word_tokenizer(template=TEMPLATE.replace("<end>", "{{ eos_token }}"))
    for name, token in roles.items():
        setattr(tokenizer, name, token)
    return tiny_subject("llama", tokenizer=tokenizer)


def test_an_unknown_token_that_is_also_the_end_of_text_is_special():
    """GPT-NeoX has one token that begins, ends and stands for what is unknown, and templates write it."""
    subject = _one_token_for_all(bos_token="</s>", eos_token="</s>", unk_token="</s>", pad_token="</s>")
    for span in ("all", "assistant", NthMessage(1)):
        tokens, read = encode(subject, _chats([("user", "w1"), ("assistant", "w2")], span=span)).row(0)
        assert subject.tokenizer.convert_ids_to_tokens(tokens[-1:].tolist()) == ["</s>"]
        assert subject.tokenizer.convert_ids_to_tokens(tokens[read].tolist())[-1] == "w2"


def test_an_unknown_token_that_pads_is_content_since_no_template_writes_it():
    subject = _one_token_for_all(pad_token="<unk>")
    tokens, read = encode(subject, _chats([("user", "w1"), ("assistant", "never")], span="assistant")).row(0)
    assert subject.tokenizer.convert_ids_to_tokens(tokens[read].tolist()) == ["<unk>"]


class _Slow(PreTrainedTokenizer):
    """A tokenizer in Python that adds special tokens and does not say where."""

    def __init__(self, **options):
        self.words = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "w1": 3, "w2": 4}
        super().__init__(unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", **options)

    @property
    def vocab_size(self):
        return len(self.words)

    def get_vocab(self):
        return self.words

    def _tokenize(self, text, **_):
        return text.split()

    def _convert_token_to_id(self, token):
        return self.words.get(token, 0)

    def _convert_id_to_token(self, index):
        return list(self.words)[index]

    def build_inputs_with_special_tokens(self, token_ids_0, token_ids_1=None):
        return [1, *token_ids_0, 2]


def test_a_tokenizer_that_does_not_say_which_tokens_are_special_is_an_error():
    subject = bind(tiny_subject("llama").model, _Slow(), name="slow")
    texts = TextSet(np.array(["a", "b"]), texts=("w1 w2", "w1"))
    with pytest.raises(ModelError, match="makes 4 tokens of text a, but says of 2 whether they are special"):
        encode(subject, texts)


def test_a_tokenizer_in_python_reads_chats_by_their_tokens():
    subject = bind(tiny_subject("llama").model, _Slow(), name="slow")
    subject.tokenizer.chat_template = "{% for m in messages %}[CLS] {{ m['content'] }} [SEP]{% endfor %}"
    tokens, read = encode(subject, _chats([("user", "w1 w2")], span="all")).row(0)
    assert [subject.tokenizer.decode([token]) for token in tokens[read].tolist()] == ["w1", "w2"]


def test_a_template_without_a_prompt_is_read_from_the_content_on():
    subject = _subject(template=NO_PROMPT)
    chats = _chats(
        [("user", "is it"), ("assistant", "it is")], [("user", "it"), ("assistant", "assistant")], span="all"
    )
    for span, wanted in (("assistant", ["it is", "assistant"]), (NthMessage(0), ["is it", "it"])):
        encoded = encode(subject, TextSet(chats.ids, messages=chats.messages, span=span))
        assert [_read(subject, encoded, row=row) for row in (0, 1)] == wanted
