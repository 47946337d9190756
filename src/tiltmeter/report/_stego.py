"""From the record of a steganography game to its page."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tiltmeter.core.records import Estimate, Measured
from tiltmeter.core.stego import Channel, Game, Told
from tiltmeter.report._format import (
    Clipped,
    Shown,
    asked,
    clip,
    fixed,
    reasons_of,
    show_difference,
    show_figure,
    show_rate,
)
from tiltmeter.report._page import environment, write_page


class _Cell(NamedTuple):
    """What gets through one defender, both ways of counting, beside quality and what was withheld."""

    flips: Shown
    information: Shown
    quality: Shown
    change: Shown
    withheld: str


class _Row(NamedTuple):
    """A defender against everybody; or the texts as they were written, which nothing changed."""

    name: str
    is_stand_in: bool
    is_rewritten: bool
    cells: tuple[_Cell, ...]


class _Way(NamedTuple):
    """A text on its way: what was sent, and what each defender left and the reader read."""

    told: Told
    plain: Clipped
    encoded: Clipped
    rewritten: tuple[tuple[str, Clipped, str], ...]


def write_stego(folder: Path) -> Path:
    """Write ``stego.html`` into a folder from its ``stego.json``.

    The file is whole or not there. It opens offline, holds no script and no reference to anything outside itself, and
    shows every text as text.

    Parameters
    ----------
    folder
        As ``tiltmeter stego play`` fills it.

    Returns
    -------
    Path
        ``folder / "stego.html"``; an earlier page is replaced.

    Raises
    ------
    FileError
        If the record is not there.
    FormatError
        If it is not valid JSON, or not a record of the version that this release reads.

    Examples
    --------
    >>> write_stego(Path("nowhere"))
    Traceback (most recent call last):
        ...
    tiltmeter.core.errors.FileError: nowhere holds no stego.json; tiltmeter stego play makes one.
    """
    return write_page(folder, "stego", kind=Game, render=render_stego, made_by="tiltmeter stego play")


def render_stego(game: Game) -> str:
    """Return the page of a game as one HTML document; figures are rounded, never computed.

    Parameters
    ----------
    game
        What was measured.

    Returns
    -------
    str
        HTML without scripts; every text is escaped.

    Examples
    --------
    >>> empty = Game(
    ...     fingerprint="", source="<b>", models=(), quality="none", n_items=0, level=0.95, n_draws=100, seed=0,
    ...     attackers=(), defenders=(), channels=(), examples=(),
    ... )
    >>> page = render_stego(empty)
    >>> "&lt;b&gt;" in page, "<script" in page
    (True, False)
    """
    defenders = (("none", "as written", False), *((one.name, one.name, bool(one.stands_in)) for one in game.defenders))
    cells = {(one.attacker, one.defender): _cell(one) for one in game.channels}
    rows = tuple(
        _Row(shown, is_stand_in, name != "none", tuple(cells[one.name, name] for one in game.attackers))
        for name, shown, is_stand_in in defenders
        if game.attackers
    )
    shown = [figure for row in rows for cell in row.cells for figure in (cell.flips, cell.information, cell.quality)]
    return (
        environment()
        .get_template("stego.html.j2")
        .render(
            game=game,
            facts=_facts(game),
            rows=rows,
            reasons=reasons_of(shown),
            plain=tuple(show_figure(one.plain_quality) for one in game.attackers),
            withheld=_withheld(game),
            ways=tuple(_way(one) for one in game.examples),
        )
    )


def _facts(game: Game) -> tuple[tuple[str, str], ...]:
    return (
        ("texts", f"{game.source}, {game.n_items:,} items"),
        ("models", ", ".join(game.models) or "none"),
        ("quality", game.quality),
        ("intervals", f"{asked(game.level)}, over texts, {game.n_draws:,} draws"),
        ("seed", str(game.seed)),
    )


def _cell(channel: Channel) -> _Cell:
    withheld = show_rate(channel.withheld)
    is_some = isinstance(channel.withheld, Estimate) and channel.withheld.value > 0
    return _Cell(
        _amount(channel.by_flips, luck=channel.by_luck_in_flips or 0.0),
        _amount(channel.by_information, luck=channel.by_luck or 0.0),
        show_figure(channel.quality),
        show_difference(channel.quality_change)._replace(weak=False),
        f"{withheld.text} {withheld.interval}" if is_some else "",
    )


def _amount(measured: Measured, *, luck: float) -> Shown:
    """Show bits per KB; weak where the interval does not lie above luck."""
    is_weak = isinstance(measured, Estimate) and measured.low <= luck
    return show_figure(measured, fixed(2))._replace(weak=is_weak)


def _withheld(game: Game) -> tuple[tuple[str, str], ...]:
    """Say of each defender why it withheld texts, and of which attackers, where it is not the same with all."""
    found = []
    for name in ("none", *(one.name for one in game.defenders)):
        whose: dict[str, list[str]] = {}
        for one in game.channels:
            if one.defender == name and one.reasons:
                why = "; ".join(f"{reason} ({n:,})" for reason, n in one.reasons.items())
                whose.setdefault(why, []).append(one.attacker)
        for why, attackers in whose.items():
            of = "of each attacker" if len(attackers) == len(game.attackers) else f"of {', '.join(attackers)}"
            found.append(("as written" if name == "none" else name, f"{why}, {of}"))
    return tuple(found)


def _way(told: Told) -> _Way:
    def read(name: str) -> str:
        found = told.received.get(name)
        return "nothing" if found is None else str(found)

    return _Way(
        told,
        clip(told.plain),
        clip(told.encoded),
        tuple((name, clip(text), read(name)) for name, text in told.rewritten.items()),
    )
