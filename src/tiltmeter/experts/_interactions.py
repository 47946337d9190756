"""How rules get on with each other: what becomes of an answer when one of them is taken away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from tiltmeter.experts._program import Program


class Interactions(NamedTuple):
    """Of each text: whether any rule speaks, whether one explains the answer, and how rules interact."""

    answered: Bool[NDArray[np.bool_], " n"]
    one_rule: Bool[NDArray[np.bool_], " n"]
    clash: Bool[NDArray[np.bool_], " n"]
    modified: Bool[NDArray[np.bool_], " n"]


def interactions(program: Program, texts: Sequence[str]) -> Interactions:
    r"""Find in which texts the rules of a program interact.

    Parameters
    ----------
    program
        The rules.
    texts
        n strings.

    Returns
    -------
    Four times n truth values. ``answered``: the program says something. ``one_rule``: some rule, alone, says the same.
    ``clash``: some rule speaks alone, and without it another rule gives another answer. ``modified``: some rule that
    says nothing alone changes the answer, so that two rules work together.

    Notes
    -----
    With f_S(x) in {-1, 0, 1} the answer of the rules in S, and F those that fire on x, x is in ``clash`` if there is an
    r in F with f_{r}(x) ≠ 0 and f_{F \ r}(x) not in {0, f_F(x)}, and in ``modified`` if there is an r in F with
    f_{r}(x) = 0 and f_{F \ r}(x) ≠ f_F(x). Independent rules (no two of them fire on one text, or those that do say the
    same) give neither. A share of clashes is a matter of the texts as much as of the rules. The cost is two runs of the
    program for each rule that fires.

    References
    ----------
    Skalse (2023), "Using (Uninterpretable) LLMs to Generate Interpretable AI Code", and the comments under it: rules
    that are added ad hoc interact.

    Examples
    --------
    >>> from tiltmeter.baselines import Rule, RuleList
    >>> from tiltmeter.experts import ListedRules
    >>> listed = ListedRules(RuleList(rules=(Rule(words="good", then=1), Rule(words="bad", then=0))))
    >>> interactions(listed, ["good", "bad", "good and bad"]).clash.tolist()
    [False, False, True]
    """
    found = np.zeros((len(texts), 4), dtype=bool)
    for row, text in enumerate(texts):
        fired = program.fires(text)
        said = program.decide(text)
        found[row, 0] = said != 0
        for rule in fired:
            alone = program.decide(text, only={rule})
            without = program.decide(text, only=set(fired) - {rule})
            found[row, 1] |= alone == said != 0
            found[row, 2] |= alone != 0 and without not in (0, said)
            found[row, 3] |= alone == 0 and without != said
    return Interactions(*found.T)
