"""Two workers, one of them killed: the store is that of one process."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from stores import SITES, agree, assert_holds, contents
from tiny_models import random_texts, tiny_subject

from tiltmeter.activations import ActivationStore, Done, RayWorkers, collect, collect_on_ray
from tiltmeter.core.errors import MissingExtraError, ModelError, SpecError
from tiltmeter.models import load

TEXTS = random_texts(500)

with_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs the extra ray: pip install 'tiltmeter[ray]'"
)


@pytest.fixture
def saved(tmp_path):
    subject = tiny_subject("llama")
    subject.model.save_pretrained(tmp_path / "model")
    subject.tokenizer.save_pretrained(tmp_path / "model")
    return load(tmp_path / "model")


def _workers() -> list:
    psutil = pytest.importorskip("psutil", reason="psutil comes with accelerate, in the extra dev")
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "MapWorker" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.long
@with_ray
@pytest.mark.usefixtures("small_shards")
# Ray's own sockets and files are closed when its threads get to it
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")
def test_two_workers_one_killed_by_its_process_id_give_the_store_of_one_process(saved, tmp_path):
    killed: list[int] = []

    def kill_one(done: Done) -> None:
        if not killed and 0 < done.texts < done.n_texts:
            worker = _workers()[0]
            worker.kill()
            killed.append(worker.pid)

    ours = collect_on_ray(saved, TEXTS, store=tmp_path / "ray", sites=SITES, workers=RayWorkers(n=2), progress=kill_one)
    assert len(killed) == 1
    alone = collect(saved, TEXTS, store=tmp_path / "alone", sites=SITES)
    for site in SITES:
        agree(ours[site].X, alone[site].X)
    assert_holds(tmp_path / "ray", collect(saved, TEXTS, sites=SITES))
    many, one = ActivationStore.open(tmp_path / "ray"), ActivationStore.open(tmp_path / "alone")
    assert len(many.manifest.parts[0].shards) > 5
    # the same plan, file by file; values may differ by rounding
    assert many.manifest.parts[0].plan == one.manifest.parts[0].plan
    assert many.manifest.spec == one.manifest.spec
    np.testing.assert_array_equal(many.read(SITES[0]).ids, one.read(SITES[0]).ids)
    assert set(contents(tmp_path / "ray")) == set(contents(tmp_path / "alone"))


def test_a_model_that_workers_cannot_load_again_is_refused(tmp_path):
    with pytest.raises(SpecError, match=r"Ray's workers load the model themselves; make llama with models\.load"):
        collect_on_ray(tiny_subject("llama"), TEXTS, store=tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_number_of_workers_that_cannot_be_is_refused(saved, tmp_path):
    with pytest.raises(SpecError, match=r"workers\.n is 0; give at least one"):
        collect_on_ray(saved, TEXTS, store=tmp_path / "s", workers=RayWorkers(n=0))


def test_without_ray_the_extra_is_named(saved, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"needs the extra ray; run pip install 'tiltmeter\[ray\]'"):
        collect_on_ray(saved, TEXTS, store=tmp_path / "s")
    assert not (tmp_path / "s").exists()


def _reader(saved, tmp_path, *, digest: str | None = None):
    from tiltmeter.activations._ray import _Reader

    part = ActivationStore.open(tmp_path / "s").manifest.parts[0].model_dump_json()
    fingerprint = saved.fingerprint.digest if digest is None else digest
    return _Reader(str(tmp_path / "s"), part, saved.loaded_from.model_dump_json(), fingerprint, "last", "cpu")


def test_a_worker_computes_the_shard_that_it_is_given(saved, tmp_path):
    collect(saved, TEXTS, store=tmp_path / "s", sites=SITES)
    before = contents(tmp_path / "s")
    (tmp_path / "s" / "000" / "shard-00000.safetensors").unlink()
    answer = _reader(saved, tmp_path)({"shard": np.array([0])})
    assert answer["error"] == [""] and '"index":0' in answer["shard"][0]
    assert contents(tmp_path / "s") == before


def test_what_goes_wrong_in_a_worker_comes_back_as_it_would_be_raised_here(saved, tmp_path, monkeypatch):
    from tiltmeter.activations import _ray, _shards
    from tiltmeter.core import files
    from tiltmeter.core.errors import ArrayError

    collect(saved, TEXTS, store=tmp_path / "s", sites=SITES)
    # another model
    answer = _reader(saved, tmp_path, digest="0" * 16)({"shard": np.array([0])})
    error = _ray._raised(answer["error"][0], answer["message"][0])
    assert isinstance(error, ModelError) and "A worker found another model at" in str(error)
    # a full disk
    with monkeypatch.context() as patch:
        patch.setattr(files.tempfile, "mkstemp", lambda **_: (_ for _ in ()).throw(OSError(28, "No space left")))
        answer = _reader(saved, tmp_path)({"shard": np.array([0])})
    error = _ray._raised(answer["error"][0], answer["message"][0])
    assert isinstance(error, _shards.NotWrittenError) and "cannot be written (No space left)" in str(error)
    # an activation that is not finite
    reader = _reader(saved, tmp_path)
    monkeypatch.setattr(torch, "isfinite", lambda values: torch.zeros(len(values), 1, dtype=torch.bool))
    answer = reader({"shard": np.array([0])})
    error = _ray._raised(answer["error"][0], answer["message"][0])
    assert isinstance(error, ArrayError) and "shows NaN or infinity for text t" in str(error)
