"""The directions that rows span, against NumPy's rank."""

import numpy as np
import pytest
import torch

from tiltmeter.probes._span import spanned


@pytest.mark.parametrize("shape", [(40, 6), (6, 40)], ids=["more rows than features", "fewer"])
def test_components_are_orthonormal_and_hold_the_rows(shape):
    rows = np.random.default_rng(0).normal(size=shape) * np.geomspace(1, 1e-3, shape[1])
    components = spanned(torch.from_numpy(rows)).numpy()
    assert components.shape == (shape[1], np.linalg.matrix_rank(rows))
    np.testing.assert_allclose(components.T @ components, np.eye(components.shape[1]), atol=1e-6)
    np.testing.assert_allclose(rows @ components @ components.T, rows, atol=1e-9)


@pytest.mark.parametrize("n", [40, 4], ids=["more rows than features", "fewer"])
def test_directions_of_rounding_are_left_out(n):
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(n, 2)) @ rng.normal(size=(2, 10)) + 1e-12 * rng.normal(size=(n, 10))
    assert spanned(torch.from_numpy(rows)).shape == (10, 2)
