"""The site is built strictly, opens from the disk, and holds every command, key and public name."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer.main
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tiltmeter import studies
from tiltmeter.cli._app import app

# one worker builds it once
pytestmark = [pytest.mark.docs, pytest.mark.xdist_group("site")]

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(path.parent.name for path in (ROOT / "src" / "tiltmeter").glob("*/__init__.py"))
CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr
    return folder


class _Page(HTMLParser):
    """What a page loads, where it leads, what can be led to, and its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.places: set[str] = set()
        self.script = ""
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.places.add(given["id"])
        if tag == "a" and "href" in given:
            self.leads.append(given["href"])
        elif tag == "link" and given.get("rel") not in ("canonical", "prev", "next"):
            self.loads.append(given.get("href", ""))
        elif "src" in given:
            self.loads.append(given["src"])
        self._in_script = tag == "script"

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.script += data


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, _Page]:
    found = {}
    for path in sorted(site.rglob("*.html")):
        found[path] = _Page()
        found[path].feed(path.read_text(encoding="utf-8"))
    return found


def test_there_are_pages(pages: dict[Path, _Page]) -> None:
    assert len(pages) > 90


def test_nothing_is_loaded_from_a_network(site: Path, pages: dict[Path, _Page]) -> None:
    for path, page in pages.items():
        assert [one for one in page.loads if re.match(r"(https?:)?//", one)] == [], path
        assert "https://" not in page.script, path
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(\s*[\"']?(https?:)?//|@import", style.read_text(encoding="utf-8")), style


def test_every_link_leads_to_a_place_that_is_there(site: Path, pages: dict[Path, _Page]) -> None:
    for path, page in pages.items():
        if path.name == "404.html":
            # served for any address, so that its links are those of the root of a server
            continue
        for href in (*page.leads, *page.loads):
            if re.match(r"\w+:", href):
                continue
            target, _, place = unquote(href).partition("#")
            there = (path.parent / target).resolve() if target else path
            assert there.is_file(), f"{path.relative_to(site)} leads to {href}"
            if place and there in pages and not place.startswith("__"):
                assert place in pages[there].places, f"{path.relative_to(site)} leads to {href}"


@pytest.mark.parametrize("name", [name for name in PACKAGES if name != "cli"])
def test_every_public_name_has_its_place(site: Path, pages: dict[Path, _Page], name: str) -> None:
    public = importlib.import_module(f"tiltmeter.{name}").__all__
    places = pages[site / "reference" / "api" / f"{name}.html"].places
    assert {f"tiltmeter.{name}.{one}" for one in public} <= places


def _commands(command: Any, path: str) -> list[tuple[str, Any]]:
    inner = getattr(command, "commands", {})
    return [(path, command)] + [each for name in inner for each in _commands(inner[name], f"{path} {name}")]


def test_every_command_and_option_is_on_its_page(site: Path) -> None:
    text = (site / "reference" / "cli.html").read_text(encoding="utf-8")
    found = _commands(typer.main.get_command(app), "tiltmeter")[1:]
    assert len(found) > 25
    for path, command in found:
        assert f'id="{path.replace(" ", "-")}"' in text, path
        part = text.split(f'id="{path.replace(" ", "-")}"')[1]
        for option in (one for one in command.params if one.param_type_name == "option" and one.name != "help"):
            assert option.opts[0] in part, f"{path} {option.opts[0]}"


def test_every_key_of_a_spec_is_on_its_page_with_what_it_means(site: Path) -> None:
    text = (site / "reference" / "spec.html").read_text(encoding="utf-8")
    rows = [re.findall(r"<td>(.*?)</td>", row, re.DOTALL) for row in re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)]
    told = {re.sub(r"<.*?>", "", row[0]): row for row in rows if len(row) == 4}
    for spec in (studies.StudySpec, studies.ReadSpec, studies.RivalsSpec, studies.ExpertsSpec, studies.TeacherSpec):
        for key in spec.model_fields:
            assert told[key][3], f"{spec.__name__}.{key} does not say what it means"


@pytest.mark.browser
@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and its driver: apt-get install chromium-driver")
def test_the_search_finds_something_where_the_site_was_opened_from_the_disk(site: Path) -> None:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in ("--headless=new", "--no-sandbox", "--window-size=1280,900", "--host-resolver-rules=MAP * ~NOTFOUND"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        browser.get((site / "index.html").as_uri())
        browser.find_element(By.CSS_SELECTOR, "input.md-search__input").send_keys("certified threshold")
        found = WebDriverWait(browser, 60).until(
            lambda page: page.find_elements(By.CSS_SELECTOR, ".md-search-result__item a")
        )
        assert any("operating-points.html" in (one.get_attribute("href") or "") for one in found)
    finally:
        browser.quit()
