"""The page of a side-by-side comparison: every figure of the record, every text as text, whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.report.records import EVIL
from tiltmeter.core.errors import FileError, FormatError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.core.steering import Answered, Dose, Fluency, SideBySide
from tiltmeter.report import render_steering, write_steering


def _cost(kl: float, ratio: float) -> Fluency:
    def about(value: float) -> Estimate:
        return Estimate(value=value, low=value / 2, high=2 * value, n=9, method="percentile bootstrap over rows")

    return Fluency(kl=about(kl), perplexity=about(9.0), ratio=about(ratio), n_tokens=70)


def make_comparison(*, evil: bool = False, costs: bool = True) -> SideBySide:
    doses = (
        Dose(asked=-0.5, factor=-4.25, share=-0.5, fluency=_cost(0.123, 1.5), random_fluency=_cost(0.0456, 1.25)),
        Dose(asked=1.0, factor=8.5, share=1.0, fluency=_cost(4.0, 12345.0), random_fluency=_cost(0.2, 1.75)),
    )
    if not costs:
        doses = tuple(dose.model_copy(update={"fluency": None, "random_fluency": None}) for dose in doses)
    said = f"{EVIL} was here" if evil else "and they lived happily"
    prompts = tuple(
        Answered(
            id=EVIL if evil else f"prompt {i}",
            prompt=said if evil else "Once upon a time",
            bare=said,
            steered=(said, "x" * 900),
            random=("", said),
        )
        for i in range(2)
    )
    return SideBySide(
        model=EVIL if evil else "folder/stories",
        vectors="the direction by LDA",
        sites=tuple(f"{i}.resid_post" for i in range(30)) if evil else ("3.resid_post",),
        evidence=EVIL if evil else "Nobody has assessed it.",
        units="norm",
        neutral="7 texts of calm",
        bare_perplexity=_cost(1.0, 1.0).perplexity if costs else None,
        max_new_tokens=40,
        seed=3,
        doses=doses,
        prompts=prompts,
    )


def test_every_figure_and_text_of_the_record_is_on_the_page():
    page = render_steering(make_comparison())
    for text in ("−0.5", "−4.25", "0.123", "[0.0615, 0.246]", "0.0456", "12,345", "1.75", "7 texts of calm", "seed 3"):
        assert text in page, text
    for text in ("Once upon a time", "and they lived happily", "Nobody has assessed it.", "3.resid_post", "x" * 900):
        assert text in page, text
    assert page.count("as without") == 4


def test_without_neutral_texts_no_cost_is_shown_and_it_is_said():
    page = render_steering(make_comparison(costs=False))
    assert "nothing is known of what a strength costs" in page
    assert "KL" not in page.split("<main>")[1]


def test_a_figure_that_is_not_there_says_why():
    record = make_comparison()
    one = record.doses[0]
    gap = Unavailable(reason="1 text only; an interval needs two")
    dose = one.model_copy(update={"fluency": one.fluency.model_copy(update={"kl": gap})})
    page = render_steering(record.model_copy(update={"doses": (dose,), "prompts": ()}))
    assert "no figure: 1 text only; an interval needs two" in page


def test_a_script_in_what_a_model_said_stays_text_and_nothing_is_loaded():
    page = render_steering(make_comparison(evil=True))
    assert EVIL not in page and "<script" not in page
    assert "http://" not in page and "https://" not in page


def test_a_page_is_written_again_from_its_record(tmp_path: Path):
    record = make_comparison()
    (tmp_path / "steering.json").write_text(record.model_dump_json(), encoding="utf-8")
    page = write_steering(tmp_path)
    assert page.name == "steering.html" and page.read_text(encoding="utf-8") == render_steering(record)


def test_a_folder_without_its_record_is_refused(tmp_path: Path):
    with pytest.raises(FileError, match=r"holds no steering\.json"):
        write_steering(tmp_path)
    (tmp_path / "steering.json").write_text(json.dumps({"model": "x"}), encoding="utf-8")
    with pytest.raises(FormatError, match="not a record that this release reads"):
        write_steering(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["steering.json"]
