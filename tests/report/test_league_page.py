"""The page of a league: what it shows of a record, and its tables in a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.report.records import EVIL
from tests.report.test_browser import CONTRAST, browser, pytestmark, show  # noqa: F401  (a fixture)
from tiltmeter.core.errors import FileError, FormatError
from tiltmeter.core.evidence import Baseline, Causal, Distribution, OperatingPoint, Planted, RandomDirections
from tiltmeter.core.league import (
    EraserEntry,
    Finding,
    FreshReading,
    JudgedSet,
    Kept,
    League,
    Placed,
    ReaderEntry,
    Standing,
    TaskResult,
)
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.report import render_league, write_league

browser_only, needs_browser = pytestmark
del pytestmark
NO_PAIRS = Unavailable(reason="it needs pairs, and these texts have none")


def estimate(value: float, half: float = 0.03) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=160, method="percentile bootstrap", seed=0)


def reader(method: str, *, home: Measured, chosen: bool = False) -> ReaderEntry:
    there = isinstance(home, Estimate)
    other: Measured = estimate(0.31) if there else home
    cause = Causal(
        site="2.resid_post", method=method, test="home", swap=estimate(0.8), ablation=estimate(0.7),
        random_swap=(0.01, 0.04), displaced_swap=(0.02, 0.19), random_ablation=(0.0, 0.1), count=10, displaced_count=4,
        n_pairs=100, n_left_out=0,
    )  # fmt: skip
    return ReaderEntry(
        method=method,
        site="2.resid_post" if there else None,
        folds=home,
        is_chosen=chosen,
        auroc={"home": home, "away": other},
        home=home,
        worst=other,
        worst_set="away" if there else None,
        mean=other,
        threshold=Unavailable(reason="112 negative groups; 299 are needed") if there else NO_PAIRS,
        operating_points=(
            (OperatingPoint(test="home", tpr=estimate(0.5), fpr=estimate(0.05), unit_fpr=estimate(0.05)),)
            if there
            else ()
        ),
        over_text=estimate(0.2) if there else home,
        over_text_elsewhere=estimate(-0.1) if there else home,
        over_luck=estimate(0.01) if there else home,
        over_luck_elsewhere=estimate(-0.02) if there else home,
        cause=cause if there else NO_PAIRS,
        followed=(),
        follows="what is said" if there else "",
    )


def make_league(about: str = "Learned at home.") -> League:
    judged = tuple(
        JudgedSet(
            name=name, role=role, kind=kind,
            about=Distribution(
                name=name, source="", fingerprint="", rows={"test": 224}, groups={"test": 112}, positives={"test": 112},
                grouped_by="group", truncated=0,
            ),
        )
        for name, role, kind in (("home", "home", "in distribution"), ("away", "elsewhere", "other speaker"))
    )  # fmt: skip
    eraser = EraserEntry(
        method="leace", failed=None, guarantee="", is_told=False, rank=1, squared_change=0.11, is_nothing_erased=False,
        readings=(FreshReading(reader="mlp", before=estimate(0.99, 0.01), after=estimate(0.9), is_read=True),),
        elsewhere_before={"away": estimate(0.9)}, elsewhere={"away": estimate(0.7)},
        kept=(Kept(column="cue", on="home", before=estimate(0.9), after=estimate(0.8), change=estimate(-0.1)),),
        answers_before=estimate(0.9), answers=estimate(0.6),
    )  # fmt: skip
    result = TaskResult(
        fingerprint="f", task="pupil-truth", organism="pupil", seed=0, question="Is it true?", about=about,
        train="home", pooling="last", chosen="lda", site="2.resid_post", sites=("2.resid_post",), n_folds=3,
        sets=judged, followed_on="away", planted=Planted(organism="pupil", sentences=(about,), columns={}),
        readers=(
            reader("mean_difference", home=estimate(0.7)), reader("lda", home=estimate(0.95), chosen=True),
            reader("lat", home=NO_PAIRS), reader("svm", home=estimate(0.9)),
        ),
        erasers=(eraser,),
        rivals=tuple(
            Baseline(name="TF-IDF", description="words", train="home", test=one.name, auroc=estimate(0.5))
            for one in judged
        ),
        random_directions=tuple(
            RandomDirections(
                site="2.resid_post", train="home", test=one.name, count=100, mean=0.55, sd=0.1, best=0.82, worst=0.3,
                chosen_on_train=0.7,
            )
            for one in judged
        ),
        draws=(), seconds=60.0, cpu_seconds=20.0,
    )  # fmt: skip
    place = Placed(
        method="lda", mean_rank=estimate(1.4, 0.4), without_one=(1.2, 1.9), mean_auroc=estimate(0.8), is_behind=False,
        ranks={"pupil-truth": (1.0, 1, 2)},
    )  # fmt: skip
    standing = Standing(
        measure="elsewhere", field="all tasks", tasks=("pupil-truth",), methods=(place,), first_without={},
        critical=3.1, n_pairs=3, n_sure=1, level=0.95, n_draws=500,
    )  # fmt: skip
    finding = Finding(
        task="pupil-truth", name="carries over", says="It carries over.", held={"0": "no"}, because=about,
        stands="one draw",
    )  # fmt: skip
    return League(
        fingerprint="abc", seeds=(0,), level=0.95, fpr=0.01, n_draws=500, n_random=100, tasks=(result,),
        standings=(standing,), findings=(finding,), conclusions=("One seed of each organism is one draw.", about),
        versions={"tiltmeter": "0.1"}, platform="Linux", n_threads=1, seconds=60.0, cpu_seconds=20.0,
    )  # fmt: skip


def test_every_figure_of_a_probe_stands_with_its_interval():
    page = render_league(make_league())
    for shown in ("0.95", "[0.92, 0.98]", "0.31", "[0.28, 0.34]", "+0.20", "[+0.17, +0.23]", "0.80", "[0.77, 0.83]"):
        assert shown in page
    assert "random ≤ 0.04, displaced ≤ 0.19" in page
    assert "112 negative groups; 299 are needed" in page and "it needs pairs, and these texts have none" in page
    assert "1.4" in page and "[1.0, 1.8]" in page and "1.2 to 1.9" in page


def test_what_a_sceptic_should_conclude_comes_first():
    page = render_league(make_league())
    assert (
        page.index("One seed of each organism is one draw.") < page.index('id="findings"') < page.index('id="probes"')
    )


def test_heads_have_scopes_and_rows_lead_to_their_task():
    page = render_league(make_league())
    heads = re.findall(r"<th\b[^>]*>", page)
    assert len(heads) > 20 and all('scope="' in head for head in heads)
    assert 'href="#task-pupil-truth"' in page and 'id="task-pupil-truth"' in page


def test_texts_are_shown_as_texts():
    page = render_league(make_league(about=EVIL))
    assert EVIL not in page and "&lt;script&gt;" in page
    assert page.count("<script") == 1


def test_the_page_stands_beside_its_record(tmp_path: Path):
    with pytest.raises(FileError, match=r"holds no league\.json"):
        write_league(tmp_path)
    (tmp_path / "league.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FormatError, match="not a record that this release reads"):
        write_league(tmp_path)
    league = make_league()
    (tmp_path / "league.json").write_text(league.model_dump_json(), encoding="utf-8")
    assert write_league(tmp_path).read_text(encoding="utf-8") == render_league(league)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("league") / "league.html"
    path.write_text(render_league(make_league(about=EVIL)), encoding="utf-8")
    return path


HEADS = "return [...document.querySelectorAll('#probes tbody tr:not([hidden]) th')].map(h => h.firstChild.data.trim())"


@pytest.mark.long
@browser_only
@needs_browser
def test_a_click_sorts_by_the_column_and_says_so(browser: Any, page: Path) -> None:  # noqa: F811
    browser.get_log("browser")
    show(browser, page, width=1400)
    assert browser.execute_script(HEADS) == ["mean difference", "lda", "lat", "svm"]
    button = browser.find_elements("css selector", "#probes thead button")[2]
    head = button.find_element("xpath", "..")
    # the page scrolls smoothly, and a click must not be on its way
    browser.execute_script("arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", button)
    button.click()
    # rows without a figure stay last, whichever way
    assert browser.execute_script(HEADS) == ["lda", "svm", "mean difference", "lat"]
    assert head.get_attribute("aria-sort") == "descending"
    button.send_keys("\n")  # by the keyboard
    assert browser.execute_script(HEADS) == ["mean difference", "svm", "lda", "lat"]
    assert head.get_attribute("aria-sort") == "ascending"
    browser.find_elements("css selector", "#probes thead button")[0].click()
    assert head.get_attribute("aria-sort") is None
    assert browser.execute_script(HEADS) == ["svm", "mean difference", "lda", "lat"]
    assert [entry["message"] for entry in browser.get_log("browser")] == []


@browser_only
@needs_browser
def test_a_filter_leaves_the_rows_that_it_names(browser: Any, page: Path) -> None:  # noqa: F811
    from selenium.webdriver.support.ui import Select

    show(browser, page, width=1400)
    Select(browser.find_element("css selector", "form[data-table=probes] select[name=method]")).select_by_value("lda")
    assert browser.execute_script(HEADS) == ["lda"]
    assert browser.find_element("css selector", "form[data-table=probes] output").text == "1 rows"


@browser_only
@needs_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_of_a_league_fits(browser: Any, page: Path, width: int) -> None:  # noqa: F811
    show(browser, page, width=width)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@browser_only
@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_of_a_league_stands_out_in_both_schemes(browser: Any, page: Path, scheme: str) -> None:  # noqa: F811
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    show(browser, page, width=1280)
    ratios = browser.execute_script(CONTRAST)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert len(ratios) > 50
    assert [entry for entry in ratios if entry[0] < 4.5] == []


@browser_only
@needs_browser
def test_only_the_script_of_the_page_runs(browser: Any, page: Path) -> None:  # noqa: F811
    path = page.with_name("injected.html")
    text = page.read_text(encoding="utf-8")
    path.write_text(text.replace("<main>", "<main><script>document.title = 'ran'</script>"), encoding="utf-8")
    show(browser, path, width=1280)
    assert browser.title == "Tiltmeter league"
