"""On a model whose world is known: do the two directions decide what it says, and where?

Every figure is a swap's success: of a true and a false statement about one fact, one gives its activations, and the
other their component along the direction; 1 if the answer follows that component, 0 if it ignores it.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from torch import Tensor

from tiltmeter.core import Site
from tiltmeter.interventions import answer_gradients, unembedding_difference
from tiltmeter.models import SubjectModel, encode, load
from tiltmeter.organisms import World, statements
from tiltmeter.organisms import load as load_organism

ANSWERS = {"positive": "<true>", "negative": "<false>"}
SITES = ("0.resid_pre", "0.resid_post", "2.resid_post", "3.resid_post")
N_PAIRS = 24
SEEDS = range(5)


@functools.cache
def _organism() -> tuple[SubjectModel, World]:
    organism = load_organism("facts")
    return load(str(organism.folder)), organism.world


def _pairs(distribution: str, *, seed: int) -> Tensor:
    """Return the tokens of true and false statements of the test split, shape (2, pairs, 8)."""
    subject, world = _organism()
    texts = statements(world, distribution, seed=seed)
    texts = texts.select(texts.split == "test")
    order = np.lexsort((1 - texts.y, texts.pairs))
    tokens = encode(subject, texts.select(order)).tokens.reshape(-1, 2, 8)
    chosen = np.random.default_rng(seed).permutation(len(tokens))[:N_PAIRS]
    return torch.from_numpy(tokens[chosen].astype(np.int64)).transpose(0, 1)


def _log_p(tokens: Tensor, *, site: Site | None = None, states: Tensor | None = None) -> Tensor:
    """Log-probabilities of the two answers, with the states of a site replaced, shape (n, 2)."""
    subject, _ = _organism()
    handle = None
    if site is not None:
        block = subject._blocks[site.layer]
        if site.point == "resid_pre":
            handle = block.register_forward_pre_hook(lambda module, args: (states, *args[1:]))
        else:
            handle = block.register_forward_hook(lambda module, args, output: states)
    with torch.no_grad():
        logits = subject.model(input_ids=tokens).logits[:, -1]
    if handle is not None:
        handle.remove()
    return logits.log_softmax(-1)[:, subject.tokenizer.convert_tokens_to_ids(["<true>", "<false>"])]


def _success(pairs: Tensor, vector: np.ndarray, *, site: Site) -> float:
    """One minus the mean of (clean - swapped) / (clean - the other statement's), at the last token."""
    subject, _ = _organism()
    along = torch.from_numpy(np.asarray(vector, np.float32))
    lost = []
    for own, other in ((pairs[0], pairs[1]), (pairs[1], pairs[0])):
        states, given = (subject.read(tokens, sites=[site])[site].clone() for tokens in (other, own))
        states[:, -1] += ((given - states)[:, -1] @ along)[:, None] * along
        clean, instead = _log_p(own), _log_p(other)
        lost.append(((clean - _log_p(other, site=site, states=states)) / (clean - instead)).clamp(0, 1))
    return 1 - float(torch.stack(lost).mean())


@functools.cache
def _directions() -> dict[str, dict[Site, np.ndarray]]:
    """Return both directions by site; the gradient is taken on training statements, and no label is looked at."""
    subject, world = _organism()
    texts = statements(world, "affirmative")
    found = answer_gradients(subject, texts.select(texts.split == "train"), **ANSWERS, sites=list(SITES))
    fixed = unembedding_difference(subject, **ANSWERS).vector
    return {
        "gradient": {site: direction.vector for site, direction in found.items()},
        "unembedding": dict.fromkeys(found, fixed),
    }


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["gradient", "unembedding"])
def test_a_direction_decides_the_answer_late_and_not_early(name, seed):
    pairs, by_site = _pairs("affirmative", seed=seed), _directions()[name]
    first, early, _, last = (_success(pairs, by_site[Site.parse(site)], site=Site.parse(site)) for site in SITES)
    assert first < 0.02 and early < 0.6 * last and last > 0.85
    # the null: a random direction decides nothing, at the last block either
    rng, site = np.random.default_rng(seed), Site.parse(SITES[-1])
    for _ in range(2):
        random = rng.normal(size=len(by_site[site]))
        assert _success(pairs, random / np.linalg.norm(random), site=site) < 0.1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["gradient", "unembedding"])
def test_what_the_last_block_computes_is_not_in_the_direction_before_it(name, seed):
    # whether a negated statement is true is only worked out by the last block
    pairs, by_site = _pairs("negated", seed=seed), _directions()[name]
    before, last = (_success(pairs, by_site[Site.parse(site)], site=Site.parse(site)) for site in SITES[2:])
    assert before < 0.25 and last > 0.85
