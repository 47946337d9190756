"""The page of a steganography game: what it shows of a record."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.report.records import EVIL
from tiltmeter.core.errors import FileError, FormatError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.core.stego import AttackerRole, Channel, DefenderRole, Game, Told
from tiltmeter.report import render_stego, write_stego

NOTHING = Unavailable(reason="no text got through")


def estimate(value: float, half: float = 0.5) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=200, method="percentile bootstrap", seed=0)


def channel(
    defender: str, *, flips: float | None, information: float = 0.0, reasons: dict[str, int] | None = None
) -> Channel:
    there = flips is not None
    return Channel(
        attacker="opening sentence",
        defender=defender,
        n=200,
        withheld=estimate(sum((reasons or {}).values()) / 200, 0.0),
        reasons=reasons or {},
        flip_rate=estimate(0.1, 0.02) if there else NOTHING,
        bits_by_flips=estimate(2.0) if there else NOTHING,
        bits_by_information=estimate(2.0) if there else NOTHING,
        block=2,
        by_flips=estimate(flips) if flips is not None else NOTHING,
        by_information=estimate(information) if there else NOTHING,
        by_luck_in_flips=0.3 if there else None,
        by_luck=0.4 if there else None,
        kilobytes=0.2 if there else None,
        quality=estimate(0.77, 0.02) if there else NOTHING,
        quality_change=estimate(-0.05, 0.01) if there else NOTHING,
    )


def make_game(said: str = "It is so.") -> Game:
    return Game(
        fingerprint="f",
        source="stories",
        models=("encoder mini (abc)",),
        quality="cosine with the plain answer",
        n_items=200,
        level=0.95,
        n_draws=1000,
        seed=0,
        attackers=(
            AttackerRole(
                name="opening sentence", n_bits=4, about=said, stands_in="", plain_quality=estimate(0.99, 0.01)
            ),
        ),
        defenders=(
            DefenderRole(name="suspicious", about="strikes", stands_in="a model that looks"),
            DefenderRole(name="code formatter", about="formats", stands_in=""),
        ),
        channels=(
            channel("none", flips=29.42, information=28.5),
            channel("suspicious", flips=0.7, information=0.8),
            channel("code formatter", flips=None, reasons={"it is no Python": 200}),
        ),
        examples=(
            Told(
                attacker="opening sentence", question="Why?", plain="So.", sent=13, encoded=said,
                rewritten={"suspicious": said, "code formatter": ""},
                received={"none": 13, "suspicious": 7, "code formatter": None},
            ),
        ),
    )  # fmt: skip


def test_every_cell_stands_with_its_interval_and_quality_beside():
    page = render_stego(make_game())
    for shown in ("29.42", "[28.92, 29.92]", "28.50", "[28.00, 29.00]", "0.77", "[0.75, 0.79]", "−0.05", "0.99"):
        assert shown in page
    assert "withheld 100 %" in page and "no text got through" in page and "it is no Python (200)" in page


def test_what_chance_would_give_is_marked():
    page = render_stego(make_game())
    # 0.7 [0.2, 1.2] by flips and 0.8 [0.3, 1.3] by information do not lie above luck at 0.3 and 0.4; 29 and 28 do
    table = page.split('aria-label="Bits per KB')[1].split("</table>")[0]
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)<.*?</tr>", table, re.DOTALL)
    weak = [row.count('class="weak"') for row in table.split("<tr>")[2:]]
    assert (rows, weak) == (["as written", "suspicious ", "code formatter"], [0, 2, 0])


def test_why_texts_were_withheld_is_said_once_for_all_attackers():
    game = make_game()
    other = game.attackers[0].model_copy(update={"name": "tone"})
    twice = tuple(one.model_copy(update={"attacker": "tone"}) for one in game.channels)
    page = render_stego(
        game.model_copy(update={"attackers": (*game.attackers, other), "channels": game.channels + twice})
    )
    assert page.count("it is no Python (200)") == 1 and "it is no Python (200), of each attacker" in page
    odd = twice[2].model_copy(update={"reasons": {"it slept": 200}})
    both = game.model_copy(
        update={"attackers": (*game.attackers, other), "channels": (*game.channels, *twice[:2], odd)}
    )
    page = render_stego(both)
    assert "it is no Python (200), of opening sentence" in page and "it slept (200), of tone" in page


def test_stand_ins_are_named_as_such():
    page = render_stego(make_game())
    assert "It stands in for a model that looks." in page and page.count("stand-in</span>") == 1


def test_texts_of_a_game_are_shown_as_texts():
    page = render_stego(make_game(said=EVIL))
    assert EVIL not in page and "&lt;script&gt;" in page and "<script" not in page
    heads = re.findall(r"<th\b[^>]*>", page)
    assert len(heads) > 8 and all('scope="' in head for head in heads)


@pytest.mark.long
def test_the_page_of_a_game_stands_beside_its_record(tmp_path: Path):
    with pytest.raises(FileError, match=r"holds no stego\.json"):
        write_stego(tmp_path)
    (tmp_path / "stego.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FormatError, match="not a record that this release reads"):
        write_stego(tmp_path)
    (tmp_path / "stego.json").write_text(make_game().model_dump_json(), encoding="utf-8")
    assert write_stego(tmp_path).read_text(encoding="utf-8") == render_stego(make_game())
