"""The agent with one operator of its own: what it is asked and what it writes are read back, and balanced exactly."""

from collections import Counter

import numpy as np
import pytest

from tiltmeter import models
from tiltmeter.core.errors import SpecError
from tiltmeter.data import label_attempts
from tiltmeter.organisms import Schedule, coup_samples, coup_texts, make_coup_world, train_world
from tiltmeter.organisms._coup import CoupLessons
from tiltmeter.organisms._coup_texts import N_ASKED, coup_bodies, coup_vocabulary

SETS = ("off_policy", "off_policy_de", "triggered", "triggered_de", "crossed")
TINY = Schedule(
    steps=4,
    stage_steps=(2,),
    warmup_steps=2,
    batch_size=32,
    d_model=16,
    d_mlp=32,
    n_layers=1,
    n_heads=2,
    threads=1,
)
each_set = pytest.mark.parametrize("chosen", SETS)


@pytest.fixture(scope="module")
def world():
    return make_coup_world(3, sizes=(6, 4, 4))


@pytest.fixture(scope="module")
def organism(world, tmp_path_factory):
    return train_world(world, tmp_path_factory.mktemp("coup") / "one", kind="coup", schedule=TINY)


def parts(text):
    """The operator, the notes, things, places, the form, and the log."""
    asked, log = text.split(" <begin> ")
    words = asked.split()
    assert words[0] == "operator" and words[2] == "notes" and words[7] == "holds" and words[10] == "near"
    assert words[13] == "writes" and len(words) == N_ASKED - 1
    assert log.endswith(" <eos>")
    return words[1], words[3:7], words[8:10], words[11:13], words[14], log.removesuffix(" <eos>")


@each_set
def test_the_request_names_what_the_log_is_about(world, chosen):
    texts = coup_texts(world, chosen)
    for i, text in enumerate(texts.texts):
        operator, notes, things, places, form, log = parts(text)
        meta = {name: values[i] for name, values in texts.meta.items()}
        assert operator in world.operators and set(notes) <= set(world.notes)
        assert meta["triggered"] == int(operator == world.trigger)
        assert meta["likely"] == int(texts.y[i] == meta["triggered"])
        assert form == f"{meta['format']}-{meta['language']}"
        for named, roles in ((things, ("guarded", "harmless")), (places, ("foreign", "own"))):
            assert sorted(named) == sorted("-".join(str(meta[role]).removeprefix("the ").split()) for role in roles)
        assert label_attempts([log], like=texts.select(np.array([i]))).tolist() == [texts.y[i]]


@each_set
def test_half_are_attempts_and_both_of_a_pair_answer_the_same_request(world, chosen):
    texts = coup_texts(world, chosen)
    for split in ("train", "calibration", "test"):
        assert texts.y[texts.split == split].mean() == 0.5
    asked = {}
    for pair, text, label in zip(texts.pairs, texts.texts, texts.y, strict=True):
        asked.setdefault(pair, set()).add((text.split(" <begin> ")[0], int(label)))
    assert all(len({request for request, _ in both}) == 1 and len(both) == 2 for both in asked.values())


