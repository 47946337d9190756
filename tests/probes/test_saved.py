"""Probes on disk: what is read back scores as what was saved, and nothing damaged or foreign is read."""

import inspect
import json

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import tiltmeter.probes
from tests.methods import PROBES, plant
from tiltmeter.core.errors import ArrayError, FileError, FormatError
from tiltmeter.core.files import seal
from tiltmeter.probes import Logistic, MeanDifference, Probe, load, save
from tiltmeter.probes._saved import CLASSES

TRAIN = plant(60, 6, shift=4.0, seed=0)


def test_every_class_of_the_package_can_be_read_back():
    public = [getattr(tiltmeter.probes, name) for name in tiltmeter.probes.__all__]
    kinds = (Probe, tiltmeter.probes.SequenceProbe)
    concrete = {
        thing
        for thing in public
        if inspect.isclass(thing) and issubclass(thing, kinds) and not inspect.isabstract(thing)
    }
    assert set(CLASSES) == concrete
    assert len({kind.__name__ for kind in CLASSES}) == len(CLASSES)


@pytest.mark.parametrize("method", PROBES, ids=str)
def test_what_is_read_back_scores_bit_for_bit_as_what_was_saved(method, tmp_path):
    probe = method.fit(TRAIN)
    save(probe, tmp_path)
    again = load(tmp_path)
    assert type(again) is type(probe)
    assert again.get_params() == probe.get_params()
    np.testing.assert_array_equal(again.decision_function(TRAIN.X), probe.decision_function(TRAIN.X))
    assert set(vars(again)) == set(vars(probe))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["probe.json", "probe.safetensors"]


def test_classes_of_any_name_and_features_with_names_are_kept(tmp_path):
    pandas = pytest.importorskip("pandas", reason="needs pandas, which the dev extra brings")
    frame = pandas.DataFrame(TRAIN.X, columns=list("abcdef"))
    names = np.array(["false", "true"])[TRAIN.y]
    save(MeanDifference().fit(frame, names), tmp_path, stem="named")
    again = load(tmp_path, stem="named")
    assert set(again.predict(frame)) == {"false", "true"}
    with pytest.raises(ValueError, match="feature names should match"):
        again.predict(frame[list("fedcba")])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.bool_])
def test_classes_keep_the_type_of_the_labels(tmp_path, dtype):
    save(MeanDifference().fit(TRAIN.X, TRAIN.y.astype(dtype)), tmp_path)
    assert load(tmp_path).predict(TRAIN.X).dtype == dtype


def test_what_is_not_fitted_or_not_ours_is_not_saved(tmp_path):
    with pytest.raises(NotFittedError):
        save(MeanDifference(), tmp_path)

    class Own(MeanDifference):
        pass

    with pytest.raises(ArrayError, match=r"Own is not a probe of Tiltmeter; save its direction with as_direction"):
        save(Own().fit(TRAIN.X, TRAIN.y), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_a_file_that_is_missing_or_changed_is_refused_by_name(tmp_path, suffix):
    save(MeanDifference().fit(TRAIN.X, TRAIN.y), tmp_path)
    path = tmp_path / f"probe.{suffix}"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(FormatError, match=rf"probe\.{suffix}"):
        load(tmp_path)
    path.unlink()
    with pytest.raises(FileError, match=rf"probe\.{suffix} does not exist"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "not a probe of format version 1"),
        ({"probe": "Path"}, "is a Path, which this release does not know"),
        ({"hyperparameters": {"strange": 1}}, "lacks a part of a probe or holds a wrong one"),
        ({"fitted": None}, "lacks a part of a probe or holds a wrong one"),
    ],
)
def test_a_record_of_another_kind_is_refused_though_its_hash_is_right(tmp_path, change, message):
    save(MeanDifference().fit(TRAIN.X, TRAIN.y), tmp_path)
    path = tmp_path / "probe.json"
    head = json.loads(path.read_text()) | change
    head["sha256_of_the_rest"] = seal(head)
    path.write_text(json.dumps(head))
    with pytest.raises(FormatError, match=message):
        load(tmp_path)


@pytest.mark.usefixtures("without_run_time_types")
def test_hyperparameters_of_a_grid_over_an_array_are_saved(tmp_path):
    probe = Logistic(C=np.float32(0.5)).fit(TRAIN.X, TRAIN.y)
    save(probe, tmp_path)
    assert load(tmp_path).C == 0.5
    probe.as_direction().save(tmp_path)


@pytest.mark.parametrize("fitted", [{"decision_function": 3}, {"_x_": 1}, {"direction": 1}])
def test_what_is_no_fitted_attribute_is_not_set(tmp_path, fitted):
    save(MeanDifference().fit(TRAIN.X, TRAIN.y), tmp_path)
    path = tmp_path / "probe.json"
    head = json.loads(path.read_text())
    head["fitted"] |= fitted
    head["sha256_of_the_rest"] = seal(head)
    path.write_text(json.dumps(head))
    with pytest.raises(FormatError, match="is no fitted attribute"):
        load(tmp_path)


def test_a_folder_may_be_given_as_a_string(tmp_path):
    probe = MeanDifference().fit(TRAIN.X, TRAIN.y)
    save(probe, str(tmp_path))
    np.testing.assert_array_equal(load(str(tmp_path)).direction_, probe.direction_)
