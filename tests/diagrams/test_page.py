"""The page in a real browser: what it shows, how it is used, and that data stays data."""

import json
import re
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from threadserver.diagrams.diagram_page import page


class Shown:
    """A page in the browser, used as a person would."""

    def __init__(self, browser, path: Path) -> None:
        self.browser = browser
        browser.get(path.as_uri())

    def row(self, step: str, connection: int | None = None):
        label = f'.row[aria-label^="Step {step},"]'
        found = self.browser.find_elements(By.CSS_SELECTOR, label)
        return found[(connection or 1) - 1]

    def rows(self) -> list[str]:
        return [row.get_attribute("aria-label") for row in self.browser.find_elements(By.CSS_SELECTOR, ".row")]

    def detail(self) -> str:
        return self.browser.find_element(By.ID, "detail").text

    def chosen(self) -> list[str]:
        chosen = self.browser.find_elements(By.CSS_SELECTOR, '.row[aria-pressed="true"]')
        return [row.get_attribute("aria-label") for row in chosen]

    def press(self, *keys) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()

    def click(self, name: str) -> None:
        self.browser.find_element(By.ID, name).click()

    def filter(self, connection: str) -> None:
        self.browser.find_element(By.CSS_SELECTOR, f'#filter option[value="{connection}"]').click()


@pytest.fixture
def show(browser, tmp_path):
    def show(sequence) -> Shown:
        browser.get_log("browser")
        browser.get_log("performance")
        path = tmp_path / "page.html"
        path.write_text(page(sequence), encoding="utf-8")
        return Shown(browser, path)

    yield show
    assert browser.get_log("browser") == []  # neither an error nor a violation of the content security policy


def test_every_row_is_drawn_and_can_be_read_aloud(trace, show):
    sequence = trace(clients=2).sequence
    titles = {lifeline.key: lifeline.title for lifeline in sequence.lifelines}
    shown = show(sequence)
    assert shown.rows() == [
        f"{'Step ' + row.step if row.step else 'No step'}, {titles[row.source]}"
        f"{' to ' + titles[row.target] if row.target else ''}: {row.text}"
        for row in sequence.rows
    ]
    heads = [head.text for head in shown.browser.find_elements(By.CSS_SELECTOR, ".head b")]
    assert heads == ["client 1", "client 2", "listening socket", "worker 1", "worker 2"]


def test_a_hovered_step_is_explained(trace, show):
    shown = show(trace().sequence)
    ActionChains(shown.browser).move_to_element(shown.row("5")).perform()
    detail = shown.detail()
    assert "connects" in detail
    assert "connect(tcp://127.0.0.1:" in detail
    assert "It chooses a local port, sends a SYN" in detail
    assert "connect(2)" in detail
    assert "process/thread" in detail
    assert shown.chosen()[0].startswith("Step 1,")  # a look is no choice


def test_a_clicked_step_stays_chosen(trace, show):
    shown = show(trace().sequence)
    shown.row("8").click()
    ActionChains(shown.browser).move_to_element(shown.browser.find_element(By.TAG_NAME, "h1")).perform()
    assert [label.split(",")[0] for label in shown.chosen()] == ["Step 8"]
    assert "accepts a new socket" in shown.detail()
    assert re.search(r"Blocked for\s+[\d.]+ ms", shown.detail())


def test_keys_go_from_step_to_step(trace, show):
    shown = show(trace().sequence)
    shown.row("1").click()
    shown.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert shown.chosen()[0].startswith("Step 3,")
    focused = shown.browser.switch_to.active_element
    assert focused.get_attribute("aria-label") == shown.chosen()[0]
    shown.press(Keys.ARROW_UP)
    assert shown.chosen()[0].startswith("Step 2,")
    assert "binds it to an address and port" in shown.detail()
    shown.press(Keys.END)
    assert shown.chosen() == shown.rows()[-1:]
    shown.press(Keys.ARROW_DOWN)
    assert shown.chosen() == shown.rows()[-1:]
    shown.press(Keys.HOME)
    assert shown.chosen() == shown.rows()[:1]


def test_one_connection_can_be_shown_alone(trace, show):
    sequence = trace(clients=3).sequence
    shown = show(sequence)
    shown.filter("2")
    assert len(shown.rows()) == len(sequence.only([2]).rows)
    heads = [head.text for head in shown.browser.find_elements(By.CSS_SELECTOR, ".head b")]
    assert heads[1:] == ["listening socket", "worker 1"]
    shown.filter("")
    assert len(shown.rows()) == len(sequence.rows)


def test_playing_reveals_one_step_after_the_other(trace, show):
    shown = show(trace().sequence)
    future = lambda: len(shown.browser.find_elements(By.CSS_SELECTOR, ".row.future"))  # noqa: E731
    assert future() == 0
    shown.click("play")
    hidden = future()
    assert hidden == len(shown.rows()) - 1
    WebDriverWait(shown.browser, 30, poll_frequency=0.05).until(lambda _: future() < hidden)
    shown.click("play")
    assert future() == 0
    assert not shown.chosen()[0].startswith("Step 1,")


def test_the_theme_follows_the_system_and_can_be_changed(trace, show, browser):
    def background() -> str:
        return browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")

    colours = []
    for scheme in ("dark", "light"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        shown = show(trace().sequence)
        colours.append(background())
        assert browser.find_element(By.ID, "theme").text == {"dark": "Light", "light": "Dark"}[scheme]
    shown.click("theme")
    assert background() == colours[0] != colours[1]


def test_on_a_phone_only_the_diagram_scrolls_sideways(trace, show, browser):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        shown = show(trace(clients=3).sequence)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
        assert browser.execute_script("return diagram.scrollWidth > diagram.clientWidth")
        shown.press(Keys.END)
        box = browser.execute_script("return diagram.getBoundingClientRect().toJSON()")
        chosen = browser.execute_script(
            "return document.querySelector('.chosen circle').getBoundingClientRect().toJSON()"
        )
        assert box["left"] <= chosen["left"] < chosen["right"] <= box["right"]
        assert box["top"] <= chosen["top"] < chosen["bottom"] <= box["bottom"]
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_nothing_is_loaded_from_elsewhere(hostile, show, browser):
    shown = show(hostile.sequence)
    for row in shown.browser.find_elements(By.CSS_SELECTOR, ".row")[:3]:
        row.click()
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in requests if not url.startswith("data:")] == [browser.current_url]


def test_hostile_text_stays_text(hostile, show, browser):
    shown = show(hostile.sequence)
    assert browser.title == "The twelve steps of a connection"
    assert browser.find_elements(By.TAG_NAME, "img") == []
    assert shown.rows() != []
    shown.row("9").click()
    assert "</script><img src=x onerror=document.title='owned'>" in shown.detail()
    shown.press(Keys.ARROW_DOWN)
    assert browser.title == "The twelve steps of a connection"


def test_the_file_itself_holds_no_markup_from_the_trace(hostile):
    text = page(hostile.sequence)
    assert "<img" not in text
    assert text.count("</script>") == 2
    assert text.isprintable() or all(c == "\n" or c.isprintable() for c in text)


def test_without_scripts_the_steps_are_a_list(trace):
    sequence = trace().sequence
    (fallback,) = re.findall(r"<noscript>(.*?)</noscript>", page(sequence), re.DOTALL)
    assert fallback.count("<li>") == len(sequence.rows)
