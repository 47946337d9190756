import pytest
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import AutoModelForCausalLM, AutoTokenizer

from tiltmeter.core.errors import FileError, SpecError
from tiltmeter.organisms import (
    DISTRIBUTIONS,
    Schedule,
    describe,
    knowledge,
    load,
    make_world,
    names,
    shelf_line,
    texts,
    train,
    train_world,
)
from tiltmeter.organisms._kinds import kind_of
from tiltmeter.organisms._shelf import BUNDLED


@pytest.fixture(scope="module")
def facts():
    return load("facts")


@pytest.fixture(scope="module")
def model(facts):
    return AutoModelForCausalLM.from_pretrained(facts.folder).eval()


@pytest.fixture(scope="module")
def tokenizer(facts):
    return AutoTokenizer.from_pretrained(facts.folder)


@pytest.fixture(scope="module")
def measured(facts, model, tokenizer):
    return knowledge(model, tokenizer, world=facts.world, cells=("cell", "format"))


def test_the_shipped_model_is_small(facts, model):
    n = sum(parameter.numel() for parameter in model.parameters())
    assert facts.card.n_parameters == n <= 2_000_000
    assert (facts.folder / "model.safetensors").stat().st_size <= 4_000_000
    assert sum(path.stat().st_size for path in facts.folder.iterdir()) <= 4_000_000


def test_the_shipped_world_is_that_of_its_seed(facts):
    assert facts.world == make_world(facts.card.seed)
    assert facts.card.schedule == Schedule(steps=2400, stage_steps=(450,))


@pytest.mark.long
def test_the_shipped_model_knows_the_statements_that_it_was_never_told(measured):
    # 3 formats, 2 languages, 2 polarities, for either reason
    assert len(measured) == 24
    poor = [part for part in measured if part.balanced_accuracy < 0.97]
    assert poor == []


def test_the_card_tells_what_the_weights_do(facts, measured):
    for found in measured:
        why = {"cell": "held out at random", "format": "never told in that format"}[found.cells]
        told = facts.card.figure(f"{why}, format {found.format}, language {found.language}, {found.polarity}")
        # another processor may round a close judgement to the other side
        assert found.balanced_accuracy == pytest.approx(told.value, abs=0.005)
        assert (found.n_true + found.n_false, told.chance) == (told.n, 0.5)
    assert {figure.name.split(",")[0] for figure in facts.card.figures} == {
        "told",
        "held out at random",
        "never told in that format",
        "never told in the second language",
    }
    with pytest.raises(KeyError):
        facts.card.figure("nothing")


@pytest.mark.parametrize("pooling", ["mean", "last"])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS[:4])
def test_the_embedding_layer_does_not_tell_truth(pooling, distribution, model, tokenizer):
    found = texts("facts", distribution)
    tokens = tokenizer(list(found.texts), return_tensors="pt").input_ids
    embedded = model.get_input_embeddings()(tokens).detach()
    X = (embedded.mean(dim=1) if pooling == "mean" else embedded[:, -1]).numpy()
    train_rows, test_rows = found.split == "train", found.split == "test"
    reader = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    reader.fit(X[train_rows], found.y[train_rows])
    auroc = roc_auc_score(found.y[test_rows], reader.decision_function(X[test_rows]))
    assert 0.45 <= auroc <= 0.55


def test_the_organism_is_described_in_words(facts):
    text = describe(facts)
    for part in (
        "587,712 parameters",
        "720 entities",
        "other_language",
        "held out at random, format 0, language 1, negated: ",
    ):
        assert part in text
    assert len(facts.planted) == 3
    assert shelf_line("facts").endswith("(comes with Tiltmeter)")


def test_what_was_trained_into_the_cache_is_found_there(tmp_path, monkeypatch):
    monkeypatch.setenv("TILTMETER_CACHE", str(tmp_path))
    with pytest.raises(FileError, match="seed 7 was not trained yet; tiltmeter organism train facts --seed 7"):
        load("facts", seed=7)
    world = make_world(7, sizes=(16, 16, 16), n_objects=4)
    schedule = Schedule(steps=2, batch_size=8, d_model=16, d_mlp=32, n_layers=1, n_heads=2, threads=1)
    made = train_world(world, tmp_path / "organisms" / "facts-seed7", schedule=schedule, seed=7)
    assert load("facts", seed=7) == made == train("facts", seed=7, progress=lambda *_: pytest.fail("it trained"))


def test_what_comes_along_is_not_trained_into_the_cache_where_nobody_would_find_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TILTMETER_CACHE", str(tmp_path))
    assert train("facts", progress=lambda *_: pytest.fail("it trained")) == load("facts")


def test_an_organism_that_does_not_exist_is_refused_with_those_that_do(tmp_path):
    assert names()[0] == "facts"
    for ask in (load, lambda name: texts(name, "negated"), lambda name: train(name, tmp_path / "x")):
        with pytest.raises(SpecError, match="There is no organism 'lies'; there is facts, "):
            ask("lies")


@pytest.mark.parametrize("name", BUNDLED)
def test_what_comes_along_is_of_seed_0_of_its_kind_and_small(name):
    organism, kind = load(name), kind_of(name)
    assert (organism.name, organism.card.kind, organism.card.seed) == (name, name, 0)
    assert organism.world == kind.make_world(0)
    assert organism.card.schedule.model_copy(update={"watch_every": 0}) == kind.schedule.model_copy(
        update={"watch_every": 0}
    )
    assert (organism.folder / "model.safetensors").stat().st_size <= 4_000_000


def test_all_that_comes_along_is_at_most_16_megabytes():
    assert sum(path.stat().st_size for name in BUNDLED for path in load(name).folder.iterdir()) <= 16_000_000


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in BUNDLED if name != "facts"])
def test_the_figures_of_the_card_are_those_of_the_weights(name):
    organism = load(name)
    model = AutoModelForCausalLM.from_pretrained(organism.folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(organism.folder)
    again = kind_of(name).measure(model, tokenizer, organism.world)
    assert [one.name for one in again] == [one.name for one in organism.card.figures]
    for one in again:
        # another processor may round a close judgement to the other side
        assert one.value == pytest.approx(organism.card.figure(one.name).value, abs=0.005)


@pytest.mark.slow
@pytest.mark.parametrize("name", BUNDLED)
def test_training_again_from_the_seed_gives_the_same_weights_or_at_least_the_same_behaviour(name, tmp_path):
    """Another processor sums in another order: then weights differ, and figures by a little."""
    shipped, again = load(name), train(name, tmp_path / name, progress=False)
    assert again.world == shipped.world
    weights = [load_file(organism.folder / "model.safetensors") for organism in (shipped, again)]
    if all(torch.equal(value, weights[1][key]) for key, value in weights[0].items()):
        assert again.card.figures == shipped.card.figures
        return
    for figure in again.card.figures:
        assert figure.value == pytest.approx(shipped.card.figure(figure.name).value, abs=0.05), figure.name
