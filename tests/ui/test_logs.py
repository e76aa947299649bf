"""The pages of the call log in every named state: first use, nothing found, broken, behind, forbidden, many rows."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from sqlalchemy import text

from tests.logfiles import change
from tests.ui.checks import check_page, forget
from tests.ui.conftest import PHONE, View

pytestmark = pytest.mark.browser

DARK = View(PHONE, "dark", "zh-CN")


@pytest.mark.parametrize("view", [View(), DARK], ids=str)
def test_many_rows_are_sound(visit, many, view):
    check_page(visit("/logs?q=-outcome:unknown+dur%3E1&range=24h&open=160", view))


@pytest.mark.parametrize(
    "path",
    [
        "/logs",
        "/logs?range=1h&q=service:Nobody+status:6xx+%F0%9F%98%80",
        "/logs?from=2030-01-01&to=2020-01-01",
        "/logs/views",
        "/logs/views/new?q=outcome:failed",
    ],
)
def test_first_use_and_wrong_searches_are_sound(visit, path):
    check_page(visit(path, DARK))


def test_an_empty_range_leads_to_the_nearest_match(visit, many):
    page = visit("/logs?q=outcome:failed&from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z")
    check_page(page)
    page.get_by_role("link", name=re.compile("Newest match after")).click()
    expect(page.locator("#rows")).to_contain_text("READ_TIMEOUT")


def test_a_log_that_cannot_be_read_says_so(visit, runtime, many):
    change(runtime.engine, text("ALTER TABLE call_logs RENAME TO call_logs_away"))
    page = visit("/logs", DARK)
    expect(page.locator("#results")).to_contain_text("现在无法读取日志")
    forget(page)  # the console tells of the 503
    check_page(page)
    change(runtime.engine, text("ALTER TABLE call_logs_away RENAME TO call_logs"))
    page.get_by_role("link", name="重试").click()
    expect(page.locator("#rows")).to_contain_text("email.send")


def test_who_may_not_read_the_log_is_told(visit):
    check_page(visit("/logs", DARK, role="member"))


def test_the_drawer_opens_by_click_and_key_and_closes(visit, many):
    page = visit("/logs")
    first = page.locator("a[data-open]").first
    first.click()
    expect(page.locator("#drawer-title")).to_be_focused()
    expect(page).to_have_url(re.compile(r"open=160"))
    check_page(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.keyboard.press("c")
    expect(page.locator(".drawer .copied:visible")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith(
        "curl -X POST https://api.example.com/send"
    )
    page.keyboard.press("j")
    expect(page).to_have_url(re.compile(r"open=159"))
    expect(page.locator(".drawer")).to_have_attribute("data-drawer", "159")
    page.keyboard.press("Escape")
    expect(page.locator(".drawer")).to_have_count(0)
    expect(page.locator('a[data-open="159"]')).to_be_focused()


def test_a_body_is_shown_prettily_or_as_it_is_stored(visit, many):
    page = visit("/logs/160", View(PHONE))
    body = page.get_by_role("region", name="Request body", exact=True)
    stored = page.get_by_role("region", name="Request body, as stored")
    expect(body).to_contain_text('"to": "***",\n')
    expect(page.locator(".payload-head")).to_contain_text("1 value removed")
    expect(page.locator(".payload-head")).to_contain_text("Cut: it was longer")
    expect(stored).to_be_hidden()
    page.get_by_label("As stored", exact=True).focus()
    page.keyboard.press("Space")
    expect(stored).to_have_text('{"to": "***", "text": "… 12 characters left out …"}')
    expect(body).to_be_hidden()
    check_page(page)
    plain = visit("/logs/160", javascript=False)
    plain.get_by_label("As stored", exact=True).check()
    expect(plain.get_by_role("region", name="Request body, as stored")).to_be_visible()


def test_a_bar_and_a_stretch_of_bars_narrow_the_range(visit, many):
    page = visit("/logs")
    box = page.locator(".chart-plot").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 20, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"from=2026.*to=2026"))
    check_page(page)
    narrow = page.url
    page.get_by_role("link", name="Zoom out").click()
    expect(page.locator("#rows")).to_contain_text("email.send")
    assert page.url != narrow


def test_suggestions_follow_what_is_typed(visit, many):
    page = visit("/logs")
    page.locator("#f-q").press_sequentially("-code:READ")
    expect(page.locator('#log-suggestions option[value="-code:READ_TIMEOUT"]')).to_have_count(1)


def test_without_javascript_everything_is_a_link_or_a_form(visit, many):
    page = visit("/logs", javascript=False)
    page.get_by_label("Search the log").fill("outcome:failed")
    page.get_by_role("button", name="Search").click()
    page.get_by_text("Numbers", exact=True).click()
    page.locator(".chart details a").first.click()
    assert "from=2026" in page.url
    assert "outcome" in page.url
    page.locator("a[data-open]").first.click()
    assert re.search(r"/logs/\d+", page.url)


def test_a_view_is_saved_and_opened(visit, many):
    page = visit("/logs?q=outcome:failed&range=24h", View(PHONE))
    page.get_by_text("Views", exact=True).click()
    page.get_by_role("link", name="Save this search…").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_be_visible()
    check_page(page)
    page.get_by_role("textbox", name="Name", exact=True).fill("Night")
    page.get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile("outcome"))
    page.get_by_text("Views", exact=True).click()
    page.get_by_role("link", name="Manage views").click()
    expect(page.locator("main")).to_contain_text("Night")
    check_page(page)
