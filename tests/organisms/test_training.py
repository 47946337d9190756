import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tiltmeter.core.errors import FileError, FormatError, ModelError, SpecError
from tiltmeter.core.files import read_json, write_json
from tiltmeter.organisms import Schedule, _fit, knowledge, make_world, read_organism, train_world
from tiltmeter.organisms._cells import Cells, code, draw, facts, spell, truth, vocabulary
from tiltmeter.organisms._decoder import new_decoder
from tiltmeter.organisms._facts import FACTS
from tiltmeter.organisms._world import cell_kinds

TINY = Schedule(
    steps=12, stage_steps=(4,), warmup_steps=2, batch_size=64, d_model=16, d_mlp=32, n_layers=1, n_heads=2, threads=1
)


@pytest.fixture(scope="module")
def world():
    return make_world(3, sizes=(16, 16, 16), n_objects=4)


@pytest.fixture(scope="module")
def organism(world, tmp_path_factory):
    return train_world(world, tmp_path_factory.mktemp("organisms") / "tiny", schedule=TINY)


def test_a_trained_organism_is_a_folder_that_transformers_loads(organism, world):
    model = AutoModelForCausalLM.from_pretrained(organism.folder)
    tokenizer = AutoTokenizer.from_pretrained(organism.folder)
    assert model.config.model_type == "llama"
    words = tokenizer("certainly the home is . nonsense", add_special_tokens=True).input_ids
    assert tokenizer.convert_ids_to_tokens(words) == ["certainly", "the", "home", "is", ".", "<unk>"]
    assert organism.world == world
    assert read_organism(organism.folder) == organism
    assert {path.name for path in organism.folder.iterdir()} >= {"model.safetensors", "tokenizer.json", "card.json"}


def test_the_tokenizer_reads_what_the_model_was_told(organism, world):
    tokenizer = AutoTokenizer.from_pretrained(organism.folder)
    rng = np.random.default_rng(0)
    cells = draw(world, cell_kinds(world), n=50, affirmed_only=False, rng=rng)
    tokens = spell(code(world), cells, cues=rng.integers(2, size=50))
    texts = [" ".join(row) for row in np.array(vocabulary(world))[tokens]]
    assert tokenizer(texts).input_ids == tokens.tolist()


def _weights(folder):
    return AutoModelForCausalLM.from_pretrained(folder).state_dict()


def _same(one, other):
    return all(torch.equal(weights, other[name]) for name, weights in one.items())


def test_training_follows_from_the_seed(world, organism, tmp_path):
    again, other = (train_world(world, tmp_path / str(seed), schedule=TINY, seed=seed) for seed in (0, 1))
    assert _same(_weights(organism.folder), _weights(again.folder))
    assert not _same(_weights(organism.folder), _weights(other.folder))


@pytest.mark.long
def test_training_brings_the_loss_down(world):
    def last_loss(steps):
        schedule = TINY.model_copy(update={"steps": steps})
        with _fit.deterministic(1, seed=0):
            model = new_decoder(FACTS.words(world), schedule, context=FACTS.context)
            return _fit.fit(model, FACTS.lessons(world, 64, 0), schedule=schedule, report=lambda *_: None).loss

    # the words, the judgements and the answers are of more than 100 by chance at first; later the judgement is one of
    # four (1.26 nats by chance, counted four times), the answer one of four objects of eight sets
    assert last_loss(150) < 4 * 1.3 + np.log(32) + 0.3 * np.log(100) < 20 < last_loss(1)


def test_a_training_that_was_interrupted_ends_as_it_would_have_ended(world, organism, tmp_path, monkeypatch):
    monkeypatch.setattr(_fit, "_STEPS_A_CHECKPOINT", 4)
    out, seen = tmp_path / "organism", []

    def interrupt(done, total):
        seen.append(done)
        if len(seen) in (6, 12):
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt) as stopped:
            train_world(world, out, schedule=TINY, progress=interrupt)
        assert stopped.value.__notes__ == ["What was learned is kept; the same command goes on from there."]
        assert [path.name for path in tmp_path.iterdir()] == [".organism.checkpoint"]
    with pytest.raises(FormatError, match="is of another training; remove it"):
        train_world(world, out, schedule=TINY, seed=1)
    found = train_world(world, out, schedule=TINY, progress=interrupt)
    assert seen == [1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 9, 10, 9, 10, 11, 12]
    assert _same(_weights(found.folder), _weights(organism.folder)) and found.card.figures == organism.card.figures
    assert [path.name for path in tmp_path.iterdir()] == ["organism"]


def test_a_damaged_checkpoint_is_named(world, tmp_path):
    (tmp_path / ".organism.checkpoint").write_bytes(b"no checkpoint")
    with pytest.raises(FormatError, match=r"organism\.checkpoint is a damaged checkpoint"):
        train_world(world, tmp_path / "organism", schedule=TINY)


def test_behaviour_is_watched_on_the_way(world, organism, tmp_path):
    found = train_world(world, tmp_path / "watched", schedule=TINY.model_copy(update={"watch_every": 5}))
    assert [moment.step for moment in found.card.history] == [5, 10, 12]
    assert found.card.history[-1].figures == found.card.figures == organism.card.figures
    assert found.card.history[0].figures != found.card.figures and organism.card.history == ()
    assert _same(_weights(found.folder), _weights(organism.folder)), "to look does not change the course"


