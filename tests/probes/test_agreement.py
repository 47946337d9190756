"""Cosines between directions, and what chance gives beside them."""

import numpy as np
import pytest

from tests.methods import plant
from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.site import Site
from tiltmeter.probes import LAT, LDA, MeanDifference, agreement


def test_the_table_holds_the_cosine_of_each_pair_in_loops():
    rng = np.random.default_rng(0)
    vectors = {name: rng.normal(size=5) * scale for name, scale in (("a", 1e-3), ("b", 1.0), ("c", 1e3))}
    found = agreement(vectors)
    assert found.names == ("a", "b", "c")
    for i, one in enumerate(vectors.values()):
        for j, other in enumerate(vectors.values()):
            expected = sum(one * other) / np.sqrt(sum(one**2) * sum(other**2))
            assert found.cosines[i, j] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("d", [2, 3, 10, 200])
def test_the_null_is_that_of_random_directions(d):
    rng = np.random.default_rng(d)
    first, second = rng.normal(size=(2, 40_000, d))
    cosines = np.abs((first * second).sum(1)) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    found = agreement({"a": first[0], "b": second[0]})
    assert found.null_mean == pytest.approx(cosines.mean(), rel=0.02)
    assert found.null_95 == pytest.approx(np.quantile(cosines, 0.95), rel=0.02)
    assert found.null_largest_95 == found.null_95


def test_the_largest_of_many_pairs_has_a_null_of_its_own():
    rng = np.random.default_rng(0)
    largest = []
    for _ in range(2000):
        vectors = rng.normal(size=(6, 30))
        found = agreement({str(i): vector for i, vector in enumerate(vectors)})
        largest.append(np.abs(found.cosines[np.triu_indices(6, 1)]).max())
    assert found.null_largest_95 > found.null_95
    assert found.null_largest_95 == pytest.approx(np.quantile(largest, 0.95), rel=0.03)


def test_in_one_dimension_all_directions_are_alike():
    found = agreement({"a": np.array([2.0]), "b": np.array([-1.0])})
    assert found.cosines.tolist() == [[1.0, -1.0], [-1.0, 1.0]]
    assert found.null_mean == pytest.approx(1.0) and found.null_95 == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_methods_agree_on_a_planted_concept_and_not_on_labels_that_say_nothing(seed):
    rows = plant(300, 40, shift=4.0, seed=seed)
    found = agreement(
        {"md": MeanDifference().fit(rows.X, rows.y).direction_, "lda": LDA().fit(rows.X, rows.y).direction_}
    )
    assert found.cosines[0, 1] > 0.9
    other = plant(300, 40, shift=4.0, seed=50 + seed)
    apart = agreement(
        {
            "one": LAT().fit(rows.X, pairs=rows.pairs).direction_,
            "other": LAT().fit(other.X, pairs=other.pairs).direction_,
        }
    )
    assert abs(apart.cosines[0, 1]) < 3 * apart.null_95


def test_directions_point_to_the_presence_of_the_concept_before_they_are_compared():
    u = np.array([0.6, 0.8])
    found = agreement({"a": Direction(u, method="m", sign=1), "b": Direction(-u, method="m", sign=-1)})
    assert found.cosines[0, 1] == pytest.approx(1.0)


def test_directions_of_several_blocks_of_the_stream_are_compared():
    u = np.array([0.6, 0.8])
    names = ("3.resid_post", "4.resid_post", "4.attn_out")
    found = agreement({name: Direction(u, method="m", sign=1, site=Site.parse(name)) for name in names})
    np.testing.assert_allclose(found.cosines, 1.0)


def test_directions_of_sites_without_common_coordinates_or_of_two_widths_are_refused():
    u = np.array([0.6, 0.8])
    sites = [Direction(u, method="m", sign=1, site=Site.parse(text)) for text in ("3.mlp_post", "4.mlp_post")]
    with pytest.raises(SpecError, match=r"3\.mlp_post, 4\.mlp_post, which share no coordinates"):
        agreement({"a": sites[0], "b": sites[1]})
    with pytest.raises(ArrayError, match="vectors of one width"):
        agreement({"a": u, "b": np.ones(3)})
    with pytest.raises(ArrayError, match="'b' has norm 0"):
        agreement({"a": u, "b": np.zeros(2)})
    with pytest.raises(ArrayError, match="'b' has norm nan"):
        agreement({"a": u, "b": np.array([np.nan, 1.0])})
    with pytest.raises(ArrayError, match="at least two"):
        agreement({"a": u})
