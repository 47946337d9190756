import numpy as np
import pytest

from tiltmeter.core.errors import ArrayError
from tiltmeter.erasure import AffineEraser, OracleEraser, QuadraticEraser

WORDS = {"method": "by hand", "guarantee": "", "tol": 0.0}


def test_an_affine_eraser_is_its_matrix_about_its_center():
    rng = np.random.default_rng(0)
    left, right, center = rng.normal(size=(5, 2)), rng.normal(size=(2, 5)), rng.normal(size=5)
    eraser = AffineEraser(left, right, center, **WORDS)
    X = rng.normal(size=(7, 5))
    expected = [np.eye(5) @ x - left @ (right @ (x - center)) for x in X]
    np.testing.assert_allclose(eraser(X), expected, atol=1e-12)
    np.testing.assert_allclose((X - center) @ eraser.matrix().T + center, expected, atol=1e-12)
    np.testing.assert_allclose(eraser(center), center)
    assert (eraser.rank, eraser.n_features, eraser.kind) == (2, 5, "affine")


def test_an_eraser_never_changes_even_where_its_maker_changes_the_arrays():
    left = np.eye(3)[:, :1]
    eraser = AffineEraser(left, np.eye(3)[:1], np.zeros(3), **WORDS)
    left[:] = 7.0
    assert eraser.left[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        eraser.left[0, 0] = 2.0
    with pytest.raises(AttributeError):
        eraser.center = np.ones(3)


@pytest.mark.parametrize(
    ("left", "right", "center", "message"),
    [
        (np.ones((3, 1)), np.ones((2, 3)), np.ones(3), "do not fit together"),
        (np.ones((3, 1)), np.ones((1, 3)), np.ones(2), "do not fit together"),
        (np.ones((3, 0)), np.ones((0, 3)), np.ones(3), "rank 0 erases nothing"),
        (np.full((3, 1), np.nan), np.ones((1, 3)), np.ones(3), "left holds NaN or infinity"),
    ],
)
def test_an_affine_eraser_that_cannot_be_is_refused(left, right, center, message):
    with pytest.raises(ArrayError, match=message):
        AffineEraser(left, right, center, **WORDS)


def test_oracles_that_cannot_be_are_refused():
    with pytest.raises(ArrayError, match="do not fit together"):
        OracleEraser(np.ones((3, 2)), np.ones(2), np.array([0, 1]), **WORDS)
    with pytest.raises(ArrayError, match="do not fit together"):
        QuadraticEraser(np.ones((2, 3, 3)), np.ones((2, 3)), np.ones(3), np.array([0, 1, 2]), **WORDS)
    with pytest.raises(ArrayError, match="maps holds NaN"):
        QuadraticEraser(np.full((2, 1, 1), np.inf), np.ones((2, 1)), np.ones(1), np.array([0, 1]), **WORDS)


def test_float32_rows_far_from_zero_lose_no_more_than_their_own_rounding():
    rng = np.random.default_rng(0)
    eraser = AffineEraser(np.eye(4)[:, :1], np.eye(4)[:1], np.full(4, 1e3), **WORDS)
    X = (1e3 + rng.normal(size=(50, 4))).astype(np.float32)
    np.testing.assert_allclose(eraser(X), eraser(X.astype(np.float64)), rtol=2e-7)
