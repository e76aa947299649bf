"""The pages of the call log and of routes, in every view and in the states that matter."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.ui.checks import check_page
from tests.ui.conftest import PHONE, View
from tests.web.services import add_at
from webapp.engine.problems import PatchbayError
from webapp.sandbox.server import serve_in_thread

pytestmark = pytest.mark.browser

MAIL = {"to": "user@example.com", "subject": "Welcome!", "text": "Hello"}


@pytest.fixture
def calls(app, runtime):
    """A call that worked and one that the vendor refused, on the sandbox; answers the refused one's id."""
    sandbox = serve_in_thread()
    add_at(runtime, f"http://127.0.0.1:{sandbox.port}", "Mail", is_enabled=True, sandbox=True)
    runtime.hub.call("email.send", MAIL, prefer="EMAIL_SERVICE", point="signup.welcome_mail")
    sandbox.app.test_client().put("/_sandbox/knobs/sendgrid", json={"failure": "unauthorized"})
    with pytest.raises(PatchbayError) as refused:
        runtime.hub.call("email.send", MAIL, prefer="EMAIL_SERVICE", point="report.nightly")
    yield refused.value.call_id
    sandbox.shutdown()
    sandbox.server_close()


def test_the_log_is_sound_everywhere(check_everywhere, calls):
    check_everywhere("/logs")


def test_a_call_is_sound_everywhere(check_everywhere, calls):
    check_everywhere(f"/logs/{calls}")


@pytest.mark.parametrize(
    "path", ["/logs", "/logs?outcome=pending", "/logs?status=teapot", "/settings/routes"]
)
def test_empty_and_wrong_states_are_sound(visit, path):
    check_page(visit(path, View(PHONE, "dark", "zh-CN")))


def test_a_search_follows_what_one_chooses(visit, calls):
    page = visit("/logs")
    page.get_by_label("Outcome").select_option("failed")
    expect(page.locator("#results")).not_to_contain_text("signup.welcome_mail")
    expect(page).to_have_url(re.compile("outcome=failed"))
    check_page(page)
    page.go_back()
    expect(page.locator("#results")).to_contain_text("signup.welcome_mail")


def test_a_route_is_made_and_ordered(visit, runtime, calls):
    add_at(runtime, "https://a.example", "Spare")
    page = visit("/settings/routes/new")
    page.get_by_label("Name").fill("lower case")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_be_visible()
    check_page(page)
    page.get_by_label("Name").fill("EMAIL_PROVIDER_PRIMARY")
    page.get_by_role("button", name="Save").click()
    for name in ("Mail", "Spare"):
        page.get_by_label("Add a service").select_option(label=name)
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.locator("#f-members")).to_contain_text(name)
    page.get_by_role("button", name="Move Spare up").click()
    expect(page.locator("#f-members li").first).to_contain_text("Spare")
    check_page(page)
