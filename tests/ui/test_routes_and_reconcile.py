"""Routes, the drill, the reconcile list and the error pages, in every view and in the states that matter."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from adapters.kit import SystemClock
from tests.engine.vendor import CLOSE, Vendor
from tests.ui.checks import check_page
from tests.ui.conftest import PHONE, View
from tests.web.services import add_at
from webapp.engine.problems import PatchbayError
from webapp.registry import routes

pytestmark = pytest.mark.browser

ROUTE = "/settings/routes/EMAIL_PROVIDER_PRIMARY"
MAIL = {"to": "user@example.com", "subject": "Welcome!", "text": "Hello"}


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def unsure(app, runtime):
    """A route of two services, and a call through it that nobody knows about."""
    vendor = Vendor(CLOSE)
    members = [
        add_at(runtime, vendor.url, "SendGrid (main)", is_enabled=True),
        add_at(runtime, "http://127.0.0.1:9", "SendGrid (spare)"),
    ]
    with runtime.sessions() as session:
        values = {"name": "EMAIL_PROVIDER_PRIMARY", "contract": "EMAIL_SERVICE", "members": members}
        routes.create(session, runtime, values, actor="tests")
        session.commit()
    with pytest.raises(PatchbayError) as caught:
        runtime.hub.call("email.send", MAIL, prefer="EMAIL_PROVIDER_PRIMARY", point="signup.welcome_mail")
    yield caught.value.call_id
    vendor.close()


def test_a_route_is_sound_everywhere(check_everywhere, unsure):
    check_everywhere(ROUTE)


def test_the_reconcile_list_is_sound_everywhere(check_everywhere, unsure):
    check_everywhere("/reconcile")


def test_a_call_nobody_knows_about_is_sound_everywhere(check_everywhere, unsure):
    check_everywhere(f"/reconcile/{unsure}")


@pytest.mark.parametrize(
    "path", ["/reconcile", "/reconcile?state=failed", "/help/errors", "/help/errors/AMBIGUOUS_OUTCOME"]
)
def test_empty_lists_and_errors_are_sound(visit, path):
    check_page(visit(path, View(PHONE, "dark", "zh-CN")))


def test_an_order_is_changed_and_undone(visit, unsure):
    page = visit(ROUTE)
    page.get_by_role("button", name="Move SendGrid (spare) up").click()
    first = page.locator("#f-members li").first
    expect(first).to_contain_text("spare")
    page.get_by_role("button", name="Undo").click()
    expect(first).to_contain_text("main")
    check_page(page)


def test_the_drill_fills_its_scorecard(visit, unsure):
    page = visit(ROUTE, role="operator")
    page.get_by_role("button", name="Run the drill").click()
    expect(page.locator("#drill-result")).to_contain_text("nothing was done twice", timeout=60_000)
    check_page(page)


def test_a_call_is_settled_without_scripts(visit, unsure):
    page = visit(f"/reconcile/{unsure}", role="operator", javascript=False)
    page.get_by_label("How do you know?").fill("Asked their support.")
    page.get_by_role("button", name="It was done").click()
    expect(page.get_by_role("heading", name="Nothing is unclear")).to_be_visible()
