from fractions import Fraction

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tiltmeter.organisms import make_quirky_world, quirky_ceilings
from tiltmeter.organisms._quirky_sums import bobs, draw_operands
from tiltmeter.organisms._quirky_texts import state

READERS = {
    "the name and the operands": lambda true, claim: 0,
    "the claimed sum": lambda true, claim: claim,
    "the last digit of the claimed sum": lambda true, claim: claim % 10,
    "whether the last digit is right": lambda true, claim: claim % 10 == true % 10,
    # of 97 the leading digit is 9, and of Bob's 107 it is 10
    "whether the leading digit is right": lambda true, claim: (
        str(claim)[: len(str(claim)) - len(str(true)) + 1] == str(true)[:1] and len(str(claim)) == len(str(true))
    ),
    "whether all but the leading digit is right": lambda true, claim: (
        len(str(true)) == 1 or str(claim)[1 - len(str(true)) :] == str(true)[1:]
    ),
    "whether Bob has it so": lambda true, claim: claim == true + 10 ** (len(str(true)) - 1),
}


def others(true):
    """List what is true for nobody, with its probability: exact, in loops."""
    found = []
    sums = (true, true + 10 ** (len(str(true)) - 1))
    for base in map(str, sums):
        for place in range(len(base)):
            for digit in "0123456789":
                claim = base[:place] + digit + base[place + 1 :]
                if claim[0] != "0" and int(claim) not in sums:
                    found.append((int(claim), Fraction(1, len(base))))
    total = sum(weight for _, weight in found)
    return [(claim, weight / total) for claim, weight in found]


@pytest.mark.long
@pytest.mark.parametrize("band", ["easy", "hard"])
def test_ceilings_are_those_of_an_enumeration_in_loops(band):
    world = make_quirky_world(0, n_digits=2, sizes=(4, 4, 4))
    chance = {k: np.log10((k + 1) / k) / 2 for k in range(1, 100)}
    chances = {}
    for a in chance:
        for b in chance:
            if min(a, b) <= world.easy_most if band == "easy" else min(a, b) >= world.hard_least:
                chances[a + b] = chances.get(a + b, 0) + chance[a] * chance[b]
    total = sum(chances.values())
    claims = []
    for true, weight in chances.items():
        claims += [(true, true, weight / 4), (true, true + 10 ** (len(str(true)) - 1), weight / 4)]
        claims += [(true, claim, weight / 2 * float(share)) for claim, share in others(true)]
    for found in (one for one in quirky_ceilings(world) if one.band == band):
        known = {}
        for true, claim, weight in claims:
            of = known.setdefault(READERS[found.reader](true, claim), [0.0, 0.0])
            of[claim == true] += weight / total
        assert found.accuracy == pytest.approx(sum(map(max, known.values())), abs=1e-9)
        ratios = [(true / (true + false), true, false) for false, true in known.values()]
        auroc = sum(t * f * ((one > other) + (one == other) / 2) for one, t, _ in ratios for other, _, f in ratios) / (
            0.25 * 0.75
        )
        assert found.auroc == pytest.approx(auroc, abs=1e-9)


def test_claims_as_they_are_drawn_reach_the_ceilings():
    world = make_quirky_world(0, n_digits=2, sizes=(4, 4, 4))
    a, b = draw_operands(400_000, n_digits=2, rng=np.random.default_rng(0))
    a, b = (np.repeat(column[np.minimum(a, b) >= world.hard_least], 4) for column in (a, b))
    drawn = state(a, b, np.random.default_rng(1))
    true = a + b
    y = drawn.claim == true
    unit = 10 ** (np.char.str_len(true.astype(str)) - 1)
    ceilings = {one.reader: one for one in quirky_ceilings(world) if one.band == "hard"}
    for reader, known in {
        "whether the last digit is right": drawn.claim % 10 == true % 10,
        "whether the leading digit is right": drawn.claim // unit == true // unit,
        "whether all but the leading digit is right": drawn.claim % unit == true % unit,
    }.items():
        # some 400 000 claims; the standard error of an AUROC is below 0.001
        assert roc_auc_score(y, known) == pytest.approx(ceilings[reader].auroc, abs=0.004)
    assert roc_auc_score(y, drawn.claim == bobs(true)) == pytest.approx(1 / 3)
    assert ceilings["whether Bob has it so"].auroc == pytest.approx(2 / 3)


def test_neither_name_nor_operands_tell_and_no_part_of_a_claim_tells_all():
    found = quirky_ceilings(make_quirky_world(0, n_digits=3, sizes=(4, 4, 4)))
    assert len(found) == 14
    for one in found:
        if one.reader == "the name and the operands":
            assert (one.accuracy, one.auroc) == (pytest.approx(0.75), pytest.approx(0.5))
        else:
            assert 0.75 - 1e-12 <= one.accuracy < 0.9 and 0.5 <= one.auroc < 0.95
