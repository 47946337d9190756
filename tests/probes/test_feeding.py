"""Any probe is fed from one set of activations, and what it lacks is named."""

import numpy as np
import pytest

from tests.methods import PROBES, plant
from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError
from tiltmeter.probes import LAT, MeanDifference, UnsupervisedProbe
from tiltmeter.probes._feeding import fit_on, fit_with_sign, one_row_a_text

PLANTED = plant(50, 8, shift=4.0, seed=0)
ROWS = Activations(
    PLANTED.X,
    ids=np.arange(100).astype(str),
    y=PLANTED.y,
    pairs=PLANTED.pairs,
    sides=np.tile([0, 1], 50),
)


@pytest.mark.parametrize("method", PROBES, ids=str)
def test_every_probe_of_the_table_is_fed_what_it_needs(method):
    given = method.make()
    fitted = fit_on(given, ROWS)
    assert not hasattr(given, "direction_")
    assert fitted.direction_.shape == (8,)


def test_an_unsupervised_probe_gets_its_sign_only_where_asked():
    assert fit_on(LAT(), ROWS).as_direction().sign == "unknown"
    fitted = fit_with_sign(LAT(), ROWS)
    assert isinstance(fitted, UnsupervisedProbe) and fitted.is_oriented_


def test_what_a_probe_lacks_is_named():
    bare = Activations(PLANTED.X, ids=ROWS.ids)
    with pytest.raises(ArrayError, match="have no labels"):
        fit_on(MeanDifference(), bare)
    with pytest.raises(ArrayError, match="LAT needs pairs, which the activations have not"):
        fit_on(LAT(), bare)


def test_rows_of_tokens_and_of_another_width_are_refused():
    tokens = Activations(PLANTED.X, ids=np.array(["one", "two"]), offsets=np.array([0, 40, 100]))
    with pytest.raises(ArrayError, match="pool them"):
        fit_on(MeanDifference(), tokens)
    with pytest.raises(ArrayError, match="8 features, another 7"):
        one_row_a_text(Activations(PLANTED.X[:, :7], ids=ROWS.ids), like=ROWS)
