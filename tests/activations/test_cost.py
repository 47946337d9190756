"""What a collection would cost is what it then takes, and saying so writes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import random_texts, tiny_subject

from tiltmeter.activations import ActivationStore, collect, collection_cost
from tiltmeter.core.errors import DataError, SpecError

pytestmark = pytest.mark.smoke

SITES = ["0.resid_post", "1.mlp_out"]


@pytest.fixture(scope="module")
def subject():
    return tiny_subject("llama")


def test_the_cost_is_that_of_the_store_that_is_then_written(subject, tmp_path: Path) -> None:
    texts, folder = random_texts(30), tmp_path / "acts"
    cost = collection_cost(subject, texts, sites=SITES, pooling="all", store=folder, token_budget=60)
    assert not folder.exists()
    collected = collect(subject, texts, sites=SITES, pooling="all", store=folder, token_budget=60)
    assert (cost.n_asked, cost.n_texts, cost.n_tokens) == (30, 30, collected.n_tokens)
    assert cost.n_bytes == sum(collected[site].X.nbytes for site in SITES)
    assert cost.n_batches == sum(part.n_batches for part in ActivationStore.open(folder).manifest.parts)
    assert cost.n_measured == 5
    assert 0 < cost.seconds <= cost.seconds_at_most < 60


def test_only_what_the_store_lacks_is_counted(subject, tmp_path: Path) -> None:
    texts, folder = random_texts(30), tmp_path / "acts"
    collect(subject, texts.select(np.arange(30) < 10), sites=SITES[:1], store=folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    lengths = np.array([len(text.split()) for text in texts.texts or ()])
    cost = collection_cost(subject, texts, sites=SITES[:1], store=folder)
    assert (cost.n_texts, cost.n_tokens) == (20, lengths[10:].sum())
    both = collection_cost(subject, texts, sites=SITES, store=folder)
    assert both.n_bytes == 4 * (20 * subject.width(subject.resolve_sites(SITES)[0]) + 30 * subject.d_model)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_shards_that_a_stopped_run_left_out_are_counted(subject, tmp_path: Path) -> None:
    texts, folder = random_texts(30), tmp_path / "acts"

    def stop(done) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(subject, texts, sites=SITES, store=folder, progress=stop)
    assert collection_cost(subject, texts, sites=SITES, store=folder).n_texts == 30
    collect(subject, texts, sites=SITES, store=folder)
    done = collection_cost(subject, texts, sites=SITES, store=folder)
    assert (done.n_texts, done.n_tokens, done.n_bytes, done.n_measured, done.seconds) == (0, 0, 0, 0, 0.0)


def test_memory_holds_floats_of_four_bytes_whatever_the_model_has() -> None:
    subject = tiny_subject("llama")
    subject.model.bfloat16()
    texts = random_texts(6)
    assert collection_cost(subject, texts, sites=SITES[:1]).n_bytes == 6 * 4 * subject.d_model


def test_what_collect_would_refuse_is_refused(subject, tmp_path: Path) -> None:
    texts, folder = random_texts(12), tmp_path / "acts"
    collect(subject, texts, sites=SITES[:1], store=folder)
    with pytest.raises(SpecError, match="pooling is 'last', asked for 'mean'"):
        collection_cost(subject, texts, sites=SITES[:1], store=folder, pooling="mean")
    others = random_texts(13).select(np.arange(13) > 0)
    named = type(texts)(texts.ids, texts=others.texts)
    with pytest.raises(DataError, match="has the id of another text"):
        collection_cost(subject, named, sites=SITES[:1], store=folder)
