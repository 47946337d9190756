"""``tiltmeter anatomy dictionary``: train and audit, from rows in a file and from a store."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tiltmeter.anatomy import toy_world


@pytest.fixture
def rows_file(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, toy_world("sparse", 400, d=8).X)
    return path


QUICK = ("--sizes", "8,16", "--steps", "60", "--batch-size", "32", "--seeds", "0,1")


@pytest.mark.long
def test_dictionaries_are_trained_audited_and_audited_again_from_their_folder(command, rows_file, tmp_path):
    out = tmp_path / "dictionaries"
    printed, told = command("anatomy", "dictionary", "train", str(rows_file), "--out", str(out), *QUICK)
    assert "16-seed-1" in printed and "trained on noise" in printed and "step 60 of 60" in told
    written = json.loads((out / "audit.json").read_text())
    assert str(out / "audit.html") in printed and "16-seed-1" in (out / "audit.html").read_text(encoding="utf-8")
    assert [one["n_latents"] for one in written["dictionaries"]] == [8, 8, 16, 16]
    again, _ = command("anatomy", "dictionary", "audit", str(out), "--rows", str(rows_file), "--json")
    assert json.loads(again) == written
    one, _ = command("anatomy", "dictionary", "audit", str(out / "8-seed-0"), "--rows", str(rows_file), "--json")
    (alone,) = json.loads(one)["dictionaries"]
    kept, _ = command(
        "anatomy", "dictionary", "audit", str(out), "--rows", str(rows_file), "--out", str(tmp_path / "again")
    )
    assert json.loads((tmp_path / "again" / "audit.json").read_text()) == written and "audit.html" in kept
    assert alone["test_fvu"] == written["dictionaries"][0]["test_fvu"] and alone["larger"]["kind"] == "unavailable"


def test_a_second_call_trains_nothing_that_is_there(command, rows_file, tmp_path):
    call = ("anatomy", "dictionary", "train", str(rows_file), "--out", str(tmp_path / "d"), *QUICK, "--json")
    first, told = command(*call)
    second, silent = command(*call)
    assert first == second and "step 60" in told and "step" not in silent


def test_what_cannot_be_trained_is_said_in_a_sentence(command, rows_file, tmp_path):
    call = ("anatomy", "dictionary", "train", str(rows_file), "--out", str(tmp_path / "d"))
    assert "--k goes with" in command(*call, "--kind", "topk", code=2)[1]
    assert "--steps is 0" in command(*call, "--steps", "0", code=2)[1]
    assert "--penalty is nan" in command(*call, "--penalty", "nan", code=2)[1]
    assert "--batch-size is -2" in command(*call, "--batch-size", "-2", code=2)[1]
    assert "between 0 and 1" in command(*call, "--test-share", "1.5", code=2)[1]
    assert "seeds are [-1]" in command(*call, "--seeds", "-1", code=2)[1]
    assert "whole numbers" in command(*call, "--sizes", "many", code=2)[1]
    assert "no sites" in command(*call, "--site", "1.resid_post", code=2)[1]
    audit = ("anatomy", "dictionary", "audit", str(tmp_path), "--rows")
    assert "holds no dictionary.json" in command(*audit, str(rows_file), code=2)[1]
    rows = np.load(rows_file)
    rows[5, 3] = np.nan
    np.save(tmp_path / "holes.npy", rows)
    call = ("anatomy", "dictionary", "train", str(tmp_path / "holes.npy"), "--out", str(tmp_path / "d"))
    assert "not finite" in command(*call, code=2)[1] and not (tmp_path / "d").exists()


@pytest.mark.long
def test_two_families_are_audited_side_by_side_under_their_own_names(command, rows_file, tmp_path):
    folders = [str(tmp_path / name) for name in ("mild", "strong")]
    for folder, penalty in zip(folders, ("0.1", "3"), strict=True):
        command("anatomy", "dictionary", "train", str(rows_file), "--out", folder, *QUICK, "--penalty", penalty)
    printed, _ = command("anatomy", "dictionary", "audit", *folders, "--rows", str(rows_file), "--json")
    found = json.loads(printed)["dictionaries"]
    assert sorted(one["name"] for one in found) == sorted(
        f"{folder}/{size}-seed-{seed}" for folder in folders for size in (8, 16) for seed in (0, 1)
    )
    assert {one["trained_on"] for one in found} == {"these rows"}
    other, _ = command(
        "anatomy", "dictionary", "audit", folders[0], "--rows", str(rows_file), "--split-seed", "1", "--json"
    )
    assert {one["trained_on"] for one in json.loads(other)["dictionaries"]} == {"other rows"}


@pytest.mark.long
def test_the_tokens_of_a_store_are_divided_by_text(command, tmp_path):
    store = tmp_path / "acts"
    command("collect", "organism:facts", "organism:facts/negated", "--store", str(store), "--sites", "1.resid_post",
            "--pooling", "all")  # fmt: skip
    printed, _ = command(
        "anatomy", "dictionary", "train", str(store), "--out", str(tmp_path / "d"), "--sizes", "16", "--steps", "20",
        "--seeds", "0", "--json",
    )  # fmt: skip
    found = json.loads(printed)
    assert found["unit"] == "groups" and found["n_units"] < found["n_test"] / 4
    head = json.loads((tmp_path / "d" / "16-seed-0" / "dictionary.json").read_text())
    assert head["site"] == "1.resid_post"
