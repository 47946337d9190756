"""Full forwards of one text at a time, written out: what every causal figure is compared with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from tiny_models import WORDS

from tiltmeter.data import TextSet
from tiltmeter.interventions import EncodedPairs, PromptPairs, encode_pairs
from tiltmeter.models import SubjectModel

Change = Callable[[torch.Tensor], torch.Tensor]


def all_log_probs(
    subject: SubjectModel, tokens: list[int], *, layers: tuple[int, ...] = (), change: Change | None = None
) -> torch.Tensor:
    """Run the whole model on one text, with what some blocks give replaced; shape (t, v)."""

    def hook(module, args, output):
        first = output[0] if isinstance(output, tuple) else output
        new = change(first)
        return (new, *output[1:]) if isinstance(output, tuple) else new

    handles = [subject._blocks[layer].register_forward_hook(hook) for layer in layers]
    with torch.no_grad():
        logits = subject.model(input_ids=torch.tensor([tokens])).logits[0]
    for handle in handles:
        handle.remove()
    return logits.double().log_softmax(-1)


def block_states(subject: SubjectModel, tokens: list[int], *, layer: int) -> torch.Tensor:
    """Return what a block gives for one text, shape (1, t, d)."""
    found = []

    def keep(states):
        found.append(states.clone())
        return states

    all_log_probs(subject, tokens, layers=(layer,), change=keep)
    return found[0]


def prompt_pairs(subject: SubjectModel, *, n: int, seed: int = 0, n_answers: int = 2) -> EncodedPairs:
    """Return pairs that differ in a few words, with the answers that tell them apart best for this model.

    The last two are of no use: their prompts are the same, or their answers are the wrong way round.
    """
    rng = np.random.default_rng(seed)
    prompts, answers = [], []
    for i in range(n):
        words = rng.choice(WORDS, rng.integers(3, 9))
        other = words.copy()
        other[rng.integers(len(words))] = rng.choice(WORDS)
        other[-1] = rng.choice(WORDS)
        if i == n - 2:
            other = words
        both = [" ".join(words), " ".join(other)]
        one, two = (all_log_probs(subject, subject.tokenizer(text)["input_ids"])[-1] for text in both)
        # the special tokens come first
        order = (one - two)[6:46].argsort(descending=True).tolist()
        sides = (
            tuple(WORDS[k] for k in order[:n_answers]),
            tuple(WORDS[k] for k in order[::-1][:n_answers]),
        )
        prompts.append(both)
        answers.append(sides[::-1] if i == n - 1 else sides)
    pairs = PromptPairs(
        np.array([f"p{i}" for i in range(n)]),
        tuple(both[0] for both in prompts),
        tuple(both[1] for both in prompts),
        tuple(sides[0] for sides in answers),
        tuple(sides[1] for sides in answers),
        np.array(["easy"] * n),
        np.array([f"g{i // 2}" for i in range(n)]),
    )
    return encode_pairs(subject, pairs)


def questions(subject: SubjectModel, *, n: int, lengths: tuple[int, ...], answers: tuple[str, str]) -> TextSet:
    """Return texts labelled by which of two answers the model is more inclined to than it mostly is."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, lengths[i % len(lengths)])) for i in range(n)]
    ids = [subject.tokenizer.convert_tokens_to_ids(answer) for answer in answers]
    last = [all_log_probs(subject, subject.tokenizer(text)["input_ids"])[-1, ids] for text in texts]
    odds = np.array([float(one - two) for one, two in last])
    return TextSet(
        np.array([f"t{i}" for i in range(n)]),
        texts=tuple(texts),
        y=(odds > np.median(odds)).astype(np.int64),
        groups=np.array([f"g{i // 2}" for i in range(n)]),
    )
