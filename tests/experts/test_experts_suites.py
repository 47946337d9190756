"""Edge-case suites, teachers from elsewhere, and rules that a model writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tiltmeter.core.errors import DataError, FileError, FormatError, ModelError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.experts import (
    ENGLISH,
    classifier_outputs,
    edge_suites,
    read_outputs,
    rules_in,
    with_typos,
    write_rules,
)


def texts_of(*texts: str) -> TextSet:
    return TextSet(np.arange(len(texts)).astype(str), texts=texts, y=np.arange(len(texts)) % 2)


# ------------------------------------------------------------ suites


def test_a_typo_swaps_two_neighbours_inside_a_word_and_spares_short_ones():
    word = "abcdefgh"
    swapped = {word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(1, len(word) - 2)}
    found = with_typos(texts_of(*[word] * 50), share=1.0, seed=0)
    assert set(found.texts) == swapped
    assert with_typos(texts_of("not a bad car"), share=1.0, seed=0).texts == ("not a bad car",)


def test_typos_meet_about_the_share_of_words_and_keep_all_else():
    original = texts_of(*[" ".join(["abcdef"] * 20)] * 50)
    found = with_typos(original, share=0.3, seed=0)
    changed = np.mean([word != "abcdef" for text in found.texts for word in text.split()])
    assert abs(changed - 0.3) < 0.05
    assert np.array_equal(found.y, original.y) and np.array_equal(found.ids, original.ids)
    assert with_typos(original, share=0.0, seed=0).texts == original.texts
    with pytest.raises(SpecError, match=r"A share of 1.5 of the words was asked for"):
        with_typos(original, share=1.5, seed=0)


def test_suites_hold_the_texts_with_their_edge_case_and_leave_out_small_ones():
    texts = texts_of(*["Not bad 🙄"] * 12, *["Dull, but fine"] * 11, *["Lovely, yeah right"] * 9)
    suites = edge_suites(texts, ENGLISH, seed=0)
    assert {name: len(suite) for name, suite in suites.items()} == {
        "negation": 12, "contrast": 11, "irony": 21, "typos": 32,
    }  # fmt: skip
    # letters of a marker within other words mark nothing
    plain = texts_of(*["She and/or he/she sold lollipops at http://shop.org #notes"] * 12)
    assert list(edge_suites(plain, ENGLISH, seed=0)) == ["typos"]
    few = edge_suites(texts_of(*["Lovely /s"] * 9), ENGLISH, seed=0)
    assert list(few) == ["typos"]


# ------------------------------------------------------------ teachers


def test_outputs_are_read_by_text_and_in_the_order_of_the_texts(tmp_path: Path):
    path = tmp_path / "said.jsonl"
    path.write_text('{"text": "b", "output": 1}\n\n{"text": "a", "output": 0.25, "who": "x"}\n', encoding="utf-8")
    assert read_outputs(path, texts_of("a", "b", "a")).tolist() == [0.25, 1.0, 0.25]


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        ('{"text": "a", "output": 2}', FormatError, "line 1: the output is 2.0; give a number from 0 to 1"),
        ('{"text": "a"}', FormatError, "line 1: give an object with text and output"),
        ("[1]", FormatError, "line 1: give an object with text and output"),
        ("no", FormatError, "line 1: give an object with text and output"),
        ('{"text": 3, "output": 1}', FormatError, "line 1: the text is 3; give a string"),
        (
            '{"text": "a", "output": 1}\n{"text": "a", "output": 0}',
            FormatError,
            "line 2: the output of this text was 1 before and is 0 now; a teacher says one thing of a text",
        ),
        ('{"text": "b", "output": 1}', DataError, "says nothing of row 0 of texts"),
    ],
)
def test_outputs_that_cannot_be_used_are_one_sentence(tmp_path: Path, content, error, said):
    path = tmp_path / "said.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(error, match=said):
        read_outputs(path, texts_of("a"))
    with pytest.raises(FileError, match="do not exist"):
        read_outputs(tmp_path / "absent.jsonl", texts_of("a"))


def test_a_text_said_of_twice_alike_counts_once_and_a_strange_line_end_stays_in_its_text(tmp_path: Path):
    path = tmp_path / "said.jsonl"
    path.write_text('{"text": "a\u2028b", "output": 1}\n' * 2, encoding="utf-8")
    assert read_outputs(path, texts_of("a\u2028b")).tolist() == [1.0]
    path.write_bytes(b'{"text": "caf\xe9", "output": 1}')
    with pytest.raises(FormatError, match="is not UTF-8 text"):
        read_outputs(path, texts_of("a"))


SIZE = {
    "vocab_size": 4, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8,
    "max_position_embeddings": 8, "id2label": {0: "NEG", 1: "POS"}, "label2id": {"NEG": 0, "POS": 1},
}  # fmt: skip


def saved(model, folder: Path, *, pad: str | None = "[PAD]", limit: int | None = 8) -> str:
    """Save a tiny random model with a tokenizer of four words, and return its folder."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "good": 2, "bad": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token=pad, model_max_length=limit
    ).save_pretrained(folder)
    model.save_pretrained(folder)
    return str(folder)


