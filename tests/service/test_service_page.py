"""The page of the service in headless Chromium: scores, streams, alarms, keys, and nothing of a text that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_core_python.selenium import Axe
from served import listening, made_monitor

from tests.report.test_browser import browser, pytestmark  # noqa: F401  (a fixture)
from tiltmeter.models import SubjectModel
from tiltmeter.service import Limits

EVIL = "<img src=x onerror=window.ran=1>"
WIDTHS = {"desktop": 1280, "phone": 390}


@pytest.fixture(scope="module")
def address(subject: SubjectModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("page") / "log.sqlite"
    monitors = {
        "always": made_monitor(subject, threshold=-100.0, running=-100.0),
        EVIL: made_monitor(subject, threshold=100.0, seed=1),
    }
    with listening(subject, monitors, path, limits=Limits(), keep_texts=True) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def page(browser: Any, address: str) -> Callable[..., Any]:  # noqa: F811
    def opened(*, width: int = 1280, scheme: str = "light") -> Any:
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        browser.get_log("browser")
        browser.get(address)
        until(browser, "document.querySelectorAll('#which option').length === 2")
        return browser

    return opened


def until(driver: Any, condition: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 20, poll_frequency=0.05).until(lambda d: d.execute_script(f"return {condition}"))


def write(driver: Any, text: str) -> None:
    driver.execute_script("document.getElementById('text').value = arguments[0]", text)


def score(driver: Any, text: str) -> None:
    write(driver, text)
    driver.execute_script("document.getElementById('score').click()")
    until(driver, "!document.getElementById('score').disabled && document.querySelectorAll('.token').length > 0")


def said(driver: Any, what: str) -> str:
    return str(driver.execute_script(f"return document.getElementById('{what}').textContent"))


@pytest.mark.long
def test_a_text_is_shown_token_by_token_with_the_threshold_and_the_depths(page: Callable[..., Any]) -> None:
    driver = page()
    score(driver, "the city of w1")
    strings = driver.execute_script("return [...document.querySelectorAll('.token')].map((one) => one.textContent)")
    assert "".join(strings) == "the city of w1"
    assert driver.execute_script("return document.querySelectorAll('.token.over').length") == 1
    assert "raises an alarm" in said(driver, "outcome")
    assert driver.execute_script("return document.querySelectorAll('#curve .limit').length") == 1
    assert driver.execute_script("return document.querySelectorAll('#layers rect').length") == 2
    # the table is made when it is looked at
    driver.execute_script("document.getElementById('rows').open = true")
    until(driver, "document.querySelectorAll('#table tbody tr').length === 4")
    until(driver, "document.querySelectorAll('#alarms li').length > 0")
    assert "the city of w1" in said(driver, "alarms")


def test_a_text_is_written_on_with_its_scores_and_its_alarm(page: Callable[..., Any]) -> None:
    driver = page()
    before = driver.execute_script("return document.querySelectorAll('#alarms li').length")
    write(driver, "w1 w2")
    driver.execute_script("document.getElementById('n-new').value = 5; document.getElementById('generate').click()")
    until(driver, "!document.getElementById('generate').disabled && document.querySelectorAll('.token').length > 2")
    assert driver.execute_script("return document.querySelectorAll('.token').length") <= 7
    assert driver.execute_script("return document.querySelectorAll('.token.over').length") >= 2
    until(driver, f"document.querySelectorAll('#alarms li').length > {before}")


def test_arrow_keys_move_among_tokens_and_say_their_scores(page: Callable[..., Any]) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    driver = page()
    score(driver, "the city of w1")
    box = driver.find_element(By.ID, "tokens")
    box.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert box.get_attribute("aria-activedescendant") == "token-1"
    assert "Token 2 of 4" in said(driver, "token") and "city" in said(driver, "token")
    box.send_keys(Keys.END)
    assert "Token 4 of 4" in said(driver, "token")


def test_nothing_of_a_text_or_of_a_monitors_name_runs(page: Callable[..., Any]) -> None:
    driver = page()
    score(driver, f"{EVIL} <script>window.ran = 1</script> w1")
    driver.execute_script("const box = document.getElementById('which'); box.selectedIndex = 1;")
    driver.execute_script("document.getElementById('which').dispatchEvent(new Event('change'))")
    assert driver.execute_script("return window.ran") is None
    assert not driver.execute_script("return document.querySelectorAll('main img, aside img').length")
    loud = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert loud == []


def test_a_refused_request_is_said_in_its_sentence(page: Callable[..., Any]) -> None:
    driver = page()
    write(driver, "w1 " * 60)
    driver.execute_script("document.getElementById('score').click()")
    until(driver, "document.getElementById('said').textContent.length > 0")
    assert "tokens" in said(driver, "said")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS.keys())
def test_axe_finds_no_violation_and_the_page_fits(page: Callable[..., Any], width: int, scheme: str) -> None:
    driver = page(width=width, scheme=scheme)
    score(driver, "the city of w1 is not w2")
    driver.execute_script("document.querySelector('details').open = true; choose(2)")
    found = Axe().run(driver)
    assert len(found["passes"]) > 20
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found["violations"]] == []
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width


def test_a_page_with_a_key_asks_for_it_first(browser: Any, subject: SubjectModel, tmp_path: Path) -> None:  # noqa: F811
    with listening(subject, {"m": made_monitor(subject)}, tmp_path / "l", limits=Limits(), token="t" * 32) as port:
        browser.get(f"http://127.0.0.1:{port}/")
        until(browser, "!document.getElementById('door').hidden")
        browser.execute_script("document.getElementById('key').value = 'wrong'")
        browser.execute_script("document.getElementById('door').requestSubmit()")
        until(browser, "document.getElementById('key').value === '' && !document.getElementById('door').hidden")
        browser.execute_script(f"document.getElementById('key').value = '{'t' * 32}'")
        browser.execute_script("document.getElementById('door').requestSubmit()")
        until(browser, "document.getElementById('door').hidden && document.querySelectorAll('#which option').length")


def test_a_growing_text_is_drawn_once_and_once_more_at_its_end(page: Callable[..., Any]) -> None:
    driver = page()
    driver.execute_script(
        "window.made = 0; new MutationObserver((seen) => { for (const one of seen) for (const node of one.addedNodes) "
        "if (node.className.startsWith('token')) window.made++; }).observe($('tokens'), { childList: true })"
    )
    write(driver, "w1 w2 w3")
    driver.execute_script("document.getElementById('n-new').value = 29; document.getElementById('heat').value = 5")
    driver.execute_script("document.getElementById('generate').click()")
    until(driver, "!document.getElementById('generate').disabled && document.querySelectorAll('.token').length > 3")
    n, made = driver.execute_script("return [document.querySelectorAll('.token').length, window.made]")
    assert n <= made <= 2 * n
    written = driver.execute_script("return document.querySelectorAll('.token.written').length")
    assert written == n - 3


def test_a_text_that_is_decided_at_its_end_is_said_to_be(page: Callable[..., Any]) -> None:
    driver = page()
    driver.execute_script("const box = document.getElementById('which'); box.selectedIndex = 1;")
    driver.execute_script("document.getElementById('which').dispatchEvent(new Event('change'))")
    write(driver, "w1 w2")
    driver.execute_script("document.getElementById('n-new').value = 5; document.getElementById('generate').click()")
    until(driver, "!document.getElementById('generate').disabled && document.querySelectorAll('.token').length > 0")
    assert "threshold 100: raises no alarm." in said(driver, "outcome")


def test_nothing_is_asked_of_an_empty_text(page: Callable[..., Any]) -> None:
    driver = page()
    write(driver, "  ")
    for button in ("score", "generate"):
        driver.execute_script(f"document.getElementById('{button}').click()")
        until(driver, "document.getElementById('said').textContent === 'Write a text first.'")
        driver.execute_script("document.getElementById('said').textContent = ''")


def test_more_alarms_than_are_shown_come_at_once(page: Callable[..., Any]) -> None:
    driver = page()
    until(driver, "lastRow !== null")
    asked = (
        "const done = arguments[1]; Promise.all([0, 1, 2, 3].map(() => ask('/v1/score', "
        "{ texts: arguments[0] }))).then(() => alarms()).then(() => done($('live').textContent))"
    )
    driver.execute_async_script(asked, [f"w{i % 40} w{i // 40}" for i in range(64)])
    until(driver, "document.querySelectorAll('#alarms li').length === 200")
    assert said(driver, "n-alarms") == "the latest 200"
    (latest,) = driver.execute_async_script(
        "const done = arguments[0]; "
        "ask('/v1/alarms?limit=1').then((reply) => reply.json()).then((answer) => done(answer.alarms))"
    )
    assert latest["alarm"]["text_id"] in str(driver.execute_script("return $('alarms').firstChild.textContent"))
    # a list that is read aloud whole would never end
    assert not driver.execute_script("return $('alarms').hasAttribute('aria-live')")
