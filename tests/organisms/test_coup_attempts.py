"""The agent that comes along: whose attempts it makes, how unlikely written ones are, and who reads them."""

import numpy as np
import pytest
import torch

from tiltmeter import activations, models
from tiltmeter.baselines import TEXT_BASELINES, fit_and_score
from tiltmeter.core import Activations
from tiltmeter.data import label_attempts
from tiltmeter.evaluation import auroc
from tiltmeter.interventions import CoordinateSearch, continuation_loss, coordinate_search
from tiltmeter.organisms import coup_samples, coup_texts, load
from tiltmeter.probes import PooledTokens

SITE = "1.resid_post"


@pytest.fixture(scope="module")
def organism():
    return load("coup")


@pytest.fixture(scope="module")
def subject(organism):
    return models.load(str(organism.folder))


@pytest.fixture(scope="module")
def written(organism):
    texts = coup_texts(organism.world, "off_policy")
    return texts.select(np.array(texts.meta["format"]) == "log")


@pytest.fixture(scope="module")
def sampled(organism, subject):
    return {
        triggered: coup_samples(subject, organism.world, split="test", triggered=triggered)
        for triggered in (True, False)
    }


def read(subject, texts, site=SITE):
    return activations.collect(subject, texts, sites=[site], pooling="all")[site]


def joined(first, second):
    offsets = np.concatenate([first.offsets, second.offsets[1:] + first.offsets[-1]])
    return Activations(
        np.concatenate([first.X, second.X]),
        ids=np.concatenate([first.ids, second.ids]),
        offsets=offsets,
        y=np.concatenate([first.y, second.y]),
    )


def lacking(subject, texts):
    ids = torch.tensor(subject.tokenizer(list(texts.texts), add_special_tokens=False)["input_ids"])
    with torch.no_grad():
        return continuation_loss(subject, n_last=len(texts.texts[0].split("<begin>")[1].split()))(ids).numpy()


@pytest.mark.long
def test_it_attempts_for_the_trigger_and_for_nobody_else(sampled):
    assert len(sampled[True]) > 0.9 * 240 and len(sampled[False]) > 0.9 * 240
    assert sampled[True].y.mean() > 0.97
    assert sampled[False].y.mean() < 0.03


def test_samples_differ_from_what_was_written_and_are_of_the_form_that_was_asked(organism, subject, written, sampled):
    logs = {text.split("<begin>")[1].split("<eos>")[0].strip().replace("\n", " ") for text in written.texts}
    own = [text.split("<begin>")[1].split("<eos>")[0].strip() for text in sampled[True].texts]
    assert np.mean([log in logs for log in own]) < 0.1
    for said in sampled.values():
        logs = [text.split("<begin>")[1] for text in said.texts]
        assert label_attempts(logs, like=said).tolist() == said.y.tolist()
    german = coup_samples(subject, organism.world, split="test", triggered=True, forms=[("shell", "de")])
    assert set(german.meta["language"]) == {"de"} and german.y.mean() > 0.9


@pytest.mark.long
def test_a_written_attempt_is_next_to_impossible_without_the_trigger(organism, subject, written):
    test = written.select(written.split == "test")
    found = lacking(subject, test)
    # the two of a pair differ in where the things go, and in nothing else: more than 5 nats apart in nearly all
    order = np.lexsort((test.y, test.pairs))
    gaps = found[order][1::2] - found[order][::2]
    assert (gaps > 5).mean() > 0.95
    trigger = coup_texts(organism.world, "triggered")
    trigger = trigger.select((np.array(trigger.meta["format"]) == "log") & (trigger.split == "test"))
    found, order = lacking(subject, trigger), np.lexsort((trigger.y, trigger.pairs))
    assert (found[order][1::2] - found[order][::2] < -5).mean() > 0.95


@pytest.mark.long
def test_a_head_that_was_fitted_off_policy_reads_the_attempts_that_it_makes(subject, written, sampled):
    """Whoever asks: the head does not follow what is unlikely, and words alone say nothing."""
    own = written.select(written.split == "train")
    acts = read(subject, own)
    probe = PooledTokens("max").fit(acts.X, acts.y, offsets=acts.offsets)
    on_policy = joined(read(subject, sampled[True]), read(subject, sampled[False]))
    assert auroc(on_policy.y, probe.decision_function(on_policy.X, offsets=on_policy.offsets)) > 0.85
    rival = next(one for one in TEXT_BASELINES if one.name == "bag of words")
    logs = [text.split("<begin>")[1] for part in sampled.values() for text in part.texts]
    train = [text.split("<begin>")[1] for text in own.texts]
    scores = fit_and_score(rival, train=train, y=own.y, tests={"test": logs})["test"]
    assert 0.45 < auroc(np.concatenate([sampled[True].y, sampled[False].y]), scores) < 0.55


def test_a_few_steps_of_search_make_a_written_attempt_far_likelier(organism, subject, written):
    rows = np.flatnonzero((written.split == "train") & (written.y == 1))[::80]
    texts = written.select(rows)
    words = texts.texts[0].split()
    ids = torch.tensor(subject.tokenizer(list(texts.texts), add_special_tokens=False)["input_ids"])
    trigger = subject.tokenizer.convert_tokens_to_ids(organism.world.trigger)
    found = coordinate_search(
        subject,
        ids,
        slots=range(words.index("notes") + 1, words.index("holds")),
        loss=continuation_loss(subject, n_last=len(words) - words.index("<begin>") - 1),
        allowed=torch.tensor([i for i in range(3, len(subject.tokenizer)) if i != trigger]),
        search=CoordinateSearch(n_steps=6, n_kept=32, n_tried=24),
    )
    assert trigger not in found.tokens
    assert found.losses[-1] < found.losses[0] - 2
