"""Three nulls: each is beaten where it should be, and not where nothing was planted."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.planted_weights import CLUSTER, planted, unit
from tiltmeter.anatomy import (
    CoherenceSettings,
    SideCoherence,
    SideVectors,
    TokenLens,
    coherence,
    compare_coherence,
    directions_found,
    outermost,
    p_of_directions,
    random_coherence,
    side_coherence,
    weight_svd,
)
from tiltmeter.anatomy._rotations import rotations
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.core.seeds import stream

SMALL = CoherenceSettings(n_directions=5, n_top=10, n_random=400, n_rotations=99, max_rows=64, n_draws=999)


def lens_of(rows: np.ndarray) -> TokenLens:
    texts = tuple(f"t{i}" for i in range(len(rows)))
    return TokenLens(rows - rows.mean(axis=0), np.arange(len(rows)), texts, "rows")


def measured(side: SideVectors, made, *, seed: int, settings: CoherenceSettings = SMALL) -> SideCoherence:
    lens, judges = lens_of(made.rows), {"other": made.vectors}
    return side_coherence(side, lens, judges=judges, settings=settings, names=(seed,))["other"]


def test_memories_are_above_all_three_nulls_in_vectors_of_another_origin():
    matrices, random = [], []
    for seed in range(8):
        made = planted(seed)
        matrices.append(measured(SideVectors(weight_svd(made.matrix).write, made.matrix), made, seed=seed))
        random.append(random_coherence(lens_of(made.rows), {"other": made.vectors}, settings=SMALL)["other"])
    found = compare_coherence(matrices, np.concatenate(random), settings=SMALL)
    assert [each.null for each in found] == ["random directions", "rotated basis", "raw rows"]
    assert all(each.p == 1 / 1000 and each.difference.low > 0 for each in found)


def test_a_rotated_basis_of_memories_is_above_random_directions_and_not_above_rotations():
    """The negative control of the second null: the subspace of the memories, without its axes."""
    p_random, p_rotated = [], []
    for seed in range(12):
        made = planted(seed)
        turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))[0]
        one = measured(SideVectors(turn @ weight_svd(made.matrix).write[:5], made.matrix), made, seed=seed)
        random = random_coherence(lens_of(made.rows), {"other": made.vectors}, settings=SMALL)["other"]
        found = {each.null: each.p for each in compare_coherence([one], random, settings=SMALL)}
        p_random.append(found["random directions"])
        p_rotated.append(found["rotated basis"])
    assert np.median(p_random) < 0.01
    assert 0.2 < np.mean(p_rotated) < 0.8 and min(p_rotated) > 0.01


def test_where_nothing_was_planted_p_values_are_as_likely_to_be_small_as_they_say():
    rng = np.random.default_rng(0)
    settings = SMALL._replace(n_random=2000, n_draws=400)
    p: dict[str, list[float]] = {"random directions": [], "rotated basis": [], "raw rows": []}
    rows, vectors = rng.normal(size=(200, 16)), rng.normal(size=(200, 8))
    lens = lens_of(rows)
    random = random_coherence(lens, {"other": vectors}, settings=settings)["other"]
    for seed in range(40):
        matrix = rng.normal(size=(64, 16))
        side = SideVectors(weight_svd(matrix).write, matrix)
        one = side_coherence(side, lens, judges={"other": vectors}, settings=settings, names=(seed,))["other"]
        for found in compare_coherence([one], random, settings=settings):
            p[found.null].append(found.p)
    for values in p.values():
        # 40 draws: a share of 0.1 is seen ten times or less with 99.8 %, and a mean off by 0.14 is three deviations off
        assert 0.36 < np.mean(values) < 0.64 and np.sum(np.array(values) <= 0.1) <= 10


def test_matrices_that_share_weights_are_one_look_and_not_several():
    """Eight copies of a matrix say no more than one, where they are known to be copies."""
    rng = np.random.default_rng(0)
    random = rng.normal(size=2000)
    one = SideCoherence(random[:6] + 0.3, rng.normal(size=(50,)), rng.normal(size=30))
    alone = compare_coherence([one], random, settings=SMALL)
    copies = compare_coherence([one] * 8, random, settings=SMALL, groups=np.zeros(8, dtype=np.int64))
    taken_as_eight = compare_coherence([one] * 8, random, settings=SMALL)
    for i in (0, 2):
        assert copies[i].p == pytest.approx(alone[i].p, abs=0.06) and taken_as_eight[i].p < 0.5 * copies[i].p
    assert not copies[0].is_by_matrix and taken_as_eight[0].is_by_matrix
    pairs = [SideCoherence(rng.normal(size=6), rng.normal(size=9), rng.normal(size=5)) for _ in range(10)]
    two = [each for each in pairs for _ in range(2)]
    by_pairs = compare_coherence(two, random, settings=SMALL, groups=np.repeat(np.arange(10), 2))[0].difference
    singly = compare_coherence(two, random, settings=SMALL)[0].difference
    assert isinstance(by_pairs, Estimate) and isinstance(singly, Estimate)
    assert (by_pairs.n, singly.n) == (10, 20) and by_pairs.value == pytest.approx(singly.value)
    assert by_pairs.high - by_pairs.low > 1.2 * (singly.high - singly.low)


def test_rotations_are_even_rotations_of_the_first_directions_by_loops():
    """A naive twin: the mean coherence of each rotation, one direction and one end at a time."""
    made, settings = planted(0), SMALL._replace(n_rotations=3)
    svd = weight_svd(made.matrix)
    one = measured(SideVectors(svd.write, made.matrix), made, seed=0, settings=settings)
    lens = lens_of(made.rows)
    for number, turn in enumerate(rotations(5, 3, rng=stream(0, "coherence", 0))):
        assert np.allclose(turn @ turn.T, np.eye(5))
        values = []
        for direction in turn @ svd.write[:5]:
            (ends,) = outermost((lens.rows @ direction)[None], n_top=10)
            values.append(max(float(coherence(end[None], made.vectors)[0]) for end in ends))
        assert one.rotated[number] == pytest.approx(np.mean(values))


def test_rotations_have_no_direction_that_they_prefer():
    turns = rotations(3, 20_000, rng=np.random.default_rng(0))
    assert np.abs(turns.mean(axis=0)).max() < 0.02
    assert np.allclose((turns**2).mean(axis=0), 1 / 3, atol=0.01)


def test_raw_rows_are_a_sample_where_there_are_many_and_all_where_there_are_few():
    made = planted(0)
    side = SideVectors(np.eye(64)[:5], made.rows)
    assert len(measured(side, made, seed=0).rows) == 64
    assert len(measured(side, made, seed=0, settings=SMALL._replace(max_rows=1000)).rows) == 500


def test_a_direction_that_writes_a_cluster_is_named_and_random_ones_are_not():
    named, false = [], []
    settings = SMALL._replace(n_random=1000, n_rotations=1)
    for seed in range(10):
        made, rng = planted(seed), np.random.default_rng(seed)
        lens, judges = lens_of(made.rows), {"other": made.vectors}
        random = random_coherence(lens, judges, settings=settings)["other"]
        clusters = unit(made.rows[made.clusters].mean(axis=1))
        directions = np.concatenate([clusters, unit(rng.normal(size=(40, 64)))])
        one = side_coherence(
            SideVectors(directions, clusters), lens, judges=judges, settings=settings._replace(n_directions=45)
        )["other"]
        found = directions_found(p_of_directions(one.found, random), false_share=0.1)
        named.append(found[:5].mean())
        false.append(found[5:].sum() / max(found.sum(), 1))
    # ten tokens at an end, of which five to eight are of the cluster: not every one stands out
    assert np.mean(named) > 0.6 and np.mean(false) < 0.12


def test_p_of_a_direction_counts_it_among_the_random_ones():
    found, random = np.array([0.5, 3.0, -1.0]), np.array([0.5, 0.0, 1.0])
    by_loops = [(1 + sum(r >= f for r in random)) / 4 for f in found]
    assert p_of_directions(found, random).tolist() == by_loops == [0.75, 0.25, 1.0]


def test_named_directions_are_those_of_benjamini_and_hochberg():
    rng = np.random.default_rng(0)
    for _ in range(30):
        p = rng.uniform(size=20) ** 2
        below = [k for k in range(1, 21) if np.sort(p)[k - 1] <= 0.1 * k / 20]
        limit = np.sort(p)[below[-1] - 1] if below else -1.0
        assert (directions_found(p, false_share=0.1) == (p <= limit)).all()
    assert directions_found(np.empty(0), false_share=0.1).tolist() == []


def test_intervals_are_over_matrices_where_there_are_enough_and_over_directions_else():
    rng = np.random.default_rng(0)
    matrices = [SideCoherence(rng.normal(size=4), rng.normal(size=9), rng.normal(size=5)) for _ in range(8)]
    many = compare_coherence(matrices, rng.normal(size=50), settings=SMALL)
    few = compare_coherence(matrices[:7], rng.normal(size=50), settings=SMALL)
    assert all(one.is_by_matrix and isinstance(one.difference, Estimate) and one.difference.n == 8 for one in many)
    assert all(not one.is_by_matrix and isinstance(one.difference, Estimate) and one.difference.n == 28 for one in few)
    tiny = compare_coherence(matrices[:1], rng.normal(size=50), settings=SMALL)
    assert all(isinstance(one.difference, Unavailable) for one in tiny)
    # one matrix has no finer p-value than it has rotations
    assert tiny[1].p >= 1 / 10


def test_clusters_of_the_planted_matrix_do_not_overlap():
    # what the other tests lean on: a token is of one cluster at most
    assert len(set(planted(3).clusters.ravel().tolist())) == 5 * CLUSTER