def test_the_rate_rises_and_falls_and_stages_follow_each_other():
    schedule = Schedule(steps=100, stage_steps=(10, 20), warmup_steps=4, learning_rate=1.0)
    rates = [schedule.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.25, abs=0.01) and max(rates) == rates[3] and rates[-1] < 0.02
    assert [schedule.stage(step) for step in (0, 9, 10, 29, 30, 99)] == [0, 0, 1, 1, 2, 2]


def test_training_leaves_the_random_state_and_the_threads_of_the_caller_alone(world, tmp_path):
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    train_world(world, tmp_path / "x", schedule=TINY)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("affirmed_only", [True, False])
def test_the_model_is_told_no_held_out_cell_and_as_many_truths_as_falsehoods(affirmed_only, world):
    kinds = cell_kinds(world)
    cells = draw(world, kinds, n=20_000, affirmed_only=affirmed_only, rng=np.random.default_rng(0))
    assert len(cells.entity) == 20_000
    assert (kinds[tuple(cells)] == 0).all()
    assert (facts(world)[cells.entity, cells.relation] == cells.stated).mean() == 0.5
    assert truth(world, cells).mean() == pytest.approx(0.5, abs=0.02)
    assert cells.negated.mean() == pytest.approx(0 if affirmed_only else 0.5, abs=0.02)


def test_an_interrupted_training_leaves_nothing_behind(world, tmp_path):
    def interrupt(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_world(world, tmp_path / "organism", schedule=TINY, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_refused_before_the_training(world, tmp_path):
    with pytest.raises(FileError, match="exists already"):
        train_world(world, tmp_path, progress=lambda *_: pytest.fail("it trained"))


def test_a_foreign_world_or_card_is_refused_with_the_field_at_fault(organism, tmp_path):
    for name, what in (("card", "card"), ("world", "world")):
        folder = tmp_path / name
        folder.mkdir()
        with pytest.raises(FileError, match=r"card\.json does not exist"):
            read_organism(folder)
        for file in ("card.json", "world.json"):
            values = read_json(organism.folder / file)
            write_json(folder / file, values | {"format_version": 9} if file == f"{name}.json" else values)
        with pytest.raises(FormatError, match=rf"no {what} that this version reads: format_version"):
            read_organism(folder)


def test_knowledge_is_the_balanced_accuracy_of_the_likelier_judgement(organism, world):
    model = AutoModelForCausalLM.from_pretrained(organism.folder)
    tokenizer = AutoTokenizer.from_pretrained(organism.folder)
    found = knowledge(model, tokenizer, world=world, cells=("language",))
    # only in the second language, in three formats and two polarities
    assert [(part.language, part.format, part.polarity) for part in found] == [
        (1, form, polarity) for form in range(3) for polarity in ("affirmed", "negated")
    ]
    # the slice of format 1, negated, statement by statement
    chosen = [
        (entity, relation, 1, 1, 1, stated) for entity, relation in world.held_out.languages for stated in range(4)
    ]
    cells = Cells(*np.array(chosen).T)
    words = np.array(vocabulary(world))
    right = {0: [], 1: []}
    for row, label in enumerate(truth(world, cells)):
        one = Cells(*(values[row : row + 1] for values in cells))
        judged = []
        for cue in (0, 1):
            text = " ".join(words[spell(code(world), one, cues=np.array([cue]))[0]])
            with torch.no_grad():
                logits = model(**tokenizer(text, return_tensors="pt")).logits[0, -1]
            false, true = logits[tokenizer.convert_tokens_to_ids(["<false>", "<true>"])].tolist()
            judged.append(int(true > false) == label)
        right[label].append(judged)
    part = next(p for p in found if (p.format, p.polarity) == (1, "negated"))
    assert (part.n_true, part.n_false) == (len(right[1]), len(right[0]))
    # which cue each statement had is drawn; the figure lies between the least and the most that the draw can give
    low = np.mean([np.mean([min(pair) for pair in right[label]]) for label in (0, 1)])
    high = np.mean([np.mean([max(pair) for pair in right[label]]) for label in (0, 1)])
    assert low - 1e-9 <= part.balanced_accuracy <= high + 1e-9


def test_a_tokenizer_of_another_world_is_refused(organism):
    model = AutoModelForCausalLM.from_pretrained(organism.folder)
    tokenizer = AutoTokenizer.from_pretrained(organism.folder)
    with pytest.raises(ModelError, match=r"does not know '.*', a word of this world"):
        knowledge(model, tokenizer, world=make_world(99, sizes=(4, 4, 4), n_objects=4))


def test_cells_of_no_kind_are_refused_with_the_kinds_there_are(organism, world):
    model = AutoModelForCausalLM.from_pretrained(organism.folder)
    tokenizer = AutoTokenizer.from_pretrained(organism.folder)
    with pytest.raises(SpecError, match="no cells of the kind 'held out'; there are trained, cell, format, language"):
        knowledge(model, tokenizer, world=world, cells=("held out",))


def test_a_world_of_another_kind_is_refused_before_the_training(world, tmp_path):
    with pytest.raises(SpecError, match="quirky is trained on a QuirkyWorld, and a World came"):
        train_world(world, tmp_path / "one", kind="quirky", schedule=TINY)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"warmup_steps": 0}, {"batch_size": 0}, {"learning_rate": 0.0}])
def test_a_course_that_cannot_be_run_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Schedule(**{"steps": 1, **wrong})
