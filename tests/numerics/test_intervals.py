import math

import numpy as np
import pytest

from tiltmeter.core.errors import ArrayError
from tiltmeter.numerics import clopper_pearson


def tail(k, n, p, *, upper):
    """P(X ≥ k) or P(X ≤ k) of the binomial, term by term."""
    terms = range(k, n + 1) if upper else range(k + 1)
    return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in terms)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 20), (1, 20), (7, 20), (19, 20), (20, 20), (3, 300)])
def test_the_limits_leave_half_the_doubt_in_each_tail(k, n, level):
    low, high = clopper_pearson(k, n, level=level)
    doubt = (1 - level) / 2
    assert low == 0.0 if k == 0 else tail(k, n, low, upper=True) == pytest.approx(doubt, rel=1e-6)
    assert high == 1.0 if k == n else tail(k, n, high, upper=False) == pytest.approx(doubt, rel=1e-6)
    assert low < high


@pytest.mark.parametrize("n", [5, 30])
def test_it_covers_every_proportion_at_least_as_often_as_it_says(n):
    intervals = [clopper_pearson(k, n, level=0.9) for k in range(n + 1)]
    for p in np.linspace(0.01, 0.99, 197):
        covered = sum(
            math.comb(n, k) * p**k * (1 - p) ** (n - k) for k, (low, high) in enumerate(intervals) if low <= p <= high
        )
        assert covered >= 0.9


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_are_refused(k, n):
    with pytest.raises(ArrayError, match=f"{k} successes in {n} trials is impossible"):
        clopper_pearson(k, n)
