import numpy as np
import pytest
import torch

from tiltmeter.core.errors import ArrayError
from tiltmeter.erasure._concept import columns_of, encode, known_codes


@pytest.mark.parametrize(
    ("z", "classes"),
    [
        ([0, 1, 1], [0, 1]),
        ([-1.0, 1.0, 1.0], [-1.0, 1.0]),
        ([True, False, True], [False, True]),
        (["b", "a", "b"], ["a", "b"]),
        ([[3], [5], [5]], [3, 5]),
        (torch.tensor([2, 4, 4]), [2, 4]),
    ],
)
def test_whole_numbers_booleans_and_strings_are_labels(z, classes):
    found = encode(z, n=3)
    assert found.classes.tolist() == classes
    assert found.columns.shape == (3, 1)
    assert set(found.columns.ravel()) == {0.0, 1.0}


def test_three_classes_have_a_column_each_and_other_numbers_are_numbers():
    assert encode([2, 0, 1, 0], n=4).columns.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert encode([0.5, 1.0, 2.0], n=3).classes is None
    assert encode(np.eye(3), n=3).classes is None
    # what looks like labels may be asked to be numbers, and the other way round
    assert encode([20, 30, 40], n=3, kind="numbers").columns.ravel().tolist() == [20, 30, 40]
    assert encode([0.5, 1.5, 0.5], n=3, kind="labels").classes.tolist() == [0.5, 1.5]


@pytest.mark.parametrize(
    ("z", "kind", "message"),
    [
        ([0, 1], "auto", r"z has shape \(2,\) for 3 rows"),
        (np.zeros((3, 2, 2)), "auto", r"z has shape \(3, 2, 2\)"),
        ([0.5, np.nan, 1.0], "auto", "NaN or infinity"),
        ([1, 1, 1], "auto", "one class only"),
        ([0.5, 0.5, 0.5], "auto", "z is constant"),
        (np.zeros((3, 0)), "auto", "z is constant"),
        (["a", "b", "a"], "numbers", "which is no number"),
        (np.eye(3), "labels", "labels stand in one column"),
        (np.array(["a", 1, "b"], dtype=object), "auto", "cannot be ordered"),
        (np.array([True, False, None], dtype=object), "auto", "missing values"),
        (np.array([True, False, np.nan], dtype=object), "auto", "missing values"),
        (["a", "b", float("nan")], "auto", "missing values"),
        (np.array(["2020-01-01", "NaT", "2021-01-01"], dtype="M8[D]"), "auto", "NaN or infinity"),
    ],
)
def test_a_concept_that_cannot_be_is_refused(z, kind, message):
    with pytest.raises(ArrayError, match=message):
        encode(z, n=3, kind=kind)


def test_what_was_encoded_in_the_fit_is_encoded_alike_later():
    z = np.array(["x", "y", "z", "x"])
    found = encode(z, n=4)
    np.testing.assert_array_equal(columns_of(z, found.classes, shape=(4,), n_columns=3), found.columns)
    np.testing.assert_array_equal(known_codes(z.reshape(2, 2), found.classes, shape=(2, 2)), [[0, 1], [2, 0]])
    assert columns_of(np.ones(4), None, shape=(4,), n_columns=1).shape == (4, 1)
    with pytest.raises(ArrayError, match="'q', which the eraser was not fitted on"):
        known_codes(np.array(["q"]), found.classes, shape=(1,))
