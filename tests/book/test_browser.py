"""Every page of a book in a browser: what it says can be read, and every link leads somewhere."""

from urllib.parse import unquote, urldefrag, urljoin

import pytest
from browser import audit, serve
from finished_study import DOT

LINKS = "[...document.querySelectorAll('a[href]')].map(link => link.href)"
ANCHORS = "[...document.querySelectorAll('[id]')].map(element => element.id)"


class Visits:
    """What a browser met on the way through all pages: problems, links, and anchors by page."""

    def __init__(self, page, site, base):
        self.base, self.problems, self.links, self.anchors = base, {}, {}, {}
        self.heard = []
        page.on("console", lambda told: told.type in {"error", "warning"} and self.heard.append(f"says {told.text}"))
        page.on("pageerror", lambda error: self.heard.append(f"fails with {error}"))
        page.on("requestfailed", lambda request: self.heard.append(f"does not get {request.url}"))
        page.on("response", lambda answer: answer.status >= 400 and self.heard.append(f"does not find {answer.url}"))
        page.on("request", lambda request: self._hear_request(request.url))
        for name in list_pages(site):
            page.goto(base + name)
            self.problems[name] = audit(page)
            self.problems[name] += self.heard
            self.heard.clear()
            self.links[name], self.anchors[name] = page.evaluate(LINKS), set(page.evaluate(ANCHORS))

    def _hear_request(self, address):
        if not address.startswith((self.base, "data:")):
            self.heard.append(f"asks the network for {address}")


def list_pages(site):
    """Names of the pages that a reader can open; the first page only leads to the introduction."""
    found = [path.relative_to(site) for path in site.rglob("*.html")]
    return sorted(str(path) for path in found if "_static" not in path.parts and path.name != "index.html")


@pytest.fixture(scope="module")
def visits(browser_page, site):
    with serve(site) as base:
        return Visits(browser_page, site, base)


def told(problems, most=3):
    """Problems by page, a few of each, as a test that fails should say them."""
    return "\n".join(f"{name}: {problem}" for name, found in problems.items() for problem in found[:most])


def test_every_page_can_be_read_in_both_themes_and_widths(visits):
    assert len(visits.problems) > 40
    found = {name: problems for name, problems in visits.problems.items() if problems}
    assert not found, told(found)


def test_every_internal_link_leads_to_a_page_and_a_place_on_it(visits, site):
    lost = {}
    for name, links in visits.links.items():
        for link in links:
            address, anchor = urldefrag(urljoin(visits.base + name, link))
            target = unquote(address.removeprefix(visits.base)) or name
            known = visits.anchors.get(target)
            there = known is not None or (site / target).is_file()
            if address.startswith(visits.base) and (not there or (anchor and unquote(anchor) not in known)):
                lost.setdefault(name, []).append(f"leads nowhere: {link}")
    assert not lost, told(lost)


def test_the_audit_sees_what_cannot_be_read(browser_page):
    browser_page.set_content(f"""<article>
        <p style="color: #999; background: #fff">pale</p> <p style="color: #666; background: #fff">dark enough</p>
        <h1 style="color: #888; background: #fff">pale but large</h1>
        <div style="width: 50px; overflow: hidden; white-space: nowrap">cut off by its box</div>
        <p style="width: 600px">too wide</p> <div style="overflow-x: auto"><p style="width: 600px">scrolls</p></div>
        <img src="data:image/png;base64,{DOT}" alt="images/a b c.png">
        <img src="data:image/png;base64,{DOT}" alt="A figure of what there is.">
    </article>""")
    found = audit(browser_page)
    assert sum('<p> "pale"' in problem for problem in found) == 4, "both themes, both widths"
    assert {problem for problem in found if "wide" in problem.partition(": ")[2]} == {
        f"{theme}, 400 wide: {what}"
        for theme in ("light", "dark")
        for what in ("the page is 608 pixels wide, not 400", '<p> "too wide" reaches to 608 of 400 pixels')
    }
    assert sum("clipped" in problem and "cut off" in problem for problem in found) == 4
    assert sum("which is no sentence" in problem for problem in found) == 4
    for fine in ("dark enough", "but large", "scrolls", "A figure"):
        assert not any(fine in problem for problem in found)
