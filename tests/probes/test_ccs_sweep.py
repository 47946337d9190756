"""CCS at many sites is the same as one at a time, and never worse than the published procedure."""

import numpy as np
import pytest

from benchmarks.ccs import loss_of, make_site, normalised, one_by_one
from tests.contrasts import draw
from tiltmeter.core.errors import ArrayError
from tiltmeter.probes import ccs, ccs_sweep

DATA = draw(60, 8, separations=(3.0,), seed=0)
SEEN = {"pairs": DATA.pairs, "sides": DATA.sides}


def test_every_site_is_what_the_function_finds():
    sites = {"0.resid_post": DATA.X, "1.resid_post": draw(60, 5, separations=(6.0,), seed=1).X}
    fits = ccs_sweep(sites, **SEEN, n_restarts=3, l2=0.02, random_state=7)
    assert list(fits) == list(sites)
    for name, X in sites.items():
        alone = ccs(X, DATA.members, n_restarts=3, l2=0.02, random_state=7)
        np.testing.assert_array_equal(fits[name].vectors, alone.vectors)
        np.testing.assert_array_equal(fits[name].losses, alone.losses)


def test_single_precision_rows_are_solved_in_double_precision():
    fits = ccs_sweep({"s": DATA.X.astype(np.float32)}, **SEEN)["s"]
    np.testing.assert_allclose(fits.losses, ccs_sweep({"s": DATA.X}, **SEEN)["s"].losses, atol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("strength", [0.3, 2.0])
def test_the_lowest_loss_is_not_above_that_of_the_published_procedure(strength):
    X, _ = make_site(40, 16, strength=strength, seed=0)
    halves = normalised(X[::2]), normalised(X[1::2])
    published = min(loss_of(theta, *halves) for theta in one_by_one(*halves, n_restarts=3))
    fits = ccs_sweep({"s": X}, pairs=np.repeat(np.arange(40), 2), sides=np.tile([0, 1], 40), l2=0.0)["s"]
    assert fits.losses.min() <= published


@pytest.mark.usefixtures("without_run_time_types")
def test_rows_of_another_number_are_refused_by_site():
    with pytest.raises(ArrayError, match=r"The rows of 3\.z have shape \(118, 8\) for 120 pair identifiers"):
        ccs_sweep({"3.z": DATA.X[:-2]}, **SEEN)


def test_rows_that_are_not_finite_are_refused_by_site():
    X = DATA.X.copy()
    X[3, 2] = np.nan
    with pytest.raises(ArrayError, match=r"The rows of 3\.z hold NaN or infinity"):
        ccs_sweep({"3.z": X}, **SEEN)


def test_no_start_at_all_is_refused():
    with pytest.raises(ArrayError, match="n_restarts is 0"):
        ccs_sweep({"s": DATA.X}, **SEEN, n_restarts=0)
