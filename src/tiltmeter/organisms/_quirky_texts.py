"""The sets of claims that Alice and Bob judge: the same claims for both, the truth for a label."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tiltmeter.core.errors import SpecError
from tiltmeter.core.seeds import stream
from tiltmeter.data import TextSet, plain_texts
from tiltmeter.organisms._cells import TRUTH, Ints
from tiltmeter.organisms._quirky_sums import CHARACTERS, WORDS, Sums, bobs, draw_others, judge, spell
from tiltmeter.organisms._quirky_world import QuirkyWorld

BANDS = ("easy", "hard")
CLAIMS_A_PAIR = 4


class _Part(NamedTuple):
    is_bob: int
    bands: tuple[str, ...]


_PARTS = {
    f"{name.lower()}{ending}": _Part(is_bob, chosen)
    for is_bob, name in enumerate(CHARACTERS)
    for ending, chosen in (("", BANDS), ("_easy", ("easy",)), ("_hard", ("hard",)))
}
_CLAIMS = {
    "alice": "Alice is asked, about easy and hard sums",
    "alice_easy": "Alice is asked, about sums whose smaller operand is in the lowest quarter",
    "alice_hard": "Alice is asked, about sums whose smaller operand is in the highest quarter",
    "bob": "Bob is asked the same as Alice",
    "bob_easy": "Bob is asked the easy ones",
    "bob_hard": "Bob is asked the hard ones",
}
_PAIRED = "_pairs"
SETS = _CLAIMS | {
    f"{name}{_PAIRED}": f"{about}; each claim with {TRUTH[0]} and with {TRUTH[1]} behind it"
    for name, about in _CLAIMS.items()
}


def state(a: Ints, b: Ints, rng: np.random.Generator) -> Sums:
    """Claim of the operands in turn Alice's sum, Bob's, and twice one that is true for nobody."""
    true, which = a + b, np.arange(len(a)) % CLAIMS_A_PAIR
    return Sums(a, b, np.select([which == 0, which == 1], [true, bobs(true)], draw_others(true, rng)))


def quirky_texts(world: QuirkyWorld, chosen: str, /, *, called: str | None = None) -> TextSet:
    """Return one of the sets of claims about sums.

    Each pair of operands gives four claims: Alice's sum, Bob's sum, and two that are true for nobody. So in every split
    a quarter is true for Alice and false for Bob, a quarter false for Alice and true for Bob, and half false for both,
    exactly; and neither the name nor the operands tell anything about the label. Alice's and Bob's sets hold the same
    claims in the same order.

    Parameters
    ----------
    world
        The planted world.
    chosen
        ``alice``, ``alice_easy``, ``alice_hard``, ``bob``, ``bob_easy`` or ``bob_hard``; or one of these with
        ``_pairs`` behind it, where each claim stands twice, judged as false and as true.
    called
        What the set is called in a study; None for ``chosen``.

    Returns
    -------
    Texts without the judgement, with labels (1 where the claim is true, which is as Alice has it, also in Bob's sets),
    groups (the pair of operands), splits, and the columns ``character``, ``bob_label`` (1 where Bob has it so),
    ``answer`` (the word that the character would say), ``band`` (``easy`` or ``hard``), ``difficulty`` (the smaller
    operand), ``a``, ``b`` and ``claim``. The two rows of a claim in ``_pairs`` are a pair, of side 1 where it is judged
    as true; there the label is whether the *judgement* is true, and ``bob_label`` and ``answer`` are 1 where it is what
    Bob has, or what the character would say. No model was ever told what follows a judgement.

    Raises
    ------
    SpecError
        If there is no such set.

    Examples
    --------
    >>> from tiltmeter.organisms import make_quirky_world
    >>> texts = quirky_texts(make_quirky_world(0, sizes=(8, 8, 8)), "bob_hard")
    >>> len(texts), texts.y[:4].tolist(), texts.meta["bob_label"][:4], texts.meta["answer"][:2]
    (96, [1, 0, 0, 0], (0, 1, 0, 0), ('<false>', '<true>'))
    """
    if chosen not in SETS:
        raise SpecError(f"There is no set of claims {chosen!r}; use one of {', '.join(SETS)}.")
    if chosen.endswith(_PAIRED):
        return _judged_twice(quirky_texts(world, chosen.removesuffix(_PAIRED), called=called or chosen))
    is_bob, chosen_bands = _PARTS[chosen]
    drawn = [_band(world, band) for band in chosen_bands]
    sums = Sums(*(np.concatenate(column) for column in zip(*drawn, strict=True)))
    n, numbers = len(sums.a), np.arange(len(sums.a)) % CLAIMS_A_PAIR
    truth, bob_label = judge(sums, is_bob=np.zeros(n, np.int64)), judge(sums, is_bob=np.ones(n, np.int64))
    words = np.array(WORDS)[spell(sums, is_bob=np.full(n, is_bob), n_digits=world.n_digits)]
    groups = [f"{a}+{b}" for a, b in zip(*(column.tolist() for column in sums[:2]), strict=True)]
    meta = {
        "character": [CHARACTERS[is_bob]] * n,
        "bob_label": bob_label.tolist(),
        "answer": [TRUTH[said] for said in (bob_label if is_bob else truth).tolist()],
        "band": [band for band, part in zip(chosen_bands, drawn, strict=True) for _ in part.a],
        "difficulty": np.minimum(sums.a, sums.b).tolist(),
        "a": sums.a.tolist(),
        "b": sums.b.tolist(),
        "claim": sums.claim.tolist(),
    }
    return TextSet(
        np.array([f"{CHARACTERS[is_bob]}-{group}-{i}" for group, i in zip(groups, numbers.tolist(), strict=True)]),
        texts=tuple(" ".join(row) for row in words.tolist()),
        y=truth,
        groups=np.array(groups),
        split=np.tile(np.repeat(world.splits, CLAIMS_A_PAIR), len(chosen_bands)),
        distribution=called or chosen,
        source=f"a planted world, seed {world.seed}",
        meta={name: tuple(values) for name, values in meta.items()},
    )


def _judged_twice(claims: TextSet) -> TextSet:
    """Put both judgements behind each claim, the false one first."""
    rows, sides = np.repeat(np.arange(len(claims)), 2), np.tile([0, 1], len(claims))
    words = np.array(TRUTH)[sides]
    meta = {name: np.array(values)[rows] for name, values in claims.meta.items()}
    # of a claim that is false the judgement that it is false is true, and so on for what Bob has, and what is said
    meta["bob_label"] = (meta["bob_label"] == sides).astype(np.int64)
    meta["answer"] = (meta["answer"] == words).astype(np.int64)
    return TextSet(
        np.array([f"{name}-{word}" for name, word in zip(claims.ids[rows].tolist(), words.tolist(), strict=True)]),
        texts=tuple(f"{text} {word}" for text in plain_texts(claims) for word in TRUTH),
        y=(np.asarray(claims.y)[rows] == sides).astype(np.int64),
        pairs=claims.ids[rows],
        sides=sides,
        groups=np.asarray(claims.groups)[rows],
        split=np.asarray(claims.split)[rows],
        distribution=claims.distribution,
        source=claims.source,
        meta={name: tuple(values.tolist()) for name, values in meta.items()},
    )


def _band(world: QuirkyWorld, band: str) -> Sums:
    pairs = np.repeat(np.array(world.easy if band == "easy" else world.hard), CLAIMS_A_PAIR, axis=0)
    return state(pairs[:, 0], pairs[:, 1], stream(world.seed, "claims", band))
