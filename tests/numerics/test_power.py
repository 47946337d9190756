"""The error of the power β, against what repeated samples show."""

from __future__ import annotations

import numpy as np
from scipy import stats

from tiltmeter.numerics import fit_family, power_error


def repeated(power: float, *, size: int, copies: int) -> tuple[np.ndarray, np.ndarray]:
    """Fit 30 samples whose values come in copies, and return log β and the errors that are claimed."""
    units = np.repeat(np.arange(size), copies)
    powers, errors = [], []
    for seed in range(30):
        x = np.repeat(stats.gennorm.rvs(power, size=size, random_state=seed), copies)
        fitted = fit_family(x, "generalised_normal")
        powers.append(np.log(fitted.params[0]))
        errors.append(power_error(fitted, x, units=units).error)
    return np.array(powers), np.array(errors)


def test_the_error_is_the_spread_over_samples_copies_or_not():
    for power in (1.0, 2.0):
        for copies in (1, 4):
            powers, errors = repeated(power, size=1500, copies=copies)
            # the spread of 30 draws is itself known to 13 % only
            assert 0.65 < errors.mean() / powers.std() < 1.5


def test_copies_taken_for_independent_values_give_too_small_an_error():
    x = np.repeat(np.random.default_rng(0).normal(size=1500), 4)
    fitted = fit_family(x, "generalised_normal")
    honest = power_error(fitted, x, units=np.repeat(np.arange(1500), 4))
    assert honest.n_units == 1500
    assert power_error(fitted, x, units=np.arange(6000)).error < 0.6 * honest.error
