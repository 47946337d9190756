"""Reading on from what a block gave: what a whole reading gives, and no block twice."""

from __future__ import annotations

import functools

import pytest
import torch
from tiny_models import FAMILIES, tiny_subject

from tiltmeter.core import Site
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.models import SubjectModel, edited, read_from

TOKENS = torch.tensor([[6, 7, 8, 9, 10, 11, 12, 13], [20, 21, 22, 23, 24, 25, 26, 27]])
MASK = torch.tensor([[True] * 8, [True] * 6 + [False] * 2])

_subject = functools.cache(tiny_subject)


class Shift:
    def __init__(self, site: Site, by: float) -> None:
        self.site, self.by = site, by

    def __call__(self, old, places):
        return old + self.by


def _hooks(subject: SubjectModel) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in subject.model.modules())


@pytest.mark.parametrize("family", FAMILIES)
def test_it_reads_what_a_reading_of_the_whole_gives_for_every_family(family):
    subject = _subject(family)
    first = Site(0, "resid_post")
    sites = [site for site in subject.resolve_sites("all") if site.layer > 0] + [Site(1, "attn_out")]
    wanted = subject.read(TOKENS, sites=[first, *sites], mask=MASK)
    found = read_from(subject, wanted[first], tokens=TOKENS, layer=0, sites=sites, mask=MASK)
    assert list(found) == sites and all(torch.equal(found[site], wanted[site]) for site in sites)
    assert _hooks(subject) == 0 and all("forward" not in vars(block) for block in subject._blocks)


def test_edits_apply_from_the_given_block_on():
    subject = _subject("llama")
    first, last = Site(0, "resid_post"), Site(2, "resid_post")
    bare = subject.read(TOKENS, sites=[first])[first]
    edits = [Shift(Site(0, "mlp_out"), 5.0), Shift(first, 0.5), Shift(Site(1, "attn_out"), -0.25)]
    with edited(subject, edits[1:]):
        wanted = subject.read(TOKENS, sites=[last])[last]
    with edited(subject, edits):
        found = read_from(subject, bare, tokens=TOKENS, layer=0, sites=[last])[last]
    assert torch.equal(found, wanted)
    assert not torch.allclose(found, subject.read(TOKENS, sites=[last])[last])


def test_only_the_blocks_between_are_computed():
    subject, calls = _subject("llama"), []
    handles = [
        block.mlp.register_forward_hook(lambda module, args, output, i=i: calls.append(i))
        for i, block in enumerate(subject._blocks)
    ]
    read_from(subject, torch.zeros(2, 8, 24), tokens=TOKENS, layer=0, sites=["1.resid_post"])
    for handle in handles:
        handle.remove()
    assert calls == [1]


def test_what_does_not_fit_is_refused():
    subject = _subject("llama")
    with pytest.raises(SpecError, match="has blocks 0 to 2"):
        read_from(subject, torch.zeros(2, 8, 24), tokens=TOKENS, layer=3, sites=["2.resid_post"])
    with pytest.raises(ArrayError, match=r"give \(b, t, 24\)"):
        read_from(subject, torch.zeros(2, 7, 24), tokens=TOKENS, layer=1, sites=["2.resid_post"])
    with pytest.raises(SpecError, match=r"Site 1.resid_post is not behind block 1"):
        read_from(subject, torch.zeros(2, 8, 24), tokens=TOKENS, layer=1, sites=["1.resid_post"])
