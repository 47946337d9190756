"""Finds in an evidence record what a section shows: cells by key, names in order, each method's best site."""

from __future__ import annotations

from typing import NamedTuple

from tiltmeter.core.errors import SpecError
from tiltmeter.core.evidence import Cell, Evidence, RandomDirections, best_sites
from tiltmeter.core.site import Site
from tiltmeter.report._format import printable


class Lookup(NamedTuple):
    """An evidence record with its keys laid out.

    ``best_sites`` holds, per method, the site with the highest validation AUROC (for the chosen method the chosen
    site); a method without any validation figure is not in it. ``labels`` names each site on an axis titled ``axis``.
    """

    evidence: Evidence
    trains: tuple[str, ...]
    tests: tuple[str, ...]
    cells: dict[tuple[str, str, str, str], Cell]
    random: dict[tuple[str, str], RandomDirections]
    best_sites: dict[str, str]
    labels: dict[str, str]
    axis: str

    def cell(self, site: str, method: str, *, test: str, train: str | None = None) -> Cell | None:
        """Return the transfer cell, trained on the evidence's training distribution unless told otherwise."""
        return self.cells.get((site, method, train or self.evidence.train, test))


def look_up(evidence: Evidence) -> Lookup:
    """Lay out the keys of an evidence record."""
    names = [d.name for d in evidence.distributions]
    labels, axis = _axis(evidence.sites)
    return Lookup(
        evidence=evidence,
        trains=_ordered(names, [c.train for c in evidence.transfer]),
        tests=_ordered(names, [c.test for c in evidence.transfer]),
        cells={(c.site, c.method, c.train, c.test): c for c in evidence.transfer},
        random={(r.site, r.test): r for r in evidence.random_directions if r.train == evidence.train},
        best_sites=best_sites(evidence.candidates, chosen=(evidence.method, evidence.site)),
        labels=labels,
        axis=axis,
    )


def _ordered(names: list[str], used: list[str]) -> tuple[str, ...]:
    present = set(used)
    return tuple(dict.fromkeys([n for n in names if n in present] + used))


def _axis(sites: tuple[str, ...]) -> tuple[dict[str, str], str]:
    """Label sites by their block alone where they share the rest, else in full."""
    try:
        parsed = [Site.parse(site) for site in sites]
    except SpecError:
        return {site: printable(site) for site in sites}, "site"
    kinds = {(site.point, site.head) for site in parsed}
    if len(kinds) != 1 or len({site.layer for site in parsed}) != len(parsed):
        return {site: site for site in sites}, "site"
    point, head = kinds.pop()
    where = point if head is None else f"{point}, head {head}"
    return {text: str(site.layer) for text, site in zip(sites, parsed, strict=True)}, f"block ({where})"


def describe_site(text: str) -> str:
    """Say in words where a site is, with the layer convention."""
    try:
        site = Site.parse(text)
    except SpecError:
        return text
    places = {
        "resid_pre": "the residual stream before block {0}",
        "resid_mid": "the residual stream inside block {0}, after attention",
        "resid_post": "the residual stream after block {0}",
        "attn_out": "what attention adds in block {0}",
        "mlp_out": "what the MLP adds in block {0}",
        "z": "the attention heads of block {0}, before their output projection",
        "mlp_post": "the hidden layer of the MLP in block {0}",
    }
    words = places[site.point].format(site.layer) + ("" if site.head is None else f" (head {site.head})")
    tail = "blocks are counted from 0"
    if site.point == "resid_post":
        tail += (
            f"; Hugging Face calls this hidden_states[{site.layer + 1}], except for the last block, "
            "where it is the value before the final norm"
        )
    return f"{words} ({tail})"
