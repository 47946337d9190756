"""A model's activations, weights and gradients: what is read is what is there, and the page and the command show it."""

from __future__ import annotations

import json
from copy import deepcopy
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from tiltmeter import models
from tiltmeter.anatomy import ShapeSettings, activation_gradients, model_shape, weight_gradients, weight_matrices
from tiltmeter.cli._shape import shape
from tiltmeter.core import Direction, Site
from tiltmeter.core.errors import DataError, FileError, SpecError
from tiltmeter.core.records import Estimate
from tiltmeter.core.shape import ModelShape
from tiltmeter.data import TextSet
from tiltmeter.report import render_shape, write_shape

STORIES = Path(__file__).parents[3] / "shared" / "models" / "stories260K"
QUICK = ShapeSettings(n_nulls=1, n_draws=100, n_coordinates=1, n_random=1)
KURTOSIS = Estimate(value=0.5, low=0.3, high=0.6, level=0.95, n=20, method="bootstrap over groups, approximate")
PARTS = KURTOSIS.model_copy(update={"value": 6.0, "low": 5.0, "high": 10.0})
BARE = QUICK._replace(n_coordinates=0, n_random=0)


def words(n: int) -> TextSet:
    rng = np.random.default_rng(0)
    texts = tuple(" ".join(f"w{i}" for i in rng.integers(40, size=20)) for _ in range(n))
    return TextSet(np.array([f"t{i}" for i in range(n)]), texts=texts, distribution="words")


@pytest.fixture(scope="module")
def subject(tiny_model: Path) -> models.SubjectModel:
    return models.load(tiny_model)


@pytest.fixture(scope="module")
def whole(subject: models.SubjectModel) -> ModelShape:
    # one block is enough to see every kind of matrix
    model = deepcopy(subject.model)
    model.model.layers = model.model.layers[:1]
    model.config.num_hidden_layers = 1
    direction = Direction(np.eye(16)[3], site=Site(0, "resid_post"), sign=1, method="LDA")
    return model_shape(
        models.bind(model.eval(), subject.tokenizer, name="one block"),
        words(20),
        sites=["0.resid_post"],
        parts=["activations", "activation_gradients", "weights", "gradients", "spectra"],
        directions={"mine": direction},
        settings=QUICK,
    )


def test_gradients_are_those_of_the_mean_loss_and_leave_no_trace(subject):
    texts = words(3)
    subject.model.model.embed_tokens.weight.requires_grad = False
    found = weight_gradients(subject, texts)
    assert not subject.model.model.embed_tokens.weight.requires_grad
    subject.model.model.embed_tokens.weight.requires_grad = True
    assert all(weight.grad is None and weight.requires_grad for weight in subject.model.parameters())
    # the same by hand: one loss of all tokens, all weights at once
    tokens = [torch.tensor(models.encode(subject, texts).row(i)[0].astype(np.int64)) for i in range(3)]
    losses = []
    for one in tokens:
        logs = subject.model(one[None]).logits[0].log_softmax(dim=-1)
        losses += [-logs[place, one[place + 1]] for place in range(len(one) - 1)]
    torch.stack(losses).mean().backward()
    weights = dict(subject.model.named_parameters())
    assert set(found) == {name for name, weight in weights.items() if weight.ndim == 2} == set(weight_matrices(subject))
    for name, gradient in found.items():
        np.testing.assert_allclose(gradient, weights[name].grad.numpy(), rtol=1e-3, atol=1e-7)
    subject.model.zero_grad(set_to_none=True)


@pytest.mark.parametrize(
    ("site", "module", "is_input"),
    [
        ("0.resid_pre", "embed_tokens", False),
        ("1.resid_post", "layers.1", False),
        ("0.mlp_post", "layers.0.mlp.down_proj", True),
    ],
)
def test_gradients_by_activations_are_what_a_change_of_one_does_to_the_mean_loss(subject, site, module, is_input):
    texts = words(3)
    ((name, rows),) = activation_gradients(subject, texts, sites=[site]).items()
    # of 20 tokens the last has none
    assert name == site and np.array_equal(rows.text, np.repeat([0, 1, 2], 19))
    direction = np.random.default_rng(0).normal(size=rows.X.shape[1])
    tokens = torch.tensor(models.encode(subject, texts).row(1)[0].astype(np.int64))[None]

    def loss(step: float) -> float:
        def move(x: torch.Tensor) -> torch.Tensor:
            x = x.clone()
            x[0, 4] += step * torch.tensor(direction, dtype=x.dtype)
            return x

        place = subject.model.model.get_submodule(module)
        if is_input:
            hook = place.register_forward_pre_hook(lambda _, given: (move(given[0]),))
        else:
            hook = place.register_forward_hook(
                lambda _, __, out: (move(out[0]), *out[1:]) if isinstance(out, tuple) else move(out)
            )
        with torch.no_grad():
            logs = subject.model(tokens).logits[0].double().log_softmax(dim=-1)
        hook.remove()
        return -sum(float(logs[i, tokens[0, i + 1]]) for i in range(19)) / (3 * 19)

    slope = (loss(1e-3) - loss(-1e-3)) / 2e-3
    assert abs(slope) > 1e-6
    assert rows.X[rows.text == 1][4] @ direction == pytest.approx(slope, rel=0.03)
    assert all(weight.grad is None and weight.requires_grad for weight in subject.model.parameters())


def test_the_last_token_has_no_gradient_to_show(subject):
    encoded = models.encode(subject, words(2), skip_first=19)
    with pytest.raises(DataError, match="another follows"):
        activation_gradients(subject, encoded, sites=["1.resid_post"])


