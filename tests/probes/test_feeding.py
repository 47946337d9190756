"""Any probe is fed from one set of activations, and what it lacks is named."""

from dataclasses import replace

import numpy as np
import pytest

from tests.methods import PROBES, plant
from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.probes import LAT, TTPD, MeanDifference, UnsupervisedProbe
from tiltmeter.probes._feeding import fit_on, fit_with_sign, one_row_a_text

PLANTED = plant(50, 8, shift=4.0, seed=0)
ROWS = Activations(
    PLANTED.X,
    ids=np.arange(100).astype(str),
    y=PLANTED.y,
    pairs=PLANTED.pairs,
    sides=np.tile([0, 1], 50),
)


@pytest.mark.parametrize("method", [m for m in PROBES if not m.needs_polarity], ids=str)
def test_every_probe_of_the_table_is_fed_what_it_needs(method):
    given = method.make()
    fitted = fit_on(given, ROWS)
    assert not [name for name in vars(given) if name.endswith("_")]
    assert fitted.decision_function(ROWS.X).shape == (100,)


@pytest.mark.parametrize("method", [m for m in PROBES if not m.is_supervised], ids=str)
def test_permuted_labels_of_the_set_do_not_reach_an_unsupervised_probe(method):
    other = replace(ROWS, y=np.random.default_rng(0).permutation(PLANTED.y))
    np.testing.assert_array_equal(fit_on(method.make(), other).direction_, fit_on(method.make(), ROWS).direction_)


def test_a_probe_that_must_be_told_more_is_refused():
    with pytest.raises(SpecError, match="TTPD needs to be told which statements are negated"):
        fit_on(TTPD(), ROWS)


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
