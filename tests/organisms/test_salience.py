"""The salience law against logistic regression on drawn rows, and against the published simulation."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tiltmeter.core.errors import SpecError
from tiltmeter.organisms import salience_law

# loudness of truth and of the other; share siding with truth as METHODS 4b has it, simulated in 40 dimensions
PUBLISHED = {(2, 1): 0.90, (1, 1): 0.51, (1, 2): 0.11, (1, 4): 0.00}


def draw(loud, n, rng, *, is_easy):
    y = rng.integers(2, size=n)
    other = y if is_easy else rng.integers(2, size=n)
    rows = rng.normal(size=(n, 40))
    rows[:, 0] += loud[0] * (2 * y - 1)
    rows[:, 1] += loud[1] * (2 * other - 1)
    return rows, y, other


@pytest.mark.parametrize(("loud", "published"), PUBLISHED.items())
def test_the_law_is_what_logistic_regression_does(loud, published):
    law = salience_law(*loud)
    assert law.sides_with_truth == pytest.approx(published, abs=0.05)
    rng = np.random.default_rng(0)
    test, y, other = draw(loud, 20_000, rng, is_easy=False)
    called = [
        LogisticRegression().fit(*draw(loud, 20_000, rng, is_easy=easy)[:2]).predict(test) for easy in (True, False)
    ]
    on_easy, on_hard = (one == y for one in called)
    assert on_easy[y != other].mean() == pytest.approx(law.sides_with_truth, abs=0.02)
    assert on_easy.mean() == pytest.approx(law.accuracy, abs=0.02)
    assert on_hard.mean() == pytest.approx(law.ceiling, abs=0.02)


def test_a_feature_that_is_silent_changes_nothing_and_what_cannot_be_is_refused():
    law = salience_law(1.5, 0)
    assert law.sides_with_truth == law.accuracy == law.ceiling
    for wrong in ((0, 1), (-1, 1), (1, -0.1), (float("nan"), 1), (float("inf"), 1)):
        with pytest.raises(SpecError, match="give a finite one above 0 and a finite one that is not negative"):
            salience_law(*wrong)