def bert(**changed):
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    return BertForSequenceClassification(BertConfig(**{**SIZE, **changed}))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny random BERT with a head for two labels."""
    return Path(saved(bert(), tmp_path_factory.mktemp("classifier") / "model"))


def test_a_classifier_gives_the_probability_of_its_label(classifier: Path):
    texts = texts_of(*["good", "bad bad", "good bad " * 8] * 15)
    positive, negative = (classifier_outputs(str(classifier), texts, positive=label) for label in ("POS", "NEG"))
    assert positive.shape == (45,) and np.allclose(positive + negative, 1)
    # a text is read alike whatever stands beside it
    alone = classifier_outputs(str(classifier), texts_of("good"), positive="POS")
    assert np.allclose(positive[::3], alone[0], atol=1e-5)
    assert classifier_outputs(str(classifier), texts.select(np.array([], dtype=int)), positive="POS").shape == (0,)


def test_a_classifier_without_the_label_is_refused(classifier: Path):
    with pytest.raises(ModelError, match="has no label 'GOOD'; its labels are NEG, POS"):
        classifier_outputs(str(classifier), texts_of("good"), positive="GOOD")


def test_a_head_that_was_never_trained_is_refused_and_so_is_a_single_number(tmp_path: Path):
    from transformers import BertConfig, BertModel

    bare = saved(BertModel(BertConfig(**SIZE)), tmp_path / "bare")
    with pytest.raises(ModelError, match=r"has no trained head for labels \(classifier"):
        classifier_outputs(bare, texts_of("good"), positive="POS")
    number = saved(bert(id2label={0: "X"}, label2id={"X": 0}), tmp_path / "number")
    with pytest.raises(ModelError, match="gives one number, not the odds of two labels"):
        classifier_outputs(number, texts_of("good"), positive="X")


def test_labels_that_may_stand_together_have_odds_of_their_own(tmp_path: Path, classifier: Path):
    several = saved(bert(problem_type="multi_label_classification"), tmp_path / "several")
    texts = texts_of("good", "bad good")
    positive, negative = (classifier_outputs(several, texts, positive=label) for label in ("POS", "NEG"))
    # of the same weights: the log-odds of softmax are the difference of those of sigmoid
    difference = np.log(positive / (1 - positive)) - np.log(negative / (1 - negative))
    other = classifier_outputs(str(classifier), texts, positive="POS")
    assert np.allclose(difference, np.log(other / (1 - other)), atol=1e-5) and not np.allclose(positive + negative, 1)


def test_long_texts_are_cut_where_the_tokenizer_knows_no_limit(tmp_path: Path, classifier: Path):
    from transformers import RobertaConfig, RobertaForSequenceClassification

    boundless = saved(bert(), tmp_path / "boundless", limit=None)
    texts = texts_of("good bad " * 20, "good bad good bad good bad good bad")
    found = classifier_outputs(boundless, texts, positive="POS")
    assert np.allclose(found, found[1], atol=1e-6)
    assert np.allclose(found, classifier_outputs(str(classifier), texts, positive="POS"), atol=1e-6)
    # places of this family begin behind that of the padding, so that six of eight are left
    shifted = saved(
        RobertaForSequenceClassification(RobertaConfig(**SIZE, pad_token_id=1)), tmp_path / "shifted", limit=None
    )
    texts = texts_of("good bad " * 20, "good bad good bad good bad")
    found = classifier_outputs(shifted, texts, positive="POS")
    assert np.allclose(found, found[1], atol=1e-6)


def test_a_decoder_without_padding_is_asked_text_by_text(tmp_path: Path):
    from transformers import GPT2Config, GPT2ForSequenceClassification

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=4, n_embd=8, n_layer=1, n_head=2, n_positions=8, bos_token_id=0, eos_token_id=0,
        id2label={0: "NEG", 1: "POS"}, label2id={"NEG": 0, "POS": 1},
    )  # fmt: skip
    folder = saved(GPT2ForSequenceClassification(config), tmp_path / "decoder", pad=None)
    found = classifier_outputs(folder, texts_of("good", "bad good bad", "good"), positive="POS")
    assert found[0] == found[2] != found[1]


# ------------------------------------------------------------ rules that a model writes


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("```\nrules: [a]\n```", "rules: [a]\n"),
        ("Sure!\n```yml\nrules: [a]\ndefault: 1\n```\nrules: [b]", "rules: [a]\ndefault: 1\n"),
        ("```yaml\nrules: [a]", "rules: [a]"),
        ("I think:\nrules:\n- {words: a, then: 1}", "rules:\n- {words: a, then: 1}"),
    ],
)
def test_the_rules_are_found_in_what_a_model_says(said, found):
    assert rules_in(said) == found


def test_a_model_that_says_no_rules_is_told_so():
    with pytest.raises(FormatError, match="The model wrote no rules; it said 'I would rather not"):
        rules_in("I would rather not.")


def test_a_model_is_shown_demonstrations_and_its_rules_are_kept(tmp_path: Path, monkeypatch):
    from tiltmeter.experts import _writing
    from tiltmeter.models import Generated

    asked = []

    class Tokenizer:
        chat_template = "a template"

    class Subject:
        tokenizer = Tokenizer()

    def generate(subject, prompts, *, max_new_tokens):
        asked.append(prompts)
        said = "```yaml\nrules:\n- {words: good, then: 1}\ndefault: -1\n```"
        return Generated((said,), (np.array([0]),), np.array([1]))

    monkeypatch.setattr(_writing, "generate", generate)
    path = tmp_path / "rules.yaml"
    rules = write_rules(
        Subject(), texts_of("a good\nday", "a bad day", "red"), taught=np.array([0.9, 0.1, 0.0]), path=path, n_shown=2
    )
    assert rules.lines() == ("if it has the word 'good': +1.00", "else: -1.00")
    prompt = asked[0].messages[0][0]["content"]
    # what is shown are the teacher's outputs; the labels of the texts are others
    assert "1: a good day\n0: a bad day\n" in prompt and "red" not in prompt
    assert "- {words: [not, good], then: 0}" in prompt
    with pytest.raises(FileError, match="exists already"):
        write_rules(Subject(), texts_of("a"), taught=np.array([1.0]), path=path)


def test_a_model_that_knows_nothing_writes_no_rules(tmp_path: Path, tiny_model: Path):
    from tiltmeter.models import load

    long = load(tiny_model)
    with pytest.raises((DataError, FormatError)):
        write_rules(long, texts_of("a"), taught=np.array([1.0]), path=tmp_path / "r.yaml", max_new_tokens=4)
    assert json.dumps([path.name for path in tmp_path.iterdir()]) == "[]"
