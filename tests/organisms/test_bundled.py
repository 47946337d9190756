import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import AutoModelForCausalLM, AutoTokenizer

from tiltmeter.core.errors import SpecError
from tiltmeter.organisms import (
    DISTRIBUTIONS,
    Schedule,
    describe,
    knowledge,
    load,
    make_world,
    names,
    texts,
    train,
)


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
    assert facts.card.schedule == Schedule()


def test_the_shipped_model_knows_the_statements_that_it_was_never_told(measured):
    # 3 formats, 2 languages, 2 polarities, for either reason
    assert len(measured) == 24
    poor = [part for part in measured if part.balanced_accuracy < 0.97]
    assert poor == []


def test_the_card_tells_what_the_weights_do(facts, measured):
    shipped = [part for part in facts.card.knowledge if part.cells in ("cell", "format")]
    for told, found in zip(shipped, measured, strict=True):
        # another processor may round a close judgement to the other side
        assert found.balanced_accuracy == pytest.approx(told.balanced_accuracy, abs=0.005)
        assert (found.n_true, found.n_false) == (told.n_true, told.n_false)
    assert {part.cells for part in facts.card.knowledge} == {"trained", "cell", "format", "language"}


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
    for part in ("587,712 parameters", "720 entities", "other_language", "facts it was never told in that format"):
        assert part in text
    assert "720 entities, 2 facts each" in facts.summary


def test_an_organism_that_does_not_exist_is_refused_with_those_that_do(tmp_path):
    assert names() == ("facts",)
    for ask in (load, lambda name: texts(name, "negated"), lambda name: train(name, tmp_path / "x")):
        with pytest.raises(SpecError, match="There is no organism 'lies'; there is facts"):
            ask("lies")


@pytest.mark.slow
def test_training_again_from_the_seed_gives_a_model_that_knows_its_facts(tmp_path, facts):
    again = train("facts", tmp_path / "facts", progress=False)
    assert again.world == facts.world
    assert [
        part for part in again.card.knowledge if part.cells in ("cell", "format") and part.balanced_accuracy < 0.97
    ] == []
