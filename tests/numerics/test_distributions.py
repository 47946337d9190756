"""Fits of distributions against SciPy's own, and against what they were drawn from."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from tiltmeter.core.errors import ArrayError
from tiltmeter.numerics import fit_family, log_density

DRAWS = {
    "normal": lambda rng: rng.normal(size=4000),
    "laplace": lambda rng: rng.laplace(size=4000),
    "logistic": lambda rng: rng.logistic(size=4000),
    "student_t": lambda rng: rng.standard_t(4, size=4000),
    "generalised_normal": lambda rng: stats.gennorm.rvs(1.5, size=4000, random_state=rng),
}
SCIPY = {"student_t": stats.t, "generalised_normal": stats.gennorm}


@pytest.mark.parametrize("family", DRAWS)
def test_a_fit_is_near_what_was_drawn_whatever_the_scale(family):
    x = DRAWS[family](np.random.default_rng(0))
    small, large = (fit_family(3.0 + scale * x, family).params for scale in (1e-3, 1e3))
    # centre and scale are what was put in, and the shape does not depend on them
    assert abs(small[-2] - 3.0) < 1e-3 * 0.1 and abs(large[-2] - 3.0) < 1e3 * 0.1
    assert small[-1] == pytest.approx(1e-6 * large[-1], rel=1e-3)
    assert small[:-2] == pytest.approx(large[:-2], rel=1e-3)
    assert large[-1] == pytest.approx(1e3, rel=0.1)


@pytest.mark.parametrize("family", SCIPY)
def test_no_point_that_a_general_search_finds_is_likelier(family):
    x = DRAWS[family](np.random.default_rng(1))[:800]
    found = fit_family(x, family)
    start = (found.params[0] * 1.3, 0.1, found.params[2] * 0.8)
    searched = optimize.minimize(
        lambda at: -SCIPY[family].logpdf(x, *at).sum(), start, method="Nelder-Mead", options={"maxiter": 2000}
    )
    assert log_density(found, x).sum() >= -searched.fun - 0.01


def test_the_log_density_of_a_mixture_is_that_of_the_sum_in_loops():
    x = np.random.default_rng(2).laplace(size=500)
    found = fit_family(x, "normal_mixture")
    weights, centres, scales = np.split(np.array(found.params), 3)
    assert weights.sum() == pytest.approx(1)
    for value, density in zip(x[:20], log_density(found, x)[:20], strict=True):
        total = sum(w * stats.norm.pdf(value, m, s) for w, m, s in zip(weights, centres, scales, strict=True))
        assert density == pytest.approx(np.log(total))


def test_each_family_wins_on_fresh_values_of_its_own():
    for family, draw in DRAWS.items():
        if family == "generalised_normal":
            continue
        fitted, fresh = draw(np.random.default_rng(3)), draw(np.random.default_rng(4))
        likelihoods = {
            other: log_density(fit_family(fitted, other), fresh).mean() for other in ("normal", "laplace", "logistic")
        }
        assert family == "student_t" or max(likelihoods, key=likelihoods.get) == family


def test_a_box_is_the_flattest_of_generalised_normals():
    assert fit_family(np.random.default_rng(0).uniform(size=4000), "generalised_normal").params[0] > 8


@pytest.mark.parametrize(
    ("x", "words"),
    [(np.ones(50), "same"), (np.arange(9.0), "9 values"), (np.append(np.arange(20.0), np.nan), "finite")],
)
def test_what_cannot_be_fitted_says_so(x, words):
    with pytest.raises(ArrayError, match=words):
        fit_family(x, "normal")
