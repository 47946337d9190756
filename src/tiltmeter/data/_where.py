"""Some rows of a set, by a condition on one of its columns."""

from __future__ import annotations

import difflib
import operator
import re
from dataclasses import replace

import numpy as np

from tiltmeter.core.errors import SpecError
from tiltmeter.data._textset import Scalar, TextSet

_ORDERS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
_CONDITION = re.compile(r"\s*(?P<column>.+?)\s*(?P<sign><=|>=|==|<|>)\s*(?P<value>.+?)\s*")


def select_where(texts: TextSet, condition: str) -> TextSet:
    """Return the rows of which a condition on a column holds.

    Rows that have no value in the column are left out. The condition stands in the ``source`` of what is returned.

    Parameters
    ----------
    texts
        A set whose ``meta`` holds the column.
    condition
        ``COLUMN <= NUMBER``, or with ``>=``, ``<`` or ``>``; or ``COLUMN == VALUE``, where numbers are equal by their
        value ("02" is 2), true and false are themselves, and anything else is equal by its letters.

    Raises
    ------
    SpecError
        If the condition is not of this form, there is no such column, what is to be put in order is no number, no row
        is left, or a pair would lose one of its halves.

    Examples
    --------
    >>> texts = TextSet(np.array(["a", "b"]), texts=("1 + 1 = 2", "12 + 34 = 46"), meta={"digits": (1, 2)})
    >>> select_where(texts, "digits <= 1").texts
    ('1 + 1 = 2',)
    """
    found = _CONDITION.fullmatch(condition)
    if found is None:
        raise SpecError(f"{condition!r} is no condition on rows; write one such as digits <= 2, or op == +.")
    column, sign, value = found["column"], found["sign"], found["value"]
    if column not in texts.meta:
        near = difflib.get_close_matches(column, texts.meta, n=1)
        known = f"did you mean {near[0]!r}?" if near else f"its columns are {', '.join(texts.meta) or 'none'}."
        raise SpecError(f"{texts.distribution} has no column {column!r} for {condition!r}; {known}")
    values = texts.meta[column]
    if sign == "==":
        kept = [_is_same(given, value) for given in values]
    else:
        limit = _number(value, condition)
        kept = [given is not None and bool(_ORDERS[sign](_number(given, condition), limit)) for given in values]
    if not any(kept):
        raise SpecError(f"No row of {texts.distribution} has {condition}; the column holds {_some(values)}.")
    if texts.pairs is not None and (halved := set(texts.pairs[kept]) & set(texts.pairs[~np.array(kept)])):
        raise SpecError(
            f"{condition!r} parts the halves of {len(halved):,} pairs of {texts.distribution}, such as "
            f"{str(min(halved))!r}; name a column that both halves share."
        )
    return replace(texts.select(np.array(kept)), source=f"{texts.source}, {condition}")


def _is_same(given: Scalar, value: str) -> bool:
    if isinstance(given, bool):
        return str(given).lower() == value.lower()
    try:
        return given is not None and float(given) == float(value)
    except ValueError:  # one of them is no number
        return given == value


def _number(value: Scalar, condition: str) -> float:
    try:
        return float(value if value is not None else "")
    except ValueError:
        raise SpecError(f"{condition!r} puts in order what is no number: {value!r}; use == for words.") from None


def _some(values: tuple[Scalar, ...]) -> str:
    found = sorted({str(value) for value in values})
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
