"""The page of an audit of dictionaries: what it shows of a record, in which column, and how it fits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.report.records import EVIL
from tests.report.test_browser import browser, pytestmark, show  # noqa: F401  (a fixture)
from tiltmeter.core.dictionaries import Chance, DictionaryAudit, DictionaryFigures
from tiltmeter.core.errors import FileError, FormatError
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.report import render_dictionaries, write_dictionaries

browser_only, needs_browser = pytestmark
del pytestmark
# the columns as the page heads them
COLUMNS = (
    "train_fvu", "test_fvu", "noise_fvu", "random_fvu", "linear_fvu", "l0", "noise_l0", "live", "larger",
    "larger_turned", "larger_chance", "larger_noise", "twin", "twin_turned", "truth", "truth_chance",
)  # fmt: skip


def one_of(value: float) -> Estimate:
    return Estimate(value=value, low=value - 0.01, high=value + 0.01, n=40, method="percentile bootstrap", seed=0)


def figures(name: str, n_latents: int, *, start: float, truth: Measured | None = None) -> DictionaryFigures:
    """Each figure is another one, so that a column that shows a neighbour's is seen."""
    values = {key: start + 0.02 * i for i, key in enumerate(COLUMNS)}
    made: dict[str, Any] = {}
    for key, value in values.items():
        chance = Chance(mean=value, low=value - 0.01, high=value + 0.01, n_draws=10)
        made[key] = chance if key.endswith(("turned", "chance")) else one_of(value)
    made |= {"live": n_latents - 1, "twin_chance": made["twin_turned"]}
    if truth is not None:
        made |= {"truth": truth, "truth_chance": None}
    return DictionaryFigures(name=name, n_latents=n_latents, seed=0, trained_on="these rows", **made)


def make_record(*dictionaries: DictionaryFigures) -> DictionaryAudit:
    return DictionaryAudit(
        n_train=9000, n_test=1234, n_units=77, unit="groups", d=32, level=0.95, n_draws=500, seed=0,
        dictionaries=dictionaries, conclusions=("A sceptic says this.", EVIL),
    )  # fmt: skip


def cells(page: str, name: str) -> list[str]:
    row = re.search(rf'<th scope="row">{re.escape(name)}<small>.*?</tr>', page, re.DOTALL).group(0)
    return [re.sub(r"<[^>]*>", " ", cell).split()[0] for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]


def test_every_figure_stands_in_its_column():
    page = render_dictionaries(make_record(figures("small", 16, start=0.11), figures("large", 64, start=0.51)))
    heads = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', page)[1:]
    assert heads == [
        "training rows", "test rows", "on noise", "random directions", "principal components", "L0", "L0 on noise",
        "live", "found", "turned at random", "random directions", "trained on noise", "found", "turned at random",
        "found", "random directions",
    ]  # fmt: skip
    for name, start, live in (("small", 0.11, "15"), ("large", 0.51, "63")):
        shown = cells(page, name)
        assert shown[7] == live and len(shown) == len(COLUMNS)
        for i, text in enumerate(shown):
            assert i == 7 or float(text) == pytest.approx(start + 0.02 * i, abs=0.05 if i in (5, 6) else 0.0051)
    assert page.count("<svg") == 2 + 10 and "A sceptic says this." in page and "1,234 rows of width 32" in page


def test_what_is_not_known_is_a_dash_with_its_reason_and_no_column_stands_empty():
    missing = Unavailable(reason="it was trained on unknown rows")
    one = figures("theirs", 16, start=0.1, truth=Unavailable(reason="nothing was planted"))
    one = one.model_copy(update={"train_fvu": missing, "trained_on": "unknown rows", "seed": None})
    page = render_dictionaries(make_record(one))
    assert cells(page, "theirs")[0] == "–" and "trained on unknown rows" in page
    assert "nothing was planted" not in page and len(cells(page, "theirs")) == len(COLUMNS) - 2


def test_names_are_escaped_and_nothing_is_loaded():
    page = render_dictionaries(make_record(figures(EVIL, 16, start=0.1)))
    assert EVIL not in page and "&lt;script&gt;alert(1)" in page and "<script" not in page
    assert not re.search(r"(src|href)=[\"']?(http|//)", page)


def test_an_exact_reconstruction_can_be_drawn_and_a_single_size_is_not():
    exact = figures("exact", 8, start=0.1).model_copy(update={"test_fvu": one_of(0.0)})
    both = render_dictionaries(make_record(exact, figures("large", 16, start=0.1)))
    assert 'aria-label="FVU by number of latents"' in both and "exact, test rows: 0.001" in both
    alone = render_dictionaries(make_record(exact))
    assert "<svg" not in alone and "#sizes" not in alone and cells(alone, "exact")[1] == "0.000"


def test_a_record_is_read_back_and_a_folder_without_one_refused(tmp_path: Path):
    record = make_record(figures("small", 16, start=0.1))
    (tmp_path / "audit.json").write_text(record.model_dump_json(), encoding="utf-8")
    assert write_dictionaries(tmp_path) == tmp_path / "audit.html"
    assert (tmp_path / "audit.html").read_text(encoding="utf-8") == render_dictionaries(record)
    (tmp_path / "audit.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FormatError):
        write_dictionaries(tmp_path)
    with pytest.raises(FileError, match="holds no audit"):
        write_dictionaries(tmp_path / "gone")


@pytest.mark.long
@browser_only
@needs_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_in_a_browser(browser: Any, tmp_path: Path, width: int):  # noqa: F811
    path = tmp_path / "audit.html"
    path.write_text(render_dictionaries(make_record(figures("small", 16, start=0.1))), encoding="utf-8")
    show(browser, path, width=width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert not [one for one in browser.get_log("browser") if one["level"] == "SEVERE"]
