import numpy as np
import pytest

from tiltmeter.core.errors import ArrayError
from tiltmeter.numerics import pair_rows


def test_pair_rows_equal_the_naive_twin():
    names = np.random.default_rng(0).permutation(np.repeat([f"pair {i}" for i in range(20)], 2))
    expected = [[i for i, other in enumerate(names) if other == name] for name in sorted(set(names))]
    assert pair_rows(names, n=40).tolist() == expected


def test_no_rows_have_no_pairs():
    assert pair_rows(np.array([], dtype=str), n=0).shape == (0, 2)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "a", "b"], "Pair 'b' has 1 rows; every pair needs exactly two"),
        (["a", "a", "a"], "Pair 'a' has 3 rows"),
        (["a", "a", "", ""], "Some rows have no pair"),
    ],
)
def test_what_is_no_pair_is_refused(names, message):
    with pytest.raises(ArrayError, match=message):
        pair_rows(np.array(names), n=len(names))


def test_pairs_of_another_length_than_the_rows_are_refused():
    with pytest.raises(ArrayError, match=r"pairs have shape \(2,\) for 3 rows"):
        pair_rows(np.array(["a", "a"]), n=3)
