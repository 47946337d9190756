import numpy as np
import pytest

from tiltmeter.core import Activations, Site
from tiltmeter.core.errors import ArrayError, SpecError

RULES = ("last", "first", "mean", "max")


def ragged(n=12, d=5, *, seed=0, dtype=np.float64):
    """Draw n texts of one to nine tokens with everything that can travel along."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, 10, size=n))])
    return Activations(
        rng.normal(size=(offsets[-1], d)).astype(dtype),
        ids=np.array([f"t{i}" for i in range(n)]),
        offsets=offsets,
        y=rng.integers(2, size=n),
        pairs=np.repeat([f"p{i}" for i in range(n // 2)], 2),
        sides=np.tile([0, 1], n // 2),
        groups=np.array([f"g{i % 3}" for i in range(n)]),
        site=Site(3, "resid_post"),
        fingerprint="abc",
    )


def tokens(acts):
    """The texts as a list of arrays, cut by a loop."""
    return [acts.X[acts.offsets[i] : acts.offsets[i + 1]] for i in range(len(acts))]


def pooled_by_hand(text, rule):
    if rule == "last":
        return text[-1]
    if rule == "first":
        return text[0]
    columns = [[float(row[j]) for row in text] for j in range(text.shape[1])]
    return np.array([max(c) if rule == "max" else sum(c) / len(c) for c in columns])


SELECTIONS = {
    "a mask": np.arange(12) % 3 == 1,
    "all": np.ones(12, dtype=bool),
    "none": np.zeros(12, dtype=bool),
    "indices in another order": np.array([7, 0, 11, 3]),
    "indices from the end": np.array([-1, -3]),
}


@pytest.mark.parametrize("rule", RULES)
def test_pool_equals_the_naive_twin(rule):
    acts = ragged()
    pooled = acts.pool(rule)
    assert pooled.offsets is None
    np.testing.assert_allclose(pooled.X, [pooled_by_hand(text, rule) for text in tokens(acts)], rtol=1e-13)
    for name in ("ids", "y", "pairs", "sides", "groups", "site", "fingerprint"):
        assert getattr(pooled, name) is getattr(acts, name)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("rule", RULES)
def test_pool_keeps_the_precision_of_the_rows(rule, dtype):
    assert ragged(dtype=dtype).pool(rule).X.dtype == dtype


def test_the_mean_over_a_long_half_precision_text_does_not_overflow():
    # the sum of these values is 400,000; the largest float16 is 65,504
    long = Activations(np.full((1000, 2), 400, dtype=np.float16), ids=np.array(["a"]), offsets=np.array([0, 1000]))
    assert long.pool("mean").X.tolist() == [[400.0, 400.0]]


def test_a_text_of_one_token_is_that_token_under_every_rule():
    acts = Activations(np.eye(3), ids=np.array(["a", "b", "c"]), offsets=np.arange(4))
    for rule in RULES:
        np.testing.assert_array_equal(acts.pool(rule).X, np.eye(3))


def test_pooling_twice_is_pooling_once():
    pooled = ragged().pool("mean")
    assert pooled.pool("max") is pooled


def test_an_unknown_pooling_is_refused():
    with pytest.raises(SpecError, match="Pooling is 'median'; use one of last, mean, max, first"):
        ragged().pool("median")


@pytest.mark.parametrize("rows", SELECTIONS.values(), ids=SELECTIONS.keys())
def test_select_equals_the_naive_twin_on_ragged_tokens(rows):
    acts = ragged()
    chosen = acts.select(rows)
    index = [i for i in range(12) if rows[i]] if rows.dtype == bool else [int(i) % 12 for i in rows]
    assert len(chosen) == len(index)
    assert chosen.ids.tolist() == [f"t{i}" for i in index]
    for name in ("y", "pairs", "sides", "groups"):
        assert getattr(chosen, name).tolist() == [getattr(acts, name)[i] for i in index]
    for found, wanted in zip(tokens(chosen), [tokens(acts)[i] for i in index], strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert (chosen.site, chosen.fingerprint) == (acts.site, acts.fingerprint)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("rows", SELECTIONS.values(), ids=SELECTIONS.keys())
def test_selecting_and_pooling_commute(rows, rule):
    acts = ragged()
    np.testing.assert_array_equal(acts.select(rows).pool(rule).X, acts.pool(rule).select(rows).X)


def test_select_leaves_the_original_alone():
    acts = ragged()
    before = acts.X.copy(), acts.ids.copy()
    chosen = acts.select(np.array([0, 1]))
    chosen.X[:] = 0.0
    np.testing.assert_array_equal(acts.X, before[0])
    np.testing.assert_array_equal(acts.ids, before[1])


@pytest.mark.parametrize("length", [11, 13])
@pytest.mark.parametrize("is_pooled", [False, True])
def test_a_mask_of_another_length_is_refused(length, is_pooled):
    acts = ragged().pool("mean") if is_pooled else ragged()
    with pytest.raises(ArrayError, match=rf"The mask has shape \({length},\) for 12 texts"):
        acts.select(np.ones(length, dtype=bool))


def test_the_same_text_twice_is_refused():
    with pytest.raises(ArrayError, match="ids repeat"):
        ragged().select(np.array([1, 1]))


def test_split_partitions_the_texts():
    acts = ragged()
    names = np.array(["train", "test", "train", "calibration"] * 3)
    parts = acts.split(names)
    assert list(parts) == ["calibration", "test", "train"]
    for name, part in parts.items():
        assert part.ids.tolist() == [f"t{i}" for i in range(12) if names[i] == name]
    assert sum(len(part.X) for part in parts.values()) == len(acts.X)


def test_split_names_of_another_length_are_refused():
    with pytest.raises(ArrayError, match=r"split names have shape \(3,\) for 12 texts"):
        ragged().split(np.array(["train", "test", "test"]))


GOOD = {"X": np.zeros((4, 2)), "ids": np.array(["a", "b", "c", "d"])}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.zeros(4)}, r"X has shape \(4,\); it must have two axes"),
        ({"X": np.zeros((4, 2, 2))}, "it must have two axes"),
        ({"X": np.zeros((5, 2))}, "X has 5 rows for 4 ids; give offsets if rows are tokens"),
        ({"ids": np.array(["a", "b", "a", "d"])}, "ids repeat"),
        ({"offsets": np.array([0, 1, 2, 3, 5])}, "offsets must rise from 0 to 4 in 4 steps"),
        ({"offsets": np.array([1, 2, 3, 4])}, "offsets must rise"),
        ({"offsets": np.array([1, 2, 3, 3, 4])}, "offsets must rise"),
        ({"offsets": np.array([0, 2, 2, 3, 4])}, "steps of at least one row"),
        ({"offsets": np.array([0, 3, 2, 3, 4])}, "offsets must rise"),
        ({"y": np.array([0, 1, 1])}, r"y has shape \(3,\) for 4 texts"),
        ({"y": np.array([0, 1, 2, 1])}, r"y holds \[0, 1, 2\]; labels must be 0 and 1"),
        ({"y": np.array([-1, 1, 1, -1])}, "labels must be 0 and 1"),
        ({"pairs": np.array(["p"])}, r"pairs has shape \(1,\) for 4 texts"),
        ({"sides": np.zeros((4, 1), dtype=int)}, r"sides has shape \(4, 1\) for 4 texts"),
        ({"groups": np.array(["g"] * 5)}, r"groups has shape \(5,\) for 4 texts"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change, message):
    Activations(**GOOD)
    with pytest.raises(ArrayError, match=message):
        Activations(**(GOOD | change))
