"""Planted activations: what is measured follows from what is planted, and each part is as loud as asked."""

import numpy as np
import pytest

from tiltmeter.core.errors import SpecError
from tiltmeter.probes import tampered_activations


def test_measurements_are_right_unless_tampered_with_and_trusted_rows_always_are():
    X, rows, truth = tampered_activations(0, n_groups=400)
    assert X.shape == (3200, 24) and rows.is_trusted.mean() == 0.25 and truth.mean() == 0.5
    for group in range(400):
        assert len(set(truth[rows.groups == group])) == 1
    assert (rows.measurements >= truth[:, None]).all()
    assert (rows.measurements[rows.is_trusted] == truth[rows.is_trusted, None]).all()
    # where the outcome did not occur, as many are on as were tampered with
    number = rows.measurements[~rows.is_trusted & (truth == 0)].sum(axis=1)
    assert np.bincount(number) / len(number) == pytest.approx(np.full(4, 0.25), abs=0.05)
    assert {name: (rows.split == name).mean() for name in set(rows.split.tolist())} == {
        "train": 0.5,
        "calibration": 0.25,
        "test": 0.25,
    }


def test_each_part_is_as_loud_as_asked():
    for part, loud in (("measured", 3.0), ("evidence", 2.0), ("outcome", 4.0)):
        quiet = {"measured": 0.0, "evidence": 0.0, "outcome": 0.0}
        X, rows, truth = tampered_activations(1, n_features=9, **(quiet | {part: loud}))
        still = tampered_activations(1, n_features=9, **quiet).X
        moved = np.linalg.norm(X - still, axis=1)
        # directions are at right angles, so that squares add up
        if part == "outcome":
            assert moved == pytest.approx(loud * truth)
        if part == "measured":
            assert moved == pytest.approx(loud * np.sqrt(rows.measurements.sum(axis=1)))
        if part == "evidence":
            known = truth == 0
            assert moved[known] == pytest.approx(loud * np.sqrt(rows.measurements[known].sum(axis=1)))
    assert still.std() == pytest.approx(1, abs=0.02)


def test_rows_follow_from_the_seed_and_what_is_odd_is_refused():
    one, again, other = (tampered_activations(seed, n_groups=8).X for seed in (0, 0, 1))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert tampered_activations(0, n_groups=80, n_tampered=(0, 3)).rows.is_consistent.all()
    for wrong, message in (
        ({"n_groups": 6}, "n_groups is 6; give a positive multiple of 4"),
        ({"n_features": 6}, "n_features is 6; what is planted needs 7"),
        ({"n_tampered": (4,)}, r"n_tampered is \(4,\); give numbers from 0 to 3"),
        ({"n_tampered": ()}, r"n_tampered is \(\)"),
    ):
        with pytest.raises(SpecError, match=message):
            tampered_activations(0, **wrong)
