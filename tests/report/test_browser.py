"""The page in headless Chromium: it fits a phone, and no text of the data runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.records import EVIL, make_barren, make_evidence, make_evil, make_run
from tests.report.test_steering_page import make_comparison
from tiltmeter.report import render, render_steering

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None,
        reason="needs Chromium and chromedriver on PATH (Debian: apt-get install chromium chromium-driver)",
    ),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


RECORDS = {
    "full": make_evidence,
    "evil": make_evil,
    "barren": make_barren,
    "wide": lambda: make_evidence(names=("x" * 80, "a name of many words " * 5), n_sites=30, certified=False),
}


STEERING = {"steering": make_comparison, "steering-evil": lambda: make_comparison(evil=True)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    for name, make in RECORDS.items():
        (folder / f"{name}.html").write_text(render(make_run(), make()), encoding="utf-8")
    for name, make in STEERING.items():
        (folder / f"{name}.html").write_text(render_steering(make()), encoding="utf-8")
    return folder


def show(browser: Any, path: Path, *, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(path.as_uri())


@pytest.mark.long
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", [*RECORDS, *STEERING])
def test_the_page_never_scrolls_sideways(browser: Any, folder: Path, name: str, width: int) -> None:
    show(browser, folder / f"{name}.html", width=width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    wider = (
        "return [...document.querySelectorAll('main > section')].filter(s => s.scrollWidth > s.clientWidth + 1).length"
    )
    assert browser.execute_script(wider) == 0


@pytest.mark.long
def test_the_best_site_of_each_method_is_read_beside_its_picture_without_scrolling(browser: Any, folder: Path) -> None:
    page = folder / "selection.html"
    page.write_text(render(make_run(), make_evidence(methods=("mean_difference", "contrast_logistic"))), "utf-8")
    show(browser, page, width=1280)
    box = "[...document.querySelectorAll('#selection .two .scroll')].find(box => box.querySelector('table'))"
    needed, there = browser.execute_script(f"const box = {box}; return [box.scrollWidth, box.clientWidth]")
    assert 0 < needed <= there


@pytest.mark.parametrize("name", ["wide", *STEERING])
def test_the_page_fits_a_phone_with_every_fold_open(browser: Any, folder: Path, name: str) -> None:
    show(browser, folder / f"{name}.html", width=390)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("width", [1280, 390])
def test_a_script_in_a_dataset_text_stays_text(browser: Any, folder: Path, width: int) -> None:
    from selenium.common.exceptions import NoAlertPresentException

    show(browser, folder / "evil.html", width=width)
    with pytest.raises(NoAlertPresentException):
        _ = browser.switch_to.alert.text
    assert browser.title == "truth-first-light: Holds in part"
    assert browser.execute_script("return document.scripts.length + document.images.length") == 0
    shown = browser.find_element("css selector", "#mistakes blockquote").text
    assert shown == f"{EVIL} the literal text"


def test_a_script_in_what_a_model_said_stays_text(browser: Any, folder: Path) -> None:
    show(browser, folder / "steering-evil.html", width=1280)
    assert browser.execute_script("return document.scripts.length + document.images.length") == 0
    assert browser.find_element("css selector", ".answer blockquote").text == f"{EVIL} was here"


def test_the_policy_stops_a_script_even_if_one_got_in(browser: Any, folder: Path) -> None:
    page = (folder / "full.html").read_text(encoding="utf-8")
    path = folder / "injected.html"
    path.write_text(page.replace("<main>", "<main><script>document.title = 'ran'</script>"), encoding="utf-8")
    show(browser, path, width=1280)
    assert browser.title == "truth-first-light: Holds in part"


@pytest.mark.parametrize("name", ["full", "steering"])
def test_the_page_loads_nothing_and_complains_of_nothing(browser: Any, folder: Path, name: str) -> None:
    browser.get_log("browser")
    show(browser, folder / f"{name}.html", width=1280)
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert [entry["message"] for entry in browser.get_log("browser")] == []


@pytest.mark.parametrize(("name", "fewest"), [("full", 100), ("steering", 50)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground_in_both_schemes(
    browser: Any, folder: Path, name: str, fewest: int, scheme: str
) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    show(browser, folder / f"{name}.html", width=1280)
    ratios = browser.execute_script(CONTRAST)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert len(ratios) > fewest
    # 4.5 : 1 is what WCAG 2 asks for small text at level AA
    assert [entry for entry in ratios if entry[0] < 4.5] == []


CONTRAST = """
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const rgba = colour => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const ground = element => {
  for (let e = element; e; e = e.parentElement) {
    const colour = rgba(getComputedStyle(e).backgroundColor);
    if (colour[3] > 250) return colour;
  }
  return [255, 255, 255, 255];
};
const light = c => {
  const [r, g, b] = c.slice(0, 3).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const found = [];
for (const e of document.querySelectorAll('main *, header *, nav *')) {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (!own || !e.checkVisibility() || e.closest('.sym')) continue;
  const svg = e.closest('svg');
  const back = ground(svg ? svg.parentElement : e);
  const colour = rgba(svg ? getComputedStyle(e).fill : getComputedStyle(e).color);
  const alpha = colour[3] / 255;
  const front = colour.slice(0, 3).map((v, i) => alpha * v + (1 - alpha) * back[i]);
  const [a, b] = [light(front), light(back)];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  found.push([ratio, e.tagName + '.' + e.className, e.textContent.slice(0, 40)]);
}
return found;
"""
