"""What the surface gives away: words that go with the label, pairs of texts, relatives."""

from __future__ import annotations

from typing import NamedTuple

from tiltmeter.report._format import Shown, show_auroc, show_rate
from tiltmeter.report._grids import Grid, Row, grid
from tiltmeter.report._lookup import Lookup


class Surface(NamedTuple):
    """Tables; None where there is nothing to lay out."""

    words: Grid | None
    pairs: Grid | None
    kin: Grid | None


def surface_section(look: Lookup) -> Surface:
    """Lay out words, pairs and relatives."""
    evidence = look.evidence
    words = [
        Row(word.word, (show_rate(word.in_positive), show_rate(word.in_negative))) for word in evidence.label_words
    ]
    kin = [Row(k.test, (Shown(f"{k.n_related:,} of {k.n_rows:,}"), show_auroc(k.auroc))) for k in evidence.kinships]
    caption = f"Words that go most with the label in the training texts of {evidence.train}: units with such a text"
    return Surface(
        grid(caption, "word", ("of positive texts", "of negative texts"), words) if words else None,
        _pairs(look),
        grid("Relatives among the training texts", "test set", ("with relatives", "AUROC of their mean label"), kin)
        if kin
        else None,
    )


def _pairs(look: Lookup) -> Grid | None:
    orders = look.evidence.pair_orders
    if not orders:
        return None
    tests, readers = (tuple(dict.fromkeys(names)) for names in zip(*((o.test, o.reader) for o in orders), strict=True))
    found = {(o.test, o.reader): o.right for o in orders}
    rows = [
        Row(reader, tuple(show_auroc(found.get((test, reader))) for test in tests), marked=reader == "probe")
        for reader in readers
    ]
    return grid("Pairs of test texts of which the positive one scores higher", "reader", tests, rows)
