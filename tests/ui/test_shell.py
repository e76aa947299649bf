"""The shell of every page: navigation, preferences, shortcuts, notices, and all components in all views."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from tests.ui.checks import check_page
from tests.ui.conftest import PHONE, WIDE, View
from tests.web.services import add

pytestmark = pytest.mark.browser


@pytest.fixture
def config(config):
    """In debug there is the style guide."""
    return replace(config, debug=True)


def test_every_component_is_accessible_in_every_view(check_everywhere):
    check_everywhere("/styleguide")


def test_system_settings_in_every_view(check_everywhere):
    check_everywhere("/settings")


def test_sign_in_in_every_view(check_everywhere):
    check_everywhere("/login", role="")


def test_skip_link_is_the_first_stop(visit):
    page = visit("/settings")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to content")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_colours_and_language_are_chosen_in_the_menu(visit):
    page = visit("/settings")
    page.locator(".user-menu > summary").click()
    check_page(page)
    page.get_by_role("button", name="Dark").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.locator(".user-menu > summary").click()
    page.get_by_role("button", name="简体中文").click()
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    check_page(page)


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_menu_opens_inside_the_window(visit, width):
    page = visit("/settings", View(width))
    page.locator(".user-menu > summary").click()
    box = page.locator(".user-menu > .menu-panel").bounding_box()
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= page.viewport_size["height"]


def test_menu_closes_with_escape_and_gives_the_focus_back(visit):
    page = visit("/settings")
    page.locator(".user-menu > summary").click()
    page.get_by_role("button", name="Dark").focus()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Dark")).to_be_hidden()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_shortcuts_explain_search_and_go(visit):
    page = visit("/styleguide")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    check_page(page)
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.locator("[data-search]")).to_be_focused()
    page.keyboard.type("g s")
    assert page.url.endswith("/styleguide"), "letters typed into a field go nowhere"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/settings")


def test_confirmation_opens_without_script(visit):
    page = visit("/styleguide", javascript=False)
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("heading", name="Delete “Mail (SendGrid)”?")).to_be_visible()


def test_confirmation_is_accessible_and_returns_the_focus(visit):
    page = visit("/styleguide")
    page.get_by_role("button", name="Delete…").click()
    check_page(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Delete…")).to_be_focused()


def test_stored_secret_is_replaced_in_place_and_kept_again(visit):
    page = visit("/styleguide")
    field = page.locator("#api_key")
    expect(field).to_be_disabled()
    page.get_by_role("link", name="Replace", exact=True).click()
    expect(field).to_be_focused()
    field.fill("new key")
    page.get_by_label("Show what I typed").first.check()
    assert field.get_attribute("type") == "text"
    check_page(page)
    page.get_by_role("link", name="Keep the stored value").click()
    expect(field).to_be_disabled()
    assert field.input_value() == ""


def test_stored_secret_is_replaced_without_script(visit):
    page = visit("/styleguide", javascript=False)
    page.get_by_role("link", name="Replace", exact=True).click()
    expect(page.locator("#api_key")).to_be_visible()
    expect(page.locator("#api_key")).to_be_enabled()


def test_error_summary_takes_the_focus_and_leads_to_the_field(visit):
    page = visit("/styleguide")
    expect(page.locator(".error-summary")).to_be_focused()
    page.locator(".error-summary a").click()
    expect(page.locator("#base_url")).to_be_focused()


def test_notice_of_an_answer_is_shown_and_closed(visit):
    page = visit("/settings")
    page.evaluate("""document.dispatchEvent(new CustomEvent("toast", {detail: {
        text: "“Mail” is disabled.", tone: "ok", undo: "/undo", undo_label: "Undo"}}))""")
    expect(page.get_by_text("“Mail” is disabled.")).to_be_visible()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    check_page(page)
    page.locator("#toasts [data-close]").click()
    expect(page.get_by_text("“Mail” is disabled.")).to_have_count(0)


def test_phone_has_its_navigation_in_a_row(visit):
    page = visit("/settings", View(PHONE))
    links = page.locator(".nav a")
    tops = {round(link.bounding_box()["y"]) for link in links.all()}
    assert len(tops) == 1
    assert all(link.bounding_box()["height"] >= 44 for link in links.all())


def test_browser_tells_its_time_zone_once(visit):
    page = visit("/settings")
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    assert cookies["timezone"].replace("%2F", "/") == "Asia/Shanghai"


def test_failed_request_leaves_the_page_and_offers_to_try_again(visit):
    page = visit("/settings/integrations/catalog")
    page.route("**/catalog?*", lambda route: route.fulfill(status=500, body="broken"))
    page.locator("[data-search]").fill("smtp")
    banner = page.locator("#banner [role=alert]")
    expect(banner).to_be_visible()
    expect(page.locator(".shelf").first).to_be_visible()
    check_page_after_failure(page)
    page.unroute("**/catalog?*")
    banner.get_by_role("button", name="Try again").click()
    expect(banner).to_have_count(0)
    expect(page.locator(".provider")).to_have_count(1)


def check_page_after_failure(page):
    """The console reports the failed request; everything else must be as always."""
    page._said[:] = [line for line in page._said if "status of 500" not in line]
    check_page(page)


def test_lost_connection_is_told_in_words(visit):
    page = visit("/settings/integrations/catalog")
    page.route("**/catalog?*", lambda route: route.abort())
    page.locator("[data-search]").fill("smtp")
    expect(page.get_by_text("The server cannot be reached.")).to_be_visible()


def test_going_to_anything_by_keyboard(visit):
    page = visit("/settings")
    page.keyboard.press("Control+k")
    expect(page.locator("#found a").first).to_be_visible()
    check_page(page)
    page.keyboard.type("audit")
    expect(page.locator("#found a")).to_have_count(2)
    page.keyboard.press("ArrowDown")
    expect(page.locator("#found a").first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#find-words")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings/audit")


def test_going_to_anything_without_script(visit):
    page = visit("/settings", javascript=False)
    page.get_by_role("link", name="Go to…").click()
    page.get_by_role("main").get_by_label("Name or number").fill("audit")
    page.get_by_role("button", name="Find").click()
    page.locator(".hits a").first.click()
    page.wait_for_url("**/settings/audit")


def test_lists_are_walked_and_chosen_by_keys(visit, runtime):
    for name in ("Anna", "Berta", "Clara"):
        add(runtime, name)
    page = visit("/settings/integrations")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Anna")).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Shift+X")
    expect(page.locator("[data-select]:checked")).to_have_count(3)
    page.keyboard.press("k")
    expect(page.get_by_role("link", name="Berta")).to_be_focused()


def test_single_keys_can_be_switched_off(visit, runtime):
    add(runtime, "Anna")
    page = visit("/settings/integrations")
    page.locator(".user-menu > summary").click()
    with page.expect_navigation():
        page.locator(".user-menu form", has_text="Single-key").get_by_role("button", name="Off").click()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Anna")).not_to_be_focused()
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_hidden()
    page.keyboard.press("Control+k")
    expect(page.locator("#find-words")).to_be_focused()
