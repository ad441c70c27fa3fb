"""The report in a real browser: it draws, its switches work, it saves pictures, and it is readable everywhere."""

import base64
import csv
import json
import xml.etree.ElementTree as ET
from io import StringIO
from itertools import pairwise

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from threadserver.comparison.axes import spread
from threadserver.comparison.colours import LIGHT

SIZES = {"a screen": (1440, 900), "a projector": (1024, 768), "a phone": (390, 844)}


@pytest.fixture
def shown(browser, report):
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get((report / "report.html").as_uri())
    yield browser
    assert browser.get_log("browser") == []  # neither an error nor a violation of the content security policy


def visible(browser, selector):
    script = """
        const seen = {visibilityProperty: true, opacityProperty: true};
        return [...document.querySelectorAll(arguments[0])].filter(one => one.checkVisibility(seen));
    """
    return browser.execute_script(script, selector)


def test_every_group_draws_one_picture_with_one_sentence(shown, drawn):
    for group in drawn:
        assert len(visible(shown, f"#{group.key} svg[role=img]")) == 1, group.key
        (sentence,) = visible(shown, f"#{group.key} .sentence")
        assert sentence.text == group.pictures[0].sentence.strip()
        assert visible(shown, f"#{group.key} svg .series rect, #{group.key} svg .series path"), group.key


def test_a_switch_shows_another_workload(shown, drawn):
    for group in (group for group in drawn if len(group.pictures) > 1):
        last = shown.find_elements(By.CSS_SELECTOR, f"#{group.key} .choices button")[-1]
        shown.execute_script("arguments[0].click()", last)
        (sentence,) = visible(shown, f"#{group.key} .sentence")
        assert sentence.text == group.pictures[-1].sentence.strip()
        assert last.get_attribute("aria-pressed") == "true"
        assert len(visible(shown, f"#{group.key} svg[role=img]")) == 1


def test_a_server_can_be_hidden_in_all_pictures(shown):
    series = '.series[data-name="epoll"]'
    assert visible(shown, f"#throughput {series}")
    shown.find_element(By.CSS_SELECTOR, '.legend button[data-name="epoll"]').click()
    assert not visible(shown, f"#throughput {series}")
    assert not visible(shown, f"#latency {series}")
    assert visible(shown, '#throughput .series[data-name="poll"]')
    shown.find_element(By.CSS_SELECTOR, '.legend button[data-name="epoll"]').click()
    assert visible(shown, f"#throughput {series}")


def test_the_theme_follows_the_system_and_can_be_changed(shown, report):
    def colours():
        body = shown.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
        bar = shown.find_element(By.CSS_SELECTOR, "#slow .series rect:last-of-type").value_of_css_property("fill")
        return body, bar

    found = []
    for scheme in ("dark", "light"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        shown.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        shown.get((report / "report.html").as_uri())
        found.append(colours())
    assert found[0][0] != found[1][0]
    assert found[0][1] != found[1][1]
    shown.find_element(By.ID, "theme").click()
    assert colours() == found[0]


@pytest.mark.parametrize("name", SIZES)
def test_it_is_readable_on(shown, report, name):
    """Nothing but tables scrolls sideways, and no letter of a picture is smaller than 11 pixels."""
    width, height = SIZES[name]
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    shown.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        shown.get((report / "report.html").as_uri())
        assert shown.execute_script("return document.documentElement.scrollWidth") <= width
        smallest = shown.execute_script(
            """
            return Math.min(...[...document.querySelectorAll(".picture svg")].filter(svg => svg.getClientRects().length)
              .map(svg => 11.5 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width))
            """
        )
        assert smallest >= 11
    finally:
        shown.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_pictures_are_saved_for_slides(shown):
    shown.execute_script(
        "window.saved = {};HTMLAnchorElement.prototype.click = function () { window.saved[this.download] = this.href; }"
    )
    for button in visible(shown, "#throughput [data-save]"):
        shown.execute_script("arguments[0].click()", button)
    saved = WebDriverWait(shown, 30).until(
        lambda browser: found if len(found := browser.execute_script("return window.saved")) == 2 else None
    )
    (png,) = [url for name, url in saved.items() if name.endswith(".png")]
    assert base64.b64decode(png.partition(",")[2]).startswith(b"\x89PNG")
    (svg,) = [url for name, url in saved.items() if name.endswith(".svg")]
    assert "var(" not in svg
    assert "Throughput" in svg


def test_nothing_is_loaded_from_elsewhere(shown):
    messages = [json.loads(entry["message"])["message"] for entry in shown.get_log("performance")]
    requests = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in requests if not url.startswith("data:")] == [shown.current_url]


def test_server_output_stays_text(shown, report):
    assert "<script>alert" not in (report / "report.html").read_text(encoding="utf-8")
    outputs = shown.find_elements(By.CSS_SELECTOR, "#faults pre")
    assert "<script>alert(1)</script>" in outputs[0].get_attribute("textContent")


def test_files_stand_alone(report, drawn):
    pictures = list((report / "pictures").glob("*.svg"))
    assert len(pictures) == sum(len(group.pictures) for group in drawn)
    for picture in pictures:
        text = picture.read_text(encoding="utf-8")
        assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(" not in text
        assert LIGHT["ink"] in text


def test_every_table_is_there_as_csv(report):
    texts = {path.stem: path.read_text(encoding="utf-8") for path in report.glob("*.csv")}
    tables = {name: list(csv.reader(StringIO(text))) for name, text in texts.items()}
    assert set(tables) == {"figures", "comparisons", "octets", "octets-order", "faults"}
    for head, *rows in tables.values():
        assert rows
        assert all(len(row) == len(head) for row in rows)
    assert [row[3] for row in tables["octets"][1:]][:3] == ["0.0", "20.9", "1.8"]


def test_labels_move_apart_and_stay_in_order():
    placed = spread([10, 11, 12, 50, 51], 15, 0, 100)
    assert all(later - earlier >= 15 - 1e-9 for earlier, later in pairwise(placed))
    assert min(placed) >= 0
    assert max(placed) <= 100
    assert spread([20, 70], 15, 0, 100) == [20, 70]