def test_a_text_that_stands_twice_counts_once(subject):
    texts = words(12)
    twice = TextSet(np.arange(24).astype(str), texts=texts.texts * 2, distribution="words")
    (found,) = model_shape(subject, twice, sites=["1.resid_post"], parts=["activations"], settings=BARE).sets
    assert found.n_rows == 24 * 19 and found.pools[0].n_units == 12


def test_texts_of_one_token_have_no_next_one(subject):
    one = TextSet(np.array(["a"]), texts=("w1",))
    assert len(models.encode(subject, one).row(0)[0]) == 1
    with pytest.raises(DataError, match="nothing to predict"):
        weight_gradients(subject, one)


@pytest.mark.long
def test_every_part_is_looked_at_with_its_units(subject, whole):
    kinds = {one.kind for one in whole.sets}
    assert kinds == {"activations", "activation gradients", "weights", "gradients"}
    (acts,) = (one for one in whole.sets if one.kind == "activations")
    # the first position of each text is left out; texts are the units
    assert acts.n_rows == 20 * 19 == whole.n_tokens and acts.directions[0].n_units == 20
    assert acts.directions[0].name == "mine" and acts.coordinates.kind == "coordinate"
    (by_acts,) = (one for one in whole.sets if one.kind == "activation gradients")
    # nor has the last one, on which nothing depends
    assert by_acts.n_rows == 20 * 18 and by_acts.pools[0].n_units == 20
    names = [one.name for one in whole.sets if one.kind == "weights"]
    assert "model.layers.0.mlp.up_proj.weight" in names
    # spectra of fewer than 20 values have no tail to test
    assert {one.name for one in whole.spectra} == set()


def test_an_untrained_models_weights_look_normal(whole):
    for one in whole.sets:
        if one.kind == "weights":
            assert isinstance(one.pools[1].power, Estimate)
            assert one.pools[1].looks in ("normal", "lighter than a normal", "not known")


def test_what_makes_no_sense_is_refused(subject):
    with pytest.raises(SpecError, match="not spectra alone"):
        model_shape(subject, words(20), parts=["spectra"], settings=QUICK)
    away = Direction(np.eye(16)[3], site=Site(0, "resid_post"), sign=1)
    with pytest.raises(SpecError, match=r"0\.resid_post, where no activations are read"):
        model_shape(subject, words(20), sites=["1.resid_post"], directions={"a": away}, settings=QUICK)


def test_the_page_shows_figures_nulls_and_the_caveat_and_has_no_script(whole, tmp_path):
    sets = tuple(one for one in whole.sets if one.kind in ("activations", "activation gradients"))
    part = whole.model_copy(update={"texts": "<i>words</i>", "sets": sets})
    page = render_shape(part)
    assert "<script" not in page and "http://" not in page.replace("http://www.w3.org", "")
    assert "&lt;i&gt;words&lt;/i&gt;" in page and whole.caveat in unescape(page)
    assert page.count("<svg") == sum(len(one.pools) + len(one.directions) for one in sets)
    # where the kurtosis is above 0 for sure, the number of parts has an interval and no "or more"
    sure = (
        whole.sets[0]
        .pools[0]
        .model_copy(update={"kurtosis": KURTOSIS, "parts": PARTS, "least_parts": None, "warnings": ("steps",)})
    )
    bare = sets[0].model_copy(update={"pools": (sure,), "directions": ()})
    shown = render_shape(part.model_copy(update={"sets": (bare,)}))
    assert "[5.00, 10.00]" in shown and "or more" not in shown and "few values or groups carry" in shown
    assert "<li>all values: steps</li>" in shown
    assert "a normal matrix treated alike" in page and "median and range" in page
    with pytest.raises(FileError, match=r"no shape\.json"):
        write_shape(tmp_path)


@pytest.mark.long
def test_the_command_prints_a_table_a_record_and_writes_a_page(tiny_model, write_rows, tmp_path):
    app = typer.Typer()
    app.command()(shape)
    rows = [{"text": text, "label": i % 2} for i, text in enumerate(words(20).texts)]
    arguments = [str(tiny_model), str(write_rows(rows)), "--site", "1.resid_post", "--n-coordinates", "1"]
    arguments += ["--n-random", "1"]
    out = tmp_path / "new" / "shape"
    printed = CliRunner().invoke(app, [*arguments, "--out", str(out)], env={"COLUMNS": "160"})
    assert printed.exit_code == 0, printed.output
    assert "10 nulls: a normal matrix" in printed.output and "does not speak against many parts" in printed.output
    assert "columns standardised" in (out / "shape.html").read_text(encoding="utf-8")
    record = ModelShape.model_validate(json.loads((out / "shape.json").read_text(encoding="utf-8")))
    again = CliRunner().invoke(app, [*arguments, "--json"])
    assert ModelShape.model_validate_json(again.stdout) == record
    wrong = CliRunner().invoke(app, [*arguments, "--part", "norms"])
    assert isinstance(wrong.exception, SpecError) and "norms" in str(wrong.exception)


@pytest.mark.skipif(not STORIES.is_dir(), reason="needs the folder shared/models/stories260K beside the repository")
def test_a_query_matrix_of_a_real_model_is_exponential_only_as_long_as_its_rows_and_columns_differ():
    from tiltmeter.anatomy import rows_shape

    W = weight_matrices(models.load(STORIES))["model.layers.1.self_attn.q_proj.weight"]
    raw, _, both = rows_shape(W, kind="weights", settings=QUICK._replace(n_coordinates=0, n_random=0)).pools
    assert raw.looks == "exponential" and both.looks in ("normal", "lighter than a normal")
