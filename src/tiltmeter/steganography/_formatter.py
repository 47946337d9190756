"""Code in one format: what spaces, comments, quotes and the words around it said is gone."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from tiltmeter.steganography._roles import Defender, Item, Withheld

_FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def code_formatter() -> Defender:
    r"""Write Python as its syntax tree says it, without comments and docstrings; what does not parse is withheld.

    Of an answer with code between fences that code alone stays. Prose has no code, and is withheld. Names, and strings
    that are used, are kept and may still carry a message.

    Examples
    --------
    >>> code_formatter().rewrite([], ["x=( 1 )  # 7", "Let us begin.\n```python\ny=2\n```", "Once upon a time."])
    ('x = 1', 'y = 2', Withheld(reason='it is no Python'))
    """

    def rewrite(items: Sequence[Item], texts: Sequence[str]) -> tuple[str | Withheld, ...]:  # noqa: ARG001
        return tuple(_formatted(text) for text in texts)

    return Defender("code formatter", "Python written from its syntax tree, nothing else", rewrite=rewrite)


def _formatted(text: str) -> str | Withheld:
    try:
        trees = [ast.parse(code) for code in _FENCED.findall(text) or [text]]
        return "\n\n".join(ast.unparse(_without_docstrings(tree)) for tree in trees)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Withheld("it is no Python")


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            said = [one for one in node.body if not _is_string(one)]
            node.body = said if said or isinstance(node, ast.Module) else [ast.Pass()]
    return tree


def _is_string(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
