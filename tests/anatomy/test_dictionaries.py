"""Dictionaries on disk, their figures in loops, and the patterns that a sceptic looks for."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tiltmeter.anatomy import (
    Dictionary,
    DictionaryRows,
    audit_dictionaries,
    gaussian_like,
    mmcs,
    mmcs_chance,
    mmcs_turned,
    open_rows,
    random_dictionary,
    read_dictionaries,
    toy_world,
    train_dictionary,
    train_family,
)
from tiltmeter.anatomy._dictionary_conclusions import dictionary_conclusions
from tiltmeter.anatomy._dictionary_metrics import linear_error, lots, row_figures, unexplained
from tiltmeter.anatomy._sparse_autoencoder import rows_hash
from tiltmeter.core.dictionaries import Chance, DictionaryFigures, DictionaryRecipe
from tiltmeter.core.errors import ArrayError, FileError, FormatError, SpecError
from tiltmeter.core.records import Estimate, Unavailable

INTERIM = DictionaryRecipe(penalty=0.3, centred=False, scaled=False, steps=1500, batch_size=256, learning_rate=3e-3)


def trained(world, sizes, *, n_train, recipe=INTERIM):
    rows = DictionaryRows(world.X[:n_train], world.X[n_train:], truth=world.truth)
    made = {str(size): train_dictionary(rows.train, size, recipe=recipe).dictionary for size in sizes}
    return audit_dictionaries(made, rows, n_draws=100)


@pytest.mark.parametrize("kind", ["relu", "topk", "jumprelu"])
def test_latents_are_those_of_a_loop_over_rows_and_latents(small, kind):
    rng = np.random.default_rng(1)
    rows, threshold = rng.normal(size=(20, 5)), np.abs(rng.normal(size=12))
    one = Dictionary(
        small.encoder, small.encoder_bias, small.decoder, small.decoder_bias, kind=kind,
        k=3 if kind == "topk" else None, threshold=threshold if kind == "jumprelu" else None,
    )  # fmt: skip
    codes = one.encode(rows)
    for i, row in enumerate(rows):
        pre = [float(row @ small.encoder[j] + small.encoder_bias[j]) for j in range(12)]
        for j in range(12):
            is_on = {
                "relu": pre[j] > 0,
                "topk": pre[j] > 0 and sum(other > pre[j] for other in pre) < 3,
                "jumprelu": pre[j] > threshold[j],
            }[kind]
            assert codes[i, j] == pytest.approx(pre[j] if is_on else 0.0)
        given_back = sum(codes[i, j] * small.decoder[j] for j in range(12)) + small.decoder_bias
        np.testing.assert_allclose(one.reconstruct(rows)[i], given_back)


def test_a_dictionary_comes_back_as_it_was_saved(small, tmp_path):
    small.save(tmp_path / "one")
    back = Dictionary.load(tmp_path / "one")
    for name, array in small.arrays().items():
        np.testing.assert_array_equal(back.arrays()[name], array)
    with pytest.raises(FileError, match="exists already"):
        small.save(tmp_path / "one")


def test_a_dictionary_that_was_changed_on_disk_is_refused(small, tmp_path):
    small.save(tmp_path / "one")
    head = tmp_path / "one" / "dictionary.json"
    told = json.loads(head.read_text())
    head.write_text(json.dumps(told | {"kind": "jumprelu"}))
    with pytest.raises(FormatError, match="changed"):
        Dictionary.load(tmp_path / "one")
    head.write_text(json.dumps(told))
    weights = tmp_path / "one" / "dictionary.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(FormatError, match="hash"):
        Dictionary.load(tmp_path / "one")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encoder_bias": np.zeros(3)}, "biases"),
        ({"decoder": np.full((12, 5), np.inf)}, "finite"),
        ({"kind": "topk"}, "topk"),
        ({"kind": "jumprelu"}, "threshold"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(small, change, words):
    parts = small.arrays() | change
    with pytest.raises(ArrayError, match=words):
        Dictionary(**parts)


def test_figures_of_rows_are_those_of_a_loop(small):
    rows = np.random.default_rng(2).normal(size=(30, 5))
    found = row_figures(small, rows)
    for i, row in enumerate(rows):
        codes = np.maximum(small.encoder @ row + small.encoder_bias, 0)
        assert found.error[i] == pytest.approx(float(np.sum((row - codes @ small.decoder - small.decoder_bias) ** 2)))
        assert found.spread[i] == pytest.approx(float(np.sum((row - rows.mean(0)) ** 2)))
        assert found.active[i] == sum(codes > 0)


def test_mmcs_is_the_mean_of_the_greatest_cosines_and_minds_the_sign():
    rng = np.random.default_rng(3)
    one, other = rng.normal(size=(10, 4)), rng.normal(size=(15, 4))
    one, other = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (one, other))
    found = mmcs(one, other)
    assert found.value == pytest.approx(np.mean([max(float(a @ b) for b in other) for a in one]))
    assert found.low < found.value < found.high
    assert mmcs(one, -one).value < 0.9 < mmcs(one, one).value
    assert isinstance(mmcs(one, other[:0]), Unavailable)


def test_chance_is_high_in_two_dimensions_and_low_in_many():
    assert mmcs_chance(64, 128, d=2).mean > 0.99 > 0.2 > mmcs_chance(64, 128, d=256).mean
    with pytest.raises(ArrayError, match="1 or more"):
        mmcs_chance(0, 4, d=2)


def test_turned_atoms_lie_to_each_other_as_before_and_to_others_by_chance():
    rng = np.random.default_rng(9)
    axes = np.linalg.qr(rng.normal(size=(32, 32)))[0]
    found = mmcs_turned(axes, [axes], n_draws=40)
    # a direction's greatest coordinate on an orthonormal basis, drawn here directly
    drawn = rng.normal(size=(20_000, 32))
    expected = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).max(axis=1).mean()
    assert found.mean == pytest.approx(expected, abs=0.006)
    # an orthonormal basis covers the sphere better than as many directions that know nothing of each other
    assert found.mean > mmcs_chance(32, 32, d=32, n_draws=40).mean + 0.004
    pair = np.array([[1.0, 0.0], [-1.0, 0.0]])
    mirrored = mmcs_turned(pair, [pair], n_draws=2000)
    assert mirrored.mean == pytest.approx(2 / np.pi, abs=0.02) and 0 <= mirrored.low < 0.01 < 0.99 < mirrored.high
    with pytest.raises(ArrayError, match="none may be empty"):
        mmcs_turned(axes, [])


def test_principal_components_leave_what_a_loop_leaves():
    rng = np.random.default_rng(4)
    train, test = rng.normal(size=(50, 4)) * [3, 2, 1, 0.5], rng.normal(size=(20, 4))
    _, basis = np.linalg.eigh(np.cov(train.T))
    kept = basis[:, -2:]
    expected = [np.sum((row - train.mean(0) - kept @ kept.T @ (row - train.mean(0))) ** 2) for row in test]
    np.testing.assert_allclose(linear_error(train, test, k=2), expected)


def test_the_decoder_of_random_directions_is_the_least_squares_one():
    rows = np.random.default_rng(5).normal(size=(300, 6))
    made = random_dictionary(rows, 10, k=4)
    codes = made.encode(rows)
    best = np.linalg.lstsq(codes, rows - rows.mean(0), rcond=None)[0]
    np.testing.assert_allclose(made.decoder, best, atol=1e-4)


def test_noise_has_the_moments_of_the_rows():
    rows = np.random.default_rng(6).normal(size=(200, 3)) @ np.array([[2, 0, 0], [1, 1, 0], [0, 0, 0.1]]) + [5, 0, 1]
    noise = gaussian_like(rows, 100_000)
    np.testing.assert_allclose(noise.mean(0), rows.mean(0), atol=0.05)
    np.testing.assert_allclose(np.cov(noise.T), np.cov(rows.T, bias=True), atol=0.1)


def test_intervals_are_over_groups_where_there_are_any():
    rng = np.random.default_rng(7)
    groups = np.repeat(np.arange(20), 50)
    error = np.repeat(rng.random(20), 50)
    grouped, loose = (unexplained(error, np.ones(1000), by=lots(1000, groups=by)) for by in (groups, None))
    assert grouped.n == 20 and loose.n == 1000
    assert grouped.high - grouped.low > 4 * (loose.high - loose.low)


@pytest.mark.long
def test_the_match_with_the_larger_dictionary_peaks_where_the_features_are_as_many():
    audit = trained(toy_world("sparse", 12_000), (32, 64, 128), n_train=10_000)
    by_size = {one.n_latents: one for one in audit.dictionaries}
    assert by_size[64].larger.value > by_size[32].larger.value
    assert by_size[64].larger.low > by_size[64].larger_chance.high + 0.2
    assert by_size[64].truth.value > 0.9 > 0.6 > by_size[64].truth_chance.high
    losses = [by_size[size].test_fvu.value for size in (32, 64, 128)]
    assert losses == sorted(losses, reverse=True)
    assert any("no count of features" in said for said in audit.conclusions)


@pytest.mark.long
def test_the_match_on_noise_is_that_of_random_directions():
    audit = trained(toy_world("noise", 12_000), (32, 64, 128), n_train=10_000)
    for one in audit.dictionaries[:-1]:
        assert abs(one.larger.value - one.larger_turned.mean) < 0.03
    assert any("No size has an MMCS" in said for said in audit.conclusions)


@pytest.mark.long
def test_the_match_in_the_unit_square_is_near_one_and_so_is_chance():
    audit = trained(toy_world("square", 3000), (32, 64), n_train=2000)
    one = audit.dictionaries[0]
    assert one.larger.value > 0.95 and one.larger_chance.mean > 0.95
    assert any("means nothing here" in said for said in audit.conclusions)


@pytest.mark.long
def test_few_rows_leave_a_gap_between_training_and_test():
    audit = trained(toy_world("sparse", 3000), (256,), n_train=500)
    one = audit.dictionaries[0]
    assert one.test_fvu.low > one.train_fvu.high and one.test_fvu.value > 1.5 * one.train_fvu.value
    assert any("Too few rows" in said for said in audit.conclusions)


def judged(by_seed, *, noise=None):
    """Figures of dictionaries whose MMCS to the next larger is given by seed and size; the largest has none."""
    base = Estimate(value=0.1, low=0.1, high=0.1, n=9, method="none")
    nothing = Unavailable(reason="none")
    chance = Chance(mean=0.4, low=0.4, high=0.4, n_draws=1)
    return tuple(
        DictionaryFigures(
            name=f"{size}-{seed}", n_latents=size, seed=seed, trained_on="these rows", train_fvu=base, test_fvu=base,
            noise_fvu=base, random_fvu=base, linear_fvu=base, l0=base, noise_l0=base, live=size,
            larger=nothing if value is None else base.model_copy(update={"value": value}), larger_chance=chance,
            larger_turned=None if value is None else chance,
            larger_noise=nothing if noise is None else base.model_copy(update={"value": noise}), twin=nothing,
            twin_chance=None, twin_turned=None, truth=nothing, truth_chance=None,
        )
        for size in (8, 16, 32, 64)
        for seed, value in ((seed, values.get(size)) for seed, values in by_seed.items())
    )  # fmt: skip


def test_a_peak_is_told_with_the_seeds_that_have_it_and_an_end_is_no_peak():
    first, second = {8: 0.6, 16: 0.9, 32: 0.7}, {8: 0.6, 16: 0.8, 32: 0.85}
    said = " ".join(dictionary_conclusions(judged({0: first, 1: first, 2: second})))
    assert "greatest at 16 latents: 0.87" in said and "random directions, have 0.40" in said
    assert "Of 3 seeds 2 peak there" in said
    assert "rests on one seed" in " ".join(dictionary_conclusions(judged({0: first})))
    rising = {8: 0.6, 16: 0.7, 32: 0.8}
    assert "it is no peak" in " ".join(dictionary_conclusions(judged({0: rising})))


def test_a_match_as_good_as_that_of_twins_of_noise_is_no_finding():
    found = {8: 0.6, 16: 0.9, 32: 0.7}
    assert "may be all that they share" in " ".join(dictionary_conclusions(judged({0: found}, noise=0.88)))
    assert "all that they share" not in " ".join(dictionary_conclusions(judged({0: found}, noise=0.6)))


def test_what_cannot_be_compared_says_so_and_dead_latents_are_counted(small):
    silent = Dictionary(small.encoder, np.full(12, -1e6), small.decoder, small.decoder_bias)
    rows = np.random.default_rng(8).normal(size=(60, 5))
    audit = audit_dictionaries({"silent": silent}, DictionaryRows(rows[:30], rows[30:]), n_draws=100)
    (one,) = audit.dictionaries
    assert one.live == 0 and one.larger_chance is None
    assert "no larger" in one.larger.reason and "of this size" in one.twin.reason and "planted" in one.truth.reason
    assert isinstance(one.l0, Estimate) and one.l0.value == 0
    assert any("silent (12 of 12)" in said for said in audit.conclusions)
    with pytest.raises(SpecError, match="no dictionary"):
        audit_dictionaries({}, DictionaryRows(rows[:30], rows[30:]))
    with pytest.raises(ArrayError, match="width 5"):
        audit_dictionaries({"one": small}, DictionaryRows(rows[:30, :4], rows[30:, :4]))


def test_only_the_rows_it_was_trained_on_give_a_training_fvu(short):
    X = toy_world("sparse", 400).X
    made = {"one": train_dictionary(X[:300], 16, recipe=short).dictionary}
    ours, shifted = (
        audit_dictionaries(made, DictionaryRows(X[i : 300 + i], X[300 + i :]), n_draws=100) for i in (0, 1)
    )
    assert ours.dictionaries[0].trained_on == "these rows" and isinstance(ours.dictionaries[0].train_fvu, Estimate)
    assert shifted.dictionaries[0].trained_on == "other rows"
    assert isinstance(shifted.dictionaries[0].train_fvu, Unavailable)
    assert any("may be among those judged on: one" in said for said in shifted.conclusions)


def test_training_groups_widen_the_interval_of_the_training_fvu(small):
    rng = np.random.default_rng(10)
    rows = np.repeat(rng.normal(size=(30, 5)), 20, axis=0) + 0.01 * rng.normal(size=(600, 5))
    of_text = np.repeat(np.arange(30), 20)
    known = Dictionary(*small.arrays().values(), provenance={"rows_sha256": rows_hash(rows)})
    grouped, loose = (
        audit_dictionaries({"one": known}, DictionaryRows(rows, rows, train_groups=groups), n_draws=200).dictionaries[0]
        for groups in (of_text, None)
    )
    assert grouped.train_fvu.n == 30 and loose.train_fvu.n == 600
    assert grouped.train_fvu.high - grouped.train_fvu.low > 2 * (loose.train_fvu.high - loose.train_fvu.low)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"test": np.full((9, 5), np.nan)}, "9 of the 9 rows to judge"),
        ({"train": np.ones((9, 5))}, "equal"),
        ({"train": np.zeros((9, 0)), "test": np.zeros((9, 0))}, "two or more of one width"),
        ({"test": np.zeros((1, 5))}, "two or more of one width"),
        ({"groups": np.arange(3)}, "3 groups of 9 rows"),
        ({"truth": np.eye(3)}, "Planted directions"),
    ],
)
def test_rows_that_nothing_can_be_judged_on_are_refused(small, change, words):
    rows = np.random.default_rng(11).normal(size=(18, 5))
    given = DictionaryRows(rows[:9], rows[9:])._replace(**change)
    with pytest.raises(ArrayError, match=words):
        audit_dictionaries({"one": small}, given, n_draws=100)


def test_fewer_rows_than_dimensions_and_a_constant_column_give_figures(short):
    rows = np.random.default_rng(12).normal(size=(24, 40)).astype(np.float32)
    rows[:, 3] = 7.0
    longer = short.model_copy(update={"steps": 400, "learning_rate": 1e-2})
    made = {str(f): train_dictionary(rows[:12], f, recipe=longer).dictionary for f in (8, 16)}
    audit = audit_dictionaries(made, DictionaryRows(rows[:12], rows[12:]), n_draws=100)
    for one in audit.dictionaries:
        known = (one.train_fvu, one.test_fvu, one.noise_fvu, one.random_fvu, one.linear_fvu, one.l0)
        assert all(isinstance(figure, Estimate) and np.isfinite(figure.value) for figure in known)
        # twelve rows are learned by heart
        assert one.test_fvu.value > one.train_fvu.value


def test_a_family_goes_on_where_it_was_stopped_and_is_read_again(tmp_path, short):
    rows = DictionaryRows(toy_world("sparse", 200).X, toy_world("sparse", 50, seed=1).X)
    started = []

    def stop(name, done, total, loss):
        started.append(name)
        if name == "noise-8-seed-0":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_family(rows, [8, 16], recipe=short, out=tmp_path, progress=stop)
    again = []
    family = train_family(rows, [8, 16], recipe=short, out=tmp_path, progress=lambda name, *_: again.append(name))
    assert "8-seed-0" in started and "8-seed-0" not in again
    read = read_dictionaries([tmp_path])
    assert list(family.dictionaries) == ["8-seed-0", "16-seed-0"] and set(read.on_noise) == set(family.on_noise)
    with pytest.raises(FormatError, match="another recipe"):
        train_family(rows, [8, 16], recipe=short.model_copy(update={"penalty": 0.1}), out=tmp_path)
    with pytest.raises(SpecError, match="sizes"):
        train_family(rows, [8, 8], recipe=short)
    with pytest.raises(SpecError, match="smallest size is 8"):
        train_family(rows, [16, 8], recipe=short.model_copy(update={"kind": "topk", "k": 12}))


def test_twins_of_noise_are_compared_under_their_own_names(short):
    rows = DictionaryRows(toy_world("noise", 300).X, toy_world("noise", 60, seed=1).X)
    family = train_family(rows, [8, 16], recipe=short)
    audit = audit_dictionaries(family.dictionaries, rows, trained_on_noise=family.on_noise, n_draws=100)
    small, large = (family.on_noise[name].atoms for name in ("8-seed-0", "16-seed-0"))
    assert audit.dictionaries[0].larger_noise.value == pytest.approx(mmcs(small, large).value)
    renamed = {f"another/{name}": one for name, one in family.on_noise.items()}
    apart = audit_dictionaries(family.dictionaries, rows, trained_on_noise=renamed, n_draws=100)
    assert "no twins" in apart.dictionaries[0].larger_noise.reason


def test_rows_of_a_file_are_divided_and_what_is_no_rows_is_refused(tmp_path):
    np.save(tmp_path / "rows.npy", np.arange(40.0).reshape(20, 2))
    opened = open_rows(tmp_path / "rows.npy", test_share=0.25)
    both = np.concatenate([opened.rows.train, opened.rows.test])
    assert len(opened.rows.test) == 5 and sorted(both[:, 0]) == list(np.arange(0.0, 40.0, 2.0))
    (tmp_path / "words.npy").write_text("no")
    with pytest.raises(FormatError, match=r"no \.npy file"):
        open_rows(tmp_path / "words.npy")
    with pytest.raises(FileError, match="does not exist"):
        open_rows(tmp_path / "nowhere")
    with pytest.raises(SpecError, match="between 0 and 1"):
        open_rows(tmp_path / "rows.npy", test_share=float("nan"))
    with pytest.raises(SpecError, match="one side"):
        open_rows(tmp_path / "rows.npy", test_share=0.001)
