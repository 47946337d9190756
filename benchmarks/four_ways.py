"""Who finds what: correlation, manipulation, termination and recovery of four methods, in and out of distribution.

Not a timing but an experiment. Logistic regression, the mean difference, LAT and CDE get the same training texts at one
block and are put to ``interventions.four_tests`` on others, with the same strength for all, over five seeds. Nothing
was chosen by a figure of the test texts.

*Planted*: a decoder of one block that passes its input on, so that what the block shows is the word's own embedding:

    h = 8 c ± 1.5 u + b (u + n) / √2 + e,    b ~ N(0, 4), e ~ N(0, I) in 32 features

with u the concept, n a nuisance, and c the same in all words (so that the final norm divides all by about as much).
The answers' unembeddings are ± u: the model reads u alone, while what tells the labels best subtracts the nuisance,
3 u - 2 n. Out of distribution the noise is turned, b (u - n) / √2.

*Facts*: the bundled organism, statements of training entities (where a cue goes with truth) against statements about
other entities; out of distribution in the second language, in other formats, and negated. A seed draws the statements.

Run with ``python -m benchmarks.four_ways``: ten minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tiltmeter import models as readers
from tiltmeter import organisms
from tiltmeter.activations import collect
from tiltmeter.core import Direction
from tiltmeter.data import TextSet
from tiltmeter.interventions import Controls, EncodedPairs, FourTests, PromptPairs, cde, encode_pairs, four_tests
from tiltmeter.models import SubjectModel, bind
from tiltmeter.probes import LAT, Logistic, MeanDifference

WIDTH, SHIFT, NOISE, COMMON = 32, 1.5, 2.0, 8.0
N_TRAIN, N_TEST, N_PAIRS = 800, 200, 100
SEEDS = range(5)
METHODS = ("logistic", "mean difference", "LAT", "CDE")
ANSWERS = ("<true>", "<false>")
TESTS = ("correlation", "manipulation", "termination", "recovery")


class Setting(NamedTuple):
    """A model, texts that methods see, the same as pairs, texts that judge by distribution, neutral ones, and strength.

    ``strength`` of manipulation is in units of the mean norm.
    """

    subject: SubjectModel
    train: TextSet
    pairs: EncodedPairs
    tests: dict[str, TextSet]
    neutral: TextSet
    strength: float


def planted(seed: int) -> Setting:
    """Make the model and the words that the top of this file describes."""
    rng = np.random.default_rng(seed)
    u, n, c = np.linalg.qr(rng.normal(size=(WIDTH, 3)))[0].T
    words: list[str] = []
    rows: list[NDArray[np.float64]] = []

    def draw(name: str, count: int, *, side: int) -> TextSet:
        y = np.tile([1, 0], count // 2)
        noise = np.outer(rng.normal(size=count) * NOISE, (u + side * n) / np.sqrt(2))
        rows.append(COMMON * c + np.outer(SHIFT * (2 * y - 1), u) + noise + rng.normal(size=(count, WIDTH)))
        words.extend(f"{name}{i}" for i in range(count))
        ids = np.array(words[-count:])
        return TextSet(
            ids, texts=tuple(ids.tolist()), y=y, pairs=np.repeat([f"{name}p{i}" for i in range(count // 2)], 2)
        )

    train = draw("train", N_TRAIN, side=1)
    tests = {"in distribution": draw("iid", N_TEST, side=1), "noise turned": draw("ood", N_TEST, side=-1)}
    vocabulary = {word: i for i, word in enumerate([*ANSWERS, *words])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token=ANSWERS[0]))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(vocabulary),
            hidden_size=WIDTH,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            tie_word_embeddings=False,
        )
    ).eval()
    with torch.no_grad():
        model.model.layers[0].self_attn.o_proj.weight.zero_()
        model.model.layers[0].mlp.down_proj.weight.zero_()
        heads = 0.02 * rng.normal(size=(len(vocabulary), WIDTH))
        heads[:2] = np.outer([1, -1], u)
        model.lm_head.weight.copy_(torch.from_numpy(heads))
        model.model.embed_tokens.weight.copy_(torch.from_numpy(np.concatenate([np.zeros((2, WIDTH)), *rows])))
    subject = bind(model, PreTrainedTokenizerFast(tokenizer_object=made, unk_token=ANSWERS[0]), name="planted")
    neutral = tuple(" ".join(rng.choice(words, size=6)) for _ in range(16))
    ids = np.array([f"n{i}" for i in range(len(neutral))])
    return Setting(subject, train, _encoded(subject, train), tests, TextSet(ids, texts=neutral), strength=0.25)


def facts(seed: int) -> Setting:
    """Draw statements about the bundled organism's world."""
    organism = organisms.load("facts")
    subject, rng = readers.load(str(organism.folder)), np.random.default_rng(seed)
    sets = {
        name: organisms.statements(organism.world, name, seed=seed)
        for name in ("affirmative", "other_language", "reformatted", "negated")
    }

    def some(texts: TextSet, split: str, count: int) -> TextSet:
        rows = np.flatnonzero(np.asarray(texts.split) == split)
        # whole pairs
        chosen = rng.permutation(np.unique(texts.pairs[rows]))[: count // 2]
        return texts.select(rows[np.isin(texts.pairs[rows], chosen)])

    train = some(sets["affirmative"], "train", N_TRAIN)
    tests = {name: some(texts, "test", N_TEST) for name, texts in sets.items()}
    neutral = some(sets["affirmative"], "calibration", 32)
    return Setting(subject, train, _encoded(subject, train), tests, neutral, strength=1.0)


def _encoded(subject: SubjectModel, texts: TextSet) -> EncodedPairs:
    """Return pairs of texts as prompts, the positive one first."""
    order = np.lexsort((1 - np.asarray(texts.y), np.asarray(texts.pairs)))[: 2 * N_PAIRS]
    said = [texts.texts[i] for i in order]
    ids = np.asarray(texts.pairs)[order[::2]]
    groups = ids if texts.groups is None else np.asarray(texts.groups)[order[::2]]
    n = len(ids)
    answers = [((one,),) * n for one in ANSWERS]
    return encode_pairs(subject, PromptPairs(ids, tuple(said[::2]), tuple(said[1::2]), *answers, ids, groups))


def directions(setting: Setting, *, layer: int, seed: int) -> dict[str, Direction]:
    """Find a direction by every method, from the training texts alone."""
    acts = collect(setting.subject, setting.train, sites=[f"{layer}.resid_post"])[f"{layer}.resid_post"]
    fitted = {
        "logistic": Logistic().fit(acts.X, acts.y),
        "mean difference": MeanDifference().fit(acts.X, acts.y),
        "LAT": LAT(random_state=seed).fit(acts.X, pairs=acts.pairs).orient(acts.X, acts.y),
    }
    found = {name: probe.as_direction(site=acts.site) for name, probe in fitted.items()}
    return {**found, "CDE": cde(setting.subject, setting.pairs, layer=layer, seeds=(seed,)).directions[0]}


def four_ways(setting: Setting, *, layer: int, seed: int, n_random: int = 5) -> Iterator[tuple[str, str, FourTests]]:
    """Put every method's direction to the four tests on every distribution."""
    for method, direction in directions(setting, layer=layer, seed=seed).items():
        for name, texts in setting.tests.items():
            yield (
                method,
                name,
                four_tests(
                    setting.subject,
                    texts,
                    direction=direction,
                    neutral=setting.neutral,
                    answers=ANSWERS,
                    strengths=(setting.strength,),
                    controls=Controls(n_random=n_random),
                ),
            )


def figures(found: FourTests) -> tuple[list[float], list[float]]:
    """Return the four scores, and the best that random directions reach in each; NaN for what is not available."""
    tested = (found.correlation, found.manipulation[0].effect, found.termination.lost, found.recovery.regained)
    known = [getattr(one, "score", None) for one in tested]
    return (
        [getattr(score, "value", np.nan) for score in known],
        [getattr(one.random, "best", np.nan) if hasattr(one, "random") else np.nan for one in tested],
    )


def table(found: dict[tuple[str, str], list[tuple[list[float], list[float]]]]) -> str:
    """Return methods × tests by distribution: the mean over seeds, and the least and the most."""
    lines = [f"| distribution | method | {' | '.join(TESTS)} |", f"| --- | --- |{' --- |' * len(TESTS)}"]
    for name in dict.fromkeys(name for name, _ in found):
        own = {method: np.array(found[name, method]) for method in METHODS}
        for method, values in own.items():
            seeds = values[:, 0]
            cells = (
                f"{mean:.2f} [{low:.2f}, {high:.2f}]"
                for mean, low, high in zip(seeds.mean(0), seeds.min(0), seeds.max(0), strict=True)
            )
            lines.append(f"| {name} | {method} | {' | '.join(cells)} |")
        best = np.max([values[:, 1] for values in own.values()], axis=(0, 1))
        lines.append(f"| {name} | best random of all | {' | '.join(f'{one:.2f}' for one in best)} |")
    return "\n".join(lines)


def main() -> None:
    """Print a table for the planted model, and one for each of some blocks of the organism."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, nargs="*", default=[0, 1, 2, 3], help="of the organism")
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    for make, layer in ((planted, 0), *((facts, layer) for layer in options.blocks)):
        found: dict[tuple[str, str], list[tuple[list[float], list[float]]]] = {}
        for seed in range(options.seeds):
            for method, name, one in four_ways(make(seed), layer=layer, seed=seed):
                found.setdefault((name, method), []).append(figures(one))
        print(f"\n{make.__name__}, block {layer}\n\n{table(found)}", flush=True)


if __name__ == "__main__":
    main()
