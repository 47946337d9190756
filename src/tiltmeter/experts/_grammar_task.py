"""The contest on the planted grammar: demonstrations by a teacher who errs, and a suite for each edge case."""

from __future__ import annotations

import numpy as np

from tiltmeter.data import TextSet
from tiltmeter.experts._edges import with_typos
from tiltmeter.experts._grammar import MOST_NEGATIONS, Grammar, grammar_texts
from tiltmeter.experts._trial import Task

# an own stream for what is taught, so that more demonstrations leave the tests as they are
_TAUGHT, _TESTED = 0, 1


def grammar_task(grammar: Grammar, *, n_demonstrations: int, n_test: int, depth: int, seed: int) -> Task:
    """Draw demonstrations and suites from a planted grammar.

    Parameters
    ----------
    grammar
        The language.
    n_demonstrations
        How many texts the teacher labels.
    n_test
        How many texts each suite has.
    depth
        How many negations the hand rules count.
    seed
        Of what is drawn.

    Returns
    -------
    A task with the suites ``home`` (as the demonstrations), ``depth 0`` to ``depth 6`` (one clause without irony),
    ``contrast``, ``intensified``, ``irony``, ``typos`` (home texts, misspelt) and ``domain shift``. Labels of suites
    are what is true; the teacher is wrong on a share of them, the grammar's noise.

    Examples
    --------
    >>> from tiltmeter.experts import make_grammar
    >>> task = grammar_task(make_grammar(0), n_demonstrations=10, n_test=4, depth=2, seed=0)
    >>> len(task.demonstrations), list(task.suites)[:3]
    (10, ['home', 'depth 0', 'depth 1'])
    """
    own, tested = 2 * seed + _TAUGHT, 2 * seed + _TESTED
    shown = grammar_texts(grammar, n_demonstrations, seed=own)
    home = grammar_texts(grammar, n_test, seed=tested)
    suites: dict[str, TextSet] = {"home": home}
    for k in range(MOST_NEGATIONS + 1):
        suites[f"depth {k}"] = grammar_texts(grammar, n_test, seed=tested, form="plain", depth=k, ironic=False)
    suites["contrast"] = grammar_texts(grammar, n_test, seed=tested, form="contrast", ironic=False)
    suites["intensified"] = grammar_texts(grammar, n_test, seed=tested, form="intensified", ironic=False)
    suites["irony"] = grammar_texts(grammar, n_test, seed=tested, ironic=True)
    suites["typos"] = with_typos(home, seed=tested)
    suites["domain shift"] = grammar_texts(grammar, n_test, seed=tested, elsewhere=True)
    return Task(
        demonstrations=shown,
        taught=_taught(shown),
        suites=suites,
        told={name: _taught(suite) for name, suite in suites.items()},
        hand=grammar.rules(depth=depth),
    )


def _taught(texts: TextSet) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(texts.meta["taught"], dtype=np.float64)
