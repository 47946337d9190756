import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tiltmeter.core.errors import FileError, ModelError
from tiltmeter.organisms import Schedule, knowledge, make_world, read_organism, train_world
from tiltmeter.organisms._cells import Cells, code, draw, facts, spell, truth, vocabulary
from tiltmeter.organisms._training import fit_world
from tiltmeter.organisms._world import cell_kinds

TINY = Schedule(
    steps=12, affirmed_steps=4, warmup_steps=2, batch_size=64, d_model=16, d_mlp=32, n_layers=1, n_heads=2, threads=1
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


def test_training_brings_the_loss_down_and_follows_from_the_seed(world):
    def run(steps, seed):
        return fit_world(world, schedule=TINY.model_copy(update={"steps": steps}), seed=seed, report=lambda *_: None)

    first, again, other, longer = run(12, 0), run(12, 0), run(12, 1), run(150, 0)
    for name, weights in first.model.state_dict().items():
        assert torch.equal(weights, again.model.state_dict()[name])
    assert not torch.equal(first.model.lm_head.weight, other.model.lm_head.weight)
    # after the full stop stand one of two judgements or, a quarter of the time, one of two tones: 1.26 by chance
    assert longer.loss < 1.4 < 4 < run(1, 0).loss


def test_training_leaves_the_random_state_and_the_threads_of_the_caller_alone(world):
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    fit_world(world, schedule=TINY, seed=0, report=lambda *_: None)
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
