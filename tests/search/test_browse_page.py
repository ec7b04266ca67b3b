"""In a browser the page searches, works from the keyboard and shows what words select."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import browser
import picture_index
import pytest

import csparc
from csparc.search.browse import Server, serve

pytestmark = pytest.mark.skipif(browser.CHROMIUM is None, reason="no chromium here")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[browser.Browser]:
    with browser.Browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def server(index) -> Iterator[Server]:
    with serve(index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def shown(page: browser.Browser) -> int:
    return page.value(
        "[...document.querySelectorAll('.csparc-layer')]"
        ".filter((one) => getComputedStyle(one).opacity === '1').length"
    )


def focused(page: browser.Browser) -> str:
    return page.value("document.activeElement.textContent")


def search(page: browser.Browser, sentence: str) -> list[str]:
    """Search, and give the words that can be pointed at once all of them have their layers."""
    page.value("document.getElementById('query').select()")
    page.send("Input.insertText", text=sentence)
    page.press("Enter", "\r")
    page.wait("document.getElementById('status').textContent.includes('Point at a word')")
    words = page.value(
        "[...document.querySelectorAll('#words button')].map((one) => one.innerText)"
    )
    layers = page.value("document.querySelectorAll('.csparc-layer').length")
    assert layers == len(words) * picture_index.COUNT
    return words


def test_it_works_from_the_keyboard_alone(page, server):
    page.go(server.address)
    assert page.value("document.activeElement.id") == "query"
    assert search(page, "a red circle") == ["a", "red", "circle"]
    assert page.value("document.querySelectorAll('#results li').length") == picture_index.COUNT
    assert shown(page) == 0
    page.press("Tab")
    for word in ("a", "red"):
        page.press("Tab")
        assert focused(page) == word
        assert shown(page) == picture_index.COUNT
    page.press("Enter", "\r")
    assert page.value("document.activeElement.getAttribute('aria-pressed')") == "true"
    page.press("Escape")
    assert shown(page) == picture_index.COUNT
    page.press("/", "/")
    assert page.value("document.activeElement.id") == "query"
    assert search(page, "two boats") == ["two", "boats"]
    assert shown(page) == 0


def test_a_pointer_on_a_word_shows_its_patches(page, server):
    page.go(server.address)
    search(page, "a red circle")
    page.point_at("#words button:nth-of-type(2)")
    assert shown(page) == picture_index.COUNT
    assert page.value("document.querySelector('#results p').textContent").startswith("red: ")
    page.point_at("#status")
    assert shown(page) == 0


@pytest.mark.parametrize(("width", "columns"), [(1280, 5), (400, 2)])
@pytest.mark.parametrize("dark", [False, True])
def test_narrow_and_wide_light_and_dark(page, server, width, columns, dark):
    page.go(server.address, width, 800, dark)
    search(page, "a red circle")
    assert page.value("document.documentElement.scrollWidth") <= width
    tops = (
        "new Set([...document.querySelectorAll('#results li')].map((one) => one.offsetLeft)).size"
    )
    assert page.value(tops) == columns
    ground = page.value("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(18, 21, 27)" if dark else "rgb(251, 250, 247)")


def test_it_asks_this_server_alone_and_names_are_no_markup(page, server):
    page.go(server.address)
    page.value("window.bad = false")
    assert "img" in search(page, "<img src=x onerror=bad=true>")
    assert page.value("bad") is False
    assert page.value("document.querySelectorAll('#words img').length") == 0
    asked = [one for one in page.requests if not one.startswith(("data:", "about:"))]
    assert asked
    assert all(one.startswith(server.address) for one in asked)


def test_what_goes_wrong_is_said(page, server):
    page.go(server.address)
    page.value("document.getElementById('query').select()")
    page.send("Input.insertText", text=" ")
    page.press("Enter", "\r")
    page.wait("document.getElementById('status').textContent.includes('at least one word')")


def test_a_notebooks_words_are_buttons_that_show_patches(page, run, whole, tmp_path):
    found = csparc.explain(run, whole[0] / "00.png", "a red circle")
    view = Path(tmp_path / "view.html")
    view.write_text(f"<!doctype html><meta charset=utf-8><body>{found._repr_html_()}")
    page.go(view.as_uri())
    assert shown(page) == 0
    names = (
        "[...document.querySelectorAll('.csparc-view button')].map((one) => one.innerText.trim())"
    )
    assert page.value(names) == found.words
    page.press("Tab")
    page.press("Tab")
    assert focused(page).strip() == "red"
    assert shown(page) == 1
    page.point_at(".csparc-view button:nth-of-type(3)")
    assert shown(page) == 1
    boxes = page.value(
        "['.csparc-view img', '.csparc-view button:hover svg'].map((one) => {"
        " const box = document.querySelector(one).getBoundingClientRect();"
        " return [box.x, box.y, box.width, box.height].map(Math.round); })"
    )
    assert boxes[0] == boxes[1]
    assert all(one.startswith(("data:", "file:", "about:")) for one in page.requests)
