"""A page stands alone, and what a sample says is text on it, wherever it stands."""

import io
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from browser import AUDIT, WIDTHS
from macromicro.annotate.types import text_array
from macromicro.report.blocks import Histogram, Section, Table
from macromicro.report.page import Page, render
from macromicro.report.topic_map import map_texts
from PIL import Image

EVIL = "</script><script>alert(1)</script><img src=https://x.example/a.png onerror=alert(2)> ' \" & </title>"
LABELS = text_array(["0: river, boat", f"1: {EVIL}"])


def make_page(said=EVIL):
    rng = np.random.default_rng(0)
    points = pd.DataFrame({"id": [f"s{n:02d}" for n in range(60)], "x": rng.normal(size=60), "y": rng.normal(size=60)})
    points["topic"] = np.arange(60) % 3 - 1
    texts = pd.Series(f"{said} {n}" for n in range(60)).set_axis(points["id"])
    table = Table(said, (said, "n"), [(said, "1"), ("b", "2")], said, bars={1: [0.5, 1.0]})
    lengths = Histogram("lengths", [0, 1, 10, 100], {"instruction": [1, 2, 3], "response": [0, 0, 6]}, "words", "Look.")
    blocks = [table, lengths, map_texts(points, LABELS, texts, "response")]
    return Page(f"What is in {said}", [said], [Section("one", said, [said], blocks, [said])], {said: said})


class Elements(HTMLParser):
    """Names and attributes of all elements, and what is in scripts."""

    def __init__(self, text):
        super().__init__()
        self.found, self.scripts, self._in = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self._in = tag == "script"

    def handle_data(self, data):
        if self._in:
            self.scripts.append(data)

    def handle_endtag(self, tag):
        self._in = False


def shape(said):
    """The elements of the page on a text, without what they say."""
    return [(tag, sorted(attributes)) for tag, attributes in Elements(render(make_page(said))).found]


def test_what_a_sample_says_is_never_markup():
    assert shape(EVIL) == shape("h" * len(EVIL))
    scripts = Elements(render(make_page())).scripts
    assert len(scripts) == 2 and all("</script" not in script and "alert(1)<" not in script for script in scripts)


def test_commands_are_code_and_their_text_is_escaped():
    text = render(Page("x", ["see `select --exclude <file>`"], [], {}))
    assert "see <code>select --exclude &lt;file&gt;</code>" in text


def test_nothing_is_fetched():
    text = render(make_page())
    for tag, attributes in Elements(text).found:
        assert tag not in ("iframe", "object", "embed", "img", "base", "form")
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            assert attributes.get(name, "#").startswith("#") or attributes[name] == "data:,"
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert "url(" not in style and "@import" not in style and "//" not in style
    assert "default-src 'none'" in text and "'unsafe-inline'; script-src 'sha256-" in text


def test_same_page_same_bytes():
    assert render(make_page()) == render(make_page())


def test_the_map_draws_every_text_once_in_the_colour_of_its_topic():
    points = pd.DataFrame({"id": list("abcd"), "x": [0.0, 1, 2, 3], "y": [0.0, 3, 1, 1], "topic": [1, 1, 0, -1]})
    texts = pd.Series(["say a", "say b", "say c", "say d"], index=list("abcd"))
    drawn = map_texts(points, text_array(["0: x", "1: y"]), texts, "response")
    assert [(label, n) for label, n, _ in drawn.groups] == [
        ("0: x", 1), ("1: y", 2), ("no topic", 1)
    ]  # fmt: skip
    assert [path.count("M") for _, _, path in drawn.groups] == [1, 2, 1]
    assert [(drawn.labels[topic], said) for _, _, topic, said in drawn.points] == [
        ("1: y", "say a"), ("1: y", "say b"), ("0: x", "say c"), ("no topic", "say d")
    ]  # fmt: skip
    places = {(x, y) for x, y, _, _ in drawn.points}
    assert len(places) == 4 and all(0 < x < drawn.width and 0 < y < drawn.height for x, y in places)
    assert drawn.points[1][1] < drawn.points[0][1]  # up is more


def test_a_map_of_one_place():
    points = pd.DataFrame({"id": ["a", "b"], "x": [1.0, 1.0], "y": [2.0, 2.0], "topic": [-1, -1]})
    drawn = map_texts(points, text_array(["0: x"]), pd.Series(["one", "two"], index=["a", "b"]), "response")
    assert [point[:2] for point in drawn.points] == [(drawn.width // 2, drawn.height // 2)] * 2


@pytest.fixture(scope="module")
def opened(browser_page, tmp_path_factory):
    place = tmp_path_factory.mktemp("page") / "report.html"
    place.write_text(render(make_page()), encoding="utf-8")
    with browser_page.context.browser.new_page() as page:
        said = []
        page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(place.as_uri())
        yield page, said


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_can_be_read_in_both_themes_and_widths(opened, theme, width):
    page, _ = opened
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate(AUDIT) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_table_that_goes_on_beyond_the_edge_has_a_shadow_there(browser_page, tmp_path):
    names = [f"column{n}" for n in range(9)]
    blocks = [Table("wide", names, [["1"] * 9] * 6, "Look."), Table("narrow", ["a", "b"], [["1", "2"]] * 6, "Look.")]
    (tmp_path / "report.html").write_text(render(Page("x", [], [Section("one", "x", [], blocks)], {})))
    with browser_page.context.browser.new_page(viewport={"width": 400, "height": 900}) as page:
        page.goto((tmp_path / "report.html").as_uri())

        def darkness(place, end):
            """Of a column of pixels at either end, for the most part; the last ones may be fractions of a pixel."""
            shown = Image.open(io.BytesIO(page.locator(".wide").nth(place).screenshot())).convert("L")
            return 255 - np.median(np.asarray(shown)[:, end])

        assert darkness(0, -3) > 60 and darkness(0, 0) < 10
        page.locator(".wide").nth(0).evaluate("wide => wide.scrollLeft = 40")
        assert darkness(0, -3) > 60 and darkness(0, 0) > 60
        page.locator(".wide").nth(0).evaluate("wide => wide.scrollLeft = 10000")
        assert darkness(0, -3) < 10 and darkness(0, 0) > 60
        assert darkness(1, -3) < 10 and darkness(1, 0) < 10


def test_a_dot_that_is_pointed_at_says_topic_and_text(opened):
    page, said = opened
    page.set_viewport_size({"width": 1280, "height": 900})
    point = page.evaluate("JSON.parse(document.getElementById('map-data').textContent).points[2]")
    page.locator("#topic-map").scroll_into_view_if_needed()
    box = page.locator("#topic-map").bounding_box()
    scale = box["width"] / 1000
    assert not page.locator("#map-note").is_visible()
    page.mouse.move(box["x"] + point[0] * scale, box["y"] + point[1] * scale)
    assert page.locator("#map-note").is_visible()
    shown = page.locator("#map-note").inner_text()
    assert "alert(1)" in shown and page.locator("#map-note").evaluate("note => note.querySelectorAll('*').length") == 2
    assert said == []
