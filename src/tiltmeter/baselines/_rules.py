"""Ordered rules that a person can read: the first that fits a text decides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from jaxtyping import Float
from numpy.typing import NDArray
from pydantic import Field, ValidationError, field_validator, model_validator

from tiltmeter.baselines._rival import Rival, Seen
from tiltmeter.core.errors import FileError, FormatError
from tiltmeter.core.files import expand_user
from tiltmeter.core.records import Record
from tiltmeter.data import TextSet, plain_texts

_WORD = re.compile(r"\w+")


class Rule(Record):
    """One line: if all its conditions hold of a text, it gives label ``then`` with ``weight``.

    ``contains``: strings that must all stand in the text, in letters of either case. ``words``: the same for whole
    words. ``regex``: a regular expression that must be found, case as written.
    """

    contains: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    regex: str | None = None
    then: Literal[0, 1]
    weight: float = Field(default=1.0, ge=0)

    @field_validator("contains", "words", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("regex")
    @classmethod
    def _it_compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"{value!r} is no regular expression ({error})") from None
        return value

    @model_validator(mode="after")
    def _it_has_a_condition(self) -> Rule:
        if not (self.contains or self.words or self.regex):
            raise ValueError("a rule needs contains, words or regex")
        return self

    def fits(self, text: str) -> bool:
        """Tell whether all conditions hold of a text."""
        folded = text.casefold()
        return (
            all(part.casefold() in folded for part in self.contains)
            and {word.casefold() for word in self.words} <= set(_WORD.findall(folded))
            and (self.regex is None or re.search(self.regex, text) is not None)
        )

    def __str__(self) -> str:
        parts = [f"contains {part!r}" for part in self.contains]
        parts += [f"has the word {word!r}" for word in self.words]
        parts += [f"matches /{self.regex}/"] if self.regex is not None else []
        return f"if it {' and '.join(parts)}: {signed(self.then, self.weight)}"


class RuleList(Record):
    """Rules in order, and what is said of a text that none of them fits.

    Examples
    --------
    >>> rules = RuleList(rules=(Rule(contains="password", then=1, weight=2.0), Rule(words="please", then=0)))
    >>> rules.scores(["My PASSWORD, please", "Please", "Pleased"]).tolist()
    [2.0, -1.0, 0.0]
    """

    rules: tuple[Rule, ...]
    default: float = 0.0

    def scores(self, texts: Sequence[str]) -> Float[NDArray[np.float64], " n"]:
        """Score texts: the weight of the first rule that fits, negative where it says 0; else the default."""
        fitting = (next((rule for rule in self.rules if rule.fits(text)), None) for text in texts)
        return np.array([self.default if rule is None else rule.weight * (2 * rule.then - 1) for rule in fitting])

    def lines(self) -> tuple[str, ...]:
        """Write the rules out, in order."""
        return (*map(str, self.rules), f"else: {self.default:+.2f}")


def signed(then: int, weight: float) -> str:
    """Write a score.

    Examples
    --------
    >>> signed(0, 1.5)
    '-1.50'
    """
    return f"{weight * (2 * then - 1):+.2f}"


def read_rules(path: Path | str) -> RuleList:
    r"""Read an ordered list of rules from YAML.

    Parameters
    ----------
    path
        A file with ``rules``, a list of :class:`Rule`, and perhaps ``default``, a number.

    Raises
    ------
    FileError
        If the file is not there.
    FormatError
        If it is no such list; the message names the rule by its place from 1.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "rules.yaml"
    >>> _ = path.write_text("rules: [{contains: bomb, then: 1}, {words: [how, to], then: 1}]\ndefault: -1")
    >>> read_rules(path).lines()
    ("if it contains 'bomb': +1.00", "if it has the word 'how' and has the word 'to': +1.00", 'else: -1.00')
    """
    where = expand_user(path)
    if not where.is_file():
        raise FileError(f"The rules {where} do not exist; give a YAML file with a list of rules.")
    try:
        content: Any = yaml.safe_load(where.read_text(encoding="utf-8"))
        return RuleList.model_validate(content)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise FormatError(f"The rules {where} are not valid YAML ({' '.join(str(error).split())}).") from None
    except ValidationError as error:
        problem = error.errors()[0]
        place = [str(part + 1) if isinstance(part, int) else str(part) for part in problem["loc"]]
        message = problem["msg"].removeprefix("Value error, ")
        raise FormatError(
            f"The rules {where} cannot be used: {' '.join(place) or 'the file'}: {message}; give rules such as "
            "{contains: bomb, then: 1}."
        ) from None


def ruled(rules: RuleList, *, source: str) -> Rival:
    """Score texts by a list of rules; nothing is fitted.

    Parameters
    ----------
    rules
        In order.
    source
        Where they come from, for the record.

    Examples
    --------
    >>> rival = ruled(RuleList(rules=(Rule(contains="bomb", then=1),)), source="rules.yaml")
    >>> rival.read(TextSet(np.array(["1", "2"]), texts=("A bomb.", "A plum."))).tolist()
    [[1.0], [0.0]]
    """

    def read(texts: TextSet) -> Seen:
        return rules.scores(plain_texts(texts))[:, None]

    return Rival(
        "rules",
        "rules",
        f"the first that fits of the rules in {source}",
        read,
        notes=lambda _fitted, _seen: rules.lines(),
    )
