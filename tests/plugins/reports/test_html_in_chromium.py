"""The page in a real browser: it is driven as a reader would, and must neither complain nor ask for anything."""

from __future__ import annotations

import chromium
import pytest

from ganbench_zoo.reports.html import HTML

pytestmark = pytest.mark.skipif(chromium.PROGRAM is None, reason="no Chromium here")
ROWS = "[...document.querySelectorAll('#verdict-table tbody:not(.fixed) tr')]"
LEVELS = f"{ROWS}.filter(r => !r.hidden).map(r => r.cells[0].innerText)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    page = chromium.Page(tmp_path_factory.mktemp("profile"))
    yield page
    page.close()


@pytest.fixture
def opened(browser, recorded, tmp_path):
    (file,) = HTML().write(recorded, tmp_path)
    browser.requests.clear()
    browser.complaints.clear()
    browser.open(file)
    yield browser
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in browser.requests if url.startswith("file:")]) == 1


def test_tables_sort_and_filter(opened):
    original = opened.run(LEVELS)
    assert len(original) == 3
    click = "document.querySelector('#verdict-table th:nth-child(4) button').click()"
    opened.run(click)
    ascending = opened.run(LEVELS)
    opened.run(click)
    assert opened.run(LEVELS)[0] == ascending[0] != original[1]  # what has no number comes last, either way
    assert opened.run("document.querySelector('[aria-sort]').getAttribute('aria-sort')") == "descending"
    opened.run(click)
    assert opened.run(LEVELS) == original
    opened.run("document.querySelector('[data-filter=\"verdict-table\"]').focus()")
    opened.type("norm")
    assert [name.split() for name in opened.run(LEVELS)] == [["norm", "off"]]
    assert opened.run("document.querySelector('[data-count]').textContent") == "1 of 3 rows"
    opened.run("document.querySelector('[data-verdict=\"helps\"]:not(tr)').click()")
    assert opened.run(LEVELS) == []


def test_curves_are_drawn_and_read_with_the_keyboard(opened):
    assert opened.run("document.querySelectorAll('#chart .line').length") == 3  # pending cells have none
    title = "document.querySelector('#chart svg').getAttribute('aria-label')"
    assert opened.run(title) == "FID (Lite0, 2000 images) over step (generator updates)"
    opened.run("document.querySelector('#chart svg').focus()")
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        opened.press(key)
    assert opened.run("document.getElementById('curve-readout').textContent").startswith("step 0: baseline 90 · ")
    for box, value in (("series", 2), ("axis", "seconds")):
        found = f"document.getElementById('curve-{box}')"
        opened.run(f"{found}.value = '{value}', {found}.dispatchEvent(new Event('change'))")
    assert opened.run(title) == "D/adversarial over seconds of training"
    opened.run("document.getElementById('curve-seeds').click()")
    assert opened.run("document.querySelectorAll('#chart .line').length") == 4
    opened.run("document.getElementById('curve-log').click()")
    opened.run("document.querySelector('#curve-levels input').click()")
    assert opened.run("document.querySelectorAll('#chart .line').length") == 2


def test_the_slider_goes_through_training(opened):
    picture = "document.querySelector('.gallery figure[data-level] img').src"
    caption = "document.querySelector('.gallery figure[data-level] .sub').textContent"
    last = opened.run(picture)
    assert opened.run(caption) == "seed 0, step 20"
    opened.run("document.getElementById('sample-time').focus()")
    opened.press("ArrowLeft")
    assert opened.run(caption) == "seed 0, step 10"
    assert opened.run(picture) != last
    assert opened.run("document.getElementById('sample-time').getAttribute('aria-valuetext')") == (
        "50 per cent of training"
    )
    box = "document.getElementById('sample-seed')"
    opened.run(f"{box}.value = '1', {box}.dispatchEvent(new Event('change'))")
    assert opened.run(caption) == "seed 1, step 10"
    shown = "[...document.querySelectorAll('.gallery figure[data-level]')].filter(f => !f.hidden).length"
    assert opened.run(shown) == 1  # only the baseline has it
    opened.run("document.getElementById('sample-play').click()")
    assert opened.run("document.getElementById('sample-play').getAttribute('aria-pressed')") == "true"
    opened.run("document.getElementById('sample-play').click()")
    opened.run("document.querySelector('.gallery figure img').focus()")
    opened.press("Enter")
    assert opened.run("document.getElementById('enlarged').open")
    opened.press("Escape")
    assert not opened.run("document.getElementById('enlarged').open")


def test_nothing_is_wider_than_a_phone(opened):
    opened.call("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=True)
    assert opened.run("document.documentElement.scrollWidth") <= 400
    assert opened.run("document.querySelector('#chart svg').getBoundingClientRect().width") <= 400


def test_every_control_has_a_name(opened):
    nameless = opened.run(
        "[...document.querySelectorAll('button, input, select, img, [role=region]')].filter(e =>"
        " !(e.innerText || e.alt || e.getAttribute('aria-label') || (e.labels && e.labels.length))"
        " && e.closest('dialog') === null).map(e => e.outerHTML.slice(0, 120))"
    )
    assert nameless == []
