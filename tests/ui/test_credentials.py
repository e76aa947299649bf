"""The pages of secrets, history and expirations in a real browser; and the way of a new key without JavaScript."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests.ui.checks import check_page
from tests.ui.conftest import PHONE, View
from tests.web.services import SECRET, URL, add
from webapp.models.link import Link
from webapp.models.user import User
from webapp.registry import expiry, reminders, services, staging

pytestmark = pytest.mark.browser
NEXT = "SG.the-next-secret-that-stays-hidden-4kTp"


@pytest.fixture
def service_id(runtime):
    """A service with a history, a value that waits, one that stands by, and an end that is near."""
    made = add(runtime)
    who = {"actor": "lin@example.com", "origin": "ui"}
    with runtime.sessions() as session:
        service = services.find(session, made)
        services.update(
            session, runtime, service, {"description": "For invoices"}, note="Asked by finance.", **who
        )
        services.update(
            session, runtime, service, {"configurations": {"region": "eu", "api_key": SECRET + "2"}}, **who
        )
        staging.stage_next(session, runtime, service, "api_key", NEXT, actor="lin@example.com")
        staging.promote(session, runtime, service, "api_key", **who)
        staging.stage_next(session, runtime, service, "api_key", NEXT + "2", actor="lin@example.com")
        ends = runtime.clock.now() + timedelta(days=6)
        expiry.set_expiry(session, runtime, service, "api_key", ends, actor="lin@example.com")
        reminders.remind(session, runtime)
        session.commit()
    return made


@pytest.mark.parametrize("view", [View(), View(PHONE, "dark", "zh-CN")], ids=str)
def test_every_page_can_be_read_and_used(visit, service_id, view):
    for path in ("secrets", "history", "history/1..3", "history/1/restore"):
        page = visit(f"{URL}/{service_id}/{path}", view)
        check_page(page)
        page.context.close()
    check_page(visit("/settings/expirations", view))


@pytest.mark.parametrize("view", [View(), View(PHONE, "dark", "zh-CN")], ids=str)
def test_linked_accounts_stand_among_what_ends(visit, runtime, view):
    with runtime.sessions() as session:
        made = services.create(
            session, runtime, name="GitHub", service_type="OAUTH_PROVIDER_GITHUB", actor="lin", origin="ui",
            configurations={"client_id": "patchbay", "client_secret": SECRET}, is_enabled=True,
        )  # fmt: skip
        person = User(email="p@example.com", name="P", role="member")
        session.add(person)
        session.flush()
        ends = runtime.clock.now() + timedelta(days=12)
        who = {
            "user_id": person.user_id,
            "service_id": made.service_id,
            "account_id": "1",
            "account_label": "a",
        }
        session.add(Link(**who, can_refresh=True, refresh_expires_at=ends))
        session.commit()

    page = visit("/settings/expirations", view)
    expect(page.locator("tbody th a")).to_have_attribute(
        "href", f"/settings/integrations/{made.service_id}/links"
    )
    check_page(page)


def test_a_new_key_finds_its_way_without_javascript(visit, service_id):
    page = visit(f"{URL}/{service_id}/secrets", javascript=False)
    page.get_by_role("button", name="Promote").click()
    page.get_by_text("stands by until").wait_for()
    page.get_by_text("Enter the next value", exact=True).click()
    page.get_by_label("Next value").fill(NEXT + "3")
    page.get_by_role("button", name="Let it wait").click()

    page.get_by_text("Waits", exact=True).wait_for()
    assert NEXT not in page.content()
