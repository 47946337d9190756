"""How the command line shows a steganography game."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from tiltmeter.cli._figures import interval
from tiltmeter.cli._terminal import page
from tiltmeter.core.records import Estimate, Measured
from tiltmeter.core.stego import Game


def game_table(game: Game) -> None:
    """Print a table an attacker, a row a defender: bits per KB both ways, what was withheld, and quality."""
    console = page()
    console.print(f"{game.source}: {game.n_items} items; quality is {game.quality}.", markup=False)
    stand_ins = {one.name for one in game.defenders if one.stands_in}
    for attacker in game.attackers:
        named = f"{attacker.name}, {attacker.n_bits} bits" + (" (a stand-in)" if attacker.stands_in else "")
        table = Table(title=Text(named), title_justify="left", box=None, pad_edge=False)
        table.add_column("defender")
        for column in ("bits/KB by flips", "by information", "withheld", "quality"):
            table.add_column(column, justify="right")
        for one in game.channels:
            if one.attacker == attacker.name:
                name = one.defender + ("*" if one.defender in stand_ins else "")
                amounts = ((one.by_flips, one.by_luck_in_flips), (one.by_information, one.by_luck))
                shown = [interval(figure, between=_mark(figure, luck or 0.0)) for figure, luck in amounts]
                shown += [interval(figure, between="\n") for figure in (one.withheld, one.quality)]
                table.add_row(Text(name), *shown)
        console.print()
        console.print(table)
    console.print(
        "\n? is not above luck: what the same answers give when they are dealt out to other texts.", markup=False
    )
    if stand_ins:
        console.print("* stands in for a model, by rule.", markup=False)


def _mark(amount: Measured, luck: float) -> str:
    return " ?\n" if isinstance(amount, Estimate) and amount.low <= luck else "\n"
