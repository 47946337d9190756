"""The page of a model's weights: what it shows of a record, and its tables in a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.report.records import EVIL
from tests.report.test_browser import browser, pytestmark, show  # noqa: F401  (a fixture)
from tiltmeter.core.errors import FileError, FormatError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.core.weights import AgainstNull, ListedDirection, MatrixAnatomy, RawRow, TokenEnds, WeightAnatomy
from tiltmeter.report import render_weights, write_weights

browser_only, needs_browser = pytestmark
del pytestmark
ENDS = TokenEnds(top=(" cat", "dogs", EVIL), bottom=("  ", "day", "\n"))


def direction(index: int, *, is_found: bool = False) -> ListedDirection:
    return ListedDirection(
        index=index, side="writes", value=3.25 / (index + 1), share=0.25, group=(1, 2) if index else None, ends=ENDS,
        coherence={"spelling": 0.125 + index}, p={"spelling": 0.031}, is_found={"spelling": is_found},
    )  # fmt: skip


def make_record() -> WeightAnatomy:
    difference = Estimate(value=0.0351, low=0.0112, high=0.0613, n=40, method="percentile bootstrap over rows", seed=0)
    comparisons = [
        AgainstNull(
            matrix="ov", side="writes", judge="spelling", null=null, n_matrices=2, n_directions=6, coherence=0.1464,
            null_coherence=0.1113, difference=found, unit="directions", p=p, p_holm=p,
        )
        for null, found, p in (
            ("random directions", difference, 0.0005), ("rotated basis", difference, 0.5),
            ("raw rows", Unavailable(reason="6 rows are too few"), 1.0),
        )
    ]  # fmt: skip
    matrices = [
        MatrixAnatomy(
            matrix="ov" if layer < 2 else "mlp_out", layer=layer, part=3 if layer < 2 else 0,
            values=(3.25, 1.625, 1.62), n_in_groups=2,
            directions=tuple(direction(i, is_found=not i and not layer) for i in range(3)),
            rows=(RawRow(row=7, side="writes", norm=1.5, ends=ENDS, coherence={"spelling": 0.5}),),
        )
        for layer in range(3)
    ]  # fmt: skip
    return WeightAnatomy(
        model=f"tiny {EVIL}", weights_sha256="abc", through="embedding", is_folded=True, n_tokens=90, n_top=3,
        judges={"spelling": "letters"}, n_listed=9, n_found={"spelling": 1}, false_share=0.05, level=0.95, gap_tol=0.01,
        n_random=99, n_rotations=9, seed=0, comparisons=tuple(comparisons), matrices=tuple(matrices),
        conclusions=("OV of the heads: something is said.",),
    )  # fmt: skip


def test_the_page_holds_every_figure_token_and_reason_of_the_record():
    page = render_weights(make_record())
    for text in ("OV of the heads: something is said.", "+0.035", "[+0.011, +0.061]", "6 rows are too few", "1 of 9",
                 "not told apart from 1 to 2", "6 of 9 singular values", "★ 0.12", "OV 1.3",
                 "of the null 0.111; p 0.0005", "MLP out 2"):  # fmt: skip
        assert text in page, text
    assert page.count('<span class="token">dogs</span>') == 9 + 3
    # one comparison, one direction, and the two sentences that say what it means
    assert page.count("★") == 4 and page.count("<svg") == 3


def test_tokens_and_names_are_escaped_and_nothing_is_loaded():
    page = render_weights(make_record())
    assert EVIL not in page and "&lt;script&gt;alert(1)" in page
    assert not re.search(r"(src|href)=[\"']?(http|//)", page)


def test_a_record_is_read_back_and_a_folder_without_one_refused(tmp_path: Path):
    (tmp_path / "weights.json").write_text(make_record().model_dump_json(), encoding="utf-8")
    assert write_weights(tmp_path) == tmp_path / "weights.html"
    assert (tmp_path / "weights.html").read_text(encoding="utf-8") == render_weights(make_record())
    (tmp_path / "weights.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FormatError):
        write_weights(tmp_path)
    with pytest.raises(FileError, match="holds no weights"):
        write_weights(tmp_path / "gone")


@pytest.mark.long
@browser_only
@needs_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_sorts_and_filters_in_a_browser(browser: Any, tmp_path: Path, width: int):  # noqa: F811
    path = tmp_path / "weights.html"
    path.write_text(render_weights(make_record()), encoding="utf-8")
    show(browser, path, width=width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert not [one for one in browser.get_log("browser") if one["level"] == "SEVERE"]
    assert browser.execute_script("return document.scripts.length") == 1
    values = "return [...document.querySelectorAll('#directions tbody tr')].map(r => r.cells[2].dataset.sort)"
    browser.execute_script("document.querySelectorAll('#directions thead button')[2].click()")
    found = [float(value) for value in browser.execute_script(values)]
    assert found == sorted(found, reverse=True)
    choose = (
        "const f = document.querySelector('form[data-table=directions]'); f.elements.task.value = 'MLP out writes';"
        "f.dispatchEvent(new Event('change')); return f.querySelector('output').textContent"
    )
    assert browser.execute_script(choose) == "3 rows"
