"""What the directions do: swaps and ablations of every probe, beside those of random directions."""

from __future__ import annotations

from typing import Literal

from tiltmeter.core.evidence import Causal
from tiltmeter.report._format import Shown, decimal, show_effect
from tiltmeter.report._grids import Grid, Row, grid, method_row
from tiltmeter.report._lookup import Lookup


def causes_section(look: Lookup) -> tuple[Grid, ...]:
    """Lay out, per test set, swap and ablation of every method and site; random directions come last."""
    causal = look.evidence.causal
    tests = dict.fromkeys(one.test for one in causal)
    return tuple(
        _effects(look, [one for one in causal if one.test == test], kind)
        for test in tests
        for kind in ("swap", "ablation")
    )


def _effects(look: Lookup, causal: list[Causal], kind: Literal["swap", "ablation"]) -> Grid:
    sites = tuple(dict.fromkeys(one.site for one in causal))
    by = {(one.method, one.site): one for one in causal}
    rows = []
    for method in look.evidence.methods:
        cells = tuple(_cell(by.get((method, site)), kind) for site in sites)
        rows.append(method_row(look, method, cells))
    count = causal[0].count
    best = {one.site: (one.random_swap if kind == "swap" else one.random_ablation)[1] for one in causal}
    rows.append(Row(f"best of {count} random directions", tuple(Shown(decimal(best[site])) for site in sites)))
    if kind == "swap":
        furthest = {site: max(one.displaced_swap[1] for one in causal if one.site == site) for site in sites}
        rows.append(
            Row(
                f"best of {causal[0].displaced_count} a method that move as far",
                tuple(Shown(decimal(furthest[site])) for site in sites),
            )
        )
    n = causal[0].n_pairs - causal[0].n_left_out
    what = "Swap success" if kind == "swap" else "Ablation"
    caption = f"{what} on {causal[0].test}, {n} pairs"
    return grid(caption, f"method \\ {look.axis}", [look.labels.get(site, site) for site in sites], rows)


def _cell(causal: Causal | None, kind: Literal["swap", "ablation"]) -> Shown:
    if causal is None:
        return show_effect(None, luck=0.0)
    if kind == "swap":
        return show_effect(causal.swap, luck=causal.least_swap)
    return show_effect(causal.ablation, luck=causal.random_ablation[1])
