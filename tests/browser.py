"""Chromium for tests of pages: found or said how to get, driven by Playwright, without a network."""

import functools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from local_server import serving
from playwright.sync_api import Page, sync_playwright

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
AUDIT = (Path(__file__).parent / "page_audit.js").read_text(encoding="utf-8")
THEMES = ("light", "dark")
WIDTHS = (1280, 400)


def find_chromium() -> str:
    """Path of Chromium. Without it a test is skipped, but where `CI` is set it fails."""
    path = shutil.which("chromium")
    if path is None:
        reason = "tests of pages need Chromium: apt-get install chromium (as root, Debian)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return path


class Quiet(SimpleHTTPRequestHandler):
    """A file server that prints nothing."""

    def log_message(self, *_):
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The address at which the files of a folder are served."""
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))) as server:
        yield f"http://127.0.0.1:{server.server_port}/"


@contextmanager
def open_page() -> Iterator[Page]:
    """An empty page of a browser of its own, in which nothing moves."""
    path = find_chromium()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS.split())
        yield chromium.new_page(reduced_motion="reduce")
        chromium.close()


def audit(page: Page) -> list[str]:
    """What a reader could not read on the open page, in both themes and both widths, as sentences."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for theme in THEMES:
            page.evaluate("theme => Object.assign(document.documentElement.dataset, {theme, mode: theme})", theme)
            found += [f"{theme}, {width} wide: {problem}" for problem in page.evaluate(AUDIT)]
    return found
