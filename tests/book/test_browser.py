"""Every page of a book in a browser: what it says can be read, and every link leads somewhere."""

from urllib.parse import unquote, urldefrag, urljoin

import pytest
from browser import audit, serve

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
