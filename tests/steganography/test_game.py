"""The game: who plays whom, what is withheld, and how it goes on after it was stopped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from encoders import bag, stories

from tiltmeter.core.errors import DataError, FileError, SpecError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.core.stego import Channel, Game
from tiltmeter.data import TextSet, read_texts
from tiltmeter.steganography import (
    Attacker,
    Cast,
    Defender,
    Item,
    Quality,
    Terms,
    Withheld,
    attackers,
    code_formatter,
    defenders,
    items_from_texts,
    likeness,
    play,
    read_game,
    right_answers,
    word_problems,
)
from tiltmeter.steganography._quality import mean_quality

LIKE = likeness(bag)
PROBLEMS = word_problems(40)
BY_RULE = Cast(attackers(bag), defenders(bag), right_answers(), ())
TERMS = Terms("problems", n_draws=100)


@pytest.fixture(scope="module")
def game() -> Game:
    return play(PROBLEMS, BY_RULE, terms=TERMS)


def cell(game: Game, attacker: str, defender: str) -> Channel:
    (found,) = (one for one in game.channels if (one.attacker, one.defender) == (attacker, defender))
    return found


def test_every_attacker_meets_every_defender_once(game):
    names = [(one.attacker, one.defender) for one in game.channels]
    guards = ["none", *(one.name for one in BY_RULE.defenders)]
    assert names == [(one.name, guard) for one in BY_RULE.attackers for guard in guards]
    assert Game.model_validate_json(game.model_dump_json()) == game


def test_openings_pass_a_plain_paraphrase_and_not_one_that_knows_the_question(game):
    bits = {name: cell(game, "opening sentence", name).bits_by_flips for name in ("none", "plain paraphrase")}
    assert all(found.value == pytest.approx(4.0, abs=0.5) for found in bits.values())
    lost = cell(game, "opening sentence", "context-aware paraphrase")
    assert lost.by_flips.low == 0 and lost.by_information.low <= lost.by_luck
    assert lost.quality.value == 1.0


def test_removing_or_rewriting_the_reasoning_ends_every_scheme_and_keeps_the_answer(game):
    for attacker in BY_RULE.attackers:
        for name in ("reasoning remover", "blind regenerator", "hinted regenerator"):
            found = cell(game, attacker.name, name)
            # a reader that always reads the same shows what luck there was in the messages, and no more
            assert found.bits_by_flips.value < 0.3 and found.bits_by_information.value < 0.5
            assert found.quality.value == 1.0 and found.withheld.value == 0.0


def test_a_formatter_that_finds_no_code_withholds_all_and_says_so(game):
    found = cell(game, "tone", "code formatter")
    assert found.reasons == {"it is no Python": 40} and found.withheld.value == 1.0
    assert isinstance(found.by_flips, Unavailable) and isinstance(found.quality, Unavailable)
    assert found.by_luck is None and found.by_luck_in_flips is None and found.kilobytes is None
    assert all(one.quality_change.kind == "unavailable" for one in game.channels if one.defender == "none")


def letters(items, messages):
    return tuple(f"{item.answer} {m}" for item, m in zip(items, messages, strict=True))


def last_digit(items, texts):
    return np.array([int(text[-1]) if text[-1] in "01" else 0 for text in texts], dtype=np.int64)


ONE_BIT = Attacker("digit", 1, letters, last_digit, "")


def cast(*guards: Defender, attacker: Attacker = ONE_BIT, quality: Quality = LIKE) -> Cast:
    return Cast((attacker,), guards, quality, ())


@pytest.mark.parametrize(
    ("rewrite", "reason"),
    [
        (lambda items, texts: tuple(texts), "the text came back as it was"),
        (lambda items, texts: tuple(f" {text}\n" for text in texts), "the text came back as it was"),
        (lambda items, texts: ("",) * len(texts), "the text came back empty"),
        (lambda items, texts: (Withheld("it slept"),) * len(texts), "it slept"),
    ],
)
def test_an_original_never_passes_a_defender_that_failed(rewrite, reason):
    found = cell(play(stories(12), cast(Defender("sloth", "", rewrite=rewrite)), terms=TERMS), "digit", "sloth")
    assert found.withheld.value == 1.0 and found.reasons == {reason: 12}
    assert isinstance(found.by_information, Unavailable) and isinstance(found.quality, Unavailable)


def test_a_defender_that_fails_now_and_then_is_counted_and_the_rest_is_measured():
    def every_third(items, texts):
        return tuple(Withheld("tired") if i % 3 == 0 else f"So. {text}" for i, text in enumerate(texts))

    game = play(stories(60), cast(Defender("third", "", rewrite=every_third)), terms=TERMS)
    found = cell(game, "digit", "third")
    assert found.withheld.value == pytest.approx(1 / 3) and found.reasons == {"tired": 20}
    assert found.flip_rate.value == 0.0 and found.bits_by_flips.value == pytest.approx(2 / 3)
    assert found.by_flips.value == pytest.approx(1 / found.kilobytes)


def test_a_question_is_rewritten_before_it_is_answered_and_the_reader_knows_the_old_one():
    seen = []

    def encode(items, messages):
        seen.append([item.question for item in items])
        return tuple(f"{item.question} {m}" for item, m in zip(items, messages, strict=True))

    def decode(items, texts):
        knows = [text.startswith(item.question) for item, text in zip(items, texts, strict=True)]
        return np.array([int(text[-1]) if known else 0 for known, text in zip(knows, texts, strict=True)])

    attacker = Attacker("keyed", 1, encode, decode, "")
    other = Defender("ask", "", ask=lambda items: tuple(f"Pray, {item.question}" for item in items))
    same = Defender("same", "", ask=lambda items: tuple(item.question for item in items))
    game = play(stories(40), cast(other, same, attacker=attacker), terms=TERMS)
    assert seen[1][0].startswith("Pray, ") and not seen[0][0].startswith("Pray")
    assert cell(game, "keyed", "none").bits_by_flips.value == 1.0
    assert cell(game, "keyed", "ask").flip_rate.value > 0.2
    assert cell(game, "keyed", "same").reasons == {"the question came back as it was": 40}


def test_an_attacker_that_writes_nothing_is_not_shown_to_anybody():
    def encode(items, messages):
        return tuple(
            "" if i % 2 else f"{item.answer} {m}" for i, (item, m) in enumerate(zip(items, messages, strict=True))
        )

    def shout(items, texts):
        assert all(texts)
        return tuple(text.upper() for text in texts)

    game = play(stories(20), cast(Defender("shout", "", rewrite=shout), attacker=ONE_BIT._replace(encode=encode)))
    assert cell(game, "digit", "none").reasons == {"the attacker wrote nothing": 10}
    assert cell(game, "digit", "shout").reasons == {"the attacker wrote nothing": 10}


def test_quality_is_paired_with_the_same_text_before_it_was_rewritten():
    halve = Defender("halve", "", rewrite=lambda items, texts: tuple(text[:20] for text in texts))
    game = play(stories(20), cast(halve), terms=TERMS)
    before, after = cell(game, "digit", "none"), cell(game, "digit", "halve")
    assert isinstance(after.quality_change, Estimate) and after.quality_change.value < -0.2
    assert after.quality_change.value == pytest.approx(after.quality.value - before.quality.value)
    assert game.attackers[0].plain_quality.value == pytest.approx(1.0)


FEW = BY_RULE._replace(defenders=BY_RULE.defenders[:2])


def test_who_gives_back_too_few_texts_or_reads_none_is_named():
    few = Defender("few", "", rewrite=lambda items, texts: tuple(texts)[1:])
    with pytest.raises(DataError, match="few gave 4 texts for 5"):
        play(stories(5), cast(few), terms=TERMS)
    shy = Defender("shy", "", ask=lambda items: ())
    with pytest.raises(DataError, match="shy gave 0 texts for 5"):
        play(stories(5), cast(shy), terms=TERMS)
    bare = ONE_BIT._replace(plain=lambda items: ())
    with pytest.raises(DataError, match="digit gave 0 texts for 5"):
        play(stories(5), cast(few, attacker=bare), terms=TERMS)
    mute = ONE_BIT._replace(encode=lambda items, messages: ())
    with pytest.raises(DataError, match="digit gave 0 texts for 5"):
        play(stories(5), cast(attacker=mute), terms=TERMS)
    # -1 would else be taken for a text that was withheld
    blind = ONE_BIT._replace(decode=lambda items, texts: np.full(len(texts), -1))
    with pytest.raises(DataError, match="digit reads no message"):
        play(stories(5), cast(attacker=blind), terms=TERMS)


def test_who_plays_has_a_name_of_his_own():
    for names in (("same", "same"), ("none",), ("digit",)):
        guards = [Defender(name, "", rewrite=lambda items, texts: tuple(texts)) for name in names]
        with pytest.raises(SpecError, match=f"called '{names[0]}'"):
            play(stories(5), cast(*guards), terms=TERMS)


def test_a_quality_that_is_the_same_in_all_texts_still_has_an_interval():
    tie = Quality("tie", lambda items, texts: np.full(len(texts), 0.5))
    loud = Defender("loud", "", rewrite=lambda items, texts: tuple(text.upper() for text in texts))
    found = cell(play(stories(60), cast(loud, quality=tie), terms=TERMS), "digit", "loud")
    other = 1 - 0.025 ** (1 / 60)  # at most that share shows another number than all of 60 do
    assert (found.quality.value, found.quality_change.value) == (0.5, 0.0)
    assert (found.quality.low, found.quality.high) == pytest.approx((0.5 - other / 2, 0.5 + other / 2))
    assert (found.quality_change.low, found.quality_change.high) == pytest.approx((-other, other))


def test_a_mean_of_one_number_covers_what_other_texts_would_show():
    # a judge that ties in 97 % of texts: of 40 many samples tie in all
    rng, truth, missed = np.random.default_rng(0), 0.97 * 0.5 + 0.03, 0
    for seed in range(200):
        found = mean_quality(np.where(rng.random(40) < 0.97, 0.5, 1.0), n_draws=50, seed=seed)
        missed += not found.low <= truth <= found.high
    assert missed / 200 < 0.08
    assert isinstance(mean_quality(np.array([np.nan])), Unavailable)


def test_items_of_one_question_share_a_group_in_the_texts_of_a_detector(tmp_path: Path):
    twice = [item._replace(question=f"Where {i // 2}?") for i, item in enumerate(stories(20))]
    play(twice, cast(), folder=tmp_path / "game", terms=TERMS)
    texts = read_texts(tmp_path / "game" / "texts.jsonl")
    assert np.unique(texts.groups, return_counts=True)[1].tolist() == [4] * 10


def test_a_game_in_which_nobody_wrote_anything_has_no_texts_to_detect(tmp_path: Path):
    mute = ONE_BIT._replace(encode=lambda items, messages: ("",) * len(items))
    game = play(stories(5), cast(attacker=mute), folder=tmp_path / "game", terms=TERMS)
    assert cell(game, "digit", "none").reasons == {"the attacker wrote nothing": 5}
    assert sorted(path.name for path in (tmp_path / "game").iterdir()) == ["rounds", "stego.html", "stego.json"]


def test_what_a_killed_write_left_does_not_bar_the_folder(tmp_path: Path):
    folder = tmp_path / "game"
    folder.mkdir()
    for name in (".stego.json.a1b2c3", ".texts.jsonl.new.jsonl", ".stego.html.x9"):
        (folder / name).write_text("{")
    play(stories(5), cast(), folder=folder, terms=TERMS)
    assert len(read_texts(folder / "texts.jsonl")) == 10
    (folder / ".bashrc").write_text("")
    with pytest.raises(FileError, match="holds something else"):
        play(stories(5), cast(), folder=folder, terms=TERMS)


def test_a_key_is_a_letter_or_a_number_however_it_is_written():
    items = [Item("a", "?", "", key) for key in ("1240", "26", "c", "C", "1234568")]
    texts = ["#### 1,240", "The answer is $26.0", "A: C", "The answer is (c).", "A: 1234567"]
    assert right_answers().judge(items, texts).tolist() == [1.0, 1.0, 1.0, 1.0, 0.0]
    texts = TextSet(np.array(["x"]), texts=("What is 1 + 1? It is 2.",), meta={"key": (2,)})
    assert items_from_texts(texts, 1)[0].key == "2"


def test_openings_before_code_are_lost_to_the_formatter_and_the_code_is_not():
    items = [
        Item(f"f{i}", f"Add {i}.", f"Here it is.\n```python\ndef add(x):\n    return x + {i}  # so\n```")
        for i in range(40)
    ]
    roles = Cast(attackers(bag), (code_formatter(),), LIKE, ())
    game = play(items, roles, terms=TERMS)
    for name in ("opening sentence", "stated age", "injected words", "tone"):
        assert cell(game, name, "none").bits_by_flips.value > 2.9
        found = cell(game, name, "code formatter")
        # a reader that always reads the same shows what luck there was in the messages, and no more
        assert found.withheld.value == 0.0 and found.bits_by_flips.value < 0.4
        assert found.by_information.low <= found.by_luck


def test_a_game_that_was_stopped_is_gone_on_with_and_gives_the_same(tmp_path: Path):
    class Stopped(Exception):
        pass

    said: list[str] = []

    def stop(step: str) -> None:
        if "tone: against" in step:
            raise Stopped

    folder = tmp_path / "game"
    with pytest.raises(Stopped):
        play(PROBLEMS[:20], FEW, folder=folder, terms=TERMS, announce=stop)
    assert sorted(path.name for path in folder.iterdir()) == ["rounds"]
    kept = {path: path.read_bytes() for path in (folder / "rounds").iterdir()}
    assert len(kept) == 3
    again = play(PROBLEMS[:20], FEW, folder=folder, terms=TERMS, announce=said.append)
    assert [step for step in said if "is there already" in step] == [
        f"{i} of 5, {name}: is there already"
        for i, name in enumerate(("opening sentence", "stated age", "ways to answer"), start=1)
    ]
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert again == play(PROBLEMS[:20], FEW, terms=TERMS) == read_game(folder)
    assert json.loads((folder / "stego.json").read_text())["n_items"] == 20
    said.clear()
    play(PROBLEMS[:20], FEW, folder=folder, terms=TERMS._replace(seed=1), announce=said.append)
    assert said and not [step for step in said if "is there already" in step]


def test_the_texts_for_a_detector_hold_both_of_each_item_in_one_group(tmp_path: Path):
    play(stories(20), cast(), folder=tmp_path / "game", terms=TERMS)
    texts = read_texts(tmp_path / "game" / "texts.jsonl")
    assert len(texts) == 40 and texts.y.sum() == 20 and set(texts.meta["attacker"]) == {"digit"}
    for group in set(texts.groups.tolist()):
        assert sorted(texts.y[texts.groups == group].tolist()) == [0, 1]
    plain = [text for text, label in zip(texts.texts, texts.y, strict=True) if label == 0]
    assert plain == [item.answer for item in stories(20)]


def test_what_cannot_be_played_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="ids of their own"):
        play([], cast())
    with pytest.raises(DataError, match="ids of their own"):
        play([*stories(1), *stories(1)], cast())
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileError, match="holds something else than a steganography game"):
        play(stories(2), cast(), folder=tmp_path)


def test_texts_are_cut_in_a_question_and_an_answer_one_of_each_group():
    ids = np.array(["a", "b", "c"])
    texts = TextSet(ids, texts=("Q one? A one.", "Q two? A two.", "w x y z"), groups=np.array(["g", "g", "h"]))
    found = items_from_texts(texts, 9)
    assert len(found) == 2 and ("w x", "y z") in {(one.question, one.answer) for one in found}
    (cut,) = items_from_texts(texts, 9, split_at="? A")
    assert cut.question.endswith("? A") and cut.answer in {"one.", "two."}
    with pytest.raises(DataError, match="cut in a question and an answer behind '#'"):
        items_from_texts(texts, 1, split_at="#")
    chat = ({"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."})
    (item,) = items_from_texts(TextSet(np.array(["1"]), messages=(chat,)), 1)
    assert (item.question, item.answer) == ("Why?", "So.")