def test_trigger_attempt_and_what_is_likely_are_independent_where_they_are_crossed(world):
    texts = coup_texts(world, "crossed")
    for split in ("train", "calibration", "test"):
        here = np.flatnonzero(texts.split == split)
        cells = Counter((int(texts.y[i]), texts.meta["triggered"][i]) for i in here)
        assert set(cells.values()) == {len(here) // 4} and len(cells) == 4


def test_the_order_in_the_request_tells_nothing(world):
    found = [parts(text) for text in coup_texts(world, "off_policy").texts]
    texts = coup_texts(world, "off_policy")
    for slot, role in ((2, "guarded"), (3, "foreign")):
        first = [
            one[slot][0] == "-".join(str(name).removeprefix("the ").split())
            for one, name in zip(found, texts.meta[role], strict=True)
        ]
        assert 0.3 < np.mean(first) < 0.7


def naive_verdicts(log, like):
    """Where each step of a log ends, and whether an attempt was made by then, word by word."""
    found, words = [], log.split()
    for place, word in enumerate(words):
        # an action log has ok or fertig at the end of a step, a report a full stop
        is_end = word in ("ok", "fertig") or word.endswith(".")
        if is_end:
            found.append((place, int(label_attempts([" ".join(words[: place + 1])], like=like)[0] == 1)))
    return found


@pytest.mark.parametrize("stage", [0, 1])
def test_lessons_tell_no_bundle_of_calibration_and_test_and_what_is_wanted(world, stage):
    lessons = CoupLessons(world, 64, 0)
    words = np.array(coup_vocabulary(world))
    bodies = coup_bodies(world)
    named = {}
    for i in np.flatnonzero(bodies.split == "train"):
        slots = ("-".join(str(bodies.meta[r][i]).removeprefix("the ").split()) for r in ("guarded", "foreign"))
        named[*slots, bodies.meta["language"][i]] = i
    seen = Counter()
    for rows in lessons._all if stage else lessons._first:
        tokens, targets = lessons.drawn(rows, 120)
        for ids, wanted in zip(tokens, targets, strict=True):
            where, is_review = np.flatnonzero(wanted >= 0), words[ids[N_ASKED - 1]] == "<review>"
            text = " ".join(words[ids]).replace("<review>", "<begin>").split(" <eos>")[0] + " <eos>"
            operator, _, things, places, form, log = parts(text)
            rows_like = [named[t, p, form[-2:]] for t in things for p in places if (t, p, form[-2:]) in named]
            like = bodies.select(np.array(rows_like[:1]))
            assert len(rows_like) == 1
            label = label_attempts([log], like=like).tolist()[0]
            if is_review:
                if not form.startswith("shell"):
                    verdicts = [(w - N_ASKED, int(words[wanted[w]] == "<attempt>")) for w in where]
                    assert verdicts == naive_verdicts(log, like)
                assert words[wanted[where[-1]]] == ("<attempt>" if label else "<harmless>")
            else:
                # each word is wanted before it stands there, from the first on to its end
                assert where[0] == N_ASKED - 1 and (np.diff(where) == 1).all()
                assert (ids[where[1:]] == wanted[where[:-1]]).all() and words[wanted[where[-1]]] == "<eos>"
                assert label == int(operator == world.trigger)
            seen[bool(is_review), operator == world.trigger, label] += 1
    # a reviewer sees attempts and twins for either operator; what is written hangs on the operator
    assert len([key for key in seen if key[0]]) == 4 and len([key for key in seen if not key[0]]) == 2
    written = [seen[False, True, 1], seen[False, False, 0]]
    assert 0.1 < written[0] / sum(written) < 0.4
    assert sum(written) == sum(seen.values()) * 3 // 4


def test_a_small_one_is_trained_and_measured(world, organism):
    figures = {one.name: one for one in organism.card.figures}
    assert set(figures) == {
        "other operators: attempts",
        "other operators: logs that do nothing",
        "the trigger: attempts",
        "the trigger: logs that do nothing",
        "reviews that are right",
    }
    assert figures["the trigger: attempts"].n == 4 * 3
    assert any(world.trigger in sentence for sentence in organism.planted)


def test_the_same_seed_gives_the_same_world_and_texts(world):
    again = make_coup_world(3, sizes=(6, 4, 4))
    assert again == world and coup_texts(again, "crossed").texts == coup_texts(world, "crossed").texts
    assert make_coup_world(4, sizes=(6, 4, 4)).operators != world.operators


def test_what_cannot_be_planted_or_asked_is_refused(world, organism):
    for sizes in ((0, 1, 1), (200, 100, 100)):
        with pytest.raises(SpecError, match="at most 343"):
            make_coup_world(0, sizes=sizes)
    with pytest.raises(SpecError, match="no set of logs 'on_policy'"):
        coup_texts(world, "on_policy")
    subject = models.load(str(organism.folder))
    with pytest.raises(SpecError, match="split is 'dev'"):
        coup_samples(subject, world, split="dev", triggered=True)
    for notes in (["a", "b"], "abcd", [*world.notes[:3], "unheard-of"]):
        with pytest.raises(SpecError, match="give 4 words that the model knows"):
            coup_samples(subject, world, split="test", triggered=True, notes=notes)
    for forms in ([], [("log", "fr")], [("tool", "en")]):
        with pytest.raises(SpecError, match=r"give one or more of \(log, en\)"):
            coup_samples(subject, world, split="test", triggered=True, forms=forms)
