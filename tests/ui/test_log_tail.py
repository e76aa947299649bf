"""Watching the log: rows come while nobody reads, are counted while somebody does, and come when asked for."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.ui.checks import check_page
from tests.ui.conftest import PHONE, View
from webapp.log.batch import Batch
from webapp.log.writer import stamped, write

pytestmark = pytest.mark.browser


@pytest.fixture
def call_in(runtime, clock, many):
    """Lets so many attempts come in, newer than all."""
    last = [500]

    def come(count=1):
        now = clock.now()
        rows = {}
        for _ in range(count):
            last[0] += 1
            rows[last[0]] = stamped(
                {"log_id": last[0], "call_id": last[0], "request_timestamp": now, "response_timestamp": now,
                 "outcome": "succeeded", "is_success": True, "kind": "attempt", "operation": "sms.send", "attempt_no": 1}
            )  # fmt: skip
        write(runtime.engine, Batch(rows=rows))

    return come


def look(page):
    """What otherwise happens every three seconds."""
    page.evaluate("document.body.dispatchEvent(new CustomEvent('poll'))")


def test_new_rows_come_by_themselves_while_nobody_reads(visit, call_in):
    page = visit("/logs?tail=1")
    page.mouse.move(5, 5)
    call_in()
    look(page)
    expect(page.locator("#rows")).to_contain_text("sms.send")
    expect(page.locator("[data-tail-live]")).to_have_text("Live")
    check_page(page)


@pytest.mark.parametrize("view", [View(), View(PHONE, "dark", "zh-CN")], ids=str)
def test_a_reader_is_not_disturbed_but_told_how_many_came(visit, call_in, view):
    page = visit("/logs?tail=1", view)
    page.mouse.wheel(0, 1_000)
    page.wait_for_function("scrollY > 240")
    call_in(12)
    look(page)

    expect(page.locator("[data-tail-resume]")).to_have_text(re.compile("12 new · Resume|12 条新记录 · 继续"))
    expect(page.locator("[data-tail-live]")).to_have_text(
        re.compile("new attempts are waiting|有新的尝试在等待")
    )
    expect(page.locator("#rows")).not_to_contain_text("sms.send")
    check_page(page)

    page.locator("[data-tail-resume]").click()
    expect(page.locator("#rows")).to_contain_text("sms.send")
    expect(page.locator("[data-tail-resume]")).to_have_count(0)
    assert page.evaluate("scrollY") == 0


def test_by_keyboard_it_is_held_and_goes_on(visit, call_in):
    page = visit("/logs?tail=1&q=outcome:succeeded")
    hold = page.get_by_role("button", name="Pause")
    hold.focus()
    page.keyboard.press("Enter")
    expect(hold).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-tail-live]")).to_have_text("Paused")
    call_in(3)
    look(page)
    expect(page.get_by_role("status").filter(has_text="new attempts are waiting")).to_be_visible()

    page.get_by_role("button", name="3 new · Resume").or_(
        page.get_by_role("link", name="3 new · Resume")
    ).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#rows")).to_contain_text("sms.send")
    expect(hold).to_have_attribute("aria-pressed", "false")
    expect(hold).to_be_focused()
    expect(page.locator("[data-tail-live]")).to_have_text("Live")


@pytest.mark.parametrize("how", ["points", "opens a call", "selects"])
def test_reading_pauses_it(visit, call_in, how):
    page = visit("/logs?tail=1")
    page.mouse.move(5, 5)
    if how == "points":
        page.locator("#rows tbody tr").first.hover()
    elif how == "opens a call":
        page.locator("a[data-open]").first.click()
        expect(page.locator("#drawer-title")).to_be_focused()
        page.mouse.move(5, 5)
    else:
        page.evaluate("getSelection().selectAllChildren(document.querySelector('#rows tbody'))")
    call_in(2)
    look(page)
    expect(page.locator("[data-tail-resume]")).to_have_text("2 new · Resume")
    expect(page.locator("#rows")).not_to_contain_text("sms.send")


def test_very_many_are_not_counted_to_the_end(visit, call_in):
    page = visit("/logs?tail=1")
    page.get_by_role("button", name="Pause").click()
    call_in(201)
    look(page)
    expect(page.locator("[data-tail-resume]")).to_have_text("200+ new · Resume")


def test_an_empty_log_can_be_watched_and_without_scripts_looked_at_again(visit, call_in):
    page = visit("/logs?tail=1&q=op:sms.send")
    page.mouse.move(5, 5)
    expect(page.locator("#rows")).to_contain_text("Nothing yet")
    check_page(page)
    plain = visit("/logs?tail=1&q=op:sms.send", javascript=False)
    call_in()
    look(page)
    expect(page.locator("#rows")).to_contain_text("sms.send")
    plain.get_by_role("link", name="Look again").click()
    expect(plain.locator("#rows")).to_contain_text("sms.send")
