"""Two people change one service at a time: the second one chooses field by field, with and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.ui.checks import check_page
from tests.ui.conftest import PHONE, View
from tests.web.services import URL, add, stored
from webapp.registry import services

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("view", "javascript"), [(View(PHONE, "dark", "zh-CN"), True), (View(), False)], ids=["phone", "plain"]
)
def test_what_differs_is_chosen(visit, app, runtime, view, javascript):
    service_id = add(runtime, "Mail")
    page = visit(f"{URL}/{service_id}/edit", view=view, javascript=javascript)
    with runtime.sessions() as session:
        found = services.find(session, service_id)
        changes = {"default_timeout_ms": 5000, "description": "Of somebody else"}
        changes["configurations"] = {"api_key": "SG.theirs-that-nobody-sees"}
        services.update(session, runtime, found, changes, actor="lin@example.com", origin="api", mode="patch")
        session.commit()
    page.locator("#timeout").fill("7")
    page.locator("#longest_wait").fill("9")
    page.locator("#service-form button.primary, #service-form .form-foot button").first.click()

    table = page.locator(".conflict table")
    expect(table.locator("tbody tr")).to_have_count(4)
    expect(page.locator("input[name=take-description][value=theirs]")).to_be_checked()
    expect(page.locator("input[name=take-config-api_key][value=theirs]")).to_be_checked()
    expect(page.locator("input[name=take-timeout][value=yours]")).to_be_checked()
    if javascript:
        check_page(page)

    page.locator("input[name=take-timeout][value=theirs]").check()
    page.locator("#service-form .form-foot button").first.click()
    page.wait_for_url(f"**{URL}/{service_id}")
    service = stored(runtime, service_id)
    assert (service.description, service.default_timeout_ms) == ("Of somebody else", 5000)
    assert service.retry_policy["max_ms"] == 9000
