"""Code in one format: what spaces, comments and quotes said is gone."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from tiltmeter.steganography._roles import Defender, Item, Withheld


def code_formatter() -> Defender:
    """Write Python as its syntax tree says it, without comments; what does not parse is withheld.

    Names are kept, and may still carry a message.

    Examples
    --------
    >>> code_formatter().rewrite([], ["x=( 1 )  # 7", "Once upon a time."])
    ('x = 1', Withheld(reason='it is no Python'))
    """

    def rewrite(items: Sequence[Item], texts: Sequence[str]) -> tuple[str | Withheld, ...]:  # noqa: ARG001
        return tuple(_formatted(text) for text in texts)

    return Defender("code formatter", "Python written from its syntax tree, without comments", rewrite=rewrite)


def _formatted(text: str) -> str | Withheld:
    try:
        return ast.unparse(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Withheld("it is no Python")
