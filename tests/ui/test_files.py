"""A file in a real browser: chosen, looked at, decided, applied."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.ui.checks import check_page
from tests.ui.conftest import PHONE, View
from tests.web.services import add, stored
from webapp.registry import services
from webapp.registry.files.export import export

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("view", [View(), View(PHONE, "dark", "zh-CN")], ids=str)
def test_a_file_is_looked_at_decided_and_applied(visit, runtime, view):
    first, second = add(runtime), add(runtime, "备用邮件")
    with runtime.sessions() as session:
        text = export(session, runtime)
        services.update(
            session, runtime, services.find(session, second), {"description": "By hand"}, actor="ana@example.com", origin="ui"
        )  # fmt: skip
        session.commit()
    text = text.replace("region: global", "region: eu", 1)
    page = visit("/settings/files", view)
    check_page(page)
    page.locator("input[type=file]").set_input_files(
        {"name": "patchbay.yaml", "mimeType": "application/yaml", "buffer": text.encode()}
    )
    page.locator("#apply button.button-primary").click()
    expect(page.locator("#file-plan")).to_contain_text("ana@example.com")
    check_page(page)

    page.locator("#file-plan button.button-primary").click()
    expect(page.locator(".error-summary")).to_be_focused()
    check_page(page)
    page.locator("input[name='secret-api_key/Mail']").fill("SG.for-europe-only-x9Qz")
    page.locator("input[name=overwrite]").check()
    page.locator("input[name=note]").fill("Move")
    page.locator("#file-plan button.button-primary").click()
    page.wait_for_url("**/settings/integrations")

    assert stored(runtime, first).configurations["region"] == "eu"
    assert not stored(runtime, second).description


def test_without_javascript(visit, runtime):
    add(runtime)
    with runtime.sessions() as session:
        text = export(session, runtime).replace("is_enabled: false", "is_enabled: true")
    page = visit("/settings/files", javascript=False)
    page.locator("#apply summary").first.click()
    page.locator("textarea").fill(text)
    page.locator("#apply button.button-primary").click()
    page.locator("input[name=note]").fill("Go")
    page.locator("#file-plan button.button-primary").click()

    page.wait_for_url("**/settings/integrations")
