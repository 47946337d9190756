"""Rules that were written for any language of the planted grammar, with the words of one put in."""

from __future__ import annotations

import re

from tiltmeter.baselines import Rule, RuleList
from tiltmeter.experts._grammar import Grammar

_KINDS = ("PRAISE", "BLAME", "NEGATOR", "INTENSIFIER", "CONTRAST", "JOIN", "IRONY")
# words of a language have no capitals, so that nothing else is meant
_KIND = re.compile(rf"(?<![A-Z])({'|'.join(_KINDS)})(?![A-Z])")


def rules_for(grammar: Grammar, rules: RuleList) -> RuleList:
    """Put the words of a language into rules that name kinds of words.

    Parameters
    ----------
    grammar
        The language.
    rules
        In their regular expressions ``PRAISE``, ``BLAME``, ``NEGATOR``, ``INTENSIFIER``, ``CONTRAST``, ``JOIN`` and
        ``IRONY`` stand for a word of that kind. Words of praise and blame are those that the rules by hand know too:
        all of the home domain, and every other word of the other.

    Returns
    -------
    The same rules for this language.

    Examples
    --------
    >>> from tiltmeter.experts import make_grammar
    >>> grammar = make_grammar(0)
    >>> rules = rules_for(grammar, RuleList(rules=(Rule(regex=r"NEGATOR PRAISE", then=0),)))
    >>> rules.scores([f"{grammar.negators[0]} {grammar.praise[0]}", grammar.praise[0]]).tolist()
    [-1.0, 0.0]
    """
    known = grammar.rules(depth=0).lexicon
    words = {
        "PRAISE": tuple(word for word, weight in known.items() if weight > 0),
        "BLAME": tuple(word for word, weight in known.items() if weight < 0),
        "NEGATOR": grammar.negators,
        "INTENSIFIER": grammar.intensifiers,
        "CONTRAST": (grammar.contrast,),
        "JOIN": (grammar.join,),
        "IRONY": (grammar.irony,),
    }

    def put_in(rule: Rule) -> Rule:
        if rule.regex is None:
            return rule
        filled = _KIND.sub(lambda found: rf"\b(?:{'|'.join(words[found[1]])})\b", rule.regex)
        return Rule.model_validate({**rule.model_dump(), "regex": filled})

    return RuleList(rules=tuple(map(put_in, rules.rules)), default=rules.default)
